using System;
using System.Buffers;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Text;
using System.Threading;
using System.Threading.Tasks;

namespace Aeronet.TestSupport.Wire;

/// <summary>Parses responses strictly: a client that forgives would hide a server's mistakes.</summary>
internal sealed class ResponseReader(Stream source)
{
    private static readonly SearchValues<char> _token = SearchValues.Create("!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");

    private readonly byte[] _buffer = new byte[64 * 1024];
    private int _start;
    private int _end;

    public async Task<RawResponse> ReadAsync(bool head, CancellationToken guard)
    {
        string statusLine = await LineAsync(guard).ConfigureAwait(false);
        (string version, int status, string reason) = StatusLine(statusLine);
        List<KeyValuePair<string, string>> fields = await FieldsAsync(guard).ConfigureAwait(false);
        string[] lengths = Values(fields, "Content-Length");
        string[] codings = Values(fields, "Transfer-Encoding");
        var body = new MemoryStream();
        var chunks = new List<int>();
        List<KeyValuePair<string, string>> trailers = [];
        BodyFraming framing;
        if (lengths.Length > 1 || codings.Length > 1 || (lengths.Length > 0 && codings.Length > 0))
        {
            throw new WireFormatException($"Ambiguous framing: Content-Length {lengths.Length} times, Transfer-Encoding {codings.Length} times.");
        }

        if (head || status is (>= 100 and < 200) or 204 or 304)
        {
            framing = BodyFraming.None;
        }
        else if (codings.Length == 1)
        {
            if (codings[0] != "chunked")
            {
                throw new WireFormatException($"Transfer-Encoding: {codings[0]}");
            }

            framing = BodyFraming.Chunked;
            await ChunksAsync(body, chunks, guard).ConfigureAwait(false);
            trailers = await FieldsAsync(guard).ConfigureAwait(false);
        }
        else if (lengths.Length == 1)
        {
            framing = BodyFraming.ContentLength;
            await CopyAsync(body, long.Parse(lengths[0], NumberStyles.None, CultureInfo.InvariantCulture), guard).ConfigureAwait(false);
        }
        else
        {
            framing = BodyFraming.UntilClose;
            await CopyToEndAsync(body, guard).ConfigureAwait(false);
        }

        return new RawResponse
        {
            Version = version,
            Status = status,
            Reason = reason,
            Fields = fields,
            Framing = framing,
            Body = body.ToArray(),
            ChunkSizes = chunks,
            Trailers = trailers,
        };
    }

    /// <summary>Everything up to the end of the stream.</summary>
    public async Task<byte[]> ToEndAsync(CancellationToken guard)
    {
        var all = new MemoryStream();
        await CopyToEndAsync(all, guard).ConfigureAwait(false);
        return all.ToArray();
    }

    /// <summary>Exactly this many bytes.</summary>
    public async Task<byte[]> ExactlyAsync(int count, CancellationToken guard)
    {
        var bytes = new MemoryStream(count);
        await CopyAsync(bytes, count, guard).ConfigureAwait(false);
        return bytes.ToArray();
    }

    /// <summary>Reads exactly so many bytes and forgets them.</summary>
    public Task SkipAsync(long count, CancellationToken guard) => CopyAsync(Stream.Null, count, guard);

    /// <summary>One line that ends in CRLF, without it.</summary>
    public async Task<string> LineAsync(CancellationToken guard)
    {
        var line = new StringBuilder();
        while (true)
        {
            byte next = await ByteAsync(line, guard).ConfigureAwait(false);
            if (next == '\r')
            {
                next = await ByteAsync(line, guard).ConfigureAwait(false);
                return next == '\n' ? line.ToString() : throw new WireFormatException($"CR without LF after \"{line}\".");
            }

            if (next is (byte)'\n' or 0)
            {
                throw new WireFormatException($"Byte {next} in the line \"{line}\".");
            }

            line.Append((char)next);
        }
    }

    private static (string Version, int Status, string Reason) StatusLine(string line)
    {
        // RFC 9112 section 4: HTTP-version SP status-code SP [ reason-phrase ]
        if (line.Length < 13 || line[8] != ' ' || line[12] != ' ' || line[..8] is not ("HTTP/1.1" or "HTTP/1.0")
            || !int.TryParse(line.AsSpan(9, 3), NumberStyles.None, CultureInfo.InvariantCulture, out int status))
        {
            throw new WireFormatException($"Status line \"{line}\".");
        }

        return (line[..8], status, line[13..]);
    }

    private static string[] Values(List<KeyValuePair<string, string>> fields, string name) =>
        [.. fields.Where(field => string.Equals(field.Key, name, StringComparison.OrdinalIgnoreCase)).Select(field => field.Value)];

    private async Task<List<KeyValuePair<string, string>>> FieldsAsync(CancellationToken guard)
    {
        List<KeyValuePair<string, string>> fields = [];
        while (await LineAsync(guard).ConfigureAwait(false) is { Length: > 0 } line)
        {
            int colon = line.IndexOf(':', StringComparison.Ordinal);
            if (colon <= 0 || line.AsSpan(0, colon).ContainsAnyExcept(_token))
            {
                throw new WireFormatException($"Field line \"{line}\".");
            }

            fields.Add(new(line[..colon], line[(colon + 1)..].Trim(' ', '\t')));
        }

        return fields;
    }

    private async Task ChunksAsync(MemoryStream body, List<int> chunks, CancellationToken guard)
    {
        while (true)
        {
            string line = await LineAsync(guard).ConfigureAwait(false);
            if (!int.TryParse(line, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out int size))
            {
                throw new WireFormatException($"Chunk size \"{line}\".");
            }

            if (size == 0)
            {
                return;
            }

            chunks.Add(size);
            await CopyAsync(body, size, guard).ConfigureAwait(false);
            if (await LineAsync(guard).ConfigureAwait(false) is { Length: > 0 } surplus)
            {
                throw new WireFormatException($"\"{surplus}\" after a chunk of {size}.");
            }
        }
    }

    private async Task CopyAsync(Stream body, long count, CancellationToken guard)
    {
        while (count > 0)
        {
            if (_start == _end && !await FillAsync(guard).ConfigureAwait(false))
            {
                throw new WireFormatException($"The connection ended {count} bytes too early.");
            }

            int take = (int)Math.Min(count, _end - _start);
            body.Write(_buffer, _start, take);
            _start += take;
            count -= take;
        }
    }

    private async Task CopyToEndAsync(MemoryStream body, CancellationToken guard)
    {
        do
        {
            body.Write(_buffer, _start, _end - _start);
            _start = _end;
        }
        while (await FillAsync(guard).ConfigureAwait(false));
    }

    private async ValueTask<byte> ByteAsync(StringBuilder soFar, CancellationToken guard)
    {
        if (_start == _end && !await FillAsync(guard).ConfigureAwait(false))
        {
            throw new WireFormatException(soFar.Length == 0 ? "The connection ended where a line was due." : $"The connection ended in the line \"{soFar}\".");
        }

        return _buffer[_start++];
    }

    private async Task<bool> FillAsync(CancellationToken guard)
    {
        _start = 0;
        _end = await source.ReadAsync(_buffer, guard).ConfigureAwait(false);
        return _end > 0;
    }
}
