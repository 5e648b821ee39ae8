using System;
using System.Diagnostics;
using System.Threading;
using Aeronet.Http.Http1;
using Aeronet.Http.Semantics;
using Aeronet.Server.Diagnostics;
using Aeronet.Server.Exchange;
using Aeronet.Transport.Buffers;
using Aeronet.Transport.Connections;
using Aeronet.Transport.Diagnostics;
using Aeronet.Transport.Loop;

namespace Aeronet.Server.Sessions;

/// <summary>HTTP/1.1 on one connection: receives, parses heads, hands each request to an exchange, one after the other, and closes without losing a response.</summary>
/// <remarks>
/// One idea although long: the order of things on a connection.
/// <code>
///            bytes             head complete          response in the kernel, more allowed
///   Idle ==========&gt; Head ==================&gt; Running ====================================&gt; Idle
///    |                | refused                  | close                |  socket full
///    | timeout, EOF   v                          v                      v
///    +===========&gt; Closed &lt;====== Lingering &lt;====+                   Flushing ===&gt; Idle
/// </code>
/// The state belongs to the loop thread; while Running, the receive side (<c>_input</c> and everything below it) belongs to the exchange.
/// </remarks>
internal sealed class Http1Session : IConnectionHandler, IApplicationCall
{
    // A pipelined batch is served in one turn up to this many requests, then other connections get theirs: 64 x about 7 us is half a millisecond.
    private const int RequestsPerTurnMax = 64;

    // Checks once a second what may not take for ever: body and response rates, half-closed clients.
    private const int WatchIntervalMs = 1000;

    private readonly HttpAcceptor _acceptor;

    // Loop thread only.
    private SessionState _state;
    private long _lingerBytesLeft;

    // Receive owner only (see SessionSignals); while Running also the loop, between TryEnterExchange and LeaveExchange.
    private HttpExchange? _exchange; // Non-null from the first byte of a request until nothing of its response is left to send.
    private ConnectionKeep? _keep; // Non-null from the first request until the connection has been idle for a moment.
    private ReceiveBuffer _input;
    private RequestParser _parser;
    private bool _drained; // The last receive was short: nothing to receive until the next edge.
    private bool _bringsContent; // The last first receive filled its space: a post like the one before fits one receive when there is more.

    // Any thread, interlocked.
    private int _signals;

    // Any thread: set on the loop before the exchange starts or under its gate.
    private long _halfCloseDeadlineMs = long.MaxValue;
    private uint _requestCount;

    public Http1Session(TransportConnection connection, HttpAcceptor acceptor, ConnectionMetrics? metrics)
    {
        Metrics = metrics;
        Connection = connection;
        _acceptor = acceptor;
        Settings = acceptor.Settings;
        connection.SetDeadline(connection.Loop.NowMs + Settings.KeepAliveTimeoutMs);
    }

    private enum SessionState
    {
        Idle,
        Head,
        Running,
        Flushing,
        Lingering,
        Closed,
    }

    public TransportConnection Connection { get; }

    public ServerSettings Settings { get; }

    public ConnectionMetrics? Metrics { get; }

    /// <summary>The connection has left HTTP.</summary>
    public bool IsUpgraded { get; private set; }

    public BlockPool Blocks => Connection.Loop.Blocks;

    /// <summary>What outlives an exchange on this connection. Exchange only, while attached.</summary>
    public ConnectionKeep Keep => _keep ??= new ConnectionKeep();

    /// <summary>Requests begun on this connection.</summary>
    public uint RequestCount => _requestCount;

    /// <summary>Why the connection ends, for the metric's error.type; null for an ordinary end.</summary>
    public string? EndReason { get; set; }

    /// <summary>No request may follow the current one.</summary>
    public bool IsDraining => (Signals & (SessionSignals.Draining | SessionSignals.Aborting)) != 0 || Connection.IsCloseRequested;

    /// <summary>The connection can no longer carry bytes.</summary>
    public bool IsReset => (Signals & SessionSignals.Reset) != 0;

    private SessionSignals Signals => (SessionSignals)Volatile.Read(ref _signals);

    /// <summary>Unread bytes in the input buffer. Receive owner only.</summary>
    public ref ReceiveBuffer Input => ref _input;

    // ---- Calls from the loop ----------------------------------------------------------------------------------

    public void OnReadable(bool peerClosed)
    {
        Debug.Assert(Connection.Loop.IsCurrent);
        SessionSignals before = Signal(peerClosed ? SessionSignals.Readable | SessionSignals.PeerClosed : SessionSignals.Readable);
        if ((before & SessionSignals.Running) == 0)
        {
            Advance();
            return;
        }

        if (TryClaimBodyWait())
        {
            Debug.Assert(_exchange is not null);
            _exchange.RequestBody.OnReadable();
        }

        if (peerClosed && (before & SessionSignals.PeerClosed) == 0)
        {
            OnPeerHalfClosed();
        }
    }

    public void OnWritable()
    {
        Debug.Assert(Connection.Loop.IsCurrent);
        if (!TryEnterExchange(SessionSignals.None, out SessionSignals before))
        {
            if ((before & SessionSignals.Finishing) != 0)
            {
                Connection.NotifyWhenWritable(); // another thread is between two requests of a batch, and the first one's response may wait: the edge comes again
            }
            else if ((before & SessionSignals.Running) == 0 && _state == SessionState.Flushing)
            {
                Debug.Assert(_exchange is not null);
                if (_exchange.Output.OnWritable() != SendOutcome.Blocked)
                {
                    AfterOutputDrained(_exchange);
                }
            }

            return; // otherwise the exchange had nothing left to send
        }

        bool finished = _exchange.Output.OnWritable() != SendOutcome.Blocked && _exchange.IsFinished;
        LeaveExchange();
        if (finished)
        {
            FinishOnLoop();
        }
    }

    public void OnReset()
    {
        Debug.Assert(Connection.Loop.IsCurrent);
        EndReason ??= ConnectionErrors.ConnectionReset;
        if (TellConnectionLost(SessionSignals.Reset))
        {
            return; // the exchange's end closes
        }

        // A request that arrived together with the reset is not worth starting: nobody is left to answer.
        Close();
    }

    public void OnDeadline(long nowMs)
    {
        Debug.Assert(Connection.Loop.IsCurrent);
        switch (_state)
        {
            case SessionState.Idle:
                if (ReleaseIdleMemory() && Settings.KeepAliveTimeoutMs > FirstIdleLookMs)
                {
                    Connection.SetDeadline(nowMs + Settings.KeepAliveTimeoutMs - FirstIdleLookMs);
                    break;
                }

                EndReason ??= ConnectionErrors.KeepAliveTimeout;
                Close();
                break;
            case SessionState.Head:
                EndReason ??= ConnectionErrors.RequestHeadersTimeout;
                if (_parser.HasStarted)
                {
                    Refuse(Refusals.RequestHeadersTimeout(_input.Length));
                }
                else
                {
                    Close(); // only empty lines: nobody has asked anything
                }

                break;
            case SessionState.Running:
                WatchExchange(nowMs);
                break;
            case SessionState.Flushing:
                Debug.Assert(_exchange is not null);
                if (!_exchange.Output.CheckRate(nowMs))
                {
                    Connection.SetDeadline(nowMs + WatchIntervalMs);
                }

                break;
            case SessionState.Lingering:
                Close();
                break;
            case SessionState.Closed:
                break;
        }
    }

    public void OnPosted()
    {
        Debug.Assert(Connection.Loop.IsCurrent);
        if (_state == SessionState.Closed)
        {
            return;
        }

        if (TryEnterExchange(SessionSignals.None, out SessionSignals before))
        {
            bool finished = _exchange.IsFinished;
            LeaveExchange();
            if (finished)
            {
                FinishOnLoop();
            }
        }
        else if ((before & SessionSignals.Running) == 0)
        {
            Advance(); // another thread has ended the exchange and given the receive side back
        }
    }

    public void OnDrain()
    {
        Debug.Assert(Connection.Loop.IsCurrent);
        SessionSignals before = Signal(SessionSignals.Draining);
        if ((before & SessionSignals.Running) != 0)
        {
            return; // the response says Connection: close
        }

        if (_state == SessionState.Running)
        {
            _state = SessionState.Idle;
        }

        // A request whose first bytes are here may finish; one that has not begun may not begin.
        if (_state == SessionState.Idle)
        {
            Advance();
            if (_state == SessionState.Idle)
            {
                Close();
            }
        }
    }

    public void OnAbort()
    {
        Debug.Assert(Connection.Loop.IsCurrent);
        EndReason ??= ConnectionErrors.AppShutdownTimeout;
        Connection.Abort();
        if (!TellConnectionLost(SessionSignals.Draining | SessionSignals.Aborting | SessionSignals.Reset))
        {
            Close();
        }
    }

    public void OnClosed()
    {
        Debug.Assert(_state == SessionState.Closed);
        _acceptor.OnClosed(this);
    }

    // ---- The loop and an exchange that runs elsewhere ------------------------------------------------------------

    /// <summary>Sets <paramref name="bits"/>; true when an exchange is running that the loop may touch until <see cref="LeaveExchange"/>.</summary>
    [System.Diagnostics.CodeAnalysis.MemberNotNullWhen(true, nameof(_exchange))]
    private bool TryEnterExchange(SessionSignals bits, out SessionSignals before)
    {
        before = Signal(bits | SessionSignals.LoopInside);
        if ((before & (SessionSignals.Running | SessionSignals.Finishing)) == SessionSignals.Running)
        {
            Debug.Assert(_exchange is not null);
            return true;
        }

        LeaveExchange();
        return false;
    }

    private void LeaveExchange() => Clear(SessionSignals.LoopInside);

    // True when an exchange was there to be told, or is about to find the bits by itself.
    private bool TellConnectionLost(SessionSignals bits)
    {
        if (!TryEnterExchange(bits, out SessionSignals before))
        {
            return (before & SessionSignals.Running) != 0; // finishing: its last look at the signals posts
        }

        _exchange.OnConnectionLost();
        bool finished = _exchange.IsFinished;
        LeaveExchange();
        if (finished)
        {
            FinishOnLoop();
        }

        return true;
    }

    // ---- Receiving and parsing (loop thread, Running clear) ------------------------------------------------------

    /// <summary>Goes on as far as what has arrived allows: the only place where bytes become requests.</summary>
    private void Advance()
    {
        if (_state == SessionState.Running)
        {
            _state = SessionState.Idle; // another thread finished the exchange and gave the receive side back
        }

        if (_state == SessionState.Lingering)
        {
            Linger();
            return;
        }

        if ((Signals & SessionSignals.Reset) != 0)
        {
            Close();
            return;
        }

        if (_state is SessionState.Closed or SessionState.Flushing)
        {
            return;
        }

        ServeRequests();
    }

    private void ServeRequests() => ServeRequests(RequestsPerTurnMax, Settings.MaxReadPerEvent);

    private void ServeRequests(int requestsLeft, long bytesLeft)
    {
        while (true)
        {
            if (_input.Length > 0)
            {
                if (requestsLeft == 0)
                {
                    Connection.RequeueReadable();
                    break;
                }

                HttpExchange exchange = _exchange ??= _acceptor.RentExchange(this);
                ParseStatus status = _parser.Parse(_input.Unread, Settings.Http1Limits, exchange.Head, out ProtocolError error);
                if (status == ParseStatus.Done)
                {
                    requestsLeft--;
                    exchange.TurnLeft = (requestsLeft, bytesLeft);
                    if (!StartExchange(exchange))
                    {
                        return; // the application's turn, or the connection is closing
                    }

                    continue;
                }

                if (status == ParseStatus.Failed)
                {
                    Refuse(error);
                    return;
                }

                if (_state == SessionState.Idle)
                {
                    BeginHead();
                }
            }

            if (bytesLeft <= 0)
            {
                Connection.RequeueReadable();
                break;
            }

            IoResult received = ReceiveMore();
            if (received.IsWouldBlock)
            {
                break;
            }

            if (!received.HasBytes)
            {
                OnInputEnded(received);
                return;
            }

            bytesLeft -= received.Bytes;
        }

        EndTurn();
    }

    private void BeginHead()
    {
        _state = SessionState.Head;
        // From the first byte, and not restarted by what trickles in: or a slow sender would never time out.
        Connection.SetDeadline(Connection.Loop.NowMs + Settings.RequestHeadersTimeoutMs);
    }

    /// <summary>Receives behind the unread bytes.</summary>
    private IoResult ReceiveMore()
    {
        if (!MayReceive)
        {
            return IoResult.WouldBlock;
        }

        int usual = Settings.InitialReadSize;
        bool isFirst = _input.Length == 0;
        Span<byte> free = _input.GetFree(Blocks, _bringsContent ? Math.Max(usual, Math.Min(Settings.BodyReadSize, 2 * usual)) : usual); // twice: it may hold a head for as long as the application waits
        IoResult received = Receive(free);
        if (received.HasBytes)
        {
            _input.Commit(received.Bytes);
            if (isFirst)
            {
                _bringsContent = received.Bytes >= usual;
            }
        }

        return received;
    }

    /// <summary>Receives into <paramref name="into"/>, remembering what epoll will not repeat. Receive owner only.</summary>
    public IoResult Receive(Span<byte> into)
    {
        Debug.Assert(!into.IsEmpty);
        if (!MayReceive)
        {
            return IoResult.WouldBlock;
        }

        SessionSignals before = Clear(SessionSignals.Readable);
        IoResult received = Connection.Receive(into);
        if (received.IsWouldBlock && (before & SessionSignals.Reset) != 0)
        {
            received = IoResult.Failed(IoError.ConnectionReset); // no edge will follow: waiting would be for ever
        }

        // A short read has emptied the socket, so the next bytes bring an edge; a FIN that is already there (PeerClosed) brings none.
        _drained = received.IsWouldBlock || (received.HasBytes && received.Bytes < into.Length && (Signals & SessionSignals.PeerClosed) == 0);
        return received;
    }

    /// <summary>False: edge-triggered, and no edge since the last short read, so a receive would find nothing and is not worth a call.</summary>
    public bool MayReceive => !_drained || (Signals & (SessionSignals.Readable | SessionSignals.Reset)) != 0;

    private void OnInputEnded(IoResult received)
    {
        if (received.IsFailed)
        {
            Signal(SessionSignals.Reset);
            EndReason ??= ConnectionErrors.ConnectionReset;
            Close();
            return;
        }

        Signal(SessionSignals.PeerClosed);
        if (_state == SessionState.Head && _parser.HasStarted)
        {
            Refuse(Refusals.UnexpectedEndOfHead(_input.Length));
            return;
        }

        // Responses of this turn still have to leave; after them nothing can follow.
        if (SendTurn() == SendOutcome.Blocked)
        {
            return;
        }

        Close();
    }

    // ---- Exchanges ------------------------------------------------------------------------------------------------

    /// <summary>Starts the application on the parsed head, or answers without it. True when the request has been answered and the next one may be parsed.</summary>
    private bool StartExchange(HttpExchange exchange)
    {
        _requestCount++;
        _state = SessionState.Running;
        int headLength = exchange.Head.Length;
        exchange.Begin(_input.Array, _input.Offset);
        _input.Consume(headLength);
        _parser.Reset();
        if (exchange.TryAnswerItself(out ProtocolError error))
        {
            return FinishOwnAnswer(exchange, error);
        }

        Signal(SessionSignals.Running);
        bool onThreadPool = exchange.Runner.StartsOnThreadPool(Connection.Loop);
        Connection.SetDeadline(Connection.Loop.NowMs + (onThreadPool ? AppRunner.FirstWatchOnThreadPoolMs : AppRunner.FirstWatchMs));
        if ((Signals & SessionSignals.PeerClosed) != 0)
        {
            OnPeerHalfClosed();
        }

        AppRunner.Start(exchange, onThreadPool);
        return false; // it runs when our caller has returned, or elsewhere: everything below belongs to it now
    }

    // ---- The application on the loop's thread ---------------------------------------------------------------------

    void IApplicationCall.Run()
    {
        Debug.Assert(_exchange is not null);
        AppRunner.RunInline(_exchange);
    }

    void IApplicationCall.OnReturned()
    {
        Debug.Assert(Connection.Loop.IsCurrent);
        Debug.Assert(_exchange is not null);
        HttpExchange exchange = _exchange;
        if (!AppRunner.TryEndInline(exchange))
        {
            return; // suspended: whichever thread completes it ends the exchange
        }

        (int requestsLeft, long bytesLeft) = exchange.TurnLeft;
        try
        {
            if (Finish(exchange))
            {
                ServeRequests(requestsLeft, bytesLeft);
            }
        }
        catch (Exception exception)
        {
            FailEnded(exchange, exception);
        }
    }

    void IApplicationCall.OnReturnedElsewhere()
    {
        Debug.Assert(_exchange is not null);
        HttpExchange exchange = _exchange;
        if (!AppRunner.TryEndInline(exchange))
        {
            return;
        }

        try
        {
            exchange.Output.SendNow(); // the response was left for the turn's end, which is another thread's by now
            FinishElsewhere(exchange);
        }
        catch (Exception exception)
        {
            FailEnded(exchange, exception);
        }
    }

    void IApplicationCall.OnTakenOver()
    {
        Debug.Assert(Connection.Loop.IsCurrent);
        if (!TryEnterExchange(SessionSignals.None, out _))
        {
            return; // it has just ended
        }

        _exchange.OnTakenOver();
        bool finished = _exchange.IsFinished;
        LeaveExchange();
        if (finished)
        {
            FinishOnLoop();
        }
    }

    void IApplicationCall.OnFailed(Exception exception)
    {
        AbortConnection(ConnectionErrors.AbortedByApp);
        Connection.Post();
        Settings.Log.General.ServerFault(Connection.ConnectionId, exception); // last: a log provider is foreign code
    }

    // ---- Ends -------------------------------------------------------------------------------------------------------

    // A request that the server answers by itself: refused for more than syntax, or a method that an option keeps from the application.
    private bool FinishOwnAnswer(HttpExchange exchange, in ProtocolError error)
    {
        if (!error.IsNone)
        {
            _state = SessionState.Head;
            Refuse(error);
            return false;
        }

        Signal(SessionSignals.Running);
        return Finish(exchange);
    }

    /// <summary>The application is done and its response is in the output queue. Loop thread. True when the next request may be parsed.</summary>
    private bool Finish(HttpExchange exchange)
    {
        Debug.Assert(Connection.Loop.IsCurrent);
        if (IsReset)
        {
            Close();
            return false;
        }

        AssertRequestConsumed(exchange);
        bool keepAlive = exchange.KeepAlive;
        bool linger = exchange.RequestBody.MayHaveUnread || _input.Length > 0 || MayReceive;
        if (!keepAlive)
        {
            exchange.MarkFinished();
            if (SendTurn() == SendOutcome.Blocked)
            {
                return false; // OnWritable comes back through FinishOnLoop
            }

            if (_state != SessionState.Closed)
            {
                CloseAfterResponse(linger);
            }

            return false;
        }

        if (exchange.Output.HasWaiter)
        {
            // The application has ended without awaiting a write: it ends before anything of the next request can meet it.
            exchange.MarkFinished();
            if (SendTurn() != SendOutcome.Drained)
            {
                return false; // OnWritable comes back through FinishOnLoop
            }
        }

        Settings.Log.Connections.KeepAlive(Connection);
        exchange.Reset();
        if (IsReset)
        {
            Close(); // aborted by another thread until a moment ago
            return false;
        }

        Clear(SessionSignals.Running);
        _state = SessionState.Idle;
        if (exchange.Output.Length >= Settings.DeferredResponseBytesMax && SendTurn() != SendOutcome.Drained)
        {
            return false;
        }

        return true;
    }

    private void FinishOnLoop()
    {
        Debug.Assert(_exchange is not null);
        Debug.Assert(_exchange.IsFinished);
        if (_state != SessionState.Running && _state != SessionState.Flushing)
        {
            return;
        }

        if (!IsReset && _exchange.Output.Length > 0)
        {
            if (SendTurn() == SendOutcome.Blocked)
            {
                return;
            }
        }

        if (_state != SessionState.Closed && Finish(_exchange))
        {
            Advance();
        }
    }

    /// <summary>The application is done with one request of a pipelined batch: begins the next one on the same thread, without a way over the loop.</summary>
    /// <returns>False when there is none: the end of the exchange is settled, and it must not be touched any more.</returns>
    public bool TryBeginNextElsewhere(HttpExchange exchange)
    {
        if (!exchange.KeepAlive || _input.Length == 0 || IsReset || IsDraining || exchange.Output.HasWaiter)
        {
            FinishElsewhere(exchange);
            return false;
        }

        if (exchange.Output.Length >= Settings.DeferredResponseBytesMax && exchange.Output.SendNow() != SendOutcome.Drained)
        {
            FinishElsewhere(exchange);
            return false;
        }

        if ((Signal(SessionSignals.Finishing) & (SessionSignals.LoopInside | SessionSignals.Reset)) != 0)
        {
            Clear(SessionSignals.Finishing);
            FinishElsewhere(exchange);
            return false;
        }

        AssertRequestConsumed(exchange);
        exchange.Reset();
        if (!TryBeginApplicationRequest(exchange))
        {
            // Incomplete, malformed, or not for the application: the loop parses it again and does what is due. Nothing of it has been consumed.
            exchange.Output.SendNow();
            Clear(SessionSignals.Running | SessionSignals.Finishing);
            Connection.Post();
            return false;
        }

        if ((Signals & SessionSignals.PeerClosed) != 0 && _halfCloseDeadlineMs == long.MaxValue && Settings.HalfCloseGraceMs != ServerSettings.NoTimeoutMs)
        {
            _halfCloseDeadlineMs = Connection.Loop.ReadClockMs() + Settings.HalfCloseGraceMs; // an earlier request of the batch has used its grace up
        }

        SessionSignals before = Clear(SessionSignals.Finishing);
        if ((before & SessionSignals.Reset) != 0)
        {
            exchange.OnConnectionLost(); // the loop left that to us
        }

        // After the bit is cleared: a look that came due before was given up because of it, one that comes due now is taken.
        if (Connection.DeadlineMs == long.MaxValue)
        {
            Connection.SetDeadline(Connection.Loop.ReadClockMs() + AppRunner.FirstWatchOnThreadPoolMs);
        }

        return true;
    }

    private bool TryBeginApplicationRequest(HttpExchange exchange)
    {
        ParseStatus status = _parser.Parse(_input.Unread, Settings.Http1Limits, exchange.Head, out _);
        _parser.Reset();
        if (status != ParseStatus.Done)
        {
            return false;
        }

        _requestCount++;
        exchange.Begin(_input.Array, _input.Offset);
        if (exchange.NeedsAnswerByServer)
        {
            exchange.Reset();
            _requestCount--;
            return false;
        }

        _input.Consume(exchange.Head.Length);
        return true;
    }

    /// <summary>The application is done on a thread that is not the loop's. Any thread, once per exchange; the exchange must not be touched by the caller afterwards.</summary>
    public void FinishElsewhere(HttpExchange exchange)
    {
        if (!exchange.KeepAlive || _input.Length > 0 || !_drained || !exchange.Output.IsDrained || IsReset)
        {
            exchange.MarkFinished();
            Connection.Post();
            return;
        }

        // Reset: the loop has told the exchange since we looked above, and what it left there is no state to give back.
        if ((Signal(SessionSignals.Finishing) & (SessionSignals.LoopInside | SessionSignals.Reset)) != 0)
        {
            exchange.MarkFinished();
            Clear(SessionSignals.Finishing);
            Connection.Post();
            return;
        }

        // The usual end: everything is sent and nothing has come, so the loop need not be woken.
        AssertRequestConsumed(exchange);
        Settings.Log.Connections.KeepAlive(Connection);
        exchange.Reset();
        _input.Release(Blocks);
        _exchange = null;
        _acceptor.ReturnExchange(exchange);
        Connection.SetDeadline(Connection.Loop.ReadClockMs() + FirstIdleLookMs); // under load one store: the timer's link is seldom later

        // Gives the receive side back. From here on the loop may already be in the next request.
        SessionSignals before = Clear(SessionSignals.Running | SessionSignals.Finishing);
        const SessionSignals Pending = SessionSignals.Readable | SessionSignals.PeerClosed | SessionSignals.Reset | SessionSignals.Draining | SessionSignals.Aborting;
        if ((before & Pending) != 0)
        {
            Connection.Post();
        }
    }

    // What is left of a request would be parsed as the next one.
    [Conditional("DEBUG")]
    private static void AssertRequestConsumed(HttpExchange exchange) => Debug.Assert(!exchange.KeepAlive || !exchange.RequestBody.MayHaveUnread);

    /// <summary>The application is done, and what the session then did for the exchange has failed: the loop closes the connection. The thread that had the exchange's end.</summary>
    public void FailEnded(HttpExchange exchange, Exception exception)
    {
        if (_exchange == exchange) // otherwise it was given back, and the connection may be closed
        {
            AbortConnection(ConnectionErrors.AbortedByApp);
            exchange.MarkFinished();
        }

        Clear(SessionSignals.Finishing);
        Connection.Post();
        Guard.Run(() => Settings.Log.General.ServerFault(Connection.ConnectionId, exception));
    }

    // The responses of a turn, or a refusal, are in the kernel at last.
    private void AfterOutputDrained(HttpExchange exchange)
    {
        if (!exchange.KeepAlive)
        {
            CloseAfterResponse(linger: true); // a refusal
            return;
        }

        _state = SessionState.Idle;
        Advance();
    }

    // ---- Sending ----------------------------------------------------------------------------------------------------

    /// <summary>One send for everything the turn has produced.</summary>
    private SendOutcome SendTurn()
    {
        if (_exchange is null)
        {
            return SendOutcome.Drained;
        }

        SendOutcome outcome = _exchange.Output.SendNow();
        switch (outcome)
        {
            case SendOutcome.Blocked:
                if (_state != SessionState.Running)
                {
                    _state = SessionState.Flushing;
                }

                Watch();
                break;
            case SendOutcome.Failed:
                Signal(SessionSignals.Reset);
                EndReason ??= ConnectionErrors.ConnectionReset;
                Close();
                break;
        }

        return outcome;
    }

    private void EndTurn()
    {
        if (SendTurn() != SendOutcome.Drained)
        {
            return;
        }

        if (_state == SessionState.Idle)
        {
            if (IsDraining)
            {
                Close();
                return;
            }

            if (_input.Length == 0)
            {
                ReleaseExchangeAndInput();
            }

            Connection.SetDeadline(Connection.Loop.NowMs + (_keep is null ? Settings.KeepAliveTimeoutMs : FirstIdleLookMs));
        }
    }

    // When an idle connection gives up what it keeps between requests that follow each other.
    private long FirstIdleLookMs => Math.Min(WatchIntervalMs, Settings.KeepAliveTimeoutMs);

    // An idle connection holds nothing but itself. True when it did.
    private bool ReleaseIdleMemory()
    {
        bool held = _keep is not null || _exchange is not null || (_input.IsAllocated && _input.Length == 0);
        ReleaseExchangeAndInput();
        _keep = null;
        return held;
    }

    private void ReleaseExchangeAndInput()
    {
        if (_input.IsAllocated && _input.Length == 0)
        {
            _input.Release(Blocks);
        }

        if (_exchange is not null)
        {
            Debug.Assert((Signals & SessionSignals.Running) == 0);
            _acceptor.ReturnExchange(_exchange);
            _exchange = null;
        }
    }

    // ---- Refusing and closing ------------------------------------------------------------------------------------------

    /// <summary>Answers a request that never reached the application.</summary>
    private void Refuse(in ProtocolError error)
    {
        HttpExchange exchange = _exchange ??= _acceptor.RentExchange(this);
        EndReason ??= Refusals.EndReason(error);
        exchange.Refuse(error);
        _state = SessionState.Flushing;
        if (SendTurn() == SendOutcome.Drained)
        {
            CloseAfterResponse(linger: true);
        }
    }

    /// <summary>Ends the connection so that the response survives: FIN first, then what the client still sends is received and dropped within a budget, because closing with unread bytes sends a reset that destroys the response.</summary>
    private void CloseAfterResponse(bool linger)
    {
        if (!linger || !Connection.CanHalfClose || (Signals & SessionSignals.PeerClosed) != 0 && !MayReceive)
        {
            Close();
            return;
        }

        _state = SessionState.Lingering;
        _lingerBytesLeft = Settings.LingerBytes;
        Connection.ShutdownSend();
        Connection.SetDeadline(Connection.Loop.NowMs + Settings.LingerTimeoutMs);
        ReturnExchange();
        Linger();
    }

    private void Linger()
    {
        _input.Consume(_input.Length);
        while (_lingerBytesLeft > 0)
        {
            IoResult received = Receive(_input.GetFree(Blocks, Settings.InitialReadSize));
            if (received.IsWouldBlock)
            {
                _input.Release(Blocks);
                return;
            }

            if (!received.HasBytes)
            {
                break;
            }

            _lingerBytesLeft -= received.Bytes;
        }

        Close();
    }

    private void Close()
    {
        if (_state == SessionState.Closed)
        {
            return;
        }

        Debug.Assert((Signals & SessionSignals.Running) == 0 || _exchange is null || _exchange.IsFinished || _state == SessionState.Running);
        _state = SessionState.Closed;
        ReturnExchange();
        _input.Release(Blocks);
        Connection.Close();
    }

    private void ReturnExchange()
    {
        if (_exchange is null)
        {
            return;
        }

        HttpExchange exchange = _exchange;
        _exchange = null;
        exchange.Abandon();
        Clear(SessionSignals.Running);
        _acceptor.ReturnExchange(exchange);
    }

    // ---- Watching -----------------------------------------------------------------------------------------------------------

    private void WatchExchange(long nowMs)
    {
        if (!TryEnterExchange(SessionSignals.None, out SessionSignals before))
        {
            if ((before & SessionSignals.Running) == 0)
            {
                // Ended on another thread, which set the keep-alive deadline. That has come now, unless this was the last look that came due while the exchange ended.
                _state = SessionState.Idle;
                if (Connection.DeadlineMs == long.MaxValue)
                {
                    OnDeadline(nowMs);
                }
            }

            return;
        }

        HttpExchange exchange = _exchange;
        WatchRunning(exchange, nowMs);
        bool finished = exchange.IsFinished;
        LeaveExchange();
        if (finished)
        {
            FinishOnLoop();
        }
    }

    private void WatchRunning(HttpExchange exchange, long nowMs)
    {
        exchange.Output.StopDeferring();
        exchange.Output.CheckRate(nowMs);
        if (exchange.RequestBody.IsTooSlow(nowMs) && TryClaimBodyWait())
        {
            exchange.RequestBody.FailTooSlow();
        }

        if (nowMs >= _halfCloseDeadlineMs)
        {
            _halfCloseDeadlineMs = long.MaxValue;
            exchange.SignalRequestAborted();
        }

        bool again = exchange.IsFinished || exchange.RequestBody.MayWaitForPeer || exchange.Output.IsBlocked || _halfCloseDeadlineMs != long.MaxValue;
        if (again)
        {
            Connection.SetDeadline(Math.Min(nowMs + WatchIntervalMs, _halfCloseDeadlineMs));
        }

        // Otherwise there is none now, unless the application's thread has asked for a look in this moment: that one stays.
    }

    /// <summary>Asks for a look at the exchange within about a second. Any thread.</summary>
    public void Watch()
    {
        long soon = Connection.Loop.ReadClockMs() + WatchIntervalMs;
        if (soon < Connection.DeadlineMs)
        {
            Connection.SetDeadline(soon);
        }
    }

    // The client will send nothing more. Its response is still due; an application that waits for the client to go away is told after a grace.
    private void OnPeerHalfClosed()
    {
        if (Settings.AbortHalfClosedClients)
        {
            EndReason ??= ConnectionErrors.ConnectionReset;
            Connection.Abort();
            TellConnectionLost(SessionSignals.Reset);
            return;
        }

        if (Settings.HalfCloseGraceMs == ServerSettings.NoTimeoutMs)
        {
            return;
        }

        _halfCloseDeadlineMs = Connection.Loop.NowMs + Settings.HalfCloseGraceMs;
        Connection.SetDeadline(Math.Min(_halfCloseDeadlineMs, Connection.DeadlineMs));
    }

    // ---- Waiting for request content (called by RequestBody) --------------------------------------------------------------------

    /// <summary>Announces that the application waits for content. False: something has arrived meanwhile and the caller owns the receive side still.</summary>
    public bool TryBeginBodyWait()
    {
        SessionSignals before = Signal(SessionSignals.BodyWaiting);
        Debug.Assert((before & SessionSignals.BodyWaiting) == 0);
        if ((before & (SessionSignals.Readable | SessionSignals.Reset)) == 0)
        {
            return true;
        }

        // Whoever takes the bit back owns the receive side: if it is gone, the loop is already at it.
        return !TryClaimBodyWait();
    }

    /// <summary>Ends the application's wait: true for exactly one caller.</summary>
    public bool TryClaimBodyWait() => (Clear(SessionSignals.BodyWaiting) & SessionSignals.BodyWaiting) != 0;

    /// <summary>The exchange takes the connection out of HTTP. The application's thread.</summary>
    public void OnUpgraded()
    {
        IsUpgraded = true;
        _acceptor.OnUpgraded();
        Settings.Metrics.UpgradeStart(Metrics);
    }

    /// <summary>The connection is to be ended for the peer now; the descriptor closes when the exchange has ended. Any thread.</summary>
    public void AbortConnection(string reason)
    {
        EndReason ??= reason;
        Signal(SessionSignals.Reset);
        Connection.Abort();
    }

    /// <summary>A transfer on this connection failed. Any thread.</summary>
    public void MarkReset(string reason)
    {
        EndReason ??= reason;
        Signal(SessionSignals.Reset);
    }

    internal SessionSignals Signal(SessionSignals bits) => (SessionSignals)Interlocked.Or(ref _signals, (int)bits);

    internal SessionSignals Clear(SessionSignals bits) => (SessionSignals)Interlocked.And(ref _signals, ~(int)bits);
}
