using System;
using System.Threading;

namespace Aeronet.Transport.Connections;

/// <summary>Connection ids: 13 characters of base 32, unique in the process, sortable by age (the form that Kestrel's users know from their logs).</summary>
internal static class CorrelationId
{
    private const string Digits = "0123456789ABCDEFGHIJKLMNOPQRSTUV";

    // Starts at the clock so that ids of two runs of a service seldom meet in one log.
    private static long s_last = DateTime.UtcNow.Ticks;

    public static string Next() => string.Create(13, Interlocked.Increment(ref s_last), static (span, id) =>
    {
        for (int i = span.Length - 1; i >= 0; i--)
        {
            span[i] = Digits[(int)(id & 31)];
            id >>= 5;
        }
    });
}
