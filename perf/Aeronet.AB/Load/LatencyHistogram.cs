using System;
using System.Diagnostics;
using System.Numerics;

namespace Aeronet.AB.Load;

/// <summary>Counts of durations in buckets at most 1.6 % wide (64 to each power of two), so that recording costs a few instructions.</summary>
internal sealed class LatencyHistogram
{
    private const int SubBucketBits = 6;
    private const int SubBuckets = 1 << SubBucketBits;
    private static readonly double MillisecondsPerTick = 1e3 / Stopwatch.Frequency;
    private readonly long[] _counts = new long[SubBuckets * (64 - SubBucketBits)];

    public long Count { get; private set; }

    public double MaxMilliseconds { get; private set; }

    /// <summary>Records a difference of two <see cref="Stopwatch.GetTimestamp"/>.</summary>
    public void Record(long ticks)
    {
        Debug.Assert(ticks >= 0);
        _counts[BucketOf((ulong)ticks)]++;
        Count++;
        MaxMilliseconds = Math.Max(MaxMilliseconds, ticks * MillisecondsPerTick);
    }

    public void Clear()
    {
        Array.Clear(_counts);
        Count = 0;
        MaxMilliseconds = 0;
    }

    /// <summary>The duration that <paramref name="percent"/> of the recorded ones do not exceed; 0 when there are none.</summary>
    public double PercentileMilliseconds(double percent)
    {
        long rank = Math.Max(1, (long)Math.Ceiling(Count * percent / 100));
        long seen = 0;
        for (int bucket = 0; bucket < _counts.Length && Count > 0; bucket++)
        {
            seen += _counts[bucket];
            if (seen >= rank)
            {
                return Math.Min(LastTickOf(bucket) * MillisecondsPerTick, MaxMilliseconds);
            }
        }

        return 0;
    }

    // Below 64 ticks a bucket each; above, the leading one bit chooses the power of two and the six bits after it the bucket.
    private static int BucketOf(ulong ticks)
    {
        int shift = Math.Max(0, BitOperations.Log2(ticks | 1) - SubBucketBits);
        return (shift << SubBucketBits) + (int)(ticks >> shift);
    }

    private static double LastTickOf(int bucket)
    {
        int shift = Math.Max(0, (bucket >> SubBucketBits) - 1);
        return ((ulong)(bucket - (shift << SubBucketBits) + 1) << shift) - 1;
    }
}
