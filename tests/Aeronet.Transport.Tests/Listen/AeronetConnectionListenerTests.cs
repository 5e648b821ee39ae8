using System;
using System.Threading.Tasks;
using Aeronet.TestSupport.Hosting;
using Aeronet.TestSupport.Kernel;
using Aeronet.Transport.Connections;
using Aeronet.Transport.Listen;
using Aeronet.Transport.Loop;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Xunit;

namespace Aeronet.Transport.Tests.Listen;

/// <summary>The listener of an application, fed by a simulated loop: the test decides what happens between the accept and the hand-over.</summary>
public sealed class AeronetConnectionListenerTests
{
    [Fact]
    public async Task What_was_accepted_before_the_unbinding_is_handed_over_behind_it()
    {
        (AeronetConnectionListener listener, ConnectionContext? taken, SimulatedLoop loop, SimulatedPeer peer) = Run(static listener => listener.UnbindAsync());
        Assert.NotNull(taken);
        Assert.False(peer.SeesReset);
        loop.Dispose(); // before this thread may change
        Assert.Null(await listener.AcceptAsync().AsTask().WaitAsync(Guard.Time));
        await End(listener);
    }

    [Fact]
    public async Task What_was_accepted_before_the_disposal_is_ended()
    {
        (AeronetConnectionListener listener, ConnectionContext? taken, SimulatedLoop loop, SimulatedPeer peer) = Run(static listener => listener.DisposeAsync());
        Assert.Null(taken);
        Assert.True(peer.SeesReset);
        Assert.Equal((1, 1), (loop.Loop.Counters.Read().ConnectionsAccepted, loop.Loop.Counters.Read().ConnectionsRefused));
        loop.Dispose(); // before this thread may change
        await End(listener);
    }

    [Fact]
    public async Task A_listener_that_is_unbound_and_has_nothing_on_its_way_accepts_nothing()
    {
        AeronetConnectionListener listener = Make();
        Task<ConnectionContext?> waiting = listener.AcceptAsync().AsTask();
        await listener.UnbindAsync();
        await listener.UnbindAsync();
        Assert.Null(await waiting.WaitAsync(Guard.Time));
        await End(listener);
    }

    // On one thread, which is the loop's.
    private static (AeronetConnectionListener Listener, ConnectionContext? Taken, SimulatedLoop Loop, SimulatedPeer Peer) Run(Func<AeronetConnectionListener, ValueTask> beforeHandOver)
    {
        AeronetConnectionListener listener = Make();
        SimulatedLoop loop = new();
        loop.Acceptor.Instead = connection =>
        {
            IConnectionHandler? handler = ((IConnectionAcceptor)listener).Accept(connection);
            _ = beforeHandOver(listener).AsTask();
            return handler;
        };
        SimulatedPeer peer = loop.Kernel.Connect(loop.Listener);
        loop.Turn(2);
#pragma warning disable CA2012 // it is there or it is not
        ValueTask<ConnectionContext?> accepting = listener.AcceptAsync();
#pragma warning restore CA2012
        return (listener, accepting.IsCompletedSuccessfully ? accepting.Result : null, loop, peer);
    }

    private static AeronetConnectionListener Make()
    {
        AeronetTransportOptions options = new() { IOThreadCount = 1 };
        SharedLoops loops = new(Options.Create(options), NullLoggerFactory.Instance);
        return new AeronetConnectionListener(loops, loops.Acquire(), new PipeBridgeSettings(options, NullLogger.Instance));
    }

    private static Task End(AeronetConnectionListener listener) => listener.DisposeAsync().AsTask().WaitAsync(Guard.Time);
}
