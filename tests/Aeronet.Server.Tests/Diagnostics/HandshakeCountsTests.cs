using System;
using Aeronet.Server.Diagnostics;
using Aeronet.Transport.Tls;
using Xunit;

namespace Aeronet.Server.Tests.Diagnostics;

public sealed class HandshakeCountsTests
{
    [Fact]
    public void Every_outcome_is_counted_in_its_place()
    {
        HandshakeCounts counts = new();
        Add(counts, TlsFailure.None, 3);
        Add(counts, TlsFailure.None, 1, isResumed: true);
        Add(counts, TlsFailure.None, 1, isResumed: true);
        Add(counts, TlsFailure.PeerAlert, 5);
        Add(counts, TlsFailure.RejectedConcurrency, 0);
        Add(counts, TlsFailure.RejectedRateLimit, 0);
        TlsHandshakeStatistics read = counts.Read();
        Assert.Equal((1, 2, 1, 2), (read.Full.Count, read.Resumed.Count, read.FailedCount, read.RefusedCount));
        Assert.Equal(TimeSpan.FromMilliseconds(3), read.Full.P50);
        Assert.Equal(TimeSpan.FromMilliseconds(1), read.Resumed.Max);
    }

    [Fact]
    public void Percentiles_are_of_the_nearest_rank()
    {
        HandshakeCounts.Durations durations = new();
        for (int i = 1; i <= 50; i++)
        {
            durations.Add(i);
        }

        TlsHandshakeDurations read = durations.Read();
        Assert.Equal((50, 25, 45, 50, 50), (read.Count, read.P50.TotalMilliseconds, read.P90.TotalMilliseconds, read.P99.TotalMilliseconds, read.Max.TotalMilliseconds));
        Assert.Equal(default, new HandshakeCounts.Durations().Read());
    }

    [Fact]
    public void Buckets_follow_each_other_without_a_gap_and_none_is_wide()
    {
        int last = -1;
        for (long milliseconds = 0; milliseconds < 1 << 20; milliseconds++)
        {
            int bucket = HandshakeCounts.Durations.BucketOf(milliseconds);
            Assert.InRange(bucket, last, last + 1);
            Assert.InRange(HandshakeCounts.Durations.LongestOf(bucket), milliseconds, milliseconds + milliseconds * 32 / 1000);
            last = bucket;
        }

        Assert.Equal(0, HandshakeCounts.Durations.BucketOf(-1));
        Assert.Equal(HandshakeCounts.Durations.BucketOf(long.MaxValue), HandshakeCounts.Durations.BucketOf(long.MaxValue / 2)); // the last
    }

    private static void Add(HandshakeCounts counts, TlsFailure failure, int milliseconds, bool isResumed = false) => counts.Add(new TlsHandshakeEvent
    {
        Connection = null!,
        Failure = failure,
        IsResumed = isResumed,
        Duration = TimeSpan.FromMilliseconds(milliseconds),
    });
}
