using System;
using System.Diagnostics;
using System.Text;

namespace Aeronet.Http.Semantics;

/// <summary>Reason phrases of the IANA registry; what ASP.NET Core calls them where it has the code.</summary>
internal static class ReasonPhrases
{
    /// <summary>The phrase, or the empty string for a code without one.</summary>
    public static string Get(int status) => status switch
    {
        100 => "Continue",
        101 => "Switching Protocols",
        102 => "Processing",
        103 => "Early Hints",
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        203 => "Non-Authoritative Information",
        204 => "No Content",
        205 => "Reset Content",
        206 => "Partial Content",
        207 => "Multi-Status",
        208 => "Already Reported",
        226 => "IM Used",
        300 => "Multiple Choices",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        305 => "Use Proxy",
        306 => "Switch Proxy",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        407 => "Proxy Authentication Required",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        411 => "Length Required",
        412 => "Precondition Failed",
        413 => "Payload Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        416 => "Range Not Satisfiable",
        417 => "Expectation Failed",
        418 => "I'm a teapot",
        419 => "Authentication Timeout",
        421 => "Misdirected Request",
        422 => "Unprocessable Entity",
        423 => "Locked",
        424 => "Failed Dependency",
        425 => "Too Early",
        426 => "Upgrade Required",
        428 => "Precondition Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        451 => "Unavailable For Legal Reasons",
        499 => "Client Closed Request",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        506 => "Variant Also Negotiates",
        507 => "Insufficient Storage",
        508 => "Loop Detected",
        510 => "Not Extended",
        511 => "Network Authentication Required",
        _ => "",
    };
}

/// <summary>Status lines ready to be copied, RFC 9112 section 4. The space after the code stays even when the phrase is empty.</summary>
internal static class StatusLines
{
    public const int StatusMin = 100;
    public const int StatusMax = 999;

    // "HTTP/1.x " + code + " " + CRLF
    private const int LengthWithoutReason = 9 + 3 + 1 + 2;

    // Index = status - 100; non-null for every code up to 599, so that the common path is one load.
    private static readonly byte[][] s_http11 = BuildHttp11();

    /// <summary><c>HTTP/1.1 200 OK\r\n</c>, for codes 100 to 599; empty for those above, which no RFC knows but applications may send.</summary>
    public static ReadOnlySpan<byte> Get(int status)
    {
        Debug.Assert(status is >= StatusMin and <= StatusMax);
        return status - StatusMin < s_http11.Length ? s_http11[status - StatusMin] : default;
    }

    /// <summary>Any code of three digits, either version, a reason phrase of the application's own.</summary>
    /// <remarks>A null <paramref name="reason"/> means the standard phrase.</remarks>
    /// <returns>False, and nothing written that counts, when there is no room or the phrase has an <see cref="FieldSyntax.IndexOfInvalidValueChar"/>.</returns>
    public static bool TryWrite(Span<byte> into, bool isHttp10, int status, string? reason, out int written)
    {
        Debug.Assert(status is >= StatusMin and <= StatusMax);
        written = 0;
        if (reason is null && !isHttp10 && status <= 599)
        {
            if (!Get(status).TryCopyTo(into))
            {
                return false;
            }

            written = Get(status).Length;
            return true;
        }

        reason ??= ReasonPhrases.Get(status);
        if (into.Length < LengthWithoutReason + reason.Length || FieldSyntax.IndexOfInvalidValueChar(reason) >= 0)
        {
            return false;
        }

        (isHttp10 ? "HTTP/1.0 "u8 : "HTTP/1.1 "u8).CopyTo(into);
        into[9] = (byte)('0' + (status / 100));
        into[10] = (byte)('0' + (status / 10 % 10));
        into[11] = (byte)('0' + (status % 10));
        into[12] = (byte)' ';
        Ascii.FromUtf16(reason, into[13..], out int reasonLength);
        Debug.Assert(reasonLength == reason.Length);
        "\r\n"u8.CopyTo(into[(13 + reasonLength)..]);
        written = LengthWithoutReason + reasonLength;
        return true;
    }

    private static byte[][] BuildHttp11()
    {
        byte[][] lines = new byte[500][];
        for (int i = 0; i < lines.Length; i++)
        {
            int status = StatusMin + i;
            lines[i] = Encoding.ASCII.GetBytes(string.Create(
                System.Globalization.CultureInfo.InvariantCulture, $"HTTP/1.1 {status} {ReasonPhrases.Get(status)}\r\n"));
        }

        return lines;
    }
}
