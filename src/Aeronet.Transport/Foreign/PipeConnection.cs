using System;
using System.Diagnostics;
using System.IO;
using System.IO.Pipelines;
using System.Net;
using System.Runtime.CompilerServices;
using System.Threading;
using System.Threading.Tasks;
using Aeronet.Native.Libc;
using Aeronet.Transport.Connections;
using Aeronet.Transport.Diagnostics;
using Aeronet.Transport.Listen;
using Aeronet.Transport.Loop;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Logging;

namespace Aeronet.Transport.Foreign;

/// <summary>A connection of somebody else's transport on one of our loops: its pipes look like a non-blocking socket to the protocol.</summary>
/// <remarks>
/// One idea although long: the two halves of a pipe as the two halves of a socket, and the life around them.
/// <code>
///   Admitted ==(the middleware has called the terminal)==&gt; Started ==(Close)==&gt; Closed ==(middleware returned, context disposed)==&gt; gone
///       +================(the middleware returned without)====================&gt; Closed
/// </code>
/// Reading: at most one ReadAsync is under way, started when the protocol has emptied what the last one brought; its completion is the
/// "readable" edge. Writing: a send copies into the pipe and flushes; while the flush is under way the next send would block, and its
/// completion is the "writable" edge. With a transport whose flush completes when the kernel has the bytes this is exactly a socket with
/// a send buffer of <see cref="SendBytesMax"/>; with others up to their own pause threshold more is on its way.
/// Pipes that middleware has put in place of the transport's are application code, which may block, and who sends may hold a lock that the loop
/// takes: so nobody reads or flushes there on the spot. From the loop's thread a call for application code does, which the loop can leave to
/// another thread; from elsewhere the thread pool does.
/// The protocol may close while the last flush is under way: it is waited for before the pipes are completed.
/// </remarks>
internal sealed partial class PipeConnection : TransportConnection, ILoopConnection, IHandledConnection, ITimed, IPosted, IConnectionControls, IApplicationCall, IThreadPoolWorkItem
{
    /// <summary>Most bytes copied into the pipe by one send. As Kestrel's pause threshold: large answers hop between threads once per 64 KiB.</summary>
    internal const int SendBytesMax = 64 * 1024;

    // How long the peer may take for the last bytes after the protocol has closed. The kernel gives its own send buffer longer; ours is memory of the process.
    private const int LastFlushMsMax = 30_000;

    private readonly ILoopHost _host;
    private readonly ForeignTraits _traits;
    private readonly ConnectionFeatures _features;
    private readonly IDuplexPipe _transportPipes; // the transport's own, which middleware may have replaced
    private readonly TaskCompletionSource<bool> _admitted = new(TaskCreationOptions.RunContinuationsAsynchronously); // the middleware must not run on the loop
    private readonly TaskCompletionSource _closed = new(TaskCreationOptions.RunContinuationsAsynchronously); // the same
    private readonly TaskCompletionSource _gone = new(TaskCreationOptions.RunContinuationsAsynchronously); // the same
    private readonly Action _onReadCompleted;
    private readonly Action _onFlushed;

    // Written before Start is posted.
    private ConnectionContext _context;
    private IDuplexPipe _pipes;

    // Loop thread only.
    private IConnectionHandler? _handler; // Null until admitted.
    private State _state;
    private ulong _key;
    private UInt128? _limitKey; // Non-null while it holds a place in the endpoint's limit per address.
    private long _admittedMs;
    private long _deadlineAtStartMs = long.MaxValue; // what the protocol asked for before Start

    // Receive owner, and the read's completion while _reading is Pending.
    private ReadResult _read; // valid exactly while _reading is Ready and _readError is null
    private ConfiguredValueTaskAwaitable<ReadResult>.ConfiguredValueTaskAwaiter _readAwaiter;
    private SequencePosition? _advanceTo; // before the next read of middleware's pipes
    private Exception? _readError;
    private int _reading; // volatile: Reading

    // Under _gate.
    private readonly Lock _gate = new();
    private ConfiguredValueTaskAwaitable<FlushResult>.ConfiguredValueTaskAwaiter _flushAwaiter;
    private bool _isFlushing;
    private bool _hasSendFailed;
    private bool _wantsWritable;
    private bool _wantsShutdown;
    private bool _isShutDown;
    private TaskCompletionSource? _underWayDone; // Non-null once the closed connection waits for a read or a flush.

    // Any thread: interlocked.
    private TimerLink _timer = TimerLink.None;
    private int _posted;
    private int _isAborted;
    private int _isCloseRequested;
    private int _isTaken; // the middleware has handed the connection over
    private int _isPeerClosed; // a read said that nothing follows
    private int _due; // of Due

    public PipeConnection(ILoopHost host, BoundEndpoint endpoint, ConnectionContext context, ForeignTraits traits)
        : base(host.Context)
    {
        _host = host;
        Endpoint = endpoint;
        _context = context;
        _pipes = _transportPipes = context.Transport;
        _traits = traits;
        _onReadCompleted = OnReadCompleted;
        _onFlushed = OnFlushed;
        _features = ConnectionFeatures.Of(this);

        // What Kestrel puts on top of every transport.
        context.Features.Set<IConnectionLifetimeNotificationFeature>(_features);
        context.Features.Set<IConnectionHeartbeatFeature>(_features);
        context.Features.Set<IConnectionCompleteFeature>(_features);
        context.Features.Set<IPersistentStateFeature>(_features);
        context.Features.Set(this); // how the terminal delegate finds us behind any middleware
    }

    // Owned by the loop.
    [Flags]
    private enum State
    {
        None = 0,
        Started = 1,
        ResetDelivered = 4,
        DrainDelivered = 8,
        Closed = 16,
    }

    private static class Reading
    {
        internal const int Idle = 0; // nothing is known to be there
        internal const int Pending = 1; // a ReadAsync is under way
        internal const int Ready = 2; // its result, or what is left of it, is in _read
    }

    // What the scheduled call has to do.
    private static class Due
    {
        internal const int Flush = 1;
        internal const int Complete = 2;
        internal const int Read = 4;
    }

    private static class Posted
    {
        internal const int Admit = 1;
        internal const int Start = 2;
        internal const int Handler = 4;
        internal const int Timer = 8;
        internal const int Readable = 16;
        internal const int Writable = 32;
        internal const int Reset = 64;
        internal const int Drain = 128;
        internal const int Abort = 256;
        internal const int Heartbeat = 512;
        internal const int PipelineEnded = 1024;
        internal const int Gone = 2048;
    }

    public BoundEndpoint Endpoint { get; }

    public override EndPoint? LocalEndPoint => _context.LocalEndPoint;

    public override EndPoint? RemoteEndPoint => _context.RemoteEndPoint;

    public override IFeatureCollection Features => _context.Features;

    /// <summary>Middleware in front has ended TLS.</summary>
    public override bool IsTls => _context.Features.Get<ITlsConnectionFeature>() is not null;

    public override bool IsCloseRequested => Volatile.Read(ref _isCloseRequested) != 0;

    public override long DeadlineMs => Volatile.Read(ref _timer.DeadlineMs);

    public override bool IsCarried => _traits.IsCarried;

    public override bool CanHalfClose => _traits.HalfClose != HalfCloseBy.Nothing && !HasPipesOfMiddleware;

    ref TimerLink ITimed.Timer => ref _timer;

    ILogger IConnectionControls.Logger => _host.Logger;

    int IConnectionControls.Descriptor => -1;

    public bool IsClosed => (_state & State.Closed) != 0;

    public bool HasHeardOfReset => (_state & State.ResetDelivered) != 0;

    private bool HasPipesOfMiddleware => !ReferenceEquals(_pipes, _transportPipes);

    private bool IsStarted => (_state & State.Started) != 0;

    protected override string MakeConnectionId() => _context.ConnectionId;

    // ---- Life: the listener's and the middleware's side (any thread) -----------------------------------------------

    /// <summary>Joins the loop. False: the acceptor has refused the connection, or the loop has ended.</summary>
    public Task<bool> AdmitAsync() => PostFlag(Posted.Admit) ? _admitted.Task : Task.FromResult(false);

    /// <summary>The end of the middleware pipeline: the protocol runs until it closes the connection.</summary>
    public async Task ServeAsync(ConnectionContext context)
    {
        if (Interlocked.Exchange(ref _isTaken, 1) != 0)
        {
            throw new InvalidOperationException("Connection middleware has called the next delegate twice.");
        }
        _context = context;
        _pipes = context.Transport;
        PostFlag(Posted.Start);
        await _closed.Task.ConfigureAwait(false);
        await CompletePipesAsync().ConfigureAwait(false);
    }

    /// <summary>The middleware has returned: ends the protocol, if it is not closed already.</summary>
    public Task EndAsync()
    {
        PostFlag(Posted.PipelineEnded);
        return _closed.Task;
    }

    /// <summary>The context is disposed of: leaves the loop, if it ever joined it.</summary>
    public Task LeaveAsync()
    {
        if (!_admitted.Task.IsCompleted)
        {
            return Task.CompletedTask;
        }
        PostFlag(Posted.Gone);
        return _gone.Task;
    }

    /// <summary>Ends the transport's connection, whatever state the protocol is in. Any thread.</summary>
    public void AbortContext(string reason)
    {
        Volatile.Write(ref _isAborted, 1);
        try
        {
            _context.Abort(new ConnectionAbortedException(reason));
        }
        catch (Exception exception)
        {
            LogFailure(exception);
        }
    }

    // ---- The protocol's side (see PipeConnection.Transfer for its bytes) -----------------------------------------------------

    public override void RequeueReadable()
    {
        Debug.Assert(Loop.IsCurrent);
        Debug.Assert(!IsClosed);
        PostFlag(Posted.Readable);
    }

    public override void Post() => PostFlag(Posted.Handler);

    public override void SetDeadline(long deadlineMs)
    {
        if (!Loop.IsCurrent)
        {
            if (!TimerWheel.TrySetDeadline(ref _timer, deadlineMs))
            {
                PostFlag(Posted.Timer);
            }
            return;
        }
        Debug.Assert(!IsClosed);
        if (!IsStarted)
        {
            _deadlineAtStartMs = deadlineMs; // the middleware has its own time-outs; the protocol's clock starts with the protocol
            return;
        }
        _host.SetDeadline(this, deadlineMs);
    }

    public override void Abort()
    {
        AbortContext("The connection was aborted by the server.");
        PostFlag(Posted.Reset); // as a socket's hang-up
    }

    public override void Close()
    {
        Debug.Assert(Loop.IsCurrent);
        Debug.Assert(!IsClosed);
        _state |= State.Closed;
        _host.Cancel(this);
        _features.OnClosing(_host);
        try
        {
            _handler?.OnClosed();
        }
        catch (Exception exception)
        {
            _host.ReportHandlerFailure(this, exception);
        }
        finally
        {
            _features.OnClosed();
            _closed.SetResult();
        }
    }

    /// <summary>Completes the pipes once the last flush is done. Only when closed or refused: nobody else touches them then, except a read or a flush that is still under way.</summary>
    public async Task CompletePipesAsync()
    {
        if (!await WaitForEndAsync(static connection => connection._isFlushing).ConfigureAwait(false))
        {
            Guard.Run(() => TransportLog.LastFlushAborted(_host.Logger, ConnectionId));
            AbortContext("The last bytes were not taken in time.");
            await WaitForEndAsync(static connection => connection._isFlushing).ConfigureAwait(false);
        }
        _pipes.Input.CancelPendingRead();
        await WaitForEndAsync(static connection => connection._reading == Reading.Pending).ConfigureAwait(false);
        try
        {
            await _pipes.Input.CompleteAsync().ConfigureAwait(false);
            await _pipes.Output.CompleteAsync().ConfigureAwait(false);
        }
        catch (Exception exception)
        {
            LogFailure(exception);
        }
    }

    private async Task<bool> WaitForEndAsync(Func<PipeConnection, bool> isUnderWay)
    {
        long endMs = Loop.ReadClockMs() + LastFlushMsMax;
        while (true)
        {
            Task done;
            lock (_gate)
            {
                if (!isUnderWay(this))
                {
                    return true;
                }
                _underWayDone = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously); // not the time of the pipe's other side
                done = _underWayDone.Task;
            }
            long leftMs = endMs - Loop.ReadClockMs();
            if (leftMs <= 0)
            {
                return false;
            }
            await done.WaitAsync(TimeSpan.FromMilliseconds(leftMs), _host.Time).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    // ---- Calls from the loop ------------------------------------------------------------------------------------------------

    void IPollTarget.OnEvents(EpollEvents events) => throw new UnreachableException("A connection made of pipes has no descriptor.");

    public void Visit(bool abort)
    {
        if (abort && (IsClosed || !IsStarted))
        {
            AbortContext("The server is stopping."); // it is in the hands of its middleware, or of its last flush
            return;
        }
        if (IsClosed)
        {
            return;
        }
        try
        {
            Deliver(abort ? Posted.Abort : Posted.Drain);
        }
        catch (Exception exception)
        {
            OnHandlerFailed(exception);
        }
    }

    void ITimed.OnTimer(long nowMs)
    {
        Debug.Assert(IsStarted);
        Debug.Assert(!IsClosed);
        try
        {
            _handler!.OnDeadline(nowMs);
        }
        catch (Exception exception)
        {
            OnHandlerFailed(exception);
        }
    }

    void IPosted.RunPosted()
    {
        int posted = Interlocked.Exchange(ref _posted, 0);
        if ((posted & Posted.Admit) != 0)
        {
            Admit();
        }
        if (!IsClosed)
        {
            try
            {
                Deliver(posted);
            }
            catch (Exception exception)
            {
                OnHandlerFailed(exception);
            }
        }
        if ((posted & Posted.Gone) != 0)
        {
            Debug.Assert(IsClosed);
            if (_limitKey is { } key)
            {
                Endpoint.AddressLimit!.Exit(key);
            }
            _host.Dismiss(this, _key);
            _gone.SetResult();
        }
    }

    void IConnectionControls.PostDrain()
    {
        Volatile.Write(ref _isCloseRequested, 1); // seen by the response that is being made, before the loop comes round
        PostFlag(Posted.Drain);
    }

    void IConnectionControls.PostAbort() => PostFlag(Posted.Abort);

    void IConnectionControls.PostHeartbeat() => PostFlag(Posted.Heartbeat);

    private bool PostFlag(int flag) => Interlocked.Or(ref _posted, flag) != 0 || _host.Post(this);

    private void Admit()
    {
        _key = _host.Admit(this);
        _admittedMs = Loop.NowMs;
        try
        {
            _handler = TryEnterLimit() ? Endpoint.Acceptor.Accept(this) : null;
            if (_handler is null)
            {
                Loop.Counters.ConnectionsRefused++;
            }
        }
        catch (Exception exception)
        {
            _host.ReportHandlerFailure(this, exception);
        }
        if (_handler is null)
        {
            Close();
        }
        _admitted.SetResult(_handler is not null);
    }

    private bool TryEnterLimit()
    {
        if (Endpoint.AddressLimit is not { } limit || _context.RemoteEndPoint is not IPEndPoint { Address: var address })
        {
            return true;
        }
        UInt128 key = limit.KeyOf(address); // now: middleware may replace the endpoint
        if (limit.TryEnter(key))
        {
            _limitKey = key;
            return true;
        }
        Loop.Counters.ConnectionsRefusedByAddress++;
        return false;
    }

    private void Deliver(int posted)
    {
        if ((posted & Posted.Start) != 0)
        {
            Start();
        }
        if ((posted & Posted.Heartbeat) != 0 && !IsClosed)
        {
            _features.StartHeartbeat(_host);
        }
        if ((posted & Posted.Drain) != 0 && !IsClosed)
        {
            DeliverDrain();
        }
        if (!IsStarted)
        {
            DeliverBeforeStart(posted);
            return;
        }
        if ((posted & Posted.PipelineEnded) != 0 && !IsClosed)
        {
            Abort(); // middleware that did not await the next delegate: the context is disposed of now, protocol or not
        }
        if ((posted & Posted.Timer) != 0 && !IsClosed)
        {
            _host.Reschedule(this);
        }
        if ((posted & Posted.Reset) != 0)
        {
            DeliverReset();
        }
        if ((posted & Posted.Readable) != 0 && !IsClosed)
        {
            DeliverReadable();
        }
        if ((posted & Posted.Writable) != 0 && !IsClosed)
        {
            _handler!.OnWritable();
        }
        if ((posted & Posted.Handler) != 0 && !IsClosed)
        {
            _handler!.OnPosted();
        }
        if ((posted & Posted.Abort) != 0 && !IsClosed)
        {
            _handler!.OnAbort();
        }
    }

    // The middleware has the connection: the protocol hears of nothing but the end.
    private void DeliverBeforeStart(int posted)
    {
        if (IsClosed)
        {
            return;
        }
        if ((posted & Posted.Abort) != 0)
        {
            AbortContext("The connection was aborted.");
        }
        if ((posted & Posted.PipelineEnded) != 0)
        {
            _state |= State.Started;
            _handler!.OnDrain(); // nothing has begun: it closes
            if (!IsClosed)
            {
                Close();
            }
        }
    }

    private void Start()
    {
        Debug.Assert(!IsStarted);
        Debug.Assert(!IsClosed);
        _state |= State.Started;
        if (_deadlineAtStartMs != long.MaxValue)
        {
            _host.SetDeadline(this, _deadlineAtStartMs + (Loop.NowMs - _admittedMs));
        }
        _handler!.OnReadable(peerClosed: false);
        if (!IsClosed && (_state & State.DrainDelivered) != 0)
        {
            _handler.OnDrain();
        }
    }

    private void DeliverReadable()
    {
        if ((_state & State.ResetDelivered) != 0)
        {
            return; // the protocol knows, and closes when it can
        }
        _handler!.OnReadable(Volatile.Read(ref _isPeerClosed) != 0);
    }

    public void DeliverReset()
    {
        if ((_state & (State.ResetDelivered | State.Closed)) == 0)
        {
            _state |= State.ResetDelivered;
            _handler!.OnReset();
        }
    }

    private void DeliverDrain()
    {
        if ((_state & State.DrainDelivered) == 0)
        {
            _state |= State.DrainDelivered;
            _features.OnDrain();
            if (IsStarted)
            {
                _handler!.OnDrain();
            }
        }
    }

    private void OnHandlerFailed(Exception exception) => HandlerFailure.End(this, _host, exception);

    private static IoError ToIoError(Exception exception) => exception switch
    {
        ConnectionResetException or ConnectionAbortedException or IOException or OperationCanceledException or ObjectDisposedException => IoError.ConnectionReset,
        _ => IoError.Other,
    };
}
