using System;
using System.Net;
using Aeronet.Native.Libc;
using Aeronet.Transport;
using Aeronet.Transport.Listen;
using Aeronet.Transport.Loop;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Aeronet.TestSupport.Kernel;

/// <summary>A loop on a simulated kernel and a manual clock, with one listener, driven by the test's thread.</summary>
internal sealed class SimulatedLoop : IDisposable
{
    public SimulatedLoop(ILogger? logger = null, Action<AeronetTransportOptions>? configure = null, bool isTcp = true)
    {
        AeronetTransportOptions options = new() { IOThreadCount = 1 };
        configure?.Invoke(options);
        GroupConnections = new ConnectionGauge();
        Loop = new EventLoop<SimulatedKernel.Handle>(0, Kernel.AsKernel(), options, logger ?? NullLogger.Instance, Clock, GroupConnections);
        Loop.TakeRole();
        DescriptorsAtFirst = Kernel.OpenCount;
        Endpoint = new BoundEndpoint(new IPEndPoint(IPAddress.Loopback, 80), isTcp, Acceptor);
        Listener = Kernel.Listen();
        SysResult added = Loop.AddListener(Listener, Endpoint, isShared: false);
        if (!added.IsOk)
        {
            throw new InvalidOperationException(added.ToString());
        }
    }

    public SimulatedKernel Kernel { get; } = new();

    public ManualClock Clock { get; } = new();

    public RecordingAcceptor Acceptor { get; } = new();

    public ConnectionGauge GroupConnections { get; }

    public BoundEndpoint Endpoint { get; }

    public EventLoop<SimulatedKernel.Handle> Loop { get; }

    public int Listener { get; }

    /// <summary>Descriptors of the bare loop.</summary>
    public int DescriptorsAtFirst { get; }

    /// <summary>A connected peer whose connection the loop has accepted, and the protocol on it.</summary>
    public (SimulatedPeer Peer, RecordingHandler Handler) Connect()
    {
        SimulatedPeer peer = Kernel.Connect(Listener);
        Turn();
        return (peer, Acceptor.Handlers[^1]);
    }

    /// <summary>Runs turns that may wait; the simulated wait returns at once.</summary>
    public void Turn(int count = 1)
    {
        for (int i = 0; i < count; i++)
        {
            Loop.RunTurn();
        }
    }

    /// <summary>Moves the clock in steps of one wheel tick, one turn each.</summary>
    public void Advance(long ms)
    {
        for (long left = ms; left > 0; left -= TimerWheel.TickMs)
        {
            Clock.Advance(Math.Min(left, TimerWheel.TickMs));
            Turn();
        }
    }

    /// <summary>Ends everything and fails if anything is left: descriptors, connections, blocks.</summary>
    public void Dispose()
    {
        _ = Loop.RemoveListenerAsync(Endpoint);
        Loop.PostVisit(null, abort: true);
        Loop.PostStop();
        for (int i = 0; i < 100 && !Loop.IsFinished; i++)
        {
            Loop.RunTurn();
        }
        if (!Loop.IsFinished)
        {
            throw new InvalidOperationException($"The loop does not end: {GroupConnections.Count} connections are left.");
        }
        if (!Loop.TryEnd())
        {
            throw new InvalidOperationException("Something was posted to a loop that is finished.");
        }
        if (Kernel.OpenCount != 0 || GroupConnections.Count != 0 || Endpoint.ConnectionCount != 0 || Loop.Blocks.RentedCount != 0)
        {
            throw new InvalidOperationException(
                $"Left over: {Kernel.OpenCount} descriptors, {GroupConnections.Count} connections, {Loop.Blocks.RentedCount} blocks.");
        }
    }
}
