using System.Net;
using System.Threading;
using System.Threading.Tasks;
using Aeronet.Native.Libc;
using Aeronet.Transport.Connections;
using Aeronet.Transport.Tls;
using Aeronet.Transport.Tls.Admission;
using Xunit;

namespace Aeronet.Transport.Tests.Tls.Admission;

public sealed class HandshakeLimiterTests
{
    private const long Start = 1_000_000;

    [Fact]
    public void Without_limits_everybody_is_admitted_and_counted()
    {
        var limiter = new HandshakeLimiter(default);
        for (int i = 0; i < 1000; i++)
        {
            Assert.Equal(TlsRefusal.None, limiter.TryEnter(Peer("192.0.2.1"), Start));
        }
        Assert.Equal(1000, limiter.UnderWay);
        limiter.Exit();
        Assert.Equal(999, limiter.UnderWay);
    }

    [Fact]
    public void As_many_as_allowed_are_under_way_at_once()
    {
        var limiter = new HandshakeLimiter(new HandshakeLimits { ConcurrentMax = 2 });
        Assert.Equal(TlsRefusal.None, limiter.TryEnter(default, Start));
        Assert.Equal(TlsRefusal.None, limiter.TryEnter(default, Start));
        Assert.Equal(TlsRefusal.Concurrency, limiter.TryEnter(default, Start));
        Assert.Equal(2, limiter.UnderWay);
        Assert.Equal(1, limiter.RefusedCount(TlsRefusal.Concurrency));

        limiter.Exit();
        Assert.Equal(TlsRefusal.None, limiter.TryEnter(default, Start));
    }

    [Fact]
    [Trait("Defect", "TLS-20")]
    public void Tokens_come_back_evenly_and_never_more_than_the_burst()
    {
        var limiter = new HandshakeLimiter(new HandshakeLimits { RatePerSecond = 10, Burst = 3 });
        Assert.Equal(3, Admitted(limiter, "192.0.2.1", Start, attempts: 10));
        Assert.Equal(0, Admitted(limiter, "192.0.2.1", Start + 99, attempts: 10));
        Assert.Equal(1, Admitted(limiter, "192.0.2.1", Start + 100, attempts: 10));
        Assert.Equal(2, Admitted(limiter, "192.0.2.1", Start + 300, attempts: 10));
        Assert.Equal(3, Admitted(limiter, "192.0.2.1", Start + 3_600_000, attempts: 10));
        Assert.Equal(41, limiter.RefusedCount(TlsRefusal.ServerRate));
    }

    [Fact]
    public void Without_a_burst_it_is_the_rate()
        => Assert.Equal(10, Admitted(new HandshakeLimiter(new HandshakeLimits { RatePerSecond = 10 }), "192.0.2.1", Start, attempts: 50));

    [Fact]
    public void A_peer_has_its_own_rate_and_one_that_is_refused_takes_nothing_from_the_server()
    {
        var limiter = new HandshakeLimiter(Peers() with { RatePerSecond = 100, Burst = 10 });
        Assert.Equal(2, Admitted(limiter, "192.0.2.1", Start, attempts: 50));
        Assert.Equal(48, limiter.RefusedCount(TlsRefusal.PeerRate));
        Assert.Equal(2, Admitted(limiter, "192.0.2.2", Start, attempts: 50));
        Assert.Equal(0, limiter.RefusedCount(TlsRefusal.ServerRate));
    }

    [Fact]
    public void Ipv6_peers_count_by_their_network_and_mapped_ipv4_as_ipv4()
    {
        var limiter = new HandshakeLimiter(Peers());
        Assert.Equal(2, Admitted(limiter, "2001:db8:1:2::1", Start, attempts: 10));
        Assert.Equal(0, Admitted(limiter, "2001:db8:1:2:ffff::99", Start, attempts: 10));
        Assert.Equal(2, Admitted(limiter, "2001:db8:1:3::1", Start, attempts: 10));
        Assert.Equal(2, Admitted(limiter, "::ffff:192.0.2.1", Start, attempts: 10));
        Assert.Equal(0, Admitted(limiter, "192.0.2.1", Start, attempts: 10));
    }

    [Fact]
    public void Peers_without_an_address_have_no_rate_of_their_own()
    {
        var limiter = new HandshakeLimiter(Peers());
        for (int i = 0; i < 10; i++)
        {
            Assert.Equal(TlsRefusal.None, limiter.TryEnter(default, Start));
        }
    }

    [Fact]
    public void A_flood_of_networks_neither_grows_the_table_nor_disturbs_the_limit_of_one_that_is_empty()
    {
        var buckets = new PeerBuckets(new HandshakeRate(perSecond: 1, burst: 100), capacity: 512);
        for (int i = 0; i < 100; i++)
        {
            Assert.True(buckets.TryTake(1, Start * 1_000_000));
        }
        for (int i = 2; i < 50_000; i++)
        {
            Assert.True(buckets.TryTake((System.UInt128)i, Start * 1_000_000));
        }
        // An empty bucket is the last to give way to full ones.
        Assert.False(buckets.TryTake(1, Start * 1_000_000));
    }

    [Fact]
    [Trait("Defect", "TLS-20")]
    public async Task Loops_that_admit_at_the_same_time_share_one_limit()
    {
        var limiter = new HandshakeLimiter(Peers() with { RatePerSecond = 1000, Burst = 1000, PeerRatePerSecond = 1_000_000, PeerBurst = 1_000_000, ConcurrentMax = 900 });
        int admitted = 0;
        await Task.WhenAll(Run(), Run(), Run(), Run());
        Assert.Equal(900, admitted);
        Assert.Equal(900, limiter.UnderWay);

        Task Run() => Task.Run(() =>
        {
            for (int i = 0; i < 1000; i++)
            {
                if (limiter.TryEnter(Peer("192.0.2.1"), Start) == TlsRefusal.None)
                {
                    Interlocked.Increment(ref admitted);
                }
            }
        });
    }

    private static HandshakeLimits Peers() => new() { PeerRatePerSecond = 1, PeerBurst = 2, IPv4PrefixLength = 32, IPv6PrefixLength = 64, PeerTableSize = 512 };

    private static int Admitted(HandshakeLimiter limiter, string peer, long nowMs, int attempts)
    {
        int admitted = 0;
        for (int i = 0; i < attempts; i++)
        {
            if (limiter.TryEnter(Peer(peer), nowMs) == TlsRefusal.None)
            {
                admitted++;
                limiter.Exit();
            }
        }
        return admitted;
    }

    private static PeerAddress Peer(string address) => PeerAddress.From(SockAddr.From(new IPEndPoint(IPAddress.Parse(address), 1234)));
}
