using System;
using System.Diagnostics;
using System.Net;
using System.Runtime.CompilerServices;
using System.Threading;
using Aeronet.Native.Libc;
using Aeronet.Transport.Diagnostics;
using Aeronet.Transport.Listen;
using Aeronet.Transport.Loop;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Logging;
using Microsoft.Win32.SafeHandles;

namespace Aeronet.Transport.Connections;

/// <summary>One accepted socket on its loop.</summary>
/// <remarks>
/// Epoll: the first OnReadable comes before the descriptor is registered, so a connection that is served and closed at once costs no
/// epoll_ctl. EPOLLOUT is added at the first <see cref="NotifyWhenWritable"/> and stays.
/// Three sets of bits: <see cref="_state"/> belongs to the loop; <see cref="_interest"/> and <see cref="_posted"/> are shared, interlocked.
/// Idle connections are many: every field here is paid ten thousand times.
/// </remarks>
internal sealed class SocketConnection<TKernel> : TransportConnection, ILoopConnection, IHandledConnection, ITimed, IPosted, IConnectionControls
    where TKernel : struct, IKernel
{
    private readonly EventLoop<TKernel> _loop;
    private readonly BoundEndpoint _endpoint;
    private readonly PeerAddress _peer;
    private IConnectionHandler? _handler; // Null until the acceptor has made it.
    private EndPoint? _localEndPoint;
    private EndPoint? _remoteEndPoint;
    private ConnectionFeatures? _features;
    private ulong _key;
    private TimerLink _timer = TimerLink.None;
    private int _fd; // -1 once closed
    private int _interest;
    private int _posted;
    private State _state;

    internal SocketConnection(EventLoop<TKernel> loop, BoundEndpoint endpoint, int fd, in SockAddr peer)
        : base(loop)
    {
        Debug.Assert(fd >= 0);
        _loop = loop;
        _endpoint = endpoint;
        _fd = fd;
        _peer = PeerAddress.From(peer);
    }

    // Owned by the loop.
    [Flags]
    private enum State
    {
        None = 0,
        Requeued = 1, // in the loop's pending list
        PeerClosed = 2, // EPOLLRDHUP was seen
        ResetDelivered = 4,
        DrainDelivered = 8,
        Closed = 16,
    }

    // Shared between the loop, which registers, and the send owner, who asks for EPOLLOUT.
    private static class Interest
    {
        internal const int Registered = 1;
        internal const int Out = 2; // EPOLLOUT belongs to the interest, for good
        internal const int WantsWritable = 4;
        internal const int CloseRequested = 8; // no interest of epoll's: it shares the word because every word is paid ten thousand times
        internal const int EncryptsSends = 16; // the kernel does; the same
    }

    // What RunPosted has to do; the connection stands in the loop's queue exactly while one of these is set.
    private static class Posted
    {
        internal const int Handler = 1;
        internal const int Timer = 2;
        internal const int Reset = 4;
        internal const int Drain = 8;
        internal const int Abort = 16;
        internal const int Heartbeat = 32;
    }

    public BoundEndpoint Endpoint => _endpoint;

    ILogger IConnectionControls.Logger => _loop.Logger;

    int IConnectionControls.Descriptor => Volatile.Read(ref _fd);

    public bool IsClosed => (_state & State.Closed) != 0;

    public bool HasHeardOfReset => (_state & State.ResetDelivered) != 0;

    ref TimerLink ITimed.Timer => ref _timer;

    public override EndPoint? LocalEndPoint => _localEndPoint ??= FindLocalEndPoint();

    public override EndPoint? RemoteEndPoint => _remoteEndPoint ??= _peer.ToEndPoint() ?? (_endpoint.IsTcp ? null : UnixEndPoints.Unnamed);

    public override PeerAddress Peer => _peer;

    public override IFeatureCollection Features => _features ?? MakeFeatures();

    public override object? FindFeature(Type key) => _features is null && !ConnectionFeatures.IsBuiltIn(key) ? null : Features[key];

    public override bool IsCloseRequested => (Volatile.Read(ref _interest) & Interest.CloseRequested) != 0;

    public override long DeadlineMs => Volatile.Read(ref _timer.DeadlineMs);

    /// <summary>Tells the connection its place in the table. Loop only, once, first.</summary>
    internal void Admit(ulong key)
    {
        Debug.Assert(_loop.IsCurrent);
        _key = key;
    }

    /// <summary>Runs the protocol for the first time; <see cref="FinishStart"/> follows. Loop only, once.</summary>
    internal void Start(IConnectionHandler handler)
    {
        Debug.Assert(_loop.IsCurrent);
        Debug.Assert(_handler is null);
        _handler = handler;
        try
        {
            handler.OnReadable(peerClosed: false);
        }
        catch (Exception exception)
        {
            OnHandlerFailed(exception);
        }
    }

    /// <summary>Lets epoll watch, unless the connection has ended already. Loop only, once.</summary>
    internal void FinishStart()
    {
        Debug.Assert(_loop.IsCurrent);
        if (!IsClosed)
        {
            Register();
        }
    }

    public override IoResult Receive(Span<byte> into)
    {
        Debug.Assert(_fd >= 0);
        Debug.Assert(!into.IsEmpty);
        SysResult result = _loop.Kernel.Receive(_fd, into);
        if (!result.IsOk)
        {
            return ToFailure(result.Errno);
        }
        _loop.CountBytesRead(result.Value);
        return IoResult.Transferred(result.Value);
    }

    public override IoResult Send(ReadOnlySpan<byte> bytes)
    {
        Debug.Assert(_fd >= 0);
        Debug.Assert(!bytes.IsEmpty);
        return AfterSend(_loop.Kernel.Send(_fd, bytes));
    }

    public override IoResult Send(ReadOnlySpan<ReadOnlyMemory<byte>> segments)
    {
        Debug.Assert(_fd >= 0);
        Debug.Assert(!segments.IsEmpty);
        return AfterSend(_loop.Kernel.Send(_fd, segments));
    }

    public override IoResult SendAgain(ReadOnlySpan<byte> bytes, long retriedBytes)
    {
        Debug.Assert(_fd >= 0);
        Debug.Assert(!bytes.IsEmpty);
        return AfterSendAgain(_loop.Kernel.Send(_fd, bytes), retriedBytes);
    }

    public override IoResult SendAgain(ReadOnlySpan<ReadOnlyMemory<byte>> segments, long retriedBytes)
    {
        Debug.Assert(_fd >= 0);
        Debug.Assert(!segments.IsEmpty);
        return AfterSendAgain(_loop.Kernel.Send(_fd, segments), retriedBytes);
    }

    public override bool SendsFiles => true;

    public override IoResult SendFile(SafeFileHandle file, long offset, int count)
    {
        Debug.Assert(_fd >= 0);
        SysResult sent = _loop.Kernel.SendFile(_fd, (int)file.DangerousGetHandle(), offset, count);
        // What says nothing of the peer is about the file: no page cache, no such call here, a failing disk. Reading it will tell.
        return !sent.IsOk && sent.Errno != Errno.EAGAIN && Classify(sent.Errno) == IoError.Other ? IoResult.Failed(IoError.FileNotSendable) : AfterSend(sent);
    }

    public override bool TryEncryptSends(ReadOnlySpan<byte> key)
    {
        Debug.Assert(_fd >= 0);
        if (!_endpoint.IsTcp || !_loop.Kernel.EncryptSends(_fd, key).IsOk)
        {
            return false; // a cipher suite that this kernel does not have, most often
        }

        Interlocked.Or(ref _interest, Interest.EncryptsSends);
        return true;
    }

    public override IoResult SendRecord(byte contentType, ReadOnlySpan<byte> content)
    {
        Debug.Assert(_fd >= 0);
        return AfterSend(_loop.Kernel.SendRecord(_fd, contentType, content));
    }

    public override bool IsWritable
    {
        get
        {
            Debug.Assert(_fd >= 0);
            return _loop.Kernel.IsWritable(_fd) is not { IsOk: true, Value: 0 };
        }
    }

    public override void NotifyWhenWritable()
    {
        Debug.Assert(_fd >= 0);
        _loop.Counters.AddWriteDeferred();
        int before = Interlocked.Or(ref _interest, Interest.Out | Interest.WantsWritable);
        // Modified even when EPOLLOUT is registered already: the edge may have come, and been ignored, between the send that would
        // block and the bit set above. epoll_ctl looks at the readiness anew and repeats the edge.
        if ((before & Interest.Registered) != 0)
        {
            Modify();
        }
    }

    public override void RequeueReadable()
    {
        Debug.Assert(_loop.IsCurrent);
        Debug.Assert(!IsClosed);
        if ((_state & State.Requeued) == 0)
        {
            _state |= State.Requeued;
            _loop.AddPending(this);
        }
    }

    public override void Post() => PostFlag(Posted.Handler);

    public override void SetDeadline(long deadlineMs)
    {
        if (!_loop.IsCurrent)
        {
            if (!TimerWheel.TrySetDeadline(ref _timer, deadlineMs))
            {
                PostFlag(Posted.Timer);
            }
            return;
        }
        Debug.Assert(!IsClosed);
        _loop.Timers.SetDeadline(this, deadlineMs);
    }

    public override void ShutdownSend()
    {
        Debug.Assert(_fd >= 0);
        _ = _loop.Kernel.Shutdown(_fd, ShutdownSide.Send);
    }

    public override void Abort()
    {
        Debug.Assert(_fd >= 0);
        if (!_endpoint.IsTcp)
        {
            _ = _loop.Kernel.Shutdown(_fd, ShutdownSide.Both); // Unix sockets know no reset
            return;
        }

        // connect(2) with AF_UNSPEC resets TCP and keeps the descriptor, unless the kernel's TLS is, or was meant to be, between them.
        if ((Volatile.Read(ref _interest) & Interest.EncryptsSends) == 0 && _loop.Kernel.Disconnect(_fd).IsOk)
        {
            return;
        }

        // Then the reset comes when the descriptor is closed, and the protocol is told to do so. No FIN before it: half an answer must not look whole.
        _ = _loop.Kernel.SetResetOnClose(_fd);
        _ = _loop.Kernel.Shutdown(_fd, ShutdownSide.Receive);
        PostFlag(Posted.Reset);
    }

    public override void Close()
    {
        Debug.Assert(_loop.IsCurrent);
        Debug.Assert(!IsClosed);
        _state |= State.Closed;
        _loop.Timers.Cancel(this);
        int fd = Interlocked.Exchange(ref _fd, -1); // a barrier: features that we do not see below see it
        _features?.OnClosing(_loop);
        // Closing takes the descriptor out of the epoll set; events already fetched miss by their generation.
        _ = _loop.Kernel.Close(fd);
        _loop.Forget(this, _key);
        try
        {
            _handler?.OnClosed();
        }
        catch (Exception exception)
        {
            _loop.ReportHandlerFailure(this, exception);
        }
        finally
        {
            _features?.OnClosed();
            _peer.ExitLimit(_endpoint);
            _loop.CountClosed(_endpoint);
        }
    }

    void IPollTarget.OnEvents(EpollEvents events)
    {
        try
        {
            Deliver(events);
        }
        catch (Exception exception)
        {
            OnHandlerFailed(exception);
        }
    }

    /// <summary>Calls the protocol again after <see cref="RequeueReadable"/>.</summary>
    internal void RunPending()
    {
        if ((_state & (State.Requeued | State.Closed)) != State.Requeued)
        {
            return; // closed since, or an event of this turn has called the protocol already
        }
        try
        {
            DeliverReadable();
        }
        catch (Exception exception)
        {
            OnHandlerFailed(exception);
        }
    }

    void ITimed.OnTimer(long nowMs)
    {
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
        if (IsClosed || _handler is null)
        {
            return; // posted by a thread that had not heard of the end
        }
        try
        {
            Deliver(posted);
        }
        catch (Exception exception)
        {
            OnHandlerFailed(exception);
        }
    }

    /// <summary>The server or the application asks to finish. Any thread, also after the end.</summary>
    public void PostDrain()
    {
        Interlocked.Or(ref _interest, Interest.CloseRequested); // seen by the response that is being made, before the loop comes round
        PostFlag(Posted.Drain);
    }

    /// <summary>The server or the application asks to abort. Any thread, also after the end.</summary>
    public void PostAbort() => PostFlag(Posted.Abort);

    /// <summary>The features want their heartbeat timer started. Any thread, also after the end.</summary>
    public void PostHeartbeat() => PostFlag(Posted.Heartbeat);

    /// <summary>Drains or aborts at once. Loop only.</summary>
    public void Visit(bool abort)
    {
        Debug.Assert(!IsClosed);
        if (_handler is null)
        {
            return; // its acceptor is running below us on this stack
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

    private void PostFlag(int flag)
    {
        if (Interlocked.Or(ref _posted, flag) == 0)
        {
            _loop.Post(this);
        }
    }

    private void Deliver(EpollEvents events)
    {
        if ((_state & State.ResetDelivered) != 0)
        {
            return; // the protocol knows, and closes when it can
        }
        if ((events & EpollEvents.Error) != 0)
        {
            _loop.Counters.EventErrors++;
            DeliverReset();
            return;
        }
        if ((events & (EpollEvents.ReadHangUp | EpollEvents.HangUp)) != 0)
        {
            _state |= State.PeerClosed;
        }
        if ((events & (EpollEvents.In | EpollEvents.ReadHangUp)) != 0)
        {
            DeliverReadable();
        }
        if ((events & EpollEvents.HangUp) != 0)
        {
            // After reading: a Unix peer that sends and closes at once has its bytes and EPOLLHUP in one event.
            if (!IsClosed)
            {
                DeliverReset();
            }
            return;
        }
        if ((events & EpollEvents.Out) != 0 && !IsClosed)
        {
            DeliverWritable();
        }
    }

    private void Deliver(int posted)
    {
        if ((posted & Posted.Timer) != 0)
        {
            _loop.Timers.Reschedule(this);
        }
        if ((posted & Posted.Heartbeat) != 0)
        {
            _features?.StartHeartbeat(_loop);
        }
        if ((posted & Posted.Reset) != 0)
        {
            DeliverReset();
        }
        if ((posted & Posted.Handler) != 0 && !IsClosed)
        {
            _handler!.OnPosted();
        }
        if ((posted & Posted.Drain) != 0 && !IsClosed)
        {
            DeliverDrain();
        }
        if ((posted & Posted.Abort) != 0 && !IsClosed)
        {
            _handler!.OnAbort();
        }
    }

    private void DeliverReadable()
    {
        _state &= ~State.Requeued;
        _handler!.OnReadable((_state & State.PeerClosed) != 0);
    }

    private void DeliverWritable()
    {
        // Only the loop clears the bit, only the send owner sets it; most EPOLLOUT bits come with other edges and nobody waits.
        if ((Volatile.Read(ref _interest) & Interest.WantsWritable) != 0)
        {
            Interlocked.And(ref _interest, ~Interest.WantsWritable);
            _handler!.OnWritable();
        }
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
            _features?.OnDrain();
            _handler!.OnDrain();
        }
    }

    private void Register()
    {
        Debug.Assert((_interest & Interest.Registered) == 0);
        EpollEvents events = EventsFor(Volatile.Read(ref _interest));
        SysResult result = _loop.EpollControl(EpollOperation.Add, _fd, events, _key);
        if (!result.IsOk)
        {
            OnInterestFailed(result.Errno);
            return;
        }
        int before = Interlocked.Or(ref _interest, Interest.Registered);
        // The send owner asked between our look at the bits and now, and saw that it need not modify.
        if ((before & Interest.Out) != 0 && (events & EpollEvents.Out) == 0)
        {
            Modify();
        }
    }

    private void Modify()
    {
        SysResult result = _loop.EpollControl(EpollOperation.Modify, _fd, EventsFor(Interest.Out), _key);
        if (!result.IsOk)
        {
            OnInterestFailed(result.Errno);
        }
    }

    private static EpollEvents EventsFor(int interest) =>
        EpollEvents.In | EpollEvents.ReadHangUp | EpollEvents.EdgeTriggered | ((interest & Interest.Out) != 0 ? EpollEvents.Out : EpollEvents.None);

    /// <summary>Without events the connection would hang for ever: it is declared dead instead.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private void OnInterestFailed(Errno errno)
    {
        _loop.Counters.AddModFailure();
        Guard.Run(() => TransportLog.InterestFailed(_loop.Logger, ConnectionId, errno));
        PostFlag(Posted.Reset);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private void OnHandlerFailed(Exception exception) => HandlerFailure.End(this, _loop, exception);

    private IoResult AfterSend(SysResult result)
    {
        if (!result.IsOk)
        {
            return ToFailure(result.Errno);
        }
        _loop.CountBytesWrittenImmediate(result.Value);
        return IoResult.Transferred(result.Value);
    }

    private IoResult AfterSendAgain(SysResult result, long retriedBytes)
    {
        Debug.Assert(retriedBytes > 0);
        if (!result.IsOk)
        {
            return ToFailure(result.Errno);
        }

        int retried = (int)Math.Min(result.Value, retriedBytes);
        _loop.Counters.AddBytesWrittenFlush(retried);
        if (result.Value > retried)
        {
            _loop.CountBytesWrittenImmediate(result.Value - retried);
        }

        return IoResult.Transferred(result.Value);
    }

    private IoResult ToFailure(Errno errno) => errno == Errno.EAGAIN ? IoResult.WouldBlock : ToError(errno);

    [MethodImpl(MethodImplOptions.NoInlining)]
    private IoResult ToError(Errno errno)
    {
        Guard.Run(() => // callers hold locks
        {
            if (_loop.Logger.IsEnabled(LogLevel.Debug))
            {
                TransportLog.TransferFailed(_loop.Logger, ConnectionId, errno);
            }
        });
        return IoResult.Failed(Classify(errno));
    }

    private static IoError Classify(Errno errno) => errno switch
    {
        Errno.ECONNRESET or Errno.EPIPE or Errno.ENOTCONN or Errno.ECONNABORTED => IoError.ConnectionReset,
        Errno.ETIMEDOUT or Errno.EHOSTUNREACH or Errno.EHOSTDOWN or Errno.ENETUNREACH or Errno.ENETDOWN or Errno.ENETRESET or Errno.ENONET => IoError.NetworkFailure,
        _ => IoError.Other,
    };

    private EndPoint FindLocalEndPoint()
    {
        // Bound to one address, every connection has that address. Bound to any: the kernel knows, while the connection lives.
        int fd = Volatile.Read(ref _fd);
        if (_endpoint.LocalEndPoint is IPEndPoint { Address: var address } && (address.Equals(IPAddress.Any) || address.Equals(IPAddress.IPv6Any))
            && fd >= 0 && _loop.Kernel.GetLocalName(fd, out SockAddr name).IsOk && name.ToEndPoint() is { } exact)
        {
            return exact;
        }
        return _endpoint.LocalEndPoint;
    }

    private ConnectionFeatures MakeFeatures()
    {
        ConnectionFeatures made = ConnectionFeatures.Of(this);
        made = Interlocked.CompareExchange(ref _features, made, null) ?? made;
        // Published before this look: either we see the end, or the end sees them.
        if (Volatile.Read(ref _fd) < 0)
        {
            made.OnMadeLate();
        }
        return made;
    }
}
