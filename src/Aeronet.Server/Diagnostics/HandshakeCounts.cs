using System;
using System.Numerics;
using System.Threading;
using Aeronet.Transport.Tls;

namespace Aeronet.Server.Diagnostics;

/// <summary>Counts the handshakes of one run of the server and how long they took. Any thread.</summary>
internal sealed class HandshakeCounts
{
    private readonly Durations _full = new();
    private readonly Durations _resumed = new();
    private long _failed;
    private long _refused;

    public void Add(in TlsHandshakeEvent handshake)
    {
        switch (handshake.Failure)
        {
            case TlsFailure.None:
                (handshake.IsResumed ? _resumed : _full).Add((long)handshake.Duration.TotalMilliseconds);
                break;
            case TlsFailure.RejectedConcurrency or TlsFailure.RejectedRateLimit:
                Interlocked.Increment(ref _refused);
                break;
            default:
                Interlocked.Increment(ref _failed);
                break;
        }
    }

    /// <summary>A moment old, and not of one moment: handshakes go on meanwhile.</summary>
    public TlsHandshakeStatistics Read() => new()
    {
        Full = _full.Read(),
        Resumed = _resumed.Read(),
        FailedCount = Volatile.Read(ref _failed),
        RefusedCount = Volatile.Read(ref _refused),
    };

    /// <summary>A histogram of milliseconds: one bucket each below 64, then 32 per doubling.</summary>
    internal sealed class Durations
    {
        private const int ExactBits = 6; // 64 buckets of one millisecond
        private const int Exact = 1 << ExactBits;
        private const int PerDoubling = Exact / 2;
        private const int DoublingsMax = 16; // 70 minutes; nothing that has a timeout takes longer

        private readonly long[] _buckets = new long[Exact + DoublingsMax * PerDoubling];

        public void Add(long milliseconds) => Interlocked.Increment(ref _buckets[BucketOf(milliseconds)]);

        public TlsHandshakeDurations Read()
        {
            long[] counts = new long[_buckets.Length];
            long total = 0;
            for (int i = 0; i < counts.Length; i++)
            {
                counts[i] = Volatile.Read(ref _buckets[i]);
                total += counts[i];
            }

            return new TlsHandshakeDurations
            {
                Count = total,
                P50 = Percentile(counts, total, 50),
                P90 = Percentile(counts, total, 90),
                P99 = Percentile(counts, total, 99),
                Max = Percentile(counts, total, 100),
            };
        }

        /// <summary>The bucket of a duration; what is below or above all of them counts in the first or last.</summary>
        internal static int BucketOf(long milliseconds)
        {
            if (milliseconds < Exact)
            {
                return (int)Math.Max(0, milliseconds);
            }

            int doubling = BitOperations.Log2((ulong)milliseconds) - ExactBits + 1; // 1 for 64 to 127
            int within = (int)(milliseconds >> doubling) - PerDoubling;
            return Math.Min(Exact + (doubling - 1) * PerDoubling + within, Exact + DoublingsMax * PerDoubling - 1);
        }

        /// <summary>The longest duration that counts in a bucket.</summary>
        internal static long LongestOf(int bucket)
        {
            if (bucket < Exact)
            {
                return bucket;
            }

            int doubling = (bucket - Exact) / PerDoubling + 1;
            long within = (bucket - Exact) % PerDoubling + PerDoubling;
            return ((within + 1) << doubling) - 1;
        }

        private static TimeSpan Percentile(long[] counts, long total, int percent)
        {
            long wanted = (total * percent + 99) / 100; // the nearest rank
            for (int i = 0; i < counts.Length; i++)
            {
                wanted -= counts[i];
                if (wanted <= 0 && total > 0)
                {
                    return TimeSpan.FromMilliseconds(LongestOf(i));
                }
            }

            return TimeSpan.Zero;
        }
    }
}
