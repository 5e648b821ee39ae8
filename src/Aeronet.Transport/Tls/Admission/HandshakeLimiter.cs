using System;
using System.Diagnostics;
using System.Threading;
using Aeronet.Transport.Connections;

namespace Aeronet.Transport.Tls.Admission;

/// <summary>What a <see cref="HandshakeLimiter"/> allows; 0 anywhere: no limit.</summary>
internal readonly record struct HandshakeLimits
{
    /// <summary>Handshakes under way at once.</summary>
    public int ConcurrentMax { get; init; }

    /// <summary>Handshakes begun per second, and at once after a pause.</summary>
    public int RatePerSecond { get; init; }

    public int Burst { get; init; }

    /// <summary>The same per network of peers.</summary>
    public int PeerRatePerSecond { get; init; }

    public int PeerBurst { get; init; }

    public int IPv4PrefixLength { get; init; }

    public int IPv6PrefixLength { get; init; }

    /// <summary>Networks that are remembered.</summary>
    public int PeerTableSize { get; init; }
}

/// <summary>Admits handshakes of all endpoints and loops of one server: refuses before anything of TLS is made. Any thread.</summary>
internal sealed class HandshakeLimiter : ITlsAdmission
{
    private const long NanosecondsPerMillisecond = 1_000_000;

    private readonly HandshakeLimits _limits;
    private readonly HandshakeRate? _rate;
    private readonly PeerBuckets? _peers;
    private TokenBucket _bucket;
    private int _underWay;            // Interlocked; >= 0
    private long _refusedConcurrency; // Interlocked, as the next two
    private long _refusedServerRate;
    private long _refusedPeerRate;

    public HandshakeLimiter(HandshakeLimits limits)
    {
        Debug.Assert(limits.ConcurrentMax >= 0);
        _limits = limits;
        if (limits.RatePerSecond > 0)
        {
            _rate = new HandshakeRate(limits.RatePerSecond, limits.Burst > 0 ? limits.Burst : limits.RatePerSecond);
        }
        if (limits.PeerRatePerSecond > 0)
        {
            _peers = new PeerBuckets(new HandshakeRate(limits.PeerRatePerSecond, limits.PeerBurst > 0 ? limits.PeerBurst : limits.PeerRatePerSecond), limits.PeerTableSize);
        }
    }

    /// <summary>Handshakes admitted and not yet ended.</summary>
    public int UnderWay => Volatile.Read(ref _underWay);

    /// <summary>Asks for one handshake. <see cref="TlsRefusal.None"/>: admitted, and <see cref="Exit"/> follows exactly once.</summary>
    /// <param name="peer">Peers without an IP address (Unix domain sockets) have no rate of their own.</param>
    /// <param name="nowMs">The loop's clock.</param>
    public TlsRefusal TryEnter(in PeerAddress peer, long nowMs)
    {
        Debug.Assert(nowMs >= 0);

        // The place first: it can be given back, a token cannot. Then the peer's own bucket: who is refused there takes nothing from the others.
        int underWay = Interlocked.Increment(ref _underWay);
        if (_limits.ConcurrentMax > 0 && underWay > _limits.ConcurrentMax)
        {
            return Refuse(TlsRefusal.Concurrency, ref _refusedConcurrency);
        }
        long nowNs = nowMs * NanosecondsPerMillisecond;
        if (_peers is not null && peer.TryGetNetwork(_limits.IPv4PrefixLength, _limits.IPv6PrefixLength, out UInt128 network) && !_peers.TryTake(network, nowNs))
        {
            return Refuse(TlsRefusal.PeerRate, ref _refusedPeerRate);
        }
        if (_rate is { } rate && !_bucket.TryTake(rate, nowNs))
        {
            return Refuse(TlsRefusal.ServerRate, ref _refusedServerRate);
        }
        return TlsRefusal.None;
    }

    /// <summary>A handshake that was admitted has ended, well or not.</summary>
    public void Exit()
    {
        int left = Interlocked.Decrement(ref _underWay);
        Debug.Assert(left >= 0);
    }

    /// <summary>Handshakes refused so far for a reason.</summary>
    public long RefusedCount(TlsRefusal reason) => reason switch
    {
        TlsRefusal.Concurrency => Interlocked.Read(ref _refusedConcurrency),
        TlsRefusal.ServerRate => Interlocked.Read(ref _refusedServerRate),
        TlsRefusal.PeerRate => Interlocked.Read(ref _refusedPeerRate),
        _ => 0,
    };

    private TlsRefusal Refuse(TlsRefusal reason, ref long count)
    {
        Exit();
        Interlocked.Increment(ref count);
        return reason;
    }
}
