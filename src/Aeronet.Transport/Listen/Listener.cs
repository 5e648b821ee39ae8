using System;
using System.Diagnostics;
using System.Runtime.CompilerServices;
using Aeronet.Native.Libc;
using Aeronet.Transport.Diagnostics;
using Aeronet.Transport.Loop;

namespace Aeronet.Transport.Listen;

/// <summary>One listening socket as one loop watches it: accepts in batches, pauses when the system runs out of something.</summary>
/// <remarks>
/// Level-triggered: what a batch leaves behind is reported again in the next turn. That is also why it must not be watched while
/// accept fails for lack of descriptors: it would be reported without end (EMFILE leaves the connection in the queue).
/// </remarks>
internal sealed class Listener<TKernel> : IPollTarget, ITimed
    where TKernel : struct, IKernel
{
    private const int PauseMsMin = 100;
    private const int PauseMsMax = 1000;

    private readonly EventLoop<TKernel> _loop;
    private readonly int _fd;
    private readonly bool _isShared;
    private readonly ulong _key;
    private TimerLink _timer = TimerLink.None;
    private int _pauseMs; // 0 exactly while accepting works; else the last pause taken
    private bool _isClosed;

    internal Listener(EventLoop<TKernel> loop, int fd, BoundEndpoint endpoint, bool isShared, ulong key)
    {
        Debug.Assert(fd >= 0);
        _loop = loop;
        _fd = fd;
        Endpoint = endpoint;
        _isShared = isShared;
        _key = key;
    }

    internal BoundEndpoint Endpoint { get; }

    ref TimerLink ITimed.Timer => ref _timer;

    /// <summary>Adds the socket to the loop's epoll set. Any thread, the first time.</summary>
    internal SysResult Watch() =>
        _loop.EpollControl(EpollOperation.Add, _fd, EpollEvents.In | (_isShared ? EpollEvents.Exclusive : EpollEvents.None), _key);

    /// <summary>Accepts what waits, up to one batch, and ends. Loop only, once.</summary>
    internal void Close()
    {
        Debug.Assert(_loop.IsCurrent);
        Debug.Assert(!_isClosed);
        if (!_isShared && _pauseMs == 0)
        {
            AcceptBatch(); // closing the socket would reset connections that the kernel has already established
        }
        _isClosed = true;
        _loop.Timers.Cancel(this);
        _ = _loop.EpollControl(EpollOperation.Delete, _fd, EpollEvents.None, _key);
        if (!_isShared)
        {
            _ = _loop.Kernel.Close(_fd);
        }
        _loop.Forget(this);
    }

    public void OnEvents(EpollEvents events)
    {
        if (!_timer.IsLinked) // an event fetched before the pause began is none
        {
            _loop.BeginAccepting(this);
        }
    }

    void ITimed.OnTimer(long nowMs)
    {
        Debug.Assert(!_isClosed);
        SysResult result = Watch();
        if (!result.IsOk)
        {
            Pause(isWatched: false);
        }
    }

    private void AcceptBatch()
    {
        for (int left = _loop.Options.AcceptBatchSize; left > 0 && TryAccept(); left--)
        {
        }
    }

    /// <summary>Accepts one connection, or passes over one that failed. False: no more for now.</summary>
    internal bool TryAccept()
    {
        Debug.Assert(!_isClosed);
        SysResult result = _loop.Kernel.Accept(_fd, out SockAddr peer);
        if (result.IsOk)
        {
            EndOfEpisode();
            _loop.Adopt(result.Value, Endpoint, peer);
            return true;
        }
        if (result.Errno == Errno.EAGAIN)
        {
            // The kernel reserves a descriptor before it looks at the queue: an empty queue too means that accepting works.
            EndOfEpisode();
            return false;
        }
        return OnAcceptFailed(result.Errno);
    }

    internal bool IsClosed => _isClosed;

    /// <summary>True: the failure belonged to one connection, go on with the next.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private bool OnAcceptFailed(Errno errno)
    {
        _loop.Counters.AcceptErrors++;
        switch (errno)
        {
            case Errno.ECONNABORTED: // the peer gave up while it waited
            case Errno.EPROTO:
            case Errno.EPERM: // a firewall rule forbids it
            case Errno.ETIMEDOUT:
            case Errno.ENOPROTOOPT:
            case Errno.EOPNOTSUPP:
            case Errno.ENETDOWN: // these and the next: pending errors of the new connection, accept(2) tells to go on
            case Errno.ENETUNREACH:
            case Errno.EHOSTDOWN:
            case Errno.EHOSTUNREACH:
            case Errno.ENONET:
            case Errno.ECONNRESET:
                Guard.Run(() => TransportLog.AcceptSkipped(_loop.Logger, Endpoint.LocalEndPoint, errno));
                return true;
            case Errno.EMFILE:
            case Errno.ENFILE:
            case Errno.ENOBUFS:
            case Errno.ENOMEM:
            case Errno.ENOSPC:
                if (_pauseMs == 0)
                {
                    Guard.Run(() => TransportLog.AcceptExhausted(_loop.Logger, _loop.Index, Endpoint.LocalEndPoint, errno));
                }
                break;
            default: // EBADF, EINVAL, ENOTSOCK: this listener is broken, and must not take the loop's time either
                if (_pauseMs == 0)
                {
                    Guard.Run(() => TransportLog.AcceptFailed(_loop.Logger, _loop.Index, Endpoint.LocalEndPoint, errno));
                }
                break;
        }
        Pause(isWatched: true);
        return false;
    }

    private void Pause(bool isWatched)
    {
        _pauseMs = _pauseMs == 0 ? PauseMsMin : Math.Min(_pauseMs * 2, PauseMsMax);
        if (isWatched)
        {
            // Deleted, not modified: a descriptor added with EPOLLEXCLUSIVE cannot be modified, epoll_ctl(2).
            _ = _loop.EpollControl(EpollOperation.Delete, _fd, EpollEvents.None, _key);
        }
        _loop.Timers.SetDeadline(this, _loop.NowMs + _pauseMs);
    }

    private void EndOfEpisode()
    {
        if (_pauseMs != 0)
        {
            _pauseMs = 0;
            Guard.Run(() => TransportLog.AcceptRecovered(_loop.Logger, _loop.Index, Endpoint.LocalEndPoint));
        }
    }
}
