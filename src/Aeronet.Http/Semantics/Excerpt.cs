using System;
using System.Diagnostics;

namespace Aeronet.Http.Semantics;

/// <summary>A few bytes of what the peer sent, made safe for logs: no raw byte leaves this file.</summary>
internal static class Excerpt
{
    /// <summary>Bytes shown at most; each takes one to four characters.</summary>
    public const int BytesMax = 64;

    private const int BytesBeforeMax = 32;

    /// <summary>Bytes around <paramref name="at"/>, printable ASCII as it is, backslash doubled, anything else as \xNN.</summary>
    public static string Escape(ReadOnlySpan<byte> bytes, int at)
    {
        Debug.Assert(at >= 0);
        Debug.Assert(at <= bytes.Length);
        int start = Math.Max(0, at - BytesBeforeMax);
        ReadOnlySpan<byte> shown = bytes.Slice(start, Math.Min(BytesMax, bytes.Length - start));

        Span<char> text = stackalloc char[BytesMax * 4];
        int length = 0;
        foreach (byte value in shown)
        {
            if (value == (byte)'\\')
            {
                text[length++] = '\\';
                text[length++] = '\\';
            }
            else if (value is >= 0x20 and < 0x7F)
            {
                text[length++] = (char)value;
            }
            else
            {
                text[length++] = '\\';
                text[length++] = 'x';
                text[length++] = HexDigit(value >> 4);
                text[length++] = HexDigit(value & 15);
            }
        }

        Debug.Assert(length <= text.Length);
        return new string(text[..length]);
    }

    private static char HexDigit(int value) => (char)(value < 10 ? '0' + value : 'A' + value - 10);
}
