using System;
using System.Collections.Generic;
using System.Linq;
using Aeronet.Native.Libc;
using Aeronet.TestSupport.Hosting;
using Aeronet.TestSupport.Kernel;
using Microsoft.Extensions.Logging;
using Xunit;

namespace Aeronet.Transport.Tests.Listen;

public sealed class ListenerTests
{
    [Theory]
    [Trait("Defect", "LOOP-10")]
    [Trait("Defect", "LOOP-11")]
    [InlineData(Errno.EMFILE)]
    [InlineData(Errno.ENFILE)]
    [InlineData(Errno.ENOBUFS)]
    [InlineData(Errno.ENOMEM)]
    public void Exhaustion_pauses_the_listener_is_logged_once_and_ends_when_accepting_works(object errno)
    {
        CountingLogger logger = new();
        using SimulatedLoop loop = new(logger);
        SimulatedPeer peer = loop.Kernel.Connect(loop.Listener);
        loop.Kernel.Fail(KernelCall.Accept, Enumerable.Repeat((Errno)errno, 5).ToArray());
        loop.Turn(50);
        Assert.Equal(1, loop.Kernel.Count(KernelCall.Accept)); // no spinning while time stands still
        Assert.False(loop.Kernel.IsListenerWatched(loop.Listener));
        loop.Advance(10_000);
        Assert.Single(logger.Messages, static message => message.Level == LogLevel.Warning);
        Assert.Single(logger.Messages, static message => message.Id == 1021);
        Assert.Equal(5, loop.Loop.Counters.Read().AcceptErrors);
        Assert.True(peer.Descriptor >= 0);
        Assert.Single(loop.Acceptor.Handlers);
    }

    [Fact]
    [Trait("Defect", "LOOP-10")]
    public void Pauses_double_up_to_a_second()
    {
        using SimulatedLoop loop = new();
        loop.Kernel.Connect(loop.Listener);
        loop.Kernel.Fail(KernelCall.Accept, Enumerable.Repeat(Errno.EMFILE, 1000).ToArray());
        loop.Turn();
        loop.Advance(30_000);
        Assert.InRange(loop.Kernel.Count(KernelCall.Accept), 25, 36);
    }

    [Theory]
    [Trait("Defect", "LOOP-12")]
    [InlineData(Errno.ECONNABORTED)]
    [InlineData(Errno.EPROTO)]
    [InlineData(Errno.EPERM)]
    [InlineData(Errno.ENETDOWN)]
    [InlineData(Errno.EHOSTUNREACH)]
    [InlineData(Errno.ENOPROTOOPT)]
    [InlineData(Errno.EOPNOTSUPP)]
    public void A_failure_of_one_connection_does_not_keep_the_next_from_being_accepted(object errno)
    {
        using SimulatedLoop loop = new();
        loop.Kernel.Connect(loop.Listener);
        loop.Kernel.Fail(KernelCall.Accept, (Errno)errno);
        loop.Turn();
        Assert.Single(loop.Acceptor.Handlers);
        Assert.Equal(1, loop.Loop.Counters.Read().AcceptErrors);
    }

    [Fact]
    [Trait("Defect", "LOOP-12")]
    public void An_unknown_failure_is_an_error_and_pauses()
    {
        CountingLogger logger = new();
        using SimulatedLoop loop = new(logger);
        loop.Kernel.Connect(loop.Listener);
        loop.Kernel.Fail(KernelCall.Accept, Errno.EIO, Errno.EIO);
        loop.Turn(20);
        Assert.Equal(1, loop.Kernel.Count(KernelCall.Accept));
        loop.Advance(2000);
        Assert.Single(logger.Messages, static message => message.Level == LogLevel.Error);
        Assert.Single(loop.Acceptor.Handlers);
    }

    [Fact]
    public void A_listener_that_cannot_be_watched_again_is_tried_later()
    {
        using SimulatedLoop loop = new();
        loop.Kernel.Connect(loop.Listener);
        loop.Kernel.Fail(KernelCall.Accept, Errno.EMFILE);
        loop.Turn();
        loop.Kernel.Fail(KernelCall.EpollControl, Errno.ENOMEM, Errno.ENOMEM);
        loop.Advance(5000);
        Assert.Single(loop.Acceptor.Handlers);
    }

    [Fact]
    public void A_batch_is_bounded_and_the_rest_comes_in_the_next_turn()
    {
        using SimulatedLoop loop = new(configure: static options => options.AcceptBatchSize = 3);
        for (int i = 0; i < 5; i++)
        {
            loop.Kernel.Connect(loop.Listener);
        }
        loop.Turn();
        Assert.Equal(3, loop.Acceptor.Handlers.Count);
        loop.Turn();
        Assert.Equal(5, loop.Acceptor.Handlers.Count);
    }

    [Fact]
    [Trait("Defect", "LOOP-9")]
    public void An_acceptor_and_a_logger_that_throw_do_not_end_the_listener()
    {
        using SimulatedLoop loop = new(new ThrowingLogger());
        loop.Acceptor.Instead = static _ => throw new InvalidOperationException("boom");
        SimulatedPeer first = loop.Kernel.Connect(loop.Listener);
        loop.Turn();
        Assert.True(first.IsClosedByServer);
        Assert.Equal(1, loop.Loop.Counters.Read().HandlerFailures);
        Assert.Equal(0, loop.GroupConnections.Count);
        loop.Acceptor.Instead = null;
        loop.Kernel.Connect(loop.Listener);
        loop.Turn();
        Assert.Single(loop.Acceptor.Handlers);
    }

    [Fact]
    public void A_refused_connection_is_closed_without_a_byte()
    {
        using SimulatedLoop loop = new();
        loop.Acceptor.Instead = static _ => null;
        SimulatedPeer peer = loop.Kernel.Connect(loop.Listener);
        loop.Turn();
        Assert.True(peer.IsClosedByServer);
        Assert.Equal("", peer.Received);
        Assert.Equal(1, loop.Loop.Counters.Read().ConnectionsRefused);
        Assert.Equal(0, loop.Endpoint.ConnectionCount);
    }

    [Fact]
    public void What_waits_when_the_listener_is_removed_is_still_accepted()
    {
        using SimulatedLoop loop = new();
        _ = loop.Loop.RemoveListenerAsync(loop.Endpoint);
        SimulatedPeer peer = loop.Kernel.Connect(loop.Listener);
        loop.Kernel.EventsMax = 0; // its event is not even fetched
        loop.Turn();
        loop.Kernel.EventsMax = int.MaxValue;
        Assert.Single(loop.Acceptor.Handlers);
        peer.Send("x");
        loop.Turn();
        Assert.Equal("x", loop.Acceptor.Handlers[0].Received);
    }

    [Fact]
    public void A_shared_listener_is_watched_exclusively_and_not_closed_by_the_loop()
    {
        using SimulatedLoop loop = new();
        int shared = loop.Kernel.Listen();
        Aeronet.Transport.Listen.BoundEndpoint endpoint = new(new System.Net.IPEndPoint(System.Net.IPAddress.Loopback, 81), isTcp: false, loop.Acceptor);
        Assert.True(loop.Loop.AddListener(shared, endpoint, isShared: true).IsOk);
        int open = loop.Kernel.OpenCount;
        System.Threading.Tasks.Task removed = loop.Loop.RemoveListenerAsync(endpoint);
        loop.Turn();
        Assert.True(removed.IsCompletedSuccessfully);
        Assert.False(loop.Kernel.IsListenerWatched(shared));
        Assert.Equal(open, loop.Kernel.OpenCount);
        Assert.True(loop.Kernel.AsKernel().Close(shared).IsOk);
    }

    private sealed class CountingLogger : ILogger
    {
        public List<(LogLevel Level, int Id)> Messages { get; } = [];

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Information;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            Messages.Add((logLevel, eventId.Id));
    }
}
