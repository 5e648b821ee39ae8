using System;
using System.Buffers;
using System.Collections.Generic;
using System.IO.Pipelines;
using System.Net;
using System.Text;
using System.Threading;
using System.Threading.Tasks;
using Aeronet.TestSupport.Connections;
using Aeronet.TestSupport.Hosting;
using Aeronet.TestSupport.Kernel;
using Aeronet.Transport.Buffers;
using Aeronet.Transport.Connections;
using Aeronet.Transport.Foreign;
using Aeronet.Transport.Listen;
using Aeronet.Transport.Loop;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.Extensions.Logging;
using Xunit;

namespace Aeronet.Transport.Tests.Foreign;

/// <summary>The test's thread is the loop; pipes call back on the thread that moves their bytes, so every step is in the test's hands.</summary>
public sealed class PipeConnectionTests : IDisposable
{
    private readonly LogCapture _logs = new();
    private readonly SimulatedLoop _loop;
    private readonly RecordingAcceptor _acceptor = new();
    private readonly BoundEndpoint _endpoint;
    private readonly List<PipeConnection> _connections = []; // not left yet

    public PipeConnectionTests()
    {
        _loop = new SimulatedLoop(_logs.CreateLogger("test"));
        _endpoint = new BoundEndpoint(new IPEndPoint(IPAddress.Loopback, 80), _acceptor);
    }

    public void Dispose()
    {
        foreach (PipeConnection connection in _connections)
        {
            _ = connection.EndAsync();
            _loop.Turn();
            _ = connection.LeaveAsync();
        }
        _loop.Dispose();
        _logs.Dispose();
    }

    [Fact]
    public void Bytes_end_of_stream_and_close_as_on_a_socket()
    {
        (InMemoryConnection context, _, RecordingHandler handler) = Start();
        Send(context, "hello");
        Assert.Equal("hello", handler.Received);
        context.Peer.Output.Complete();
        _loop.Turn();
        Assert.True(handler.HasSeenEndOfStream);
        Assert.Contains("ReadablePeerClosed", handler.Calls);
        handler.Connection.Close();
        Assert.Equal("Closed", handler.Calls[^1]);
    }

    [Fact]
    public void Bytes_and_the_end_that_arrive_together_are_both_delivered()
    {
        (InMemoryConnection context, _, RecordingHandler handler) = Start();
        context.Peer.Output.Write("last"u8);
        context.Peer.Output.Complete();
        _loop.Turn(2);
        Assert.Equal("last", handler.Received);
        Assert.True(handler.HasSeenEndOfStream);
    }

    [Fact]
    public void A_small_buffer_gets_the_bytes_piece_by_piece_and_every_edge()
    {
        (InMemoryConnection context, _, RecordingHandler handler) = Start(static handler => handler.BufferSize = 3);
        for (int length = 1; length <= 10; length++)
        {
            Send(context, new string((char)('a' + length), length));
        }
        Assert.Equal(55, handler.Received.Length);
        context.Peer.Output.Complete();
        _loop.Turn();
        Assert.True(handler.HasSeenEndOfStream);
    }

    [Fact]
    public void What_a_busy_protocol_leaves_is_there_when_it_reads_again()
    {
        (InMemoryConnection context, _, RecordingHandler handler) = Start(static handler => handler.Reads = false);
        Send(context, "waiting");
        Assert.Equal("", handler.Received);
        handler.Reads = true;
        handler.Connection.RequeueReadable();
        _loop.Turn();
        Assert.Equal("waiting", handler.Received);
    }

    [Fact]
    public void A_send_that_the_peer_does_not_take_blocks_the_next_one_until_it_is_taken()
    {
        (InMemoryConnection context, _, RecordingHandler handler) = Start(pauseAt: 1);
        Assert.Equal(5, handler.Connection.Send("first"u8).Bytes);
        Assert.True(handler.Connection.Send("second"u8).IsWouldBlock);
        handler.Connection.NotifyWhenWritable();
        _loop.Turn();
        Assert.Equal(0, handler.CountOf("Writable"));
        Assert.Equal("first", Take(context));
        _loop.Turn();
        Assert.Equal(1, handler.CountOf("Writable"));
        Assert.Equal(6, handler.Connection.Send("second"u8).Bytes);
        Assert.Equal("second", Take(context));
        handler.Connection.NotifyWhenWritable(); // it is writable already: no edge is lost
        _loop.Turn();
        Assert.Equal(2, handler.CountOf("Writable"));
    }

    [Fact]
    public void One_send_takes_no_more_than_its_share()
    {
        (InMemoryConnection context, _, RecordingHandler handler) = Start(pauseAt: 1);
        Assert.Equal(PipeConnection.SendBytesMax, handler.Connection.Send(new byte[PipeConnection.SendBytesMax + 1]).Bytes);
        Take(context);
        ReadOnlyMemory<byte>[] segments = [new byte[PipeConnection.SendBytesMax - 1], new byte[2], new byte[1]];
        Assert.Equal(PipeConnection.SendBytesMax, handler.Connection.Send(segments).Bytes);
    }

    [Fact]
    public void ShutdownSend_waits_for_the_flush_and_leaves_the_other_direction_open()
    {
        (InMemoryConnection context, _, RecordingHandler handler) = Start(pauseAt: 1);
        Assert.True(handler.Connection.CanHalfClose);
        handler.Connection.Send("bye"u8);
        handler.Connection.ShutdownSend();
        handler.Connection.ShutdownSend();
        Assert.True(context.Peer.Input.TryRead(out ReadResult read));
        Assert.False(read.IsCompleted);
        context.Peer.Input.AdvanceTo(read.Buffer.End);
        Assert.True(context.Peer.Input.TryRead(out read));
        Assert.True(read.IsCompleted);
        Assert.True(handler.Connection.Send("more"u8).IsFailed);
        Send(context, "still here");
        Assert.Equal("still here", handler.Received);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_reset_by_the_peer_is_told_once(bool isReading)
    {
        (InMemoryConnection context, _, RecordingHandler handler) = Start(handler =>
        {
            handler.Reads = isReading;
            handler.WhenReset = null;
        });
        context.ResetByPeer();
        _loop.Turn();
        if (!isReading)
        {
            // Nobody waits for bytes: whoever asks next hears of it.
            Assert.True(handler.Connection.Receive(new byte[10]).IsFailed);
            _loop.Turn();
        }
        Assert.Equal(1, handler.CountOf("Reset"));
        Assert.Equal(IoError.ConnectionReset, handler.Connection.Receive(new byte[10]).Error);
        Assert.Equal(IoError.ConnectionReset, handler.Connection.Send("x"u8).Error);
        _loop.Turn();
        Assert.Equal(1, handler.CountOf("Reset"));
        handler.Connection.Close();
    }

    [Fact]
    public void An_abort_ends_the_connection_for_the_peer_at_once()
    {
        (InMemoryConnection context, _, RecordingHandler handler) = Start(static handler => handler.WhenReset = null);
        handler.Connection.Abort();
        Assert.NotNull(context.AbortReason);
        Assert.True(handler.Connection.Receive(new byte[1]).IsFailed);
        Assert.True(handler.Connection.Send("x"u8).IsFailed);
        _loop.Turn();
        Assert.Equal(1, handler.CountOf("Reset"));
        handler.Connection.Close();
    }

    [Fact]
    public void Deadlines_begin_with_the_protocol_not_with_the_middleware()
    {
        (InMemoryConnection context, PipeConnection connection, RecordingHandler handler) = Admit();
        connection.SetDeadline(connection.Loop.NowMs + 1000); // as a protocol does while it is made
        _loop.Clock.Advance(30_000);
        _loop.Turn();
        Assert.Equal(0, handler.CountOf("Deadline"));
        _ = connection.ServeAsync(context);
        _loop.Turn();
        _loop.Clock.Advance(900);
        _loop.Turn();
        Assert.Equal(0, handler.CountOf("Deadline"));
        _loop.Clock.Advance(200);
        _loop.Turn();
        Assert.Equal(1, handler.CountOf("Deadline"));
    }

    [Fact]
    public void A_deadline_set_by_another_thread_fires()
    {
        (_, PipeConnection connection, RecordingHandler handler) = Start();
        long soon = connection.Loop.NowMs + 100;
        ForeignThread.Run(() => connection.SetDeadline(soon));
        _loop.Turn();
        _loop.Clock.Advance(1000);
        _loop.Turn();
        Assert.Equal(1, handler.CountOf("Deadline"));
    }

    [Fact]
    public void A_drain_before_the_protocol_started_is_told_when_it_starts()
    {
        (InMemoryConnection context, PipeConnection connection, RecordingHandler handler) = Admit();
        _loop.Loop.PostVisit(only: null, abort: false);
        _loop.Turn();
        Assert.Equal(0, handler.CountOf("Drain"));
        _ = connection.ServeAsync(context);
        _loop.Turn();
        Assert.Equal(1, handler.CountOf("Drain"));
        _loop.Loop.PostVisit(only: null, abort: false);
        _loop.Turn();
        Assert.Equal(1, handler.CountOf("Drain"));
    }

    [Fact]
    public void An_abort_of_the_server_reaches_a_connection_that_is_still_in_its_middleware()
    {
        (InMemoryConnection context, _, RecordingHandler handler) = Admit();
        _loop.Loop.PostVisit(only: null, abort: true);
        _loop.Turn();
        Assert.NotNull(context.AbortReason);
        Assert.Equal(0, handler.CountOf("Abort"));
    }

    [Fact]
    public void Middleware_that_ends_without_the_protocol_closes_the_connection()
    {
        (_, PipeConnection connection, RecordingHandler handler) = Admit();
        Task ended = connection.EndAsync();
        _loop.Turn();
        Assert.Equal(["Drain", "Closed"], handler.Calls);
        WaitFor(ended);
        Assert.Equal(1, _loop.Loop.Counters.Read().Connections); // it counts until its context is disposed of
    }

    [Fact]
    public void A_connection_counts_until_its_context_is_disposed()
    {
        (_, PipeConnection connection, RecordingHandler handler) = Start();
        Assert.Equal(1, _endpoint.Connections.Count);
        handler.Connection.Close();
        _loop.Turn();
        Assert.Equal(1, _endpoint.Connections.Count);
        _connections.Remove(connection);
        Task left = connection.LeaveAsync();
        _loop.Turn();
        Assert.True(left.IsCompleted);
        Assert.Equal(0, _endpoint.Connections.Count);
        Assert.Equal(0, _loop.GroupConnections.Count);
    }

    [Fact]
    public void Closing_waits_for_the_last_flush_and_then_completes_the_pipes()
    {
        (InMemoryConnection context, PipeConnection connection, RecordingHandler handler) = Admit(pauseAt: 1);
        Task served = connection.ServeAsync(context);
        _loop.Turn();
        handler.Connection.Send("all of it"u8);
        handler.Connection.Close();
        Assert.True(context.Peer.Input.TryRead(out ReadResult read));
        Assert.False(read.IsCompleted);
        Assert.Equal("all of it", Encoding.ASCII.GetString(read.Buffer.FirstSpan));
        context.Peer.Input.AdvanceTo(read.Buffer.End);
        WaitFor(served);
        Assert.True(context.Peer.Input.TryRead(out read) && read.IsCompleted);
    }

    [Fact]
    public void The_last_flush_has_a_limit_by_the_loops_clock_and_its_end_is_the_peers_affair()
    {
        (InMemoryConnection context, PipeConnection connection, RecordingHandler handler) = Admit(pauseAt: 1);
        Task served = connection.ServeAsync(context);
        _loop.Turn();
        handler.Connection.Send("nobody takes this"u8);
        handler.Connection.Close();
        Assert.True(SpinWait.SpinUntil(() => _loop.Clock.TimerCount == 1, Guard.Time));
        _loop.Clock.Advance(29_999);
        Assert.Null(context.AbortReason);
        _loop.Clock.Advance(1);
        WaitFor(served);
        Assert.NotNull(context.AbortReason);
        LogEntry entry = Assert.Single(_logs.Entries, static entry => entry.Id == 1037);
        Assert.Equal(LogLevel.Debug, entry.Level);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_failing_read_or_flush_is_told_whatever_the_logger_does(bool isRead)
    {
        using SimulatedLoop loop = new(new ThrowingLogger());
        InMemoryConnection context = new(pauseAt: 1);
        PipeConnection connection = new(loop.Loop, _endpoint, context, new ForeignTraits(HasMiddleware: false, HalfCloseBy.Pipe));
        _ = connection.AdmitAsync();
        loop.Turn();
        RecordingHandler handler = _acceptor.Handlers[^1];
        handler.WhenReset = null;
        _ = connection.ServeAsync(context);
        loop.Turn();
        if (isRead)
        {
            context.ResetByPeer(); // on this thread: what the callback throws would come out here
        }
        else
        {
            connection.Send("x"u8);
            context.Peer.Input.Complete(new ConnectionResetException("no"));
        }
        loop.Turn();
        Assert.Equal(1, handler.CountOf("Reset"));
        connection.Close();
        _ = connection.LeaveAsync();
        loop.Turn();
    }

    [Fact]
    public void A_refused_connection_is_closed_and_counted()
    {
        var refusing = new BoundEndpoint(_endpoint.LocalEndPoint, new Refusing());
        PipeConnection connection = new(_loop.Loop, refusing, new InMemoryConnection(), new ForeignTraits(false, HalfCloseBy.Pipe));
        Task<bool> admitted = connection.AdmitAsync();
        _loop.Turn();
        Assert.True(admitted.IsCompleted);
        Assert.Equal(1, _loop.Loop.Counters.Read().ConnectionsRefused);
        _ = connection.LeaveAsync();
        _loop.Turn();
        Assert.Equal(0, _loop.GroupConnections.Count);
    }

    [Fact]
    public void A_protocol_that_throws_ends_its_connection_only()
    {
        (InMemoryConnection context, _, RecordingHandler handler) = Start();
        handler.WhenReadable = static _ => throw new InvalidOperationException("no");
        Send(context, "x");
        Assert.NotNull(context.AbortReason);
        Assert.Equal("Closed", handler.Calls[^1]);
        Assert.True(_loop.Loop.Counters.Read().HandlerFailures > 0);
    }

    [Fact]
    public void The_next_delegate_may_be_called_once()
    {
        (InMemoryConnection context, PipeConnection connection, _) = Start();
        Assert.IsType<InvalidOperationException>(connection.ServeAsync(context).Exception?.InnerException);
    }

    [Fact]
    public void Features_that_Kestrel_adds_to_every_transport_are_there_before_the_middleware()
    {
        (InMemoryConnection context, _, RecordingHandler handler) = Admit();
        var completed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        IConnectionLifetimeNotificationFeature notification = context.Features.Get<IConnectionLifetimeNotificationFeature>()!;
        Assert.NotNull(context.Features.Get<IConnectionHeartbeatFeature>());
        Assert.NotNull(context.Features.Get<IPersistentStateFeature>());
        context.Features.Get<IConnectionCompleteFeature>()!.OnCompleted(_ => { completed.SetResult(); return Task.CompletedTask; }, new object());
        var requested = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        notification.ConnectionClosedRequested.Register(requested.SetResult);
        notification.RequestClose();
        _loop.Turn();
        Assert.True(handler.Connection.IsCloseRequested);
        WaitFor(requested.Task);
    }

    [Fact]
    public void Pipes_of_middleware_are_called_as_application_code_one_thing_per_call()
    {
        (InMemoryConnection context, MiddlewarePipes pipes, RecordingHandler handler) = StartBehindMiddleware(callsInline: true);
        Send(context, "hello");
        _loop.Turn(2);
        Assert.Equal("hello", handler.Received);
        handler.Reads = false;
        Send(context, "more");
        Assert.Equal(4, handler.Connection.Receive(new byte[10]).Bytes); // a read follows
        Assert.Equal(5, handler.Connection.Send("reply"u8).Bytes);
        Assert.True(handler.Connection.Send("again"u8).IsWouldBlock);
        pipes.Calls.Clear();
        _loop.Turn();
        Assert.Equal(["Flush", "Advance", "Read"], pipes.Calls.ConvertAll(static call => call.What));
        Assert.NotEqual(pipes.Calls[0].Word, pipes.Calls[2].Word); // a flush that blocks keeps no read from being begun
        Assert.All(pipes.Calls, static call => Assert.True(call.IsApplicationCode));
        Assert.Equal("reply", Take(context));
    }

    [Fact]
    public void Or_the_thread_pool_calls_them()
    {
        (InMemoryConnection context, MiddlewarePipes pipes, RecordingHandler handler) = StartBehindMiddleware(callsInline: false);
        TurnUntil(() => pipes.Count("Read") == 1);
        Send(context, "hello");
        TurnUntil(() => handler.Received == "hello" && pipes.Count("Read") == 2);
        Assert.Equal(5, handler.Connection.Send("reply"u8).Bytes);
        TurnUntil(() => pipes.Count("Flush") == 1);
        Assert.All(pipes.Calls, static call => Assert.False(call.IsOnLoopThread));
        handler.Connection.NotifyWhenWritable();
        TurnUntil(() => handler.CountOf("Writable") == 1);
        Assert.Equal("reply", Take(context));
    }

    [Fact]
    public void Middlewares_output_is_completed_by_a_call_too()
    {
        (InMemoryConnection _, MiddlewarePipes pipes, RecordingHandler handler) = StartBehindMiddleware(callsInline: true);
        handler.Connection.ShutdownSend();
        Assert.Equal(0, pipes.Count("Complete"));
        _loop.Turn();
        Assert.Equal(1, pipes.Count("Complete"));
        Assert.All(pipes.Calls, static call => Assert.True(call.IsApplicationCode));
    }

    [Theory]
    [InlineData(false, 2)]
    [InlineData(true, 0)]
    public void What_waits_is_counted_once(bool isCarried, int expected)
    {
        (InMemoryConnection context, _, RecordingHandler handler) = Start(pauseAt: 1, halfClose: isCarried ? HalfCloseBy.Bridge : HalfCloseBy.Pipe);
        SendQueue queue = new();
        foreach (string text in new[] { "first", "waits" })
        {
            queue.Write(_loop.Loop.Blocks, Encoding.ASCII.GetBytes(text));
            if (queue.Send(handler.Connection) == SendOutcome.Blocked)
            {
                handler.Connection.NotifyWhenWritable();
            }
        }
        TransportStatistics counted = _loop.Loop.Counters.Read();
        Assert.Equal(expected, (counted.BytesLeft > 0 ? 1 : 0) + counted.WritesDeferred);
        Assert.Equal(expected > 0 ? 5 : 0, counted.BytesWritten);
        queue.Clear(_loop.Loop.Blocks);
        Assert.Equal("first", Take(context));
    }

    private (InMemoryConnection Context, MiddlewarePipes Pipes, RecordingHandler Handler) StartBehindMiddleware(bool callsInline)
    {
        (InMemoryConnection context, PipeConnection connection, RecordingHandler handler) = Admit(callsInline: callsInline);
        MiddlewarePipes pipes = new(context.Transport, _loop.Loop);
        context.Transport = pipes;
        _ = connection.ServeAsync(context);
        _loop.Turn();
        return (context, pipes, handler);
    }

    private void TurnUntil(Func<bool> condition) => Assert.True(SpinWait.SpinUntil(
        () =>
        {
            _loop.Turn();
            return condition();
        },
        Guard.Time));

    private (InMemoryConnection Context, PipeConnection Connection, RecordingHandler Handler) Admit(Action<RecordingHandler>? configure = null, int pauseAt = 64 * 1024, HalfCloseBy halfClose = HalfCloseBy.Pipe, bool callsInline = true)
    {
        InMemoryConnection context = new(pauseAt);
        PipeConnection connection = new(_loop.Loop, _endpoint, context, new ForeignTraits(HasMiddleware: true, halfClose) { CallsInline = callsInline });
        Task<bool> admitted = connection.AdmitAsync();
        _loop.Turn();
        Assert.True(admitted.IsCompleted);
        _connections.Add(connection);
        RecordingHandler handler = _acceptor.Handlers[^1];
        configure?.Invoke(handler);
        return (context, connection, handler);
    }

    private (InMemoryConnection Context, PipeConnection Connection, RecordingHandler Handler) Start(Action<RecordingHandler>? configure = null, int pauseAt = 64 * 1024, HalfCloseBy halfClose = HalfCloseBy.Pipe)
    {
        (InMemoryConnection context, PipeConnection connection, RecordingHandler handler) = Admit(configure, pauseAt, halfClose);
        _ = connection.ServeAsync(context);
        _loop.Turn();
        return (context, connection, handler);
    }

    // On this thread: it is the loop.
    private static void WaitFor(Task task) => Assert.True(((IAsyncResult)task).AsyncWaitHandle.WaitOne(Guard.Time));

    private void Send(InMemoryConnection context, string text)
    {
        context.Peer.Output.Write(Encoding.ASCII.GetBytes(text));
        _ = context.Peer.Output.FlushAsync().AsTask();
        _loop.Turn();
    }

    private static string Take(InMemoryConnection context)
    {
        Assert.True(context.Peer.Input.TryRead(out ReadResult read));
        string text = Encoding.ASCII.GetString(read.Buffer);
        context.Peer.Input.AdvanceTo(read.Buffer.End);
        return text;
    }

    /// <summary>Passes everything on, and notes who has called.</summary>
    private sealed class MiddlewarePipes : IDuplexPipe
    {
        private readonly EventLoop<SimulatedKernel.Handle> _loop;
        private readonly int _loopThread = Environment.CurrentManagedThreadId;

        public MiddlewarePipes(IDuplexPipe inner, EventLoop<SimulatedKernel.Handle> loop)
        {
            _loop = loop;
            Input = new Reader(inner.Input, this);
            Output = new Writer(inner.Output, this);
        }

        public PipeReader Input { get; }

        public PipeWriter Output { get; }

        public List<(string What, bool IsApplicationCode, bool IsOnLoopThread, long Word)> Calls { get; } = [];

        public int Count(string what)
        {
            lock (Calls)
            {
                return Calls.FindAll(call => call.What == what).Count;
            }
        }

        private void Note(string what)
        {
            lock (Calls)
            {
                Calls.Add((what, _loop.IsApplicationHere, Environment.CurrentManagedThreadId == _loopThread, _loop.Role.Word));
            }
        }

        private sealed class Reader(PipeReader inner, MiddlewarePipes pipes) : PipeReader
        {
            public override void AdvanceTo(SequencePosition consumed)
            {
                pipes.Note("Advance");
                inner.AdvanceTo(consumed);
            }

            public override void AdvanceTo(SequencePosition consumed, SequencePosition examined) => inner.AdvanceTo(consumed, examined);

            public override void CancelPendingRead() => inner.CancelPendingRead();

            public override void Complete(Exception? exception = null) => inner.Complete(exception);

            public override bool TryRead(out ReadResult result) => inner.TryRead(out result);

            public override ValueTask<ReadResult> ReadAsync(CancellationToken cancellationToken = default)
            {
                pipes.Note("Read");
                return inner.ReadAsync(cancellationToken);
            }
        }

        private sealed class Writer(PipeWriter inner, MiddlewarePipes pipes) : PipeWriter
        {
            public override void Advance(int bytes) => inner.Advance(bytes);

            public override Memory<byte> GetMemory(int sizeHint = 0) => inner.GetMemory(sizeHint);

            public override Span<byte> GetSpan(int sizeHint = 0) => inner.GetSpan(sizeHint);

            public override void CancelPendingFlush() => inner.CancelPendingFlush();

            public override void Complete(Exception? exception = null)
            {
                pipes.Note("Complete");
                inner.Complete(exception);
            }

            public override ValueTask<FlushResult> FlushAsync(CancellationToken cancellationToken = default)
            {
                pipes.Note("Flush");
                return inner.FlushAsync(cancellationToken);
            }
        }
    }

    private sealed class Refusing : IConnectionAcceptor
    {
        public IConnectionHandler? Accept(TransportConnection connection) => null;
    }
}
