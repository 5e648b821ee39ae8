using System;
using System.Collections.Generic;
using System.Linq;
using System.Net;
using System.Threading;
using System.Threading.Channels;
using System.Threading.Tasks;
using Aeronet.TestSupport.Connections;
using Aeronet.TestSupport.Hosting;
using Aeronet.TestSupport.Kernel;
using Aeronet.Transport.Connections;
using Aeronet.Transport.Foreign;
using Aeronet.Transport.Listen;
using Aeronet.Transport.Loop;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Aeronet.Transport.Tests.Foreign;

/// <summary>The test's thread is the loop; the accept loop runs on the thread pool, its listener and its clock are the test's.</summary>
public sealed class ForeignListenerTests : IDisposable
{
    private const int AcceptFailedId = 1014;

    private readonly LogCapture _logs = new();
    private readonly SimulatedLoop _loop = new();
    private readonly ScriptedListener _script = new();
    private readonly BoundEndpoint _endpoint = new(new IPEndPoint(IPAddress.Loopback, 80), new RecordingAcceptor());
    private readonly List<ConnectionContext> _served = [];

    public void Dispose()
    {
        _loop.Dispose();
        _logs.Dispose();
    }

    [Fact]
    public void A_fault_of_the_listener_is_logged_once_and_tried_again_after_a_growing_pause()
    {
        ForeignListener listener = Start(_logs.CreateLogger("test"));
        int[] pausesMs = [100, 200, 400, 800, 1000, 1000];
        for (int i = 0; i < pausesMs.Length; i++)
        {
            _script.Next(new InvalidOperationException("no"));
            WaitUntil(() => _script.AcceptCount == i + 1 && _loop.Clock.TimerCount == 1);
            _loop.Clock.Advance(pausesMs[i] - 1);
            Assert.Equal(1, _loop.Clock.TimerCount); // it still waits
            _loop.Clock.Advance(1);
        }
        Assert.Single(_logs.Entries, static entry => entry.Id == AcceptFailedId);
        _script.Next(new InMemoryConnection());
        WaitUntil(() => _served.Count == 1);
        _script.Next(new InvalidOperationException("again")); // another episode
        WaitUntil(() => _loop.Clock.TimerCount == 1);
        Assert.Equal(2, _logs.Entries.Count(static entry => entry.Id == AcceptFailedId));
        End(listener); // ends the pause, too
    }

    [Fact]
    public void A_logger_that_throws_does_not_end_the_endpoint()
    {
        ForeignListener listener = Start(new ThrowingLogger());
        _script.Next(new InvalidOperationException("no"));
        WaitUntil(() => _loop.Clock.TimerCount == 1);
        _loop.Clock.Advance(100);
        _script.Next(new InMemoryConnection());
        WaitUntil(() => _served.Count == 1);
        End(listener);
    }

    [Fact]
    public void Middleware_and_a_logger_that_throw_end_their_connection_only()
    {
        ForeignListener listener = Start(new ThrowingLogger(), static _ => throw new InvalidOperationException("middleware"));
        InMemoryConnection[] contexts = [new(), new()];
        foreach (InMemoryConnection context in contexts)
        {
            _script.Next(context);
            WaitUntil(() => context.Disposed.IsCompleted);
        }
        WaitUntil(() => _endpoint.ConnectionCount == 0);
        End(listener);
    }

    [Fact]
    public void The_listener_is_disposed_of_when_its_last_connection_is()
    {
        TaskCompletionSource over = new(TaskCreationOptions.RunContinuationsAsynchronously);
        ForeignListener listener = Start(_logs.CreateLogger("test"), _ => over.Task);
        InMemoryConnection context = new();
        _script.Next(context);
        WaitUntil(() => _served.Count == 1);
        bool wasContextFirst = false;
        _script.WhenDisposed = () => wasContextFirst = context.Disposed.IsCompleted;
        Task unbinding = listener.UnbindAsync();
        WaitUntil(() => unbinding.IsCompleted);
        Assert.Equal(["unbound"], _script.Calls);
        Assert.False(listener.Ended.IsCompleted);
        over.SetResult();
        WaitUntil(() => listener.Ended.IsCompleted);
        Assert.Equal(["unbound", "disposed"], _script.Calls);
        Assert.True(wasContextFirst);
    }

    [Fact]
    public void A_listener_that_cannot_be_closed_and_a_logger_that_throws_do_not_fail_the_stop()
    {
        ForeignListener listener = Start(new ThrowingLogger());
        _script.FailsToClose = true;
        End(listener);
        Assert.Equal(["unbound", "disposed"], _script.Calls);
        Assert.True(listener.Ended.IsCompletedSuccessfully);
    }

    [Fact]
    public void A_listener_that_is_being_unbound_is_not_disposed_of()
    {
        ForeignListener listener = Start(NullLogger.Instance);
        _script.Unbound = new TaskCompletionSource();
        Task unbinding = listener.UnbindAsync();
        WaitUntil(() => _script.HasEnded); // its accept has ended, and nothing is left to serve
        Assert.False(listener.Ended.IsCompleted);
        Assert.Equal(["unbound"], _script.Calls);
        _script.Unbound.SetResult();
        WaitUntil(() => unbinding.IsCompletedSuccessfully && listener.Ended.IsCompleted);
        Assert.Equal(["unbound", "disposed"], _script.Calls);
    }

    [Fact]
    public void A_connection_of_our_own_loops_that_is_refused_ends_at_once_whatever_it_has_sent()
    {
        AeronetTransportOptions options = new() { IOThreadCount = 1 };
        SharedLoops others = new(Microsoft.Extensions.Options.Options.Create(options), NullLoggerFactory.Instance);
        AeronetConnectionListener carriers = new(others, others.Acquire(), PipeBridgeSettings.ForCarriers(options, isInline: true, _logs.CreateLogger("test")));
        _loop.Acceptor.Instead = connection => ((IConnectionAcceptor)carriers).Accept(connection);
        BoundEndpoint refusing = new(new IPEndPoint(IPAddress.Loopback, 80), new RecordingAcceptor { Instead = static _ => null });
        ForeignListener listener = new(carriers, refusing, static _ => Task.CompletedTask, new ForeignTraits(HasMiddleware: true, HalfCloseBy.Bridge), [_loop.Loop], _logs.CreateLogger("test"));
        SimulatedPeer peer = _loop.Kernel.Connect(_loop.Listener);
        peer.Send("GET / HTTP/1.1\r\n");
        listener.Start();
        WaitUntil(() => peer.SeesEndOfStream && _loop.GroupConnections.Count == 0); // by no clock: nothing advances it
        End(listener);
    }

    private ForeignListener Start(ILogger logger, ConnectionDelegate? pipeline = null)
    {
        ForeignListener listener = new(_script, _endpoint, Serve, new ForeignTraits(HasMiddleware: true, HalfCloseBy.Pipe), [_loop.Loop], logger);
        listener.Start();
        return listener;

        Task Serve(ConnectionContext context)
        {
            lock (_served)
            {
                _served.Add(context);
            }
            return pipeline?.Invoke(context) ?? Task.CompletedTask;
        }
    }

    private void End(ForeignListener listener)
    {
        Task unbinding = listener.UnbindAsync();
        WaitUntil(() => unbinding.IsCompletedSuccessfully && listener.Ended.IsCompleted);
    }

    private void WaitUntil(Func<bool> condition) => Assert.True(SpinWait.SpinUntil(
        () =>
        {
            _loop.Turn();
            return condition();
        },
        Guard.Time));

    private sealed class ScriptedListener : IConnectionListener
    {
        private readonly Channel<object> _script = Channel.CreateUnbounded<object>();
        private int _acceptCount;
        private bool _hasEnded;

        public EndPoint EndPoint { get; } = new IPEndPoint(IPAddress.Loopback, 80);

        /// <summary>Accepts that have come to their end.</summary>
        public int AcceptCount => Volatile.Read(ref _acceptCount);

        public List<string> Calls { get; } = [];

        public bool FailsToClose { get; set; }

        /// <summary>Non-null: unbinding takes until it is completed.</summary>
        public TaskCompletionSource? Unbound { get; set; }

        /// <summary>An accept has said that there are no more.</summary>
        public bool HasEnded => Volatile.Read(ref _hasEnded);

        public Action? WhenDisposed { get; set; }

        /// <summary>What an accept brings: a connection or an exception.</summary>
        public void Next(object what) => _script.Writer.TryWrite(what);

        public async ValueTask<ConnectionContext?> AcceptAsync(CancellationToken cancellationToken = default)
        {
            if (!await _script.Reader.WaitToReadAsync(cancellationToken))
            {
                Volatile.Write(ref _hasEnded, true);
                return null;
            }
            _script.Reader.TryRead(out object? next);
            Interlocked.Increment(ref _acceptCount);
            return next is Exception exception ? throw exception : (ConnectionContext?)next;
        }

        public ValueTask UnbindAsync(CancellationToken cancellationToken = default)
        {
            _script.Writer.TryComplete();
            ValueTask closed = Close("unbound");
            return Unbound is null ? closed : new ValueTask(Unbound.Task);
        }

        public ValueTask DisposeAsync()
        {
            WhenDisposed?.Invoke();
            return Close("disposed");
        }

        private ValueTask Close(string call)
        {
            Calls.Add(call);
            return FailsToClose ? throw new InvalidOperationException("It does not close.") : default;
        }
    }
}
