using System;
using System.Diagnostics;
using System.IO.Pipelines;
using System.Threading;
using Aeronet.Transport.Diagnostics;
using Aeronet.Transport.Loop;
using Microsoft.AspNetCore.Connections;

namespace Aeronet.Transport.Connections;

/// <summary>Whom a bridge serves: told once each, on any thread.</summary>
internal interface IPipeBridgeOwner
{
    /// <summary>Nothing more comes from the peer: it has finished, reset or was aborted.</summary>
    void OnInputEnded();

    /// <summary>Everything was sent or given up; the application's part is over. On the loop.</summary>
    /// <param name="isInputEnd">Stands for <see cref="OnInputEnded"/> too, which is not called any more.</param>
    void OnEnded(bool isInputEnd);
}

/// <summary>A connection as a pair of pipes: reads and flushes work on the connection's own buffers, without a pump and without a second copy.</summary>
/// <remarks>
/// Who does what. The reader receives when somebody reads, on the loop when it waited, else on the reading thread. Flushed bytes are sent
/// by the flushing thread, with one exception, which decides the speed: between <see cref="EnterFrame"/> and <see cref="LeaveFrame"/>, while
/// application code runs that the loop has called, a flush only marks the bytes; they leave in one send when the code returns, waits for
/// the next read, or loses the loop's role because it blocks. Elsewhere the first flush after a read is held for up to one and a half hand-off times
/// (<see cref="HeldFlushes"/>) unless a read waits, because a second one or the next read usually follows at once. Carriers send every flush.
/// Each side has a lock of its own (the reader its continuation, the writer this object: the application sees neither); a thread holds at most one
/// of the two and calls nobody but the connection under it.
/// The descriptor is closed on the loop, after both sides were closed under their locks, so no call can hit a reused number.
/// </remarks>
internal sealed class PipeBridge : IConnectionHandler
{
    private const int FrameLookMs = 64; // thread pool: how long a handler that flushed and blocks can hold its bytes back
    private const int LingerMs = 1000;
    private const int LingerBytesMax = 1 << 20;

    private readonly PipeBridgeReader _reader;
    private readonly PipeBridgeWriter _writer;
    private readonly IPipeBridgeOwner _owner;
    private AbortCause? _abort; // set once, by the first abort
    private int _framesOnThreadPool; // begun or about to begin
    private int _frameThread; // managed id of the thread whose flushes wait for the end of its frame; 0 for none
    private int _wanted; // what the application wants done on the loop
    private int _told; // what the owner was told
    private int _lingerBytesLeft;
    private Phase _phase; // loop only
    private bool _hasSendFailed;

    public PipeBridge(TransportConnection connection, PipeBridgeSettings settings, IPipeBridgeOwner owner)
    {
        Connection = connection;
        Settings = settings;
        _owner = owner;
        _reader = new PipeBridgeReader(this);
        _writer = new PipeBridgeWriter(this);
    }

    private enum Phase : byte
    {
        Open,
        Lingering, // FIN is sent, what still comes is dropped
        Closed,
    }

    private sealed record AbortCause(Exception Reason, bool WithFin);

    internal static class Wanted
    {
        public const int Requeue = 1; // stopped for fairness
        public const int End = 2;
    }

    private static class Told
    {
        public const int InputEnded = 1;
        public const int Ended = 2;
    }

    public TransportConnection Connection { get; }

    public PipeBridgeSettings Settings { get; }

    public PipeReader Input => _reader;

    public PipeWriter Output => _writer;

    /// <summary>The calling thread runs application code that the loop has called.</summary>
    internal bool IsInFrame => Volatile.Read(ref _frameThread) == Environment.CurrentManagedThreadId;

    /// <summary>As <see cref="IsInFrame"/>, on the loop's own thread: it returns to the loop.</summary>
    internal bool IsInLoopFrame => IsInFrame && Connection.Loop.IsApplicationHere;

    /// <summary>A read waits. Whoever writes meanwhile need not expect that more follows. Any thread, a moment old.</summary>
    internal bool IsReaderWaiting { get; set; }

    /// <summary>Nothing followed a flush that was held: the application streams, until it has read again. Any thread, a moment old.</summary>
    internal bool IsStreaming { get; set; }

    /// <summary>What is written reaches nobody any more. Any thread, a moment old.</summary>
    internal bool IsPeerGone => _writer.IsPeerGone;

    /// <summary>A send has met the end of the connection. Any thread.</summary>
    internal bool HasSendFailed { get => Volatile.Read(ref _hasSendFailed); set => Volatile.Write(ref _hasSendFailed, value); }

    // Frames.

    internal void EnterFrame() => Volatile.Write(ref _frameThread, Environment.CurrentManagedThreadId);

    internal void LeaveFrame() => Interlocked.CompareExchange(ref _frameThread, 0, Environment.CurrentManagedThreadId);

    /// <summary>The thread inside the frame no longer returns to the loop: from now on its flushes are sent at once.</summary>
    internal void BreakFrame() => Volatile.Write(ref _frameThread, 0);

    /// <summary>The frame is over on a thread that is not the loop.</summary>
    internal void LeaveFrameElsewhere()
    {
        LeaveFrame();
        if (_writer.SendDeferred())
        {
            OnSendFailed();
        }
        if (Volatile.Read(ref _wanted) != 0)
        {
            Connection.Post();
        }
    }

    /// <summary>A frame is about to begin on the thread pool: somebody must look after it. Loop only.</summary>
    internal void WatchFrame()
    {
        Interlocked.Increment(ref _framesOnThreadPool);
        if (_phase != Phase.Closed && Connection.DeadlineMs == long.MaxValue)
        {
            Connection.SetDeadline(Connection.Loop.NowMs + FrameLookMs);
        }
    }

    /// <summary>What <see cref="WatchFrame"/> announced is over.</summary>
    internal void LeaveFrameOnThreadPool()
    {
        Interlocked.Decrement(ref _framesOnThreadPool);
        LeaveFrameElsewhere();
    }

    /// <summary>The reader waits: what was flushed before may be what the peer waits for.</summary>
    internal void OnReaderWaits()
    {
        // On the loop the return of the frame sends, or its being taken over.
        if ((_writer.IsHolding || (IsInFrame && !IsInLoopFrame)) && _writer.SendDeferred())
        {
            OnSendFailed();
        }
    }

    /// <summary>A point at which tests let the loop go on with another thread.</summary>
    internal void AtHandOffPoint()
    {
        if (Settings.HandOffProbe is { } probe && IsInLoopFrame && probe())
        {
            _ = Connection.Loop.TryHandOff(HandOffCause.Endpoint);
        }
    }

    /// <summary>Application code has returned, or blocks and is the loop no more. Loop only.</summary>
    internal void OnApplicationReturned()
    {
        if (_writer.SendDeferred())
        {
            OnSendFailed();
        }
        RunWanted();
    }

    /// <summary>Asks for something that only the loop does. Any thread.</summary>
    internal void RequestLoop(int wanted)
    {
        Interlocked.Or(ref _wanted, wanted);
        if (!IsInLoopFrame)
        {
            Connection.Post();
        }
    }

    private void RunWanted()
    {
        if (Volatile.Read(ref _wanted) == 0)
        {
            return;
        }
        int wanted = Interlocked.Exchange(ref _wanted, 0);
        if (_phase != Phase.Open)
        {
            return;
        }
        if ((wanted & Wanted.Requeue) != 0)
        {
            Connection.RequeueReadable();
        }
        if ((wanted & Wanted.End) != 0)
        {
            End();
        }
    }

    // Ends.

    /// <summary>Ends the sending side alone: of a carrier, whose flushes have completed. Any thread.</summary>
    internal void ShutdownSend() => _writer.ShutdownSend();

    /// <summary>Ends the connection for the peer and for both sides of the application now. Any thread, any number of times.</summary>
    public void Abort(Exception reason) => Abort(reason, Settings.EndsWithFinOnError);

    /// <summary>The same, with FIN instead of RST or not.</summary>
    public void Abort(Exception reason, bool withFin)
    {
        if (Interlocked.CompareExchange(ref _abort, new AbortCause(reason, withFin), null) is not null)
        {
            return;
        }
        // The reader first, because what the system call brings looks like the peer's doing; whoever reads is told last, because it may complete the writer.
        bool isDue = _reader.TryFail(reason);
        _writer.Abort(withFin);
        if (isDue)
        {
            _reader.Dispatch();
        }
        OnInputEnded();
        RequestLoop(Wanted.End);
    }

    /// <summary>A send has failed: the peer is gone. Outside of both locks.</summary>
    internal void OnSendFailed()
    {
        _reader.OnSendFailed();
        OnInputEnded();
    }

    /// <summary>The receive side has met its end. Outside of both locks.</summary>
    internal void OnInputEnded()
    {
        if (Tell(Told.InputEnded))
        {
            _owner.OnInputEnded();
        }
    }

    internal void OnApplicationFailed(Exception exception)
    {
        Abort(new ConnectionAbortedException("Code that waited for the connection has failed.", exception));
        Guard.Run(() => TransportLog.ApplicationCallbackFailed(Settings.Logger, Connection.ConnectionId, exception));
    }

    private void TellEnded()
    {
        bool isInputEnd = Tell(Told.InputEnded);
        if (Tell(Told.Ended))
        {
            _owner.OnEnded(isInputEnd);
        }
    }

    private bool Tell(int what) => (Interlocked.Or(ref _told, what) & what) == 0;

    /// <summary>Closes if the application is done with the writer and everything was sent, or on abort.</summary>
    private void End()
    {
        if (_phase != Phase.Open)
        {
            return;
        }
        if (Volatile.Read(ref _abort) is { } abort)
        {
            _writer.Abort(abort.WithFin); // the thread that aborts may not have come to it
            Close();
            return;
        }
        if (_writer.SendDeferred())
        {
            OnSendFailed();
        }
        if (!_writer.IsFinished(out bool isPeerGone))
        {
            return;
        }
        bool mayHaveUnread = _reader.Shutdown(new ConnectionAbortedException("The connection was closed: its output was completed."));
        _lingerBytesLeft = LingerBytesMax;
        if (!mayHaveUnread || isPeerGone || !DropUnread() || _lingerBytesLeft == LingerBytesMax)
        {
            Close();
            return;
        }
        // There were unread bytes, so more may come. Closing over them would send a reset, which can destroy what we sent on its way to the peer.
        _phase = Phase.Lingering;
        Connection.ShutdownSend();
        Connection.SetDeadline(Connection.Loop.NowMs + LingerMs);
        TellEnded();
    }

    /// <summary>Takes what is there and drops it. False: nothing more comes, or too much has come.</summary>
    private bool DropUnread()
    {
        Buffers.Block block = Connection.Loop.Blocks.Rent();
        IoResult result;
        do
        {
            result = Connection.Receive(block.Span);
            _lingerBytesLeft -= result.HasBytes ? result.Bytes : 0;
        }
        while (result.HasBytes && _lingerBytesLeft > 0);
        Connection.Loop.Blocks.Return(block);
        return result.IsWouldBlock;
    }

    private void Close()
    {
        Debug.Assert(_phase != Phase.Closed);
        _reader.Close();
        _writer.Close();
        Connection.Close(); // calls OnClosed
    }

    // What the loop tells.

    void IConnectionHandler.OnReadable(bool peerClosed)
    {
        if (_phase == Phase.Lingering)
        {
            if (!DropUnread())
            {
                Close();
            }
            return;
        }
        _reader.OnReadable(peerClosed);
    }

    void IConnectionHandler.OnWritable()
    {
        if (_phase != Phase.Open)
        {
            return;
        }
        if (_writer.OnWritable())
        {
            OnSendFailed();
        }
        End();
    }

    void IConnectionHandler.OnReset()
    {
        if (_phase == Phase.Lingering)
        {
            Close();
            return;
        }
        _writer.OnPeerGone();
        _reader.OnReset();
        OnInputEnded();
        End();
    }

    void IConnectionHandler.OnDeadline(long nowMs)
    {
        if (_phase == Phase.Lingering)
        {
            Close();
            return;
        }
        if (_writer.SendDeferred())
        {
            OnSendFailed();
        }
        if (Volatile.Read(ref _framesOnThreadPool) != 0)
        {
            Connection.SetDeadline(nowMs + FrameLookMs);
        }
    }

    void IConnectionHandler.OnPosted() => RunWanted();

    void IConnectionHandler.OnDrain()
    {
        // The features have told the application; when to finish is its decision.
    }

    void IConnectionHandler.OnAbort()
    {
        Abort(new ConnectionAbortedException("The connection was aborted."));
        if (_phase != Phase.Closed)
        {
            Close(); // also while lingering, and again if the application had aborted before
        }
    }

    void IConnectionHandler.OnClosed()
    {
        _phase = Phase.Closed;
        _reader.Close();
        _writer.Close();
        TellEnded();
    }
}
