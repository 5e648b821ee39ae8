using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.Threading;
using System.Threading.Tasks;
using Aeronet.Native.Libc;
using Aeronet.Transport.Buffers;
using Aeronet.Transport.Connections;
using Aeronet.Transport.Diagnostics;
using Aeronet.Transport.Listen;
using Microsoft.Extensions.Logging;

namespace Aeronet.Transport.Loop;

/// <summary>One epoll set with its connections, listeners, timers and posted work, driven turn by turn by the thread that has its role.</summary>
/// <remarks>
/// A turn: wait for events; fire what is due; handle the events; run what other threads posted; call again the connections that stopped
/// for fairness in the turn before. After each single step the application code that it has scheduled runs, from here and from nowhere deeper.
/// Where each of these stands is kept in fields, not on the stack: a thread that becomes the loop in the middle of a turn, because application
/// code does not return, goes on from there with <see cref="RunTurn"/>; the former thread finds out when the application returns, and leaves.
/// </remarks>
internal sealed class EventLoop<TKernel> : LoopContext, IGroupLoop
    where TKernel : struct, IKernel
{
    private const int EventsAtFirst = 64; // doubled whenever a batch fills it
    private const ulong WakeKey = ulong.MaxValue;
    private const ulong ListenerMark = 1UL << 63;

    private readonly TimeProvider _time;
    private readonly long _timestampsPerMs;
    private readonly ConnectionGauge _groupConnections;
    private readonly EpollEventBuffer _events = new(EventsAtFirst);
    private readonly FdTable _table = new();
    private readonly PostedWork<TKernel> _posted;
    private readonly PoolTrimmer _trimmer;
    private readonly Lock _listenersLock = new();
    private readonly int _epoll;
    private Listener<TKernel>?[] _listeners = []; // replaced, never changed, under its lock; the index is the key
    private List<SocketConnection<TKernel>> _pending = []; // requeued since the last wait
    private List<SocketConnection<TKernel>> _pendingNow = []; // requeued before the last wait, from _pendingNext on still to be called
    private int _pendingNext;
    private int _eventCount;
    private int _eventNext;
    private readonly LoopRole _role;
    private readonly LoopThreads? _threads; // null: nobody else can become this loop (tests that drive it)
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously); // the thread goes on to stand by, it runs nothing else
    private readonly Queue<IApplicationCall> _scheduled = new(); // seldom more than one
    private Listener<TKernel>? _accepting; // Non-null while its batch is not over.
    private int _acceptsLeft; // of that batch
    private object? _boxedIndex; // for the metric's tag
    private SocketConnection<TKernel>? _starting; // Accepted, its first bytes handled, not yet watched by epoll.
    private long _nowMs;
    private long _polledAt; // timestamp of the last wait's end; 0 unless somebody wants the lag
    private bool _isStopping;
    private TKernel _kernel;

    public EventLoop(int index, TKernel kernel, AeronetTransportOptions options, ILogger logger, TimeProvider time, ConnectionGauge groupConnections, LoopThreads? threads = null)
        : base(index, new BlockPool())
    {
        _role = new LoopRole(Blocks);
        _threads = threads;
        _kernel = kernel;
        Options = options;
        Logger = logger;
        _time = time;
        _timestampsPerMs = Math.Max(1, time.TimestampFrequency / 1000);
        _groupConnections = groupConnections;
        _nowMs = ReadClockMs();
        Timers = new TimerWheel(_nowMs);
        _trimmer = new PoolTrimmer(Blocks);
        _epoll = Require(kernel.EpollCreate(), -1);
        int wakeFd = Require(kernel.EventFdCreate(), _epoll);
        _posted = new PostedWork<TKernel>(kernel, wakeFd);
        Require(kernel.EpollControl(_epoll, EpollOperation.Add, wakeFd, EpollEvents.In | EpollEvents.EdgeTriggered, WakeKey), _epoll);
    }

    public AeronetTransportOptions Options { get; }

    public ILogger Logger { get; }

    public TimeProvider Time => _time;

    public TimerWheel Timers { get; }

    public ref TKernel Kernel => ref _kernel;

    public override bool IsCurrent => _role.IsCurrent;

    public override bool IsApplicationHere => _role.IsApplicationHere;

    public override bool IsOutOfThreads => _threads is { IsExhausted: true };

    public override HeldFlushes? HeldFlushes => _role.Monitor?.Held;

    public LoopRole Role => _role;

    /// <summary>Takes the time from the end of each wait to the next one, while somebody listens.</summary>
    public Histogram<double>? Lag { get; set; }

    /// <summary>Completes when the loop has ended.</summary>
    public Task Ended => _ended.Task;

    void IRunnableLoop.OnEnded() => _ended.SetResult();

    public override long NowMs => Volatile.Read(ref _nowMs);

    public override long ReadClockMs() => _time.GetTimestamp() / _timestampsPerMs;

    /// <summary>Stopping, and nothing is left to do.</summary>
    public bool IsFinished => _isStopping && _table.Count == 0 && !HasListeners && !_posted.HasWork && _scheduled.Count == 0;

    /// <summary>Makes the calling thread the loop. The caller has ordered this against the former one's last step.</summary>
    public void TakeRole() => _role.Assume();

    /// <summary>The calling thread leaves the loop to another one.</summary>
    public void LeaveRole() => _role.Resign();

    /// <summary>Makes the calling thread the loop and runs turns. True: stopped, the last connection is gone and the descriptors are closed. False: another thread is the loop now.</summary>
    public bool Run()
    {
        if (_role.Assume() is { } interrupted)
        {
            OnTakenOver(interrupted);
        }
        do
        {
            while (!IsFinished)
            {
                if (!RunTurn())
                {
                    return false;
                }
            }
        }
        while (!TryEnd());
        return true;
    }

    /// <summary>One turn, or the rest of the one in which another thread has lost the role. Waits only if there is nothing to do and <paramref name="mayWait"/>. False: this thread is the loop no more.</summary>
    public bool RunTurn(bool mayWait = true)
    {
        Debug.Assert(IsCurrent);
        if (!FinishStep())
        {
            return false;
        }
        if (_eventNext == _eventCount && _accepting is null)
        {
            Poll(mayWait && !IsFinished); // what was scheduled when it was seen last may have been the last
        }
        // Before the events: when a deadline and readiness meet in one turn the deadline wins, whatever order they are handled in elsewhere.
        if (!FireTimers() || !DispatchEvents() || !RunPosted() || !RunPending())
        {
            return false;
        }
        _trimmer.ScheduleIfNeeded(this);
        return true;
    }

    /// <summary>Closes the loop's own descriptors. False: something was posted since the last turn, which is to be run first. Role thread only.</summary>
    public bool TryEnd()
    {
        Debug.Assert(IsCurrent);
        Debug.Assert(_table.Count == 0);
        Debug.Assert(_scheduled.Count == 0);
        if (!_posted.TryEnd())
        {
            return false;
        }
        _ = _kernel.Close(_epoll);
        _role.Resign();
        return true;
    }

    public override void Schedule(IApplicationCall call)
    {
        Debug.Assert(IsCurrent);
        _scheduled.Enqueue(call);
    }

    public override bool TryHandOff(HandOffCause cause)
    {
        long word = _role.Word;
        if (!_role.IsApplicationHere)
        {
            return true;
        }
        if (_threads is null || !_threads.TryMove(this, word, mayExceed: false))
        {
            return !_role.IsApplicationHere;
        }
        Counters.AddHandOff(cause);
        return true;
    }

    /// <summary>Queues work for the loop. False: it has ended. Any thread.</summary>
    public bool Post(IPosted work) => _posted.TryEnqueue(work);

    /// <summary>Gives the loop a descriptor that was not accepted by it: an outgoing connection. False: the loop has ended, the descriptor stays the caller's. Any thread.</summary>
    public bool PostAdopt(int fd, BoundEndpoint endpoint, in SockAddr peer) => Post(new AdoptCommand(this, fd, endpoint, peer));

    /// <summary>Lets the loop end when it has no connection and no listener left. Any thread.</summary>
    public void PostStop() => Post(new StopCommand(this));

    /// <summary>Calls OnDrain or OnAbort on all connections (of the endpoint). Any thread.</summary>
    public void PostVisit(BoundEndpoint? only, bool abort) => Post(new VisitCommand(this, only, abort));

    /// <summary>Accepts connections from a listening socket from now on. Any thread.</summary>
    /// <remarks><paramref name="isShared"/>: other loops watch the same descriptor; one of them is woken per connection, and none of them closes it.</remarks>
    public SysResult AddListener(int fd, BoundEndpoint endpoint, bool isShared)
    {
        Listener<TKernel> listener;
        lock (_listenersLock)
        {
            int index = Array.IndexOf(_listeners, null);
            Listener<TKernel>?[] listeners = new Listener<TKernel>?[Math.Max(_listeners.Length, (index < 0 ? _listeners.Length : index) + 1)];
            _listeners.CopyTo(listeners, 0);
            index = index < 0 ? _listeners.Length : index;
            listener = new Listener<TKernel>(this, fd, endpoint, isShared, ListenerMark | (uint)index);
            listeners[index] = listener;
            Volatile.Write(ref _listeners, listeners);
        }
        SysResult result = listener.Watch();
        if (!result.IsOk)
        {
            Forget(listener);
        }
        return result;
    }

    /// <summary>Completes when the loop no longer accepts from the endpoint and has closed its socket, if it is not shared. Any thread.</summary>
    public Task RemoveListenerAsync(BoundEndpoint endpoint)
    {
        RemoveListenerCommand command = new(this, endpoint);
        return Post(command) ? command.Completion : Task.CompletedTask;
    }

    void ILoopTimers.SetDeadline(ITimed timed, long deadlineMs)
    {
        Debug.Assert(IsCurrent);
        Timers.SetDeadline(timed, deadlineMs);
    }

    void ILoopTimers.Cancel(ITimed timed)
    {
        Debug.Assert(IsCurrent);
        Timers.Cancel(timed);
    }

    LoopContext ILoopHost.Context => this;

    ulong ILoopHost.Admit(ILoopConnection connection)
    {
        Debug.Assert(IsCurrent);
        ulong key = _table.Add(connection);
        connection.Endpoint.Connections.Increment();
        _groupConnections.Increment();
        Counters.Connections++;
        Counters.ConnectionsAccepted++;
        return key;
    }

    void ILoopHost.Dismiss(ILoopConnection connection, ulong key)
    {
        Debug.Assert(IsCurrent);
        Debug.Assert(_table.TryFind(key, out IPollTarget? target) && target == connection);
        _table.Remove(key);
        CountClosed(connection.Endpoint);
    }

    void ILoopHost.Reschedule(ITimed timed)
    {
        Debug.Assert(IsCurrent);
        Timers.Reschedule(timed);
    }

    internal SysResult EpollControl(EpollOperation operation, int fd, EpollEvents events, ulong key) =>
        _kernel.EpollControl(_epoll, operation, fd, events, key);

    internal void AddPending(SocketConnection<TKernel> connection) => _pending.Add(connection);

    internal void BeginAccepting(Listener<TKernel> listener)
    {
        Debug.Assert(_accepting is null);
        _accepting = listener;
        _acceptsLeft = Options.AcceptBatchSize;
    }

    public void CountBytesRead(int bytes)
    {
        if (IsCurrent)
        {
            Counters.BytesRead += bytes;
        }
        else
        {
            Counters.AddForeignBytesRead(bytes);
        }
    }

    public void CountBytesWrittenImmediate(int bytes)
    {
        if (IsCurrent)
        {
            Counters.BytesWrittenImmediate += bytes;
        }
        else
        {
            Counters.AddForeignBytesWrittenImmediate(bytes);
        }
    }

    /// <summary>Gives an accepted descriptor its connection and protocol. Never throws: one bad connection must not end the listener.</summary>
    internal void Adopt(int fd, BoundEndpoint endpoint, in SockAddr peer)
    {
        if (!TryEnterLimit(endpoint, peer))
        {
            _ = _kernel.Close(fd);
            return;
        }
        SocketConnection<TKernel>? connection = null;
        try
        {
            SocketConnection<TKernel> made = new(this, endpoint, fd, peer);
            made.Admit(_table.Add(made));
            connection = made;
            endpoint.Connections.Increment();
            _groupConnections.Increment();
            Counters.Connections += endpoint.IsCarrier ? 0 : 1;
            Counters.ConnectionsAccepted += endpoint.IsOutgoing || endpoint.IsCarrier ? 0 : 1;
            if (endpoint.Acceptor.Accept(made) is { } handler)
            {
                FinishStart(); // of the connection before this one in a batch that nobody interrupts
                _starting = made;
                made.Start(handler);
                return;
            }
            Counters.ConnectionsRefused++;
        }
        catch (Exception exception)
        {
            ReportAcceptorFailure(endpoint, exception);
        }
        if (connection is null)
        {
            _ = _kernel.Close(fd);
            PeerAddress.From(peer).ExitLimit(endpoint);
        }
        else if (!connection.IsClosed)
        {
            connection.Close();
        }
    }

    // First of all: a peer with too many connections must not cost an object for each further one.
    private bool TryEnterLimit(BoundEndpoint endpoint, in SockAddr peer)
    {
        if (endpoint.AddressLimit is null || !PeerAddress.From(peer).TryGetNumber(out UInt128 number) || endpoint.AddressLimit.TryEnter(endpoint.AddressLimit.KeyOf(number)))
        {
            return true;
        }
        Counters.ConnectionsAccepted++;
        Counters.ConnectionsRefused++;
        Counters.ConnectionsRefusedByAddress++;
        return false;
    }

    internal void Forget(SocketConnection<TKernel> connection, ulong key)
    {
        Debug.Assert(_table.TryFind(key, out IPollTarget? target) && target == connection);
        _table.Remove(key);
    }

    internal void Forget(Listener<TKernel> listener)
    {
        lock (_listenersLock)
        {
            Listener<TKernel>?[] listeners = [.. _listeners];
            int index = Array.IndexOf(listeners, listener);
            Debug.Assert(index >= 0);
            listeners[index] = null;
            Volatile.Write(ref _listeners, listeners);
        }
    }

    internal void CountClosed(BoundEndpoint endpoint)
    {
        Counters.Connections -= endpoint.IsCarrier ? 0 : 1;
        Debug.Assert(Counters.Connections >= 0);
        endpoint.Connections.Decrement();
        _groupConnections.Decrement();
    }

    public void ReportHandlerFailure(TransportConnection connection, Exception exception)
    {
        Counters.HandlerFailures++;
        Guard.Run(() => TransportLog.HandlerFailed(Logger, connection.ConnectionId, exception));
    }

    private void ReportAcceptorFailure(BoundEndpoint endpoint, Exception exception)
    {
        Counters.HandlerFailures++;
        Guard.Run(() => TransportLog.AcceptorFailed(Logger, endpoint.LocalEndPoint, exception));
    }

    private bool HasListeners => Array.Exists(Volatile.Read(ref _listeners), static listener => listener is not null);

    private void Poll(bool mayWait)
    {
        Debug.Assert(_eventNext == _eventCount);
        if (_eventCount == _events.Capacity)
        {
            _events.Grow();
        }
        if (_polledAt != 0)
        {
            Lag!.Record(_time.GetElapsedTime(_polledAt).TotalSeconds, new KeyValuePair<string, object?>("loop", _boxedIndex ??= Index));
            _polledAt = 0;
        }
        int timeoutMs = 0;
        bool isSleeping = false;
        if (mayWait && _pending.Count == 0 && _pendingNext == _pendingNow.Count)
        {
            timeoutMs = Timers.DelayMs(ReadClockMs());
            isSleeping = timeoutMs != 0 && _posted.TryBeginSleep();
            timeoutMs = isSleeping ? timeoutMs : 0;
        }
        SysResult result = _kernel.EpollWait(_epoll, _events, timeoutMs);
        if (isSleeping)
        {
            _posted.EndSleep();
        }
        Volatile.Write(ref _nowMs, ReadClockMs());
        if (Lag is { Enabled: true } && result.Value > 0)
        {
            _polledAt = _time.GetTimestamp();
        }
        if (!result.IsOk)
        {
            Fail(result.Errno);
        }
        _eventNext = 0;
        _eventCount = result.Value;
        Counters.EventsProcessed += _eventCount;
        TakePending();
    }

    private void TakePending()
    {
        if (_pendingNext == _pendingNow.Count)
        {
            _pendingNow.Clear();
            _pendingNext = 0;
            (_pending, _pendingNow) = (_pendingNow, _pending);
        }
    }

    /// <summary>After each step of a turn: the application code that it has scheduled, then what waited for that. False: this thread is the loop no more.</summary>
    private bool FinishStep()
    {
        while (_scheduled.TryDequeue(out IApplicationCall? call))
        {
            if (!RunApplication(call))
            {
                return false;
            }
        }
        FinishStart();
        return true;
    }

    private bool RunApplication(IApplicationCall call)
    {
        long ticket = _role.Enter(call);
        Exception? failure = null;
        try
        {
            call.Run();
        }
        catch (Exception exception)
        {
            failure = exception;
        }
        bool isStillLoop = _role.TryLeave(ticket);
        try
        {
            if (failure is not null)
            {
                OnCallFailed(call, failure);
            }
            else if (isStillLoop)
            {
                call.OnReturned();
            }
            else
            {
                call.OnReturnedElsewhere();
            }
        }
        catch (Exception exception)
        {
            OnCallFailed(call, exception);
        }
        return isStillLoop;
    }

    private void OnTakenOver(IApplicationCall interrupted)
    {
        try
        {
            interrupted.OnTakenOver();
        }
        catch (Exception exception)
        {
            OnCallFailed(interrupted, exception);
        }
    }

    private void OnCallFailed(IApplicationCall call, Exception exception)
    {
        Counters.AddForeignHandlerFailure();
        Guard.Run(() => call.OnFailed(exception));
    }

    // Epoll watches a new connection only after its first request: one that is served and closed at once costs no epoll_ctl.
    private void FinishStart()
    {
        if (_starting is { } starting)
        {
            _starting = null;
            starting.FinishStart();
        }
    }

    private bool FireTimers()
    {
        while (Timers.TryTakeExpired(_nowMs, out ITimed? timed))
        {
            timed.OnTimer(_nowMs);
            if (!FinishStep())
            {
                return false;
            }
        }
        return true;
    }

    private bool DispatchEvents()
    {
        if (!AcceptBatch())
        {
            return false;
        }
        while (_eventNext < _eventCount)
        {
            ulong key = _events.Data(_eventNext);
            EpollEvents events = _events.Events(_eventNext);
            _eventNext++; // before the call: whoever takes over goes on with the next one
            if ((key & ListenerMark) != 0)
            {
                DispatchOther(key, events);
                if (!AcceptBatch())
                {
                    return false;
                }
            }
            else if (_table.TryFind(key, out IPollTarget? target))
            {
                target.OnEvents(events);
                if (!FinishStep())
                {
                    return false;
                }
            }
            else
            {
                Counters.StaleEvents++;
            }
        }
        return true;
    }

    private bool AcceptBatch()
    {
        while (_accepting is { IsClosed: false } listener && _acceptsLeft-- > 0 && listener.TryAccept())
        {
            if (!FinishStep())
            {
                return false;
            }
        }
        _accepting = null;
        return true;
    }

    private bool RunPosted()
    {
        _posted.BeginRound();
        while (_posted.TryRunNext())
        {
            if (!FinishStep())
            {
                return false;
            }
        }
        return true;
    }

    private void DispatchOther(ulong key, EpollEvents events)
    {
        if (key == WakeKey)
        {
            return; // it has done its work by ending the wait; edge-triggered, so nobody needs to read it
        }
        Listener<TKernel>?[] listeners = Volatile.Read(ref _listeners);
        int index = (int)(uint)key;
        Debug.Assert(index < listeners.Length);
        if (listeners[index] is { } listener)
        {
            listener.OnEvents(events);
        }
        else
        {
            Counters.StaleEvents++;
        }
    }

    private bool RunPending()
    {
        while (_pendingNext < _pendingNow.Count)
        {
            _pendingNow[_pendingNext++].RunPending();
            if (!FinishStep())
            {
                return false;
            }
        }
        return true;
    }

    private void Fail(Errno errno)
    {
        // EBADF, EINVAL, EFAULT: our own descriptor is broken. No connection of this loop can be served; say so and end the process.
        Guard.Run(() => TransportLog.LoopFailed(Logger, Index, errno));
        throw new InvalidOperationException($"epoll_wait failed: {errno}.");
    }

    private int Require(SysResult result, int closeOnFailure)
    {
        if (result.IsOk)
        {
            return result.Value;
        }
        if (closeOnFailure >= 0)
        {
            _ = _kernel.Close(closeOnFailure);
        }
        throw new System.IO.IOException($"A loop needs an epoll and an eventfd descriptor; the system answered {result.Errno}.");
    }

    private sealed class AdoptCommand(EventLoop<TKernel> loop, int fd, BoundEndpoint endpoint, SockAddr peer) : IPosted
    {
        public void RunPosted() => loop.Adopt(fd, endpoint, peer);
    }

    private sealed class StopCommand(EventLoop<TKernel> loop) : IPosted
    {
        public void RunPosted() => loop._isStopping = true;
    }

    /// <summary>Visits all connections, a part of them per turn: the others are served in between.</summary>
    private sealed class VisitCommand(EventLoop<TKernel> loop, BoundEndpoint? only, bool abort) : IPosted
    {
        private const int SlotsPerTurnMax = 1024; // some hundred microseconds

        private int _nextSlot;

        public void RunPosted()
        {
            int end = Math.Min(loop._table.SlotCount, _nextSlot + SlotsPerTurnMax);
            for (; _nextSlot < end; _nextSlot++)
            {
                if (loop._table.At(_nextSlot) is ILoopConnection connection && (only is null || connection.Endpoint == only))
                {
                    connection.Visit(abort);
                }
            }
            if (_nextSlot < loop._table.SlotCount)
            {
                loop.Post(this);
            }
        }
    }

    private sealed class RemoveListenerCommand(EventLoop<TKernel> loop, BoundEndpoint endpoint) : IPosted
    {
        private readonly TaskCompletionSource _completion = new(TaskCreationOptions.RunContinuationsAsynchronously); // not the loop's time

        public Task Completion => _completion.Task;

        public void RunPosted()
        {
            foreach (Listener<TKernel>? listener in Volatile.Read(ref loop._listeners))
            {
                if (listener is not null && listener.Endpoint == endpoint)
                {
                    listener.Close();
                }
            }
            _completion.SetResult();
        }
    }

    /// <summary>Lets the pool shrink while it has something to give back; an idle loop with a small pool is never woken for it.</summary>
    private sealed class PoolTrimmer(BlockPool blocks) : ITimed
    {
        private TimerLink _timer = TimerLink.None;

        public ref TimerLink Timer => ref _timer;

        public void ScheduleIfNeeded(EventLoop<TKernel> loop)
        {
            if (!_timer.IsLinked && blocks.WantsTrim)
            {
                loop.Timers.SetDeadline(this, loop._nowMs + BlockPool.TrimIntervalMs);
            }
        }

        public void OnTimer(long nowMs) => blocks.Trim();
    }
}
