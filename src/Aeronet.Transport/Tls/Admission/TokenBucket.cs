using System.Diagnostics;
using System.Threading;

namespace Aeronet.Transport.Tls.Admission;

/// <summary>A token bucket in one number: the moment at which it will be full again. Any thread, no lock.</summary>
/// <remarks>
/// Tokens trickle in evenly, not once a second, so the loops of a server that share it are together held to the rate (generic cell rate algorithm, ITU-T I.371).
/// Moments are nanoseconds of a clock that never goes back.
/// </remarks>
internal struct TokenBucket
{
    private long _fullAt; // Interlocked

    /// <summary>Takes one token; false when there is none.</summary>
    /// <param name="rate">Tokens per second and size of the bucket.</param>
    /// <param name="nowNs">The clock.</param>
    public bool TryTake(in HandshakeRate rate, long nowNs)
    {
        long fullAt = Volatile.Read(ref _fullAt);
        while (true)
        {
            if (!rate.TryAdvance(fullAt, nowNs, out long fullAtAfter))
            {
                return false;
            }
            long seen = Interlocked.CompareExchange(ref _fullAt, fullAtAfter, fullAt);
            if (seen == fullAt)
            {
                return true;
            }
            fullAt = seen;
        }
    }
}

/// <summary>How many handshakes per second, and how many at once after a pause.</summary>
internal readonly struct HandshakeRate
{
    private const long NanosecondsPerSecond = 1_000_000_000;

    private readonly long _intervalNs; // between two tokens
    private readonly long _capacityNs; // the whole bucket, as the time that it takes to fill

    /// <param name="perSecond">1 to 1,000,000.</param>
    /// <param name="burst">1 or more, at most 1,000,000.</param>
    public HandshakeRate(int perSecond, int burst)
    {
        Debug.Assert(perSecond is >= 1 and <= 1_000_000);
        Debug.Assert(burst is >= 1 and <= 1_000_000);
        _intervalNs = NanosecondsPerSecond / perSecond;
        _capacityNs = burst * _intervalNs;
    }

    /// <summary>What taking one token does to a bucket.</summary>
    /// <param name="fullAt">When the bucket will be full; the past when it is.</param>
    /// <param name="nowNs">The clock.</param>
    /// <param name="fullAtAfter">The same after the token is gone.</param>
    /// <returns>False when the bucket is empty.</returns>
    public bool TryAdvance(long fullAt, long nowNs, out long fullAtAfter)
    {
        fullAtAfter = (fullAt > nowNs ? fullAt : nowNs) + _intervalNs;
        return fullAtAfter - nowNs <= _capacityNs;
    }
}
