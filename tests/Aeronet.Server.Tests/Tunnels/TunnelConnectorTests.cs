using System;
using System.Collections.Generic;
using System.Net;
using System.Net.Sockets;
using System.Threading;
using System.Threading.Tasks;
using Aeronet.Server.Tunnels;
using Xunit;

namespace Aeronet.Server.Tests.Tunnels;

public sealed class TunnelConnectorTests
{
    private static readonly TimeSpan s_long = TimeSpan.FromMinutes(1);

    [Fact]
    public async Task A_client_that_is_gone_is_no_timeout()
    {
        (Socket? socket, TunnelOutcome outcome) = await TunnelConnector.ConnectAsync(Target("127.0.0.1", 9), s_long, new CancellationToken(canceled: true));
        Assert.Null(socket);
        Assert.Equal(TunnelOutcome.ClientGone, outcome);
    }

    [Fact]
    public async Task Patience_that_is_over_is_a_timeout()
    {
        using Socket listener = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen(0); // once its queue is full it answers no further SYN
        List<Socket> queued = [];
        TunnelOutcome outcome = TunnelOutcome.Established;
        while (outcome == TunnelOutcome.Established && queued.Count < 8)
        {
            (Socket? socket, outcome) = await TunnelConnector.ConnectAsync(Target("127.0.0.1", ((IPEndPoint)listener.LocalEndPoint!).Port), TimeSpan.FromMilliseconds(500), CancellationToken.None);
            if (socket is not null)
            {
                queued.Add(socket);
            }
        }
        Assert.Equal(TunnelOutcome.TimedOut, outcome);
        queued.ForEach(static socket => socket.Dispose());
    }

    [Fact]
    public async Task A_refusal_is_unreachable_and_a_listener_is_reached()
    {
        using Socket listener = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0)); // bound and not listening: refused
        int port = ((IPEndPoint)listener.LocalEndPoint!).Port;
        (_, TunnelOutcome outcome) = await TunnelConnector.ConnectAsync(Target("127.0.0.1", port), s_long, CancellationToken.None);
        Assert.Equal(TunnelOutcome.Unreachable, outcome);
        listener.Listen();
        (Socket? socket, outcome) = await TunnelConnector.ConnectAsync(Target("127.0.0.1", port), s_long, CancellationToken.None);
        Assert.Equal(TunnelOutcome.Established, outcome);
        socket!.Dispose();
    }

    [Fact]
    public async Task A_name_that_no_resolver_takes_is_unresolved()
    {
        (_, TunnelOutcome outcome) = await TunnelConnector.ConnectAsync(new TunnelTarget(new string('a', 300), 80, null), s_long, CancellationToken.None);
        Assert.Equal(TunnelOutcome.Unresolved, outcome);
    }

    private static TunnelTarget Target(string address, int port) => new(address, port, IPAddress.Parse(address));
}
