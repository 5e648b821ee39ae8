using System;
using System.Buffers.Text;
using System.Diagnostics;
using System.Text;
using Aeronet.Http.Semantics;
using Aeronet.Transport.Buffers;

namespace Aeronet.Server.Exchange;

/// <summary>Decides how a response is delimited and writes its head: RFC 9112 sections 4, 6 and 9, RFC 9110 sections 6.4 and 8.6.</summary>
internal static class ResponseHead
{
    // Date, framing, Connection and the empty line; Server and the application's fields are measured.
    private const int FixedLinesMax = 256;

    /// <summary>Whether a response with this status to anything but HEAD carries content.</summary>
    public static bool StatusAllowsContent(int status) => status >= 200 && status is not (204 or 205 or 304);

    /// <summary>RFC 9110 section 6.5.1: trailers only to a client that said that it takes them, or where the response's head has announced them.</summary>
    public static bool PeerExpectsTrailers(HttpExchange exchange) => exchange.Head.AcceptsTrailers || exchange.ResponseFields.HasTrailer;

    /// <summary>Writes the head into <paramref name="wire"/>.</summary>
    /// <param name="exchange">The exchange; its keep-alive decision is final afterwards.</param>
    /// <param name="wire">Where the bytes go.</param>
    /// <param name="blocks">The loop's pool.</param>
    /// <param name="final">The application is done: the content is complete.</param>
    /// <param name="contentWritten">Bytes of content written so far.</param>
    public static (ResponseFraming Framing, long? Length) Write(HttpExchange exchange, SendQueue wire, BlockPool blocks, bool final, long contentWritten)
    {
        ResponseHeaders fields = exchange.ResponseFields;
        ResponseTrailers? trailers = exchange.ResponseTrailersIfAny;
        int status = exchange.StatusCode;
        bool isHead = exchange.IsHeadRequest;
        bool allowsContent = !isHead && StatusAllowsContent(status);
        bool sendsTrailers = allowsContent && !exchange.IsHttp10 && !fields.HasTransferEncoding
            && PeerExpectsTrailers(exchange) && (fields.HasTrailer || trailers is { Count: > 0 });

        ResponseFraming framing;
        long? length = fields.ContentLength;
        bool writeLength = false;
        bool dropLength = status < 200 || status == 204 || fields.HasTransferEncoding; // RFC 9110 section 8.6, RFC 9112 section 6.2
        if (status == 101 || (status is >= 200 and < 300 && exchange.Head.Method == HttpMethod.Connect))
        {
            framing = ResponseFraming.Raw; // RFC 9110 section 9.3.6: what follows a 2xx to CONNECT is the tunnel
            dropLength = true;
            exchange.DisableKeepAlive();
        }
        else if (!allowsContent)
        {
            framing = ResponseFraming.NoContent;
            if (length is null && !dropLength && !fields.HasTransferEncoding && status != 304)
            {
                // HEAD tells what GET would have said where it is known; 205 says that there is nothing.
                writeLength = !isHead || (final && contentWritten > 0);
                length = isHead ? contentWritten : 0;
            }
        }
        else if (fields.HasTransferEncoding)
        {
            framing = ResponseFraming.Raw; // the application codes by itself
            if (!fields.IsFinalCodingChunked())
            {
                exchange.DisableKeepAlive(); // RFC 9112 section 6.3: delimited by the close
            }
        }
        else if (sendsTrailers)
        {
            framing = ResponseFraming.Chunked;
            dropLength = true;
        }
        else if (length is not null)
        {
            framing = ResponseFraming.ContentLength;
        }
        else if (final)
        {
            framing = ResponseFraming.ContentLength;
            writeLength = true;
            length = contentWritten;
        }
        else if (!exchange.IsHttp10)
        {
            framing = ResponseFraming.Chunked;
        }
        else
        {
            framing = ResponseFraming.Raw;
            exchange.DisableKeepAlive(); // HTTP/1.0 knows no chunks: delimited by the close
        }

        if (dropLength && fields.HasContentLength)
        {
            fields.Discard(KnownHeader.ContentLength);
        }

        DecideConnection(exchange, fields);
        string? trailerNames = framing == ResponseFraming.Chunked && trailers is { Count: > 0 } && !fields.HasTrailer && exchange.Settings.AddTrailerHeader ? string.Join(", ", trailers.Keys) : null;
        WriteLines(exchange, fields, wire, blocks, framing, writeLength ? length : null, trailerNames);
        return (framing, framing == ResponseFraming.ContentLength ? length : null);
    }

    private static void DecideConnection(HttpExchange exchange, ResponseHeaders fields)
    {
        if (fields.HasConnection && (fields.ParseConnection() & ConnectionOptions.Close) != 0)
        {
            exchange.DisableKeepAlive();
        }
        else if (exchange.Session.IsDraining)
        {
            exchange.DisableKeepAlive();
        }
    }

    private static void WriteLines(HttpExchange exchange, ResponseHeaders fields, SendQueue wire, BlockPool blocks, ResponseFraming framing, long? length, string? trailerNames)
    {
        ServerSettings settings = exchange.Settings;
        string? reason = exchange.ReasonPhrase;
        int fieldsLength = fields.Measure();
        int size = FixedLinesMax + fieldsLength + settings.GlobalHeadersLength + (reason?.Length ?? 0) + (trailerNames?.Length ?? 0);
        Span<byte> head = wire.GetSpan(blocks, size);
        int at = WriteStatusLine(exchange, reason, head);

        bool fits = fields.TryWrite(head[at..], out int written);
        Debug.Assert(fits);
        at += written;

        if (length is not null)
        {
            at += Append(head[at..], "Content-Length: "u8);
            Utf8Formatter.TryFormat(length.Value, head[at..], out int digits);
            at += digits;
            at += Append(head[at..], "\r\n"u8);
        }
        else if (framing == ResponseFraming.Chunked)
        {
            at += Append(head[at..], "Transfer-Encoding: chunked\r\n"u8);
        }

        if (!fields.HasConnection && !exchange.IsUpgraded && framing != ResponseFraming.Raw | exchange.StatusCode != 101)
        {
            if (!exchange.KeepAlive)
            {
                at += Append(head[at..], "Connection: close\r\n"u8);
            }
            else if (exchange.IsHttp10)
            {
                at += Append(head[at..], "Connection: keep-alive\r\n"u8);
            }
        }

        if (trailerNames is not null)
        {
            at += Append(head[at..], "Trailer: "u8);
            at += Encoding.ASCII.GetBytes(trailerNames, head[at..]);
            at += Append(head[at..], "\r\n"u8);
        }

        if (!fields.HasDate)
        {
            at += Append(head[at..], settings.DateHeader.Bytes);
        }

        if (!fields.HasServer)
        {
            at += Append(head[at..], settings.ServerHeaderLine);
        }

        foreach (GlobalHeader header in settings.GlobalHeaders)
        {
            if (!fields.ContainsKey(header.Name))
            {
                at += Append(head[at..], header.Line);
            }
        }

        at += Append(head[at..], "\r\n"u8);
        wire.Advance(at);
    }

    private static int WriteStatusLine(HttpExchange exchange, string? reason, Span<byte> into)
    {
        bool http10 = exchange.IsHttp10 && exchange.Settings.Http10StatusLine == Http10StatusLine.Http10;
        if (reason is null && !http10)
        {
            ReadOnlySpan<byte> line = StatusLines.Get(exchange.StatusCode);
            if (!line.IsEmpty)
            {
                line.CopyTo(into);
                return line.Length;
            }
        }

        bool fits = StatusLines.TryWrite(into, http10, exchange.StatusCode, reason, out int written);
        Debug.Assert(fits);
        return written;
    }

    private static int Append(Span<byte> into, ReadOnlySpan<byte> bytes)
    {
        bytes.CopyTo(into);
        return bytes.Length;
    }
}
