using System;
using System.Threading;
using Aeronet.Http.Semantics;

namespace Aeronet.Server.Exchange;

/// <summary>The Date field line of responses, made once a second. Any thread.</summary>
internal sealed class DateHeader
{
    private readonly TimeProvider _timeProvider;
    private Line _current = new([], long.MinValue); // replaced whole, so that readers never see a mix

    public DateHeader(TimeProvider timeProvider) => _timeProvider = timeProvider;

    private sealed record Line(byte[] Bytes, long ValidUntilMs);

    /// <summary><c>Date: Sun, 06 Nov 1994 08:49:37 GMT</c> and CRLF; RFC 9110 section 6.6.1.</summary>
    public ReadOnlySpan<byte> Bytes
    {
        get
        {
            Line line = Volatile.Read(ref _current);
            return Environment.TickCount64 < line.ValidUntilMs ? line.Bytes : Refresh();
        }
    }

    private byte[] Refresh()
    {
        DateTimeOffset now = _timeProvider.GetUtcNow();
        byte[] bytes = new byte["Date: "u8.Length + HttpDate.Length + 2];
        "Date: "u8.CopyTo(bytes);
        HttpDate.Write(bytes.AsSpan("Date: "u8.Length), now.UtcDateTime);
        "\r\n"u8.CopyTo(bytes.AsSpan(bytes.Length - 2));
        Volatile.Write(ref _current, new Line(bytes, Environment.TickCount64 + 1000 - now.Millisecond));
        return bytes;
    }
}
