using System;
using System.Collections.Generic;
using System.Diagnostics.Metrics;
using System.Linq;
using System.Net;
using Aeronet.TestSupport.Hosting;
using Aeronet.TestSupport.Kernel;
using Aeronet.Transport.Connections;
using Aeronet.Transport.Gate;
using Aeronet.Transport.Listen;
using Aeronet.Transport.ProxyProtocol;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Aeronet.Transport.Tests.Gate;

/// <summary>The gate on a scripted kernel. The loop's disposal counts blocks and descriptors.</summary>
public sealed class GatedConnectionTests
{
    private const string Header = "PROXY TCP4 192.0.2.7 192.0.2.8 7 8\r\n";
    private const string Other = "PROXY TCP4 192.0.2.9 192.0.2.8 7 8\r\n";

    [Theory]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(int.MaxValue)]
    public void The_protocol_hears_of_the_client_and_of_what_comes_behind_the_header(int piece)
    {
        using Gated gated = new();
        SimulatedPeer peer = gated.Connect();
        Assert.Empty(gated.Protocols.Handlers);
        string content = new('a', 3000);
        foreach (char[] bytes in (Header + content).Chunk(piece))
        {
            peer.Send(new string(bytes));
            gated.Loop.Turn();
        }

        RecordingHandler handler = Assert.Single(gated.Protocols.Handlers);
        Assert.Equal(content, handler.Received);
        Assert.Equal("192.0.2.7:7", handler.Connection.RemoteEndPoint!.ToString());
        Assert.Equal("192.0.2.8:8", handler.Connection.LocalEndPoint!.ToString());
        Assert.Equal("192.0.2.7:7", handler.Connection.Peer.ToEndPoint()!.ToString());
        IConnectionEndPointFeature ends = (IConnectionEndPointFeature)handler.Connection.Features[typeof(IConnectionEndPointFeature)]!;
        Assert.Equal("192.0.2.7:7", ends.RemoteEndPoint!.ToString());
        Assert.Same(handler.Connection.FindFeature(typeof(IProxyProtocolFeature)), handler.Connection.Features[typeof(IProxyProtocolFeature)]);
        Assert.Equal("127.0.0.1:40000", ((IProxyProtocolFeature)handler.Connection.FindFeature(typeof(IProxyProtocolFeature))!).Proxy!.ToString());
        peer.Send("more");
        gated.Loop.Turn();
        Assert.EndsWith("amore", handler.Received, StringComparison.Ordinal);
        Assert.Equal(long.MaxValue, handler.Connection.DeadlineMs); // the header's time is over
        Assert.Equal("127.0.0.1:80", handler.Connection.ListenEndPoint!.ToString());
        handler.Connection.Close();
        Assert.Equal(["Read"], gated.Outcomes);
    }

    [Theory]
    [InlineData(10)]
    [InlineData(4096)]
    public void An_end_right_behind_the_header_is_seen_behind_the_content(int bufferSize)
    {
        using Gated gated = new();
        gated.Protocols.Prepare = handler => handler.BufferSize = bufferSize;
        SimulatedPeer peer = gated.Connect();
        peer.Send(Header + "the only request");
        peer.Finish();
        gated.Loop.Turn(4);
        RecordingHandler handler = Assert.Single(gated.Protocols.Handlers);
        Assert.Equal("the only request", handler.Received);
        Assert.True(handler.HasSeenEndOfStream);
    }

    [Fact]
    public void A_reset_right_behind_what_was_kept_is_told_behind_it()
    {
        using Gated gated = new();
        gated.Protocols.Prepare = static handler =>
        {
            handler.Reads = false;
            handler.WhenReset = null; // a protocol that is busy
        };
        SimulatedPeer peer = gated.Connect();
        peer.Send(Header + "kept");
        gated.Loop.Turn();
        RecordingHandler handler = Assert.Single(gated.Protocols.Handlers);
        peer.Reset();
        byte[] buffer = new byte[100];
        Assert.Equal(4, handler.Connection.Receive(buffer).Bytes);
        Assert.Equal(IoError.ConnectionReset, handler.Connection.Receive(buffer).Error);
        Assert.Equal(IoError.ConnectionReset, handler.Connection.Receive(buffer).Error);
        handler.Connection.Close();
    }

    [Fact]
    public void A_header_that_fills_what_was_received_is_no_end()
    {
        using Gated gated = new();
        SimulatedPeer peer = gated.Connect();
        peer.Send(Header);
        gated.Loop.Turn();
        RecordingHandler handler = Assert.Single(gated.Protocols.Handlers);
        Assert.False(handler.HasSeenEndOfStream);
        Assert.True(handler.Connection.Receive(new byte[10]).IsWouldBlock);
    }

    [Fact]
    public void Connections_that_wait_are_bounded()
    {
        using Gated gated = new(waitingMax: 2);
        SimulatedPeer[] waiting = [gated.Connect(), gated.Connect(), gated.Connect()];
        Assert.Equal([false, false, true], waiting.Select(static peer => peer.IsClosedByServer));
        waiting[0].Send(Header);
        gated.Loop.Turn();
        Assert.Equal(1, gated.WaitingCount);
        Assert.False(gated.Connect().IsClosedByServer);
        waiting[1].Reset();
        gated.Loop.Turn();
        Assert.Equal(1, gated.WaitingCount);
    }

    [Fact]
    public void What_a_refusing_protocol_says_is_not_destroyed_by_what_the_client_has_sent()
    {
        using Gated gated = new();
        gated.Protocols.Instead = static connection =>
        {
            connection.Send("no"u8);
            return null;
        };
        SimulatedPeer peer = gated.Connect();
        peer.Send(Header + new string('a', 5000));
        gated.Loop.Turn(2);
        Assert.Equal("no", peer.Received);
        Assert.True(peer.IsClosedByServer);
        Assert.Equal(0, peer.UnreadCount); // unread bytes would make the close a reset
        Assert.Equal(1, gated.Loop.Loop.Counters.Read().ConnectionsRefused);
    }

    [Theory]
    [InlineData("", "Closed")]
    [InlineData("PROXY TCP4 1", "Closed")]
    [InlineData("GET / HTTP/1.1\r\n", "Absent")]
    [InlineData("PROXY TCP4 nonsense\r\n", "Malformed")]
    public void A_connection_that_does_not_pass_never_reaches_the_protocol(string bytes, string outcome)
    {
        using Gated gated = new();
        SimulatedPeer peer = gated.Connect();
        peer.Send(bytes);
        gated.Loop.Turn();
        peer.Finish();
        gated.Loop.Turn(2);
        Assert.True(peer.IsClosedByServer);
        Assert.Equal(outcome != "Closed", peer.SeesReset);
        Assert.Empty(gated.Protocols.Handlers);
        Assert.Equal([outcome], gated.Outcomes);
        Assert.Equal(outcome == "Closed" ? 0 : 1, gated.Loop.Loop.Counters.Read().ConnectionsRefused);
    }

    [Theory]
    [InlineData("")]
    [InlineData("PROXY TCP4 1")]
    public void Time_reset_drain_and_abort_end_a_connection_that_waits(string bytes)
    {
        using Gated gated = new();
        foreach (Action<SimulatedPeer> end in (Action<SimulatedPeer>[])
        [
            peer =>
            {
                gated.Loop.Advance(6000);
                Assert.True(peer.SeesReset);
            },
            static peer => peer.Reset(),
            _ => gated.Loop.Loop.PostVisit(gated.Loop.Endpoint, abort: false),
            _ => gated.Loop.Loop.PostVisit(gated.Loop.Endpoint, abort: true),
        ])
        {
            SimulatedPeer peer = gated.Connect();
            peer.Send(bytes);
            gated.Loop.Turn();
            Assert.False(peer.IsClosedByServer);
            end(peer);
            gated.Loop.Turn(2);
            Assert.True(peer.IsClosedByServer);
        }

        Assert.Empty(gated.Protocols.Handlers);
        Assert.Equal(["TimedOut", "Closed", "Closed", "Closed"], gated.Outcomes);
    }

    [Fact]
    public void A_protocol_that_closes_leaves_nothing_of_what_it_has_not_read()
    {
        using Gated gated = new();
        gated.Protocols.Prepare = static handler =>
        {
            handler.Reads = false;
            handler.WhenReadable = static own => own.Connection.Close();
        };
        SimulatedPeer peer = gated.Connect();
        peer.Send(Header + "unread");
        gated.Loop.Turn(2);
        Assert.True(peer.IsClosedByServer);
    }

    [Fact]
    public void The_limit_counts_clients_and_forgets_them()
    {
        using Gated gated = new(limit: 1);
        SimulatedPeer first = gated.Connect();
        first.Send(Header);
        gated.Loop.Turn();
        SimulatedPeer second = gated.Connect();
        second.Send(Header);
        SimulatedPeer other = gated.Connect();
        other.Send(Other);
        gated.Loop.Turn(2);
        Assert.False(first.IsClosedByServer);
        Assert.True(second.SeesReset);
        Assert.False(other.IsClosedByServer);
        Assert.Equal(2, gated.Limit.AddressCount);
        gated.Protocols.Handlers[0].Connection.Close();
        Assert.Equal(1, gated.Limit.AddressCount);
        SimulatedPeer third = gated.Connect();
        third.Send(Header);
        gated.Loop.Turn(2);
        Assert.False(third.IsClosedByServer);
    }

    [Theory]
    [InlineData(true, false)]
    [InlineData(true, true)]
    [InlineData(false, false)]
    [InlineData(false, true)]
    public void A_protocol_that_refuses_or_throws_keeps_no_place(bool hasProxy, bool isThrown)
    {
        using Gated gated = new(limit: 1, hasProxy: hasProxy);
        gated.Protocols.Instead = _ => isThrown ? throw new InvalidOperationException("a fault of the protocol") : null;
        SimulatedPeer peer = gated.Connect();
        peer.Send(Header);
        gated.Loop.Turn(3);
        Assert.True(peer.IsClosedByServer);
        Assert.Equal(0, gated.Limit.AddressCount);
    }

    [Theory]
    [InlineData(false, "the header is content")]
    [InlineData(true, null)]
    public void A_peer_that_is_not_trusted_is_refused_or_stays_itself(bool isRequired, string? content)
    {
        using Gated gated = new(configure: options =>
        {
            options.TrustedNetworks.Clear();
            options.TrustedNetworks.Add(IPNetwork.Parse("192.0.2.0/24"));
            options.IsRequired = isRequired;
        });
        SimulatedPeer peer = gated.Connect();
        if (content is null)
        {
            Assert.True(peer.SeesReset);
            Assert.Empty(gated.Protocols.Handlers);
            return;
        }

        peer.Send(Header + content);
        gated.Loop.Turn();
        Assert.Equal(Header + content, Assert.Single(gated.Protocols.Handlers).Received);
        Assert.Equal("127.0.0.1:40000", gated.Protocols.Handlers[0].Connection.RemoteEndPoint!.ToString());
    }

    private sealed class Gated : IDisposable
    {
        private const string Counter = "aeronet.proxy_protocol.connections";
        private readonly GateAcceptor _gate;
        private readonly ServiceProvider _services = new ServiceCollection().AddMetrics().BuildServiceProvider();
        private readonly MeterCapture _meters;

        public Gated(int? limit = null, bool hasProxy = true, Action<ProxyProtocolOptions>? configure = null, long? waitingMax = null)
        {
            _meters = new MeterCapture(_services.GetRequiredService<IMeterFactory>(), Counter);
            ProxyProtocolOptions options = new();
            options.TrustedNetworks.Add(IPNetwork.Parse("127.0.0.0/8"));
            configure?.Invoke(options);
            Limit = new AddressLimit(limit ?? 1, 64);
            ConnectionGate gate = new(hasProxy ? new ProxyProtocolLayer(options, _services) : null, limit is null ? null : new AddressLimitLayer(Limit, null));
            _gate = new GateAcceptor(gate, Protocols, waitingMax);
            Loop.Acceptor.Instead = _gate.Accept;
        }

        /// <summary>What became of headers, in order.</summary>
        public IEnumerable<string?> Outcomes => _meters.Of(Counter).Select(static measurement => (string?)measurement.Tags["outcome"]);

        public long WaitingCount => _gate.WaitingCount;

        public SimulatedLoop Loop { get; } = new();

        public RecordingAcceptor Protocols { get; } = new();

        public AddressLimit Limit { get; }

        public SimulatedPeer Connect()
        {
            SimulatedPeer peer = Loop.Kernel.Connect(Loop.Listener);
            Loop.Turn();
            return peer;
        }

        public void Dispose()
        {
            Loop.Dispose(); // fails if anything is left
            Assert.Equal(0, Limit.AddressCount);
            Assert.Equal(0, WaitingCount);
            _meters.Dispose();
            _services.Dispose();
        }
    }
}
