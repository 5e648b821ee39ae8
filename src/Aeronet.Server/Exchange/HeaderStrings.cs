using System;
using System.Diagnostics;
using System.Globalization;
using System.Text;
using Aeronet.Http.Semantics;
using Microsoft.Extensions.Primitives;

namespace Aeronet.Server.Exchange;

/// <summary>Received bytes to strings: an equal string of an earlier exchange is taken again instead of being made anew.</summary>
internal static class HeaderStrings
{
    // Longer values (large cookies) are not kept: 90 slots of them per pooled exchange would add up.
    private const int KeptLengthMax = 1024;

    /// <summary>The text of a field value that <see cref="IsText"/> accepts.</summary>
    /// <param name="value">What stands in the field line.</param>
    /// <param name="previous">A string that may be equal; null if there is none.</param>
    /// <param name="name">What the selector is asked about.</param>
    /// <param name="encodingSelector">The application's choice for bytes beyond ASCII; null for UTF-8.</param>
    public static string Decode(ReadOnlySpan<byte> value, string? previous, string name, Func<string, Encoding?>? encodingSelector)
    {
        // False for any byte beyond ASCII: such values are rare and always made anew.
        if (previous is not null && previous.Length == value.Length && Ascii.Equals(value, previous))
        {
            return previous;
        }

        // Every encoding that can pass a field value through HTTP agrees on ASCII, so only other bytes are worth asking about.
        if (encodingSelector is not null && !Ascii.IsValid(value) && encodingSelector(name) is { } encoding)
        {
            return encoding.GetString(value);
        }

        return Encoding.UTF8.GetString(value);
    }

    /// <summary>A field name is a token, hence ASCII. Equal means equal in case, too: the application sees what was sent.</summary>
    public static string DecodeName(ReadOnlySpan<byte> name, string? previous)
    {
        Debug.Assert(FieldSyntax.IsToken(name));
        return previous is not null && previous.Length == name.Length && Ascii.Equals(name, previous)
            ? previous
            : Encoding.Latin1.GetString(name);
    }

    /// <summary>Whether the value can become a string: strict UTF-8 unless the selector names an encoding for it.</summary>
    /// <param name="value">What stands in the field line.</param>
    /// <param name="name">The field's name as sent.</param>
    /// <param name="encodingSelector">The application's choice; null for UTF-8.</param>
    /// <param name="badIndex">Where the first byte lies that belongs to no character.</param>
    public static bool IsText(ReadOnlySpan<byte> value, ReadOnlySpan<byte> name, Func<string, Encoding?>? encodingSelector, out int badIndex)
    {
        badIndex = -1;
        if (Ascii.IsValid(value))
        {
            return true;
        }

        if (encodingSelector is not null && encodingSelector(KnownName(name)) is { } encoding)
        {
            return CanDecode(encoding, value, out badIndex);
        }

        for (int i = 0; i < value.Length;)
        {
            if (Rune.DecodeFromUtf8(value[i..], out _, out int consumed) != System.Buffers.OperationStatus.Done)
            {
                badIndex = i;
                return false;
            }

            i += consumed;
        }

        return true;
    }

    /// <summary>Digits only, as RFC 9110 section 8.6 wants it.</summary>
    public static bool TryParseLength(string text, out long length)
        => long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out length);

    public static StringValues FormatLength(long length, StringValues previous)
    {
        Debug.Assert(length >= 0);
        Span<char> digits = stackalloc char[20];
        bool fits = length.TryFormat(digits, out int count, provider: CultureInfo.InvariantCulture);
        Debug.Assert(fits);
        return Single(previous) is { } text && digits[..count].SequenceEqual(text)
            ? previous
            : new StringValues(length.ToString(CultureInfo.InvariantCulture));
    }

    /// <summary>The string of a field with one value, else null.</summary>
    public static string? Single(StringValues values) => values.Count == 1 ? values[0] : null;

    public static bool IsWorthKeeping(StringValues values) => Single(values) is { Length: <= KeptLengthMax };

    private static string KnownName(ReadOnlySpan<byte> name)
    {
        KnownHeader header = KnownHeaders.Lookup(name);
        return header != KnownHeader.Unknown ? KnownHeaders.Name(header) : DecodeName(name, null);
    }

    // An encoding with an exception fallback has no other way to say no. Only the application's own choice comes here.
    private static bool CanDecode(Encoding encoding, ReadOnlySpan<byte> value, out int badIndex)
    {
        badIndex = -1;
        try
        {
            encoding.GetCharCount(value);
            return true;
        }
        catch (DecoderFallbackException refused)
        {
            badIndex = Math.Clamp(refused.Index, 0, value.Length - 1);
            return false;
        }
    }
}
