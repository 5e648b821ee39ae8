using System;
using System.Diagnostics;
using System.Runtime.CompilerServices;
using Aeronet.Http.Semantics;

namespace Aeronet.Http.Http1;

internal enum LineStatus : byte { NeedMore, Line, TooLong, Bad }

/// <summary>Finds one line after the other in a growing buffer. Remembers how far it looked: feeding byte by byte costs the same as feeding at once.</summary>
/// <remarks>
/// A control character is refused where it stands, also in a line that is not complete. A line whose LF is not below the limit is
/// too long, whatever else is wrong behind the limit. Both make the verdict independent of how the bytes were cut.
/// </remarks>
internal struct LineReader
{
    /// <summary>First byte of the line that is read next; 0 &lt;= LineStart &lt;= Examined.</summary>
    public int LineStart;

    /// <summary>No byte before it is scanned again.</summary>
    public int Examined;

    /// <summary>Valid after <see cref="LineStatus.Line"/>: the line without its end is [start, LineEnd).</summary>
    public int LineEnd;

    /// <summary>Valid after <see cref="LineStatus.Bad"/>: offset of the bad byte.</summary>
    public int BadAt;

    /// <summary>The next line. <paramref name="limit"/> is the offset that its LF must stay below.</summary>
    /// <returns>With Line, <see cref="LineStart"/> is already behind the line: take the start before the call.</returns>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public LineStatus Read(ReadOnlySpan<byte> buffered, int limit, bool allowLineFeed)
    {
        Debug.Assert(LineStart >= 0);
        Debug.Assert(LineStart <= Examined);
        Debug.Assert(Examined <= buffered.Length);

        int hit = FieldSyntax.IndexOfControl(buffered[Examined..]);
        if (hit >= 0)
        {
            int at = Examined + hit;
            if (buffered[at] == (byte)'\r' && at + 1 < buffered.Length && buffered[at + 1] == (byte)'\n' && at + 1 < limit)
            {
                LineEnd = at;
                LineStart = Examined = at + 2;
                return LineStatus.Line;
            }

            return ReadOther(buffered, at, limit, allowLineFeed);
        }

        Examined = buffered.Length;
        return buffered.Length >= limit ? LineStatus.TooLong : LineStatus.NeedMore;
    }

    /// <summary>Why the byte at <see cref="BadAt"/> is refused.</summary>
    public readonly RejectionReason BadReason(ReadOnlySpan<byte> buffered) => buffered[BadAt] switch
    {
        (byte)'\r' => RejectionReason.BareCarriageReturn,
        (byte)'\n' => RejectionReason.BareLineFeed,
        _ => RejectionReason.ControlCharacter,
    };

    [MethodImpl(MethodImplOptions.NoInlining)]
    private LineStatus ReadOther(ReadOnlySpan<byte> buffered, int at, int limit, bool allowLineFeed)
    {
        bool isCarriageReturn = buffered[at] == (byte)'\r';
        if (at >= limit || (isCarriageReturn && at + 1 >= limit))
        {
            return LineStatus.TooLong;
        }

        if (isCarriageReturn && at + 1 == buffered.Length)
        {
            Examined = at; // the CR waits for its LF
            return LineStatus.NeedMore;
        }

        if (buffered[at] == (byte)'\n' && allowLineFeed)
        {
            LineEnd = at;
            LineStart = Examined = at + 1;
            return LineStatus.Line;
        }

        BadAt = at;
        return LineStatus.Bad;
    }
}
