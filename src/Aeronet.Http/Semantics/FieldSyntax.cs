using System;
using System.Buffers;

namespace Aeronet.Http.Semantics;

/// <summary>Characters of field names and field values, RFC 9110 sections 5.1, 5.5 and 5.6.2.</summary>
internal static class FieldSyntax
{
    private const string TokenText = "!#$%&'*+-.0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ^_`abcdefghijklmnopqrstuvwxyz|~";

    private static readonly SearchValues<byte> s_tokenBytes = SearchValues.Create(
        "!#$%&'*+-.0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ^_`abcdefghijklmnopqrstuvwxyz|~"u8);

    private static readonly SearchValues<char> s_tokenChars = SearchValues.Create(TokenText);

    // Every control but HTAB. CR and LF are among them, so one scan finds the end of a line and what may not stand in it.
    // A hand-written Vector256 loop in its place gained 3 % on a ten-field head and nothing on a short one: not worth its lines.
    private static readonly SearchValues<byte> s_controlBytes = SearchValues.Create(
    [
        0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x0A, 0x0B, 0x0C, 0x0D, 0x0E, 0x0F,
        0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, 0x19, 0x1A, 0x1B, 0x1C, 0x1D, 0x1E, 0x1F, 0x7F,
    ]);

    private static readonly SearchValues<char> s_asciiValueChars = SearchValues.Create(
        "\t !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~");

    /// <summary>Not empty, token characters only.</summary>
    public static bool IsToken(ReadOnlySpan<byte> name) => !name.IsEmpty && !name.ContainsAnyExcept(s_tokenBytes);

    /// <summary>Index of the first byte that no token may contain, or -1.</summary>
    public static int IndexOfNonToken(ReadOnlySpan<byte> name) => name.IndexOfAnyExcept(s_tokenBytes);

    public static bool IsTokenByte(byte value) => s_tokenBytes.Contains(value);

    /// <summary>Index of the first control other than HTAB, CR and LF included, or -1.</summary>
    public static int IndexOfControl(ReadOnlySpan<byte> value) => value.IndexOfAny(s_controlBytes);

    /// <summary>Index of the first character that may not stand in a field name, -1 if there is none, 0 for the empty name.</summary>
    public static int IndexOfInvalidNameChar(ReadOnlySpan<char> name) => name.IsEmpty ? 0 : name.IndexOfAnyExcept(s_tokenChars);

    /// <summary>Index of the first character that is neither visible ASCII, space nor HTAB, or -1.</summary>
    public static int IndexOfInvalidValueChar(ReadOnlySpan<char> value) => value.IndexOfAnyExcept(s_asciiValueChars);

    /// <summary>As <see cref="IndexOfInvalidValueChar"/> where the application chose an encoding: only controls are refused.</summary>
    public static int IndexOfControlChar(ReadOnlySpan<char> value)
    {
        for (int i = 0; i < value.Length; i++)
        {
            if ((value[i] < ' ' && value[i] != '\t') || value[i] == 0x7F)
            {
                return i;
            }
        }

        return -1;
    }

    /// <summary>OWS of RFC 9110 section 5.6.3 off both ends.</summary>
    public static ReadOnlySpan<byte> TrimWhitespace(ReadOnlySpan<byte> value)
    {
        while (!value.IsEmpty && IsWhitespace(value[0]))
        {
            value = value[1..];
        }

        while (!value.IsEmpty && IsWhitespace(value[^1]))
        {
            value = value[..^1];
        }

        return value;
    }

    public static bool IsWhitespace(byte value) => value is (byte)' ' or (byte)'\t';

    /// <summary>Takes the next member off a comma-separated list, trimmed; empty members are skipped, RFC 9110 section 5.6.1.2.</summary>
    /// <remarks>For lists whose members hold no quoted string: Connection, Transfer-Encoding, TE, Expect.</remarks>
    public static bool TryTakeListMember(ref ReadOnlySpan<byte> list, out ReadOnlySpan<byte> member)
    {
        while (!list.IsEmpty)
        {
            int comma = list.IndexOf((byte)',');
            member = TrimWhitespace(comma < 0 ? list : list[..comma]);
            list = comma < 0 ? default : list[(comma + 1)..];
            if (!member.IsEmpty)
            {
                return true;
            }
        }

        member = default;
        return false;
    }
}
