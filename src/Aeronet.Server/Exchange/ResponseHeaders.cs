using System;
using System.Diagnostics;
using System.Text;
using Aeronet.Http.Semantics;
using Microsoft.Extensions.Primitives;

namespace Aeronet.Server.Exchange;

/// <summary>Connection options of RFC 9110 section 7.6.1 that concern an HTTP/1.1 session.</summary>
[Flags]
internal enum ConnectionOptions : byte
{
    None = 0,
    Close = 1,
    KeepAlive = 2,
    Upgrade = 4,
}

/// <summary>What the application wants in the head of the response, checked when it is set and written as it stands.</summary>
/// <remarks>What the session adds by itself (Date, Server, framing) never enters the dictionary; the <c>Has</c> properties tell it what the application said.</remarks>
internal sealed class ResponseHeaders : HeaderFields
{
    private readonly HeaderEncoder _encoder;

    /// <param name="encodingSelector">Allows values beyond ASCII where it names an encoding; null for ASCII only.</param>
    public ResponseHeaders(Func<string, Encoding?>? encodingSelector) => _encoder = new HeaderEncoder(encodingSelector);

    public bool HasConnection => IsPresent(KnownHeader.Connection);

    public bool HasTransferEncoding => IsPresent(KnownHeader.TransferEncoding);

    public bool HasServer => IsPresent(KnownHeader.Server);

    public bool HasDate => IsPresent(KnownHeader.Date);

    public bool HasContentLength => IsPresent(KnownHeader.ContentLength);

    public bool HasTrailer => IsPresent(KnownHeader.Trailer);

    /// <summary>The connection options that the application set, None without a Connection field.</summary>
    public ConnectionOptions ParseConnection()
    {
        ConnectionOptions options = ConnectionOptions.None;
        foreach (string? value in Get(KnownHeader.Connection))
        {
            foreach (Range member in value.AsSpan().Split(','))
            {
                ReadOnlySpan<char> option = value.AsSpan(member).Trim(" \t");
                if (option.Equals("close", StringComparison.OrdinalIgnoreCase))
                {
                    options |= ConnectionOptions.Close;
                }
                else if (option.Equals("keep-alive", StringComparison.OrdinalIgnoreCase))
                {
                    options |= ConnectionOptions.KeepAlive;
                }
                else if (option.Equals("upgrade", StringComparison.OrdinalIgnoreCase))
                {
                    options |= ConnectionOptions.Upgrade;
                }
            }
        }

        return options;
    }

    /// <summary>Whether the application's Transfer-Encoding ends with chunked, that is, whether it writes the chunks itself. RFC 9112 section 6.1.</summary>
    public bool IsFinalCodingChunked()
    {
        StringValues codings = Get(KnownHeader.TransferEncoding);
        for (int i = codings.Count - 1; i >= 0; i--)
        {
            ReadOnlySpan<char> list = codings[i].AsSpan().TrimEnd(" \t,"); // empty members do not count, RFC 9110 section 5.6.1
            if (!list.IsEmpty)
            {
                ReadOnlySpan<char> last = list[(list.LastIndexOf(',') + 1)..].Trim(" \t");
                return last.Equals("chunked", StringComparison.OrdinalIgnoreCase);
            }
        }

        return false;
    }

    /// <summary>Bytes that <see cref="TryWrite"/> needs.</summary>
    public int Measure() => _encoder.Measure(this);

    /// <summary>Writes <c>Name: value</c> and CRLF per value, known names first, the others as the application wrote and ordered them; not the empty line.</summary>
    /// <returns>False when the destination is shorter than <see cref="Measure"/>.</returns>
    public bool TryWrite(Span<byte> destination, out int written) => _encoder.TryWrite(this, destination, out written);

    /// <summary>Ends the response; the next one begins empty and writable.</summary>
    public void Reset()
    {
        AllowChanges();
        Forget(keepStrings: false);
        Debug.Assert(!IsReadOnly);
    }

    protected override void Validate(KnownHeader header, string name, StringValues value) => _encoder.Validate(header, name, value);
}
