using System;
using System.Buffers;
using System.Diagnostics;
using System.Text;

namespace Aeronet.Http.Semantics;

/// <summary>The raw path of a request target as applications see it in <c>Request.Path</c>.</summary>
/// <remarks>
/// Percent-decoded once; <c>%2F</c> stays encoded, because decoding it would make a separator out of data; escapes that are no valid
/// UTF-8 stay as they were sent; then dot segments are removed (RFC 3986 section 5.2.4). A plus sign is a plus sign.
/// </remarks>
internal static class RequestPath
{
    private const int StackBytesMax = 512;

    /// <summary>Whether the three bytes from <paramref name="at"/> are an escape of anything but NUL.</summary>
    public static bool IsGoodEscape(ReadOnlySpan<byte> rawPath, int at)
    {
        Debug.Assert(rawPath[at] == (byte)'%');
        return TryDecodeEscape(rawPath, at, out byte value) && value != 0;
    }

    /// <summary>A path without escapes and dot segments needs no more than this.</summary>
    public static string FromPlain(ReadOnlySpan<byte> rawPath) => rawPath.Length == 1 && rawPath[0] == (byte)'/' ? "/" : Encoding.Latin1.GetString(rawPath);

    /// <param name="rawPath">Starts with a slash; the request parser judged its escapes.</param>
    public static string Decode(ReadOnlySpan<byte> rawPath)
    {
        Debug.Assert(rawPath.IsEmpty || rawPath[0] == (byte)'/');
        if (rawPath.IsEmpty)
        {
            return "/";
        }

        byte[]? rented = null;
        Span<byte> decoded = rawPath.Length <= StackBytesMax
            ? stackalloc byte[StackBytesMax]
            : rented = ArrayPool<byte>.Shared.Rent(rawPath.Length);
        int length = Unescape(rawPath, decoded);
        length = RemoveDotSegments(decoded[..length]);
        Debug.Assert(length > 0);
        Debug.Assert(length <= rawPath.Length);
        string path = Encoding.UTF8.GetString(decoded[..length]);
        if (rented is not null)
        {
            ArrayPool<byte>.Shared.Return(rented);
        }

        return path;
    }

    /// <summary>Writes at most as many bytes as it reads.</summary>
    private static int Unescape(ReadOnlySpan<byte> raw, Span<byte> into)
    {
        int written = 0;
        int at = 0;
        while (at < raw.Length)
        {
            int hit = raw[at..].IndexOf((byte)'%');
            int plain = hit < 0 ? raw.Length - at : hit;
            raw.Slice(at, plain).CopyTo(into[written..]);
            written += plain;
            at += plain;
            if (hit < 0)
            {
                break;
            }

            int taken = UnescapeOne(raw, at, into[written..], out int produced);
            at += taken;
            written += produced;
        }

        Debug.Assert(written <= raw.Length);
        return written;
    }

    /// <summary>One character: one escape, or as many as its UTF-8 form has bytes.</summary>
    private static int UnescapeOne(ReadOnlySpan<byte> raw, int at, Span<byte> into, out int produced)
    {
        Span<byte> utf8 = stackalloc byte[4];
        int escapes = 0;
        while (escapes < 4 && TryDecodeEscape(raw, at + (3 * escapes), out utf8[escapes]))
        {
            escapes++;
            if (utf8[0] < 0x80)
            {
                break;
            }
        }

        if (escapes == 0 || utf8[0] is (byte)'/' or 0
            || Rune.DecodeFromUtf8(utf8[..escapes], out _, out int consumed) != OperationStatus.Done)
        {
            // Copied as it is, one escape at a time: the next byte may begin a valid sequence.
            int kept = Math.Min(escapes == 0 ? 1 : 3, raw.Length - at);
            raw.Slice(at, kept).CopyTo(into);
            produced = kept;
            return kept;
        }

        utf8[..consumed].CopyTo(into);
        produced = consumed;
        return 3 * consumed;
    }

    private static bool TryDecodeEscape(ReadOnlySpan<byte> raw, int at, out byte value)
    {
        value = 0;
        if (at + 2 >= raw.Length || raw[at] != (byte)'%')
        {
            return false;
        }

        int high = HexValue(raw[at + 1]);
        int low = HexValue(raw[at + 2]);
        if ((high | low) < 0)
        {
            return false;
        }

        value = (byte)((high << 4) | low);
        return true;
    }

    private static int HexValue(byte digit) => digit switch
    {
        >= (byte)'0' and <= (byte)'9' => digit - '0',
        >= (byte)'a' and <= (byte)'f' => digit - 'a' + 10,
        >= (byte)'A' and <= (byte)'F' => digit - 'A' + 10,
        _ => -1,
    };

    /// <summary>In place; the result starts with a slash and never climbs above the root.</summary>
    private static int RemoveDotSegments(Span<byte> path)
    {
        Debug.Assert(path[0] == (byte)'/');
        if (path.IndexOf("/."u8) < 0)
        {
            return path.Length;
        }

        int written = 0;
        int at = 0;
        while (at < path.Length)
        {
            // A segment with the slash before it.
            Debug.Assert(path[at] == (byte)'/');
            int next = path[(at + 1)..].IndexOf((byte)'/');
            int end = next < 0 ? path.Length : at + 1 + next;
            ReadOnlySpan<byte> segment = path[(at + 1)..end];
            bool isLast = end == path.Length;
            if (segment.SequenceEqual(".."u8))
            {
                written = Math.Max(0, path[..written].LastIndexOf((byte)'/'));
            }
            else if (!segment.SequenceEqual("."u8))
            {
                path[at..end].CopyTo(path[written..]);
                written += end - at;
                at = end;
                continue;
            }

            if (isLast)
            {
                path[written++] = (byte)'/';
            }

            at = end;
        }

        return written;
    }
}
