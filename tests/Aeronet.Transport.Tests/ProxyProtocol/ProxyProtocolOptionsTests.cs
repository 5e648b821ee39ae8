using System;
using System.Net;
using Aeronet.Transport.ProxyProtocol;
using Xunit;

namespace Aeronet.Transport.Tests.ProxyProtocol;

public sealed class ProxyProtocolOptionsTests
{
    [Fact]
    public void Trust_must_be_given_and_all_faults_are_named()
    {
        ProxyProtocolOptions options = new() { Timeout = TimeSpan.Zero, MaxHeaderSize = 100 };
        ArgumentException fault = Assert.Throws<ArgumentException>(options.Validate);
        Assert.Contains("TrustedNetworks is empty", fault.Message, StringComparison.Ordinal);
        Assert.Contains("Timeout is 00:00:00", fault.Message, StringComparison.Ordinal);
        Assert.Contains("MaxHeaderSize is 100; allowed: 232 to 65551", fault.Message, StringComparison.Ordinal);
        new ProxyProtocolOptions { TrustedNetworks = { IPNetwork.Parse("10.0.0.0/8") } }.Validate();
    }

    [Theory]
    [InlineData("10.1.2.3", true)]
    [InlineData("::ffff:10.1.2.3", true)]
    [InlineData("11.0.0.1", false)]
    [InlineData("2001:db8::1", true)]
    [InlineData("2001:db9::1", false)]
    public void Peers_inside_the_networks_are_trusted(string address, bool expected)
    {
        ProxyProtocolOptions options = new() { TrustedNetworks = { IPNetwork.Parse("10.0.0.0/8"), IPNetwork.Parse("2001:db8::/32") } };
        Assert.Equal(expected, options.IsTrusted(new IPEndPoint(IPAddress.Parse(address), 1)));
    }

    [Fact]
    public void Peers_without_an_address_are_trusted() => Assert.True(new ProxyProtocolOptions().IsTrusted(null));
}
