using System.Net;
using System.Net.Sockets;
using Aeronet.Server.Binding;
using Microsoft.AspNetCore.Connections;
using Xunit;

namespace Aeronet.Server.Tests.Binding;

[Trait("Defect", "HOST-20")]
public sealed class ListenAddressTests
{
    [Theory]
    [InlineData("http://127.0.0.1:5001", "127.0.0.1", 5001)]
    [InlineData("http://127.0.0.1", "127.0.0.1", 80)]
    [InlineData("http://127.0.0.1:0", "127.0.0.1", 0)]
    [InlineData("http://10.1.2.3:8080/", "10.1.2.3", 8080)]
    [InlineData("http://[::1]:5002", "::1", 5002)]
    [InlineData("HTTP://[::]:5002", "::", 5002)]
    public void A_literal_address_means_one_socket_there(string url, string ip, int port)
    {
        ListenAddress address = Parse(url);
        Assert.Equal(ListenScope.Single, address.Scope);
        Assert.Equal(new IPEndPoint(IPAddress.Parse(ip), port), address.EndPoint);
        Assert.False(address.IsHttps);
    }

    [Theory]
    [InlineData("http://*:5000", 5000)]
    [InlineData("http://+:5000", 5000)]
    [InlineData("http://example.org:81", 81)]
    [InlineData("http://example.org", 80)]
    [InlineData("http://5:5000", 5000)]
    [InlineData("http://*:0", 0)]
    public void Any_other_host_means_every_address(string url, int port)
    {
        ListenAddress address = Parse(url);
        Assert.Equal(ListenScope.Any, address.Scope);
        Assert.Equal(new IPEndPoint(IPAddress.IPv6Any, port), address.EndPoint);
    }

    [Theory]
    [InlineData("http://localhost:5000", "localhost")]
    [InlineData("http://LocalHost:5000", "localhost")]
    [InlineData("http://foo.localhost:5000", "foo.localhost")]
    public void Localhost_and_names_below_it_mean_both_loopbacks(string url, string host)
    {
        ListenAddress address = Parse(url);
        Assert.Equal(ListenScope.Localhost, address.Scope);
        Assert.Equal(host, address.Host);
        Assert.Equal($"http://{host}:5000", ListenAddress.Display(address.EndPoint!, address.Host));
    }

    [Fact]
    public void A_unix_address_means_that_path()
    {
        ListenAddress address = Parse("http://unix:/tmp/a.sock");
        Assert.Equal("/tmp/a.sock", Assert.IsType<UnixDomainSocketEndPoint>(address.EndPoint).ToString());
        Assert.Equal("http://unix:/tmp/a.sock", ListenAddress.Display(address.EndPoint!));
    }

    [Fact]
    public void An_https_address_is_known_as_such() => Assert.True(Parse("https://127.0.0.1:443").IsHttps);

    [Fact]
    public void A_named_pipe_is_for_transports_that_know_it()
    {
        EndPoint endPoint = Parse("http://pipe:/name").EndPoint;
        Assert.Equal("name", Assert.IsType<NamedPipeEndPoint>(endPoint).PipeName);
        Assert.Equal("http://pipe:/name", ListenAddress.Display(endPoint));
    }

    [Theory]
    [InlineData("http://localhost:0", "dynamic port")]
    [InlineData("http://localhost:5000/base", "UsePathBase")]
    [InlineData("ftp://localhost:5000", "Unrecognized scheme")]
    [InlineData("localhost:5000", "not valid")]
    [InlineData("http://", "not valid")]
    public void What_is_wrong_is_told_with_the_address(string url, string expected)
    {
        string? fault = ListenAddress.TryParse(url, out ListenAddress? address);
        Assert.NotNull(fault);
        Assert.Null(address);
        Assert.Contains(expected, fault, System.StringComparison.Ordinal);
        Assert.Contains(url, fault, System.StringComparison.Ordinal);
    }

    private static ListenAddress Parse(string url)
    {
        Assert.Null(ListenAddress.TryParse(url, out ListenAddress? address));
        return address!;
    }
}
