using System;
using System.Buffers;
using System.Diagnostics;
using System.IO.Pipelines;
using System.Threading;
using System.Threading.Tasks;
using System.Threading.Tasks.Sources;
using Aeronet.Transport.Buffers;
using Aeronet.Transport.Loop;
using Microsoft.AspNetCore.Connections;

namespace Aeronet.Transport.Connections;

/// <summary>The send side of a connection as a <see cref="PipeWriter"/>: writes into blocks of the loop's pool, which are sent as they are.</summary>
/// <remarks>A flush sends at once, unless it runs in a frame of the bridge or is held; it waits only while more unsent bytes than the limit lie behind a full socket.</remarks>
internal sealed class PipeBridgeWriter : PipeWriter, IValueTaskSource<FlushResult>, IHeldFlush, IPipeSide
{
    private readonly PipeBridge _bridge;
    private PipeContinuation? _continuation; // made for the first flush that has to wait: most connections have none
    private WriteBuffer _buffer;
    private long _held; // positive: the number of the flush that is held; else none is, and this is minus the last number
    private State _state;

    internal PipeBridgeWriter(PipeBridge bridge) => _bridge = bridge;

    [Flags]
    private enum State : byte
    {
        None = 0,
        Waiting = 1, // a flush has begun and its result has not been taken
        Paused = 2, // too much is unsent
        Cancelled = 4, // the next result says so
        Completed = 8, // by the application
        PeerGone = 16, // nobody takes bytes any more: they are dropped
        Blocked = 32, // the socket is full, OnWritable comes
        Closed = 64, // the descriptor is closed
        Aborted = 128, // for the peer
    }

    private bool Has(State any) => (_state & any) != 0;

    private bool HasResult => Has(State.Cancelled | State.PeerGone) || !Has(State.Paused);

    private BlockPool Blocks => _bridge.Connection.Loop.Blocks;

    // The application's side.

    public override bool CanGetUnflushedBytes => true;

    public override long UnflushedBytes
    {
        get
        {
            lock (_bridge)
            {
                return _buffer.Unflushed;
            }
        }
    }

    public override Memory<byte> GetMemory(int sizeHint = 0)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(sizeHint);
        lock (_bridge)
        {
            PipeErrors.ThrowIf(Has(State.Completed), PipeErrors.NoWritingAllowed);
            return _buffer.GetMemory(Blocks, sizeHint);
        }
    }

    public override Span<byte> GetSpan(int sizeHint = 0)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(sizeHint);
        lock (_bridge)
        {
            PipeErrors.ThrowIf(Has(State.Completed), PipeErrors.NoWritingAllowed);
            return _buffer.GetSpan(Blocks, sizeHint);
        }
    }

    public override void Advance(int bytes)
    {
        lock (_bridge)
        {
            if (!Has(State.Completed) && !_buffer.TryAdvance(bytes))
            {
                throw new ArgumentOutOfRangeException(nameof(bytes));
            }
        }
    }

    /// <remarks>As Pipe's: a token that is cancelled already keeps the bytes out, so that whoever tries again does not send them twice.</remarks>
    public override ValueTask<FlushResult> WriteAsync(ReadOnlyMemory<byte> source, CancellationToken cancellationToken = default)
    {
        lock (_bridge)
        {
            PipeErrors.ThrowIf(Has(State.Completed), PipeErrors.NoWritingAllowed);
            if (Has(State.PeerGone))
            {
                _buffer.Flush();
                Drop(); // what was written before, too
                return new ValueTask<FlushResult>(new FlushResult(isCanceled: false, isCompleted: true));
            }
            if (cancellationToken.IsCancellationRequested)
            {
                return ValueTask.FromCanceled<FlushResult>(cancellationToken);
            }
        }
        this.Write(source.Span); // block by block: the loop may wait for the lock
        return FlushAsync(cancellationToken);
    }

    public override ValueTask<FlushResult> FlushAsync(CancellationToken cancellationToken = default)
    {
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled<FlushResult>(cancellationToken);
        }
        bool hasFailed;
        ValueTask<FlushResult> result;
        lock (_bridge)
        {
            PipeErrors.ThrowIf(Has(State.Waiting), PipeErrors.Concurrent);
            _buffer.Flush();
            hasFailed = Has(State.PeerGone) ? Drop() : !MayWait() && Send();
            if (HasResult)
            {
                result = new ValueTask<FlushResult>(TakeResult());
            }
            else
            {
                _state |= State.Waiting;
                _continuation ??= new PipeContinuation(this);
                result = new ValueTask<FlushResult>(this, 0);
                if (cancellationToken.CanBeCanceled && !_continuation.TryRegister(cancellationToken))
                {
                    _state &= ~State.Waiting;
                    result = ValueTask.FromCanceled<FlushResult>(cancellationToken);
                }
            }
        }
        if (hasFailed)
        {
            _bridge.OnSendFailed();
        }
        return result;
    }

    public override void CancelPendingFlush()
    {
        bool isDue;
        lock (_bridge)
        {
            isDue = ((IPipeSide)this).CancelWait();
        }
        DispatchIf(isDue);
    }

    PipeBridge IPipeSide.Bridge => _bridge;

    object IPipeSide.Lock => _bridge;

    bool IPipeSide.CancelWait()
    {
        _state |= State.Cancelled;
        return TakeIfDue();
    }

    public override void Complete(Exception? exception = null)
    {
        bool hasFailed;
        lock (_bridge)
        {
            if (Has(State.Completed))
            {
                return;
            }
            _state |= State.Completed;
            _buffer.Flush();
            hasFailed = Has(State.PeerGone) ? Drop() : exception is null && !_bridge.IsInLoopFrame && Send();
        }
        if (hasFailed)
        {
            _bridge.OnSendFailed();
        }
        if (exception is not null)
        {
            _bridge.Abort(exception);
            return;
        }
        _bridge.RequestLoop(PipeBridge.Wanted.End);
    }

    ValueTaskSourceStatus IValueTaskSource<FlushResult>.GetStatus(short token)
    {
        lock (_bridge)
        {
            return HasResult ? ValueTaskSourceStatus.Succeeded : ValueTaskSourceStatus.Pending;
        }
    }

    void IValueTaskSource<FlushResult>.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags)
    {
        bool isDue;
        lock (_bridge)
        {
            _continuation ??= new PipeContinuation(this);
            PipeErrors.ThrowIf(!_continuation.Set(continuation, state, flags), PipeErrors.Concurrent);
            isDue = TakeIfDue();
        }
        DispatchIf(isDue);
    }

    FlushResult IValueTaskSource<FlushResult>.GetResult(short token)
    {
        CancellationTokenRegistration registration = default;
        FlushResult result;
        try
        {
            lock (_bridge)
            {
                PipeErrors.ThrowIf(!HasResult, PipeErrors.NotCompleted);
                registration = _continuation?.TakeRegistration() ?? default;
                result = TakeResult();
            }
        }
        finally
        {
            registration.Dispose(); // also when the result is an exception: the token may outlive the connection by far
        }
        if (result.IsCanceled)
        {
            registration.Token.ThrowIfCancellationRequested();
        }
        return result;
    }

    // The bridge's side. What returns bool returns true when a send has failed: the bridge then tells the reader, outside of the lock.

    /// <summary>Completed by the application, and nothing is left to send. Any thread.</summary>
    internal bool IsFinished(out bool isPeerGone)
    {
        lock (_bridge)
        {
            isPeerGone = Has(State.PeerGone);
            return Has(State.Completed) && (isPeerGone || _buffer.Length == 0);
        }
    }

    /// <summary>Bytes are dropped. Any thread, a moment old.</summary>
    internal bool IsPeerGone => Has(State.PeerGone);

    /// <summary>A flush outside of a frame is held. Any thread, a moment old.</summary>
    internal bool IsHolding => Volatile.Read(ref _held) > 0;

    void IHeldFlush.SendHeld(long number)
    {
        bool hasFailed;
        lock (_bridge)
        {
            if (_held != number)
            {
                return; // sent meanwhile
            }
            _bridge.IsStreaming = true;
            hasFailed = Send();
        }
        if (hasFailed)
        {
            _bridge.OnSendFailed();
        }
    }

    /// <summary>Sends what flushes in a frame have left, or holds have kept. Any thread.</summary>
    internal bool SendDeferred()
    {
        bool hasFailed;
        bool isDue;
        lock (_bridge)
        {
            hasFailed = Send();
            isDue = TakeIfDue();
        }
        DispatchIf(isDue);
        return hasFailed;
    }

    /// <summary>The socket takes bytes again. Loop only.</summary>
    internal bool OnWritable()
    {
        lock (_bridge)
        {
            _state &= ~State.Blocked;
        }
        return SendDeferred();
    }

    /// <summary>Bytes are dropped from now on, flushes say that the pipe is completed. Any thread.</summary>
    internal void OnPeerGone()
    {
        bool isDue;
        lock (_bridge)
        {
            _state |= State.PeerGone;
            Drop();
            isDue = TakeIfDue();
        }
        DispatchIf(isDue);
    }

    /// <summary>Ends the connection for the peer. Any thread.</summary>
    internal void Abort(bool withFin)
    {
        lock (_bridge)
        {
            if (!Has(State.Closed | State.Aborted))
            {
                _state |= State.Aborted;
                if (withFin)
                {
                    _bridge.Connection.ShutdownSend();
                }
                else
                {
                    _bridge.Connection.Abort();
                }
            }
        }
        OnPeerGone();
    }

    /// <summary>Sends FIN, unless the connection has ended. Of a carrier, once its last flush has completed: nothing is left here then. Any thread.</summary>
    internal void ShutdownSend()
    {
        lock (_bridge)
        {
            if (!Has(State.PeerGone | State.Closed))
            {
                _bridge.Connection.ShutdownSend();
            }
        }
    }

    /// <summary>No thread sends any more once this has returned. Loop only.</summary>
    internal void Close()
    {
        lock (_bridge)
        {
            _state |= State.Closed;
        }
        OnPeerGone();
    }

    private void DispatchIf(bool isDue)
    {
        if (isDue)
        {
            _continuation!.Dispatch();
        }
    }

    // Under the lock, which is the bridge: nobody else sees that object, and it is one less per idle connection.

    private bool TakeIfDue() => Has(State.Waiting) && HasResult && _continuation!.TryTake();

    private FlushResult TakeResult()
    {
        bool isCancelled = Has(State.Cancelled);
        _state &= ~(State.Waiting | State.Cancelled);
        return new FlushResult(isCancelled, isCompleted: Has(State.PeerGone));
    }

    /// <summary>What was flushed leaves later, in one send with what follows.</summary>
    private bool MayWait()
    {
        if (_buffer.Flushed >= _bridge.Settings.DeferredMax)
        {
            return false;
        }
        if (_bridge.IsInFrame)
        {
            return true;
        }
        if (_held <= 0)
        {
            if (_buffer.Flushed == 0 || _bridge.IsReaderWaiting || _bridge.IsStreaming || _bridge.Connection.Loop.HeldFlushes is not { } held)
            {
                return false;
            }
            _held = 1 - _held;
            held.Add(this, _held);
        }
        return true;
    }

    private bool Send()
    {
        if (_held > 0)
        {
            _held = -_held;
        }
        if (_buffer.Flushed == 0 || Has(State.Blocked | State.PeerGone | State.Closed))
        {
            Pause();
            return false;
        }
        SendOutcome outcome = _buffer.Send(_bridge.Connection);
        if (outcome == SendOutcome.Failed)
        {
            _bridge.HasSendFailed = true;
            _state |= State.PeerGone;
            Drop();
            return true;
        }
        if (outcome == SendOutcome.Blocked)
        {
            _state |= State.Blocked;
            _bridge.Connection.NotifyWhenWritable();
        }
        Pause();
        return false;
    }

    private void Pause()
    {
        if (_buffer.Flushed >= _bridge.Settings.PauseAt)
        {
            _state |= State.Paused;
        }
        else if (_buffer.Flushed < _bridge.Settings.ResumeBelow)
        {
            _state &= ~State.Paused;
        }
    }

    /// <summary>False, so that it can stand where a send could.</summary>
    private bool Drop()
    {
        if (Has(State.Completed))
        {
            _buffer.Clear(Blocks);
        }
        else
        {
            _buffer.Drop(Blocks);
        }
        return false;
    }
}
