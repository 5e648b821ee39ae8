using System;
using System.Diagnostics;
using System.Numerics;

namespace Aeronet.Http.Http1;

/// <summary>Framing of a chunked response, RFC 9112 section 7.1.</summary>
internal static class ChunkedWriter
{
    /// <summary>Eight hex digits and CRLF.</summary>
    public const int PrefixLengthMax = 10;

    /// <summary>CRLF behind the content of each chunk.</summary>
    public static ReadOnlySpan<byte> Suffix => "\r\n"u8;

    /// <summary>Last chunk and an empty trailer section.</summary>
    public static ReadOnlySpan<byte> End => "0\r\n\r\n"u8;

    /// <summary>Last chunk; trailer field lines and an empty line follow.</summary>
    public static ReadOnlySpan<byte> LastChunk => "0\r\n"u8;

    /// <summary>Bytes that <see cref="WritePrefix"/> writes for a chunk of this size.</summary>
    public static int PrefixLength(int size)
    {
        Debug.Assert(size > 0);
        return ((BitOperations.Log2((uint)size) >> 2) + 1) + 2;
    }

    /// <summary>Size with as few digits as possible, and CRLF. A chunk of size 0 would end the content.</summary>
    /// <returns>Bytes written.</returns>
    public static int WritePrefix(Span<byte> into, int size)
    {
        int length = PrefixLength(size);
        Debug.Assert(length <= PrefixLengthMax);
        for (int i = length - 3; i >= 0; i--)
        {
            into[i] = "0123456789ABCDEF"u8[size & 15];
            size >>= 4;
        }

        into[length - 2] = (byte)'\r';
        into[length - 1] = (byte)'\n';
        return length;
    }
}
