using System;
using System.IO;
using System.Net;
using System.Net.Sockets;
using System.Threading;
using System.Threading.Tasks;
using Aeronet.Server.Binding;
using Aeronet.Transport;
using Aeronet.Transport.Foreign;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Aeronet.Server.Tests.Binding;

public sealed class ForeignTransportsTests
{
    private static readonly IPEndPoint s_ip = new(IPAddress.Loopback, 0);
    private readonly SocketTransportFactory _kestrels = new(Microsoft.Extensions.Options.Options.Create(new SocketTransportOptions()), NullLoggerFactory.Instance);

    [Theory]
    [InlineData(TransportBackend.Epoll, false, false, null)]
    [InlineData(TransportBackend.Epoll, false, true, null)]
    [InlineData(TransportBackend.Sockets, false, false, typeof(SocketTransportFactory))]
    [InlineData(TransportBackend.Sockets, false, true, typeof(SocketTransportFactory))]
    [InlineData(TransportBackend.Sockets, true, true, typeof(SocketTransportFactory))]
    public void Without_a_transport_of_the_application_the_loops_bind_what_they_can(TransportBackend backend, bool needsPipes, bool hasMiddleware, Type? expected)
    {
        ForeignTransports transports = Make(_kestrels);
        foreach (EndPoint endPoint in new EndPoint[] { s_ip, new UnixDomainSocketEndPoint(Path.GetTempPath()), new FileHandleEndPoint(3, FileHandleType.Tcp) })
        {
            ForeignTransport? chosen = transports.Choose(endPoint, backend, needsPipes, hasMiddleware);
            Assert.Equal(expected, chosen?.Factory?.GetType());
            Assert.False(chosen is { Factory: var factory } && ReferenceEquals(factory, _kestrels)); // ours knows when the kernel has the bytes
            Assert.Equal(expected is null ? null : HalfCloseBy.Socket, chosen?.HalfClose);
        }
    }

    [Fact]
    public void Middleware_gets_pipes_of_the_loops()
    {
        ForeignTransport? chosen = Make(_kestrels).Choose(s_ip, TransportBackend.Epoll, needsPipes: true, hasMiddleware: true);
        Assert.Equal(new ForeignTransport(null, HalfCloseBy.Bridge), chosen);
    }

    [Fact]
    public void A_gate_does_not_run_in_the_callbacks_of_sockets()
    {
        ForeignTransports transports = Make(_kestrels);
        IConnectionListenerFactory? plain = transports.Choose(s_ip, TransportBackend.Sockets, needsPipes: false, hasMiddleware: false)!.Value.Factory;
        Assert.NotSame(plain, transports.Choose(s_ip, TransportBackend.Sockets, needsPipes: false, hasMiddleware: true)!.Value.Factory);
        Assert.Same(plain, transports.Choose(s_ip, TransportBackend.Sockets, needsPipes: false, hasMiddleware: false)!.Value.Factory);
    }

    [Fact]
    public void A_transport_of_the_application_is_used_and_the_last_one_wins()
    {
        var first = new Factory(static _ => true);
        var last = new Factory(static _ => true);
        ForeignTransport? chosen = Make(_kestrels, first, last).Choose(s_ip, TransportBackend.Epoll, needsPipes: false, hasMiddleware: false);
        Assert.Same(last, chosen?.Factory);
        Assert.Equal(HalfCloseBy.Pipe, chosen?.HalfClose);
    }

    [Fact]
    public void A_transport_that_declines_the_endpoint_is_passed_over()
    {
        var first = new Factory(static endPoint => endPoint is IPEndPoint);
        var last = new Factory(static _ => false);
        ForeignTransports transports = Make(first, last, _kestrels);
        Assert.Same(first, transports.Choose(s_ip, TransportBackend.Epoll, needsPipes: false, hasMiddleware: false)?.Factory);
        Assert.Null(transports.Choose(new UnixDomainSocketEndPoint(Path.GetTempPath()), TransportBackend.Epoll, needsPipes: false, hasMiddleware: false));
        Assert.True(transports.CanBind(s_ip));
        Assert.False(transports.CanBind(new NamedPipeEndPoint("name"))); // Kestrel's sockets decline it, too
    }

    [Fact]
    public void A_transport_without_a_selector_takes_everything()
    {
        var all = new Plain();
        ForeignTransports transports = Make(_kestrels, all);
        Assert.Same(all, transports.Choose(new NamedPipeEndPoint("name"), TransportBackend.Epoll, needsPipes: false, hasMiddleware: false)?.Factory);
        Assert.True(transports.CanBind(new NamedPipeEndPoint("name")));
    }

    private static ForeignTransports Make(params IConnectionListenerFactory[] registered)
        => new(registered, new SocketTransportOptions(), new AeronetTransportOptions(), NullLoggerFactory.Instance);

    private sealed class Factory(Func<EndPoint, bool> canBind) : IConnectionListenerFactory, IConnectionListenerFactorySelector
    {
        public ValueTask<IConnectionListener> BindAsync(EndPoint endpoint, CancellationToken cancellationToken = default) => throw new NotSupportedException();

        public bool CanBind(EndPoint endpoint) => canBind(endpoint);
    }

    private sealed class Plain : IConnectionListenerFactory
    {
        public ValueTask<IConnectionListener> BindAsync(EndPoint endpoint, CancellationToken cancellationToken = default) => throw new NotSupportedException();
    }
}
