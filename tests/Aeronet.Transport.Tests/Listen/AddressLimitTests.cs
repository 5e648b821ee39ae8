using System;
using System.Linq;
using System.Net;
using System.Threading.Tasks;
using Aeronet.Transport.Listen;
using Xunit;

namespace Aeronet.Transport.Tests.Listen;

public sealed class AddressLimitTests
{
    [Fact]
    public void Each_address_has_its_own_places_and_leaves_nothing_behind()
    {
        AddressLimit limit = new(max: 2, ipv6PrefixLength: 64);
        UInt128 one = limit.KeyOf(IPAddress.Parse("192.0.2.1"));
        UInt128 other = limit.KeyOf(IPAddress.Parse("192.0.2.2"));
        Assert.True(limit.TryEnter(one));
        Assert.True(limit.TryEnter(one));
        Assert.False(limit.TryEnter(one));
        Assert.True(limit.TryEnter(other));
        limit.Exit(one);
        Assert.True(limit.TryEnter(one));
        limit.Exit(one);
        limit.Exit(one);
        limit.Exit(other);
        Assert.Equal(0, limit.AddressCount);
    }

    [Theory]
    [InlineData("2001:db8::1", "2001:db8::ffff:1", 64, true)]
    [InlineData("2001:db8::1", "2001:db8:0:1::1", 64, false)]
    [InlineData("2001:db8::1", "2001:db8:0:1::1", 56, true)]
    [InlineData("2001:db8::1", "2001:db8::2", 128, false)]
    [InlineData("8000::", "ffff::", 1, true)]
    [InlineData("192.0.2.1", "::ffff:192.0.2.1", 64, true)]
    [InlineData("192.0.2.1", "192.0.2.2", 1, false)]
    [InlineData("::ffff:192.0.2.1", "::ffff:192.0.2.2", 64, false)]
    public void IPv6_is_counted_by_prefix_and_IPv4_whole(string one, string other, int prefix, bool isSame)
    {
        AddressLimit limit = new(1, prefix);
        Assert.Equal(isSame, limit.KeyOf(IPAddress.Parse(one)) == limit.KeyOf(IPAddress.Parse(other)));
    }

    [Fact]
    public async Task Threads_that_enter_and_exit_never_pass_the_limit()
    {
        AddressLimit limit = new(max: 3, ipv6PrefixLength: 64);
        UInt128 key = limit.KeyOf(IPAddress.Loopback);
        int inside = 0;
        await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(() =>
        {
            for (int i = 0; i < 10_000; i++)
            {
                if (limit.TryEnter(key))
                {
                    Assert.InRange(System.Threading.Interlocked.Increment(ref inside), 1, 3);
                    System.Threading.Interlocked.Decrement(ref inside);
                    limit.Exit(key);
                }
            }
        })));
        Assert.Equal(0, limit.AddressCount);
    }
}
