using System;
using System.Diagnostics;

namespace Aeronet.Http.Semantics;

/// <summary>IMF-fixdate of RFC 9110 section 5.6.7: <c>Sun, 06 Nov 1994 08:49:37 GMT</c>.</summary>
internal static class HttpDate
{
    public const int Length = 29;

    /// <summary>Writes <see cref="Length"/> bytes.</summary>
    public static void Write(Span<byte> into, DateTime utc)
    {
        Debug.Assert(into.Length >= Length);
        Debug.Assert(utc.Kind != DateTimeKind.Local);
        (int year, int month, int day) = utc;

        "SunMonTueWedThuFriSat"u8.Slice((int)utc.DayOfWeek * 3, 3).CopyTo(into);
        ", "u8.CopyTo(into[3..]);
        WriteTwoDigits(into[5..], day);
        into[7] = (byte)' ';
        "JanFebMarAprMayJunJulAugSepOctNovDec"u8.Slice((month - 1) * 3, 3).CopyTo(into[8..]);
        into[11] = (byte)' ';
        WriteTwoDigits(into[12..], year / 100);
        WriteTwoDigits(into[14..], year % 100);
        into[16] = (byte)' ';
        WriteTwoDigits(into[17..], utc.Hour);
        into[19] = (byte)':';
        WriteTwoDigits(into[20..], utc.Minute);
        into[22] = (byte)':';
        WriteTwoDigits(into[23..], utc.Second);
        " GMT"u8.CopyTo(into[25..]);
    }

    private static void WriteTwoDigits(Span<byte> into, int value)
    {
        Debug.Assert(value is >= 0 and <= 99);
        into[0] = (byte)('0' + (value / 10));
        into[1] = (byte)('0' + (value % 10));
    }
}
