using System;
using System.Diagnostics;
using System.Runtime.CompilerServices;
using Aeronet.Http.Semantics;

namespace Aeronet.Http.Http1;

/// <summary>field-line = field-name ":" OWS field-value OWS, RFC 9112 section 5, for header and trailer sections alike.</summary>
internal static class FieldLineSyntax
{
    /// <summary>Splits one line that holds no control but HTAB (<see cref="LineReader"/> saw to it).</summary>
    /// <returns>None, or the rule broken at <paramref name="badAt"/>.</returns>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static RejectionReason Split(ReadOnlySpan<byte> buffered, int start, int end, out FieldLine line, out int badAt)
    {
        Debug.Assert(start < end);
        Debug.Assert(end <= buffered.Length);
        ReadOnlySpan<byte> text = buffered[start..end];
        int colon = text.IndexOf((byte)':');
        if (colon <= 0)
        {
            line = default;
            return NoName(text, start, end, colon, out badAt);
        }

        // A known name is a token; only an unknown one needs its characters looked at.
        KnownHeader name = KnownHeaders.Lookup(text[..colon]);
        if (name == KnownHeader.Unknown)
        {
            int bad = FieldSyntax.IndexOfNonToken(text[..colon]);
            if (bad >= 0)
            {
                line = default;
                return BadName(text[..colon], start, bad, out badAt);
            }
        }

        int valueStart = colon + 1;
        int valueEnd = text.Length;
        while (valueStart < valueEnd && FieldSyntax.IsWhitespace(text[valueStart]))
        {
            valueStart++;
        }

        while (valueEnd > valueStart && FieldSyntax.IsWhitespace(text[valueEnd - 1]))
        {
            valueEnd--;
        }

        badAt = 0;
        line = new FieldLine(start, colon, start + valueStart, valueEnd - valueStart, name);
        return RejectionReason.None;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static RejectionReason NoName(ReadOnlySpan<byte> text, int start, int end, int colon, out int badAt)
    {
        if (colon == 0)
        {
            badAt = start;
            return RejectionReason.EmptyFieldName;
        }

        int bad = FieldSyntax.IndexOfNonToken(text);
        badAt = bad < 0 ? end : start + bad;
        return RejectionReason.MissingColon;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static RejectionReason BadName(ReadOnlySpan<byte> name, int start, int bad, out int badAt)
    {
        badAt = start + bad;
        return FieldSyntax.TrimWhitespace(name[bad..]).IsEmpty
            ? RejectionReason.WhitespaceBeforeColon
            : RejectionReason.InvalidFieldName;
    }
}
