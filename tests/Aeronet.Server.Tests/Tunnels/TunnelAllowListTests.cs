using System;
using Aeronet.Server.Tunnels;
using Xunit;

namespace Aeronet.Server.Tests.Tunnels;

[Trait("Rfc", "9112 3.2.3")]
public sealed class TunnelAllowListTests
{
    [Theory]
    [InlineData("a.example:443", "a.example", 443)]
    [InlineData("a.example.:443", "a.example", 443)]
    [InlineData("10.1.2.3:1", "10.1.2.3", 1)]
    [InlineData("[::1]:65535", "::1", 65535)]
    [InlineData("[0:0:0:0:0:0:0:1]:80", "::1", 80)]
    public void Targets_are_read(string authority, string host, int port)
    {
        Assert.True(TunnelTarget.TryParse(authority, out TunnelTarget? target));
        Assert.Equal((host, port), (target.Host, target.Port));
    }

    [Theory]
    [InlineData("")]
    [InlineData("a.example")]
    [InlineData("a.example:")]
    [InlineData(":443")]
    [InlineData(".:443")]
    [InlineData("a.example:0")]
    [InlineData("a.example:65536")]
    [InlineData("a.example:+80")]
    [InlineData("a.example: 80")]
    [InlineData("a.example:080808")]
    [InlineData("a:b:80")]
    [InlineData("::1:80")]
    [InlineData("[::1]")]
    [InlineData("[::1:80")]
    [InlineData("[10.0.0.1]:80")]
    [InlineData("user@a.example:80")]
    [InlineData("a/b:80")]
    [InlineData("*.example:80")]
    [InlineData("%61.example:80")]
    public void Malformed_targets_are_not(string authority) => Assert.False(TunnelTarget.TryParse(authority, out _));

    [Theory]
    [InlineData("*", "a.example:1", true)]
    [InlineData("*", "[::1]:65535", true)]
    [InlineData("*:443", "a.example:443", true)]
    [InlineData("*:443", "a.example:444", false)]
    [InlineData("a.example:443", "A.EXAMPLE:443", true)]
    [InlineData("a.example:443", "a.example.:443", true)]
    [InlineData("a.example:443", "b.a.example:443", false)]
    [InlineData("a.example:443", "a.example:80", false)]
    [InlineData("a.example:*", "a.example:80", true)]
    [InlineData("*.example:443", "a.example:443", true)]
    [InlineData("*.example:443", "b.a.example:443", true)]
    [InlineData("*.example:443", "example:443", false)]
    [InlineData("*.example:443", "badexample:443", false)]
    [InlineData("*.0.0.1:80", "127.0.0.1:80", false)]
    [InlineData("[::1]:80", "[0:0::1]:80", true)]
    [InlineData("[::1]:80", "[::2]:80", false)]
    [InlineData("127.0.0.1:80", "127.0.0.1:80", true)]
    [InlineData("127.0.0.1:80", "127.1:80", false)]
    public void Patterns_allow_what_they_name(string pattern, string authority, bool expected)
    {
        if (!TunnelAllowList.IsPattern(pattern))
        {
            Assert.False(expected); // a wildcard over addresses is no pattern at all
            return;
        }
        Assert.True(TunnelTarget.TryParse(authority, out TunnelTarget? target));
        Assert.Equal(expected, new TunnelAllowList([pattern]).Allows(target));
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("a.example")]
    [InlineData("a.example:0")]
    [InlineData("a.*.example:80")]
    [InlineData("a*.example:80")]
    [InlineData("*.:80")]
    [InlineData("http://a.example:80")]
    [InlineData(" a.example:80")]
    public void Anything_else_is_no_pattern(string? pattern) => Assert.False(TunnelAllowList.IsPattern(pattern));

    [Fact]
    public void Nothing_is_allowed_by_an_empty_list()
    {
        Assert.True(TunnelTarget.TryParse("a.example:443", out TunnelTarget? target));
        Assert.False(new TunnelAllowList([]).Allows(target));
    }
}
