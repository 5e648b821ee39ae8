using System;
using System.Buffers;
using System.Diagnostics;
using System.IO.Pipelines;
using System.Runtime.ExceptionServices;
using System.Threading;
using System.Threading.Tasks;
using System.Threading.Tasks.Sources;
using Aeronet.Transport.Buffers;
using Microsoft.AspNetCore.Connections;

namespace Aeronet.Transport.Connections;

/// <summary>The receive side of a connection as a <see cref="PipeReader"/>: receives when somebody reads, straight into the buffer that is handed out.</summary>
/// <remarks>
/// A read is complete when bytes lie beyond what the last <see cref="AdvanceTo(SequencePosition, SequencePosition)"/> examined, at the end of
/// the stream, and when it is cancelled. The buffer is one contiguous array; it moves only between two reads, so a received byte stays
/// where it is while somebody looks at it. What has come before a reset is handed out before the reset is.
/// </remarks>
internal sealed class PipeBridgeReader : PipeReader, IValueTaskSource<ReadResult>, IPipeSide
{
    private const int ReadSizeMax = 64 * 1024;

    private readonly PipeBridge _bridge;
    private readonly PipeContinuation _continuation; // also the lock of this side: one object less per idle connection
    private ReceiveBuffer _buffer;
    private int _examined; // the first unread bytes, seen and left by the reader
    private int _minimum = 1; // unread bytes that complete the read
    private int _readSize;
    private int _receivedThisEvent;
    private Exception? _failure; // non-null: every read throws it
    private State _state;

    internal PipeBridgeReader(PipeBridge bridge)
    {
        _bridge = bridge;
        _continuation = new PipeContinuation(this);
        _readSize = bridge.Settings.ReadSizeMin;
    }

    [Flags]
    private enum State : ushort
    {
        None = 0,
        Waiting = 1, // a read has begun and its result has not been taken
        Reading = 2, // a result was taken and AdvanceTo has not been called
        Tentative = 4, // the same, but the result was a cancelled one: another read may begin
        Cancelled = 8, // the next result says so
        Completed = 16, // by the application
        Readable = 32, // an edge has come since the last receive that found the socket empty
        PeerClosed = 64, // FIN or reset: no more edges, receive until the end
        Ended = 128, // end of stream was received
        Closed = 256, // the descriptor is closed
        Reset = 512, // the failure is the peer's: bytes that came before it are still read
        BytesFirst = 1024, // the same, and the reader has moved on since it last got some: one that does not would be given them for ever
        Looked = 2048, // TryRead had nothing: AdvanceTo may follow, as with Pipe
        Dead = 4096, // reset, or a send has found the peer gone: when nothing is left to receive, that is the end
        Stuck = 8192, // the reader has neither taken nor examined anything of what it was given last
    }

    private bool Has(State any) => (_state & any) != 0;

    /// <summary>A read that begins now, or waits, is complete.</summary>
    private bool HasResult => Has(State.Cancelled | State.Ended) || _failure is not null || (_buffer.Length > _examined && _buffer.Length >= _minimum);

    /// <summary>The failure waits for the bytes before it to be read.</summary>
    private bool HasBytesFirst => KeepsBytes && _buffer.Length >= _minimum;

    private bool KeepsBytes => Has(State.BytesFirst) && _buffer.Length > _examined;

    private bool IsOver => Has(State.Ended | State.Closed | State.Completed) || _failure is not null;

    // The application's side.

    public override ValueTask<ReadResult> ReadAsync(CancellationToken cancellationToken = default) => ReadAsync(1, cancellationToken);

    protected override ValueTask<ReadResult> ReadAtLeastAsyncCore(int minimumSize, CancellationToken cancellationToken) => ReadAsync(Math.Max(1, minimumSize), cancellationToken);

    private ValueTask<ReadResult> ReadAsync(int minimum, CancellationToken cancellationToken)
    {
        lock (_continuation)
        {
            PipeErrors.ThrowIf(Has(State.Completed), PipeErrors.NoReadingAllowed);
            if (cancellationToken.IsCancellationRequested)
            {
                return ValueTask.FromCanceled<ReadResult>(cancellationToken);
            }
            PipeErrors.ThrowIf(Has(State.Waiting), PipeErrors.Concurrent);
            PipeErrors.ThrowIf(Has(State.Reading), PipeErrors.AlreadyReading);
            _minimum = minimum;
            if (WantsMore && !IsBudgetUsedUp())
            {
                Receive();
                if (!HasResult && Has(State.Readable))
                {
                    _bridge.RequestLoop(PipeBridge.Wanted.Requeue); // its budget is used up
                }
            }
            if (HasResult)
            {
                return new ValueTask<ReadResult>(TakeResult());
            }
            _state |= State.Waiting;
            _bridge.IsReaderWaiting = true;
            if (cancellationToken.CanBeCanceled && !_continuation.TryRegister(cancellationToken))
            {
                _state &= ~State.Waiting;
                _bridge.IsReaderWaiting = false;
                return ValueTask.FromCanceled<ReadResult>(cancellationToken);
            }
        }
        _bridge.OnReaderWaits();
        return new ValueTask<ReadResult>(this, 0);
    }

    public override bool TryRead(out ReadResult result)
    {
        lock (_continuation)
        {
            PipeErrors.ThrowIf(Has(State.Completed), PipeErrors.NoReadingAllowed);
            PipeErrors.ThrowIf(Has(State.Waiting | State.Reading), PipeErrors.AlreadyReading);
            _minimum = 1;
            if (WantsMore && !IsBudgetUsedUp())
            {
                Receive();
            }
            if (HasResult)
            {
                result = TakeResult();
                return true;
            }
            _state |= State.Looked;
            result = default;
            return false;
        }
    }

    public override void AdvanceTo(SequencePosition consumed) => AdvanceTo(consumed, consumed);

    public override void AdvanceTo(SequencePosition consumed, SequencePosition examined)
    {
        bool hasEnded = false;
        lock (_continuation)
        {
            PipeErrors.ThrowIf(Has(State.Completed), PipeErrors.NoReadingAllowed);
            PipeErrors.ThrowIf(!Has(State.Reading | State.Tentative | State.Looked), PipeErrors.NoReadToComplete);
            if (consumed.GetObject() is not null || examined.GetObject() is not null)
            {
                Advance(consumed, examined);
            }
            _state &= ~(State.Reading | State.Tentative | State.Looked);
            if (_failure is not null)
            {
                if (!KeepsBytes)
                {
                    ReleaseUnheld();
                }
            }
            else if (Has(State.PeerClosed))
            {
                hasEnded = LookForEnd();
                if (HasMoreAhead)
                {
                    _bridge.RequestLoop(PipeBridge.Wanted.Requeue);
                }
            }
        }
        if (hasEnded)
        {
            _bridge.OnInputEnded();
        }
    }

    private void Advance(SequencePosition consumed, SequencePosition examined)
    {
        int start = _buffer.IsAllocated ? _buffer.Offset : 0;
        int end = start + _buffer.Length;
        int consumedTo = consumed.GetObject() is null ? start : consumed.GetInteger();
        int examinedTo = examined.GetObject() is null ? consumedTo : examined.GetInteger();
        PipeErrors.ThrowIf(examinedTo < consumedTo, PipeErrors.ExaminedBeforeConsumed);
        bool isOurs = _buffer.IsAllocated
            && (consumed.GetObject() is null || consumed.GetObject() == _buffer.Array)
            && (examined.GetObject() is null || examined.GetObject() == _buffer.Array);
        PipeErrors.ThrowIf(!isOurs || consumedTo < start || examinedTo > end, PipeErrors.InvalidCursor);
        bool hasMoved = consumedTo > start || examinedTo - start > _examined;
        _state = hasMoved ? _state & ~State.Stuck : _state | State.Stuck;
        if (hasMoved && Has(State.Reset))
        {
            _state |= State.BytesFirst;
        }
        _buffer.Consume(consumedTo - start);
        _examined = examinedTo - consumedTo;
        if (_buffer.Length == 0)
        {
            _buffer.Release(_bridge.Connection.Loop.Blocks); // idle connections hold no memory
        }
    }

    public override void CancelPendingRead() => _continuation.Cancel();

    PipeBridge IPipeSide.Bridge => _bridge;

    object IPipeSide.Lock => _continuation;

    bool IPipeSide.CancelWait()
    {
        _state |= State.Cancelled;
        return TakeIfDue();
    }

    public override void Complete(Exception? exception = null)
    {
        lock (_continuation)
        {
            _state = (_state | State.Completed) & ~(State.Reading | State.Tentative);
            ReleaseUnheld();
        }
    }

    ValueTaskSourceStatus IValueTaskSource<ReadResult>.GetStatus(short token)
    {
        lock (_continuation)
        {
            return !HasResult ? ValueTaskSourceStatus.Pending : _failure is null || HasBytesFirst ? ValueTaskSourceStatus.Succeeded : ValueTaskSourceStatus.Faulted;
        }
    }

    void IValueTaskSource<ReadResult>.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags)
    {
        bool isDue;
        lock (_continuation)
        {
            PipeErrors.ThrowIf(!_continuation.Set(continuation, state, flags), PipeErrors.Concurrent);
            isDue = TakeIfDue();
        }
        if (isDue)
        {
            _continuation.Dispatch();
        }
    }

    ReadResult IValueTaskSource<ReadResult>.GetResult(short token)
    {
        CancellationTokenRegistration registration = default;
        ReadResult result;
        try
        {
            lock (_continuation)
            {
                PipeErrors.ThrowIf(!HasResult, PipeErrors.NotCompleted);
                registration = _continuation.TakeRegistration();
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

    // The loop's side.

    /// <summary>Bytes, end of stream or an error can be received. Loop only.</summary>
    internal void OnReadable(bool peerClosed)
    {
        bool isDue;
        bool hasEnded;
        lock (_continuation)
        {
            _receivedThisEvent = 0;
            _state |= State.Readable | (peerClosed ? State.PeerClosed : State.None);
            hasEnded = ReceiveForWaiter();
            isDue = TakeIfDue();
        }
        Report(hasEnded, isDue);
    }

    /// <summary>The connection is dead; what was received before can still be there. Loop only.</summary>
    internal void OnReset()
    {
        bool isDue;
        lock (_continuation)
        {
            _receivedThisEvent = 0;
            _state |= State.Readable | State.PeerClosed | State.Dead;
            _ = ReceiveForWaiter();
            isDue = TakeIfDue();
        }
        Report(hasEnded: false, isDue);
    }

    /// <summary>A send has found the peer gone. What it has sent before, such as the reason, is still read. Any thread.</summary>
    internal void OnSendFailed()
    {
        bool isDue;
        lock (_continuation)
        {
            _receivedThisEvent = 0;
            _state |= State.Readable | State.PeerClosed | State.Dead;
            _ = LookForEnd();
            if (HasMoreAhead)
            {
                _bridge.RequestLoop(PipeBridge.Wanted.Requeue);
            }
            isDue = TakeIfDue();
        }
        Report(hasEnded: false, isDue);
    }

    /// <summary>Every read throws from now on. Any thread.</summary>
    internal void Fail(Exception reason)
    {
        if (TryFail(reason))
        {
            _continuation.Dispatch();
        }
    }

    /// <summary>The same, but whoever waits is told by the caller: with <see cref="Dispatch"/>, if true is returned.</summary>
    internal bool TryFail(Exception reason) => TryFail(reason, State.None);

    internal void Dispatch() => _continuation.Dispatch();

    // Together: a read that finds the connection closed must find its reason, too.
    private bool TryFail(Exception reason, State state)
    {
        lock (_continuation)
        {
            _state = (_state | state) & ~(State.Reset | State.BytesFirst);
            if (!Has(State.Ended))
            {
                _failure ??= reason;
                ReleaseUnheld();
            }
            return TakeIfDue();
        }
    }

    /// <summary>The connection ends in order: reads throw. True when bytes may be unread in the socket. Loop only.</summary>
    internal bool Shutdown(Exception reason)
    {
        bool mayHaveUnread;
        lock (_continuation)
        {
            mayHaveUnread = Has(State.Readable) && !Has(State.Ended) && _failure is null;
        }
        Fail(reason);
        return mayHaveUnread;
    }

    /// <summary>No thread receives any more once this has returned. Loop only.</summary>
    internal void Close()
    {
        if (TryFail(new ConnectionAbortedException("The connection is closed."), State.Closed))
        {
            _continuation.Dispatch();
        }
    }

    private void Report(bool hasEnded, bool isDue)
    {
        // In this order: what was received is worth an answer even though the peer has finished.
        if (isDue)
        {
            _continuation.Dispatch();
        }
        if (hasEnded)
        {
            _bridge.OnInputEnded();
        }
    }

    // Under the lock.

    private bool TakeIfDue() => Has(State.Waiting) && HasResult && _continuation.TryTake();

    private ReadResult TakeResult()
    {
        _state &= ~State.Waiting;
        _bridge.IsReaderWaiting = false;
        _bridge.IsStreaming = false;
        if (_failure is not null && !HasBytesFirst)
        {
            ExceptionDispatchInfo.Throw(_failure);
        }
        bool isCancelled = Has(State.Cancelled);
        if (!isCancelled)
        {
            _state &= ~State.BytesFirst;
        }
        _state = (_state & ~State.Cancelled) | (isCancelled ? State.Tentative : State.Reading);
        ReadOnlySequence<byte> bytes = _buffer.Length > 0 ? new ReadOnlySequence<byte>(_buffer.Array, _buffer.Offset, _buffer.Length) : default;
        return new ReadResult(bytes, isCancelled, Has(State.Ended));
    }

    /// <summary>A read cannot be answered without receiving, or should not be: a reader that gets the same bytes again may have forgotten to say that it needs more.</summary>
    private bool WantsMore => Has(State.Readable) && !Has(State.Cancelled) && !IsOver && (!HasResult || (Has(State.Stuck) && _buffer.Length < _bridge.Settings.ReadAheadMax));

    /// <summary>True: the loop has other connections to serve, it calls again.</summary>
    private bool IsBudgetUsedUp()
    {
        if (_receivedThisEvent < _bridge.Settings.ReadPerEventMax || !_bridge.IsInLoopFrame)
        {
            return false;
        }
        _bridge.RequestLoop(PipeBridge.Wanted.Requeue);
        return true;
    }

    /// <summary>Receives if somebody waits, or to find the end behind FIN. True: the end was found. Loop only.</summary>
    private bool ReceiveForWaiter()
    {
        if (Has(State.Completed))
        {
            return Has(State.PeerClosed); // nobody reads: what is there is not looked at
        }
        if (Has(State.Waiting) && !HasResult && !IsOver)
        {
            Receive();
            if (!HasResult && Has(State.Readable))
            {
                _bridge.Connection.RequeueReadable();
            }
            return IsOver;
        }
        if (!Has(State.PeerClosed))
        {
            return false;
        }
        bool hasEnded = LookForEnd();
        if (HasMoreAhead)
        {
            _bridge.Connection.RequeueReadable();
        }
        return hasEnded;
    }

    /// <summary>The budget of this turn did not reach to the end behind FIN, and no edge will come any more: the loop has to call again.</summary>
    private bool HasMoreAhead => Has(State.Readable) && !Has(State.Reading | State.Tentative) && !IsOver && _buffer.Length < _bridge.Settings.ReadAheadMax;

    /// <summary>Receives ahead of the reader, who may want to know that the peer has finished. While a reader holds the buffer: as far as nothing has to be moved.</summary>
    private bool LookForEnd()
    {
        if (!IsOver && Has(State.Readable) && _buffer.Length < _bridge.Settings.ReadAheadMax)
        {
            Receive(isHeld: Has(State.Reading | State.Tentative));
        }
        return IsOver;
    }

    private void Receive(bool isHeld = false)
    {
        Debug.Assert(!IsOver);
        Debug.Assert(isHeld || !Has(State.Reading));
        TransportConnection connection = _bridge.Connection;
        PipeBridgeSettings settings = _bridge.Settings;
        do
        {
            Span<byte> free = isHeld ? _buffer.Tail : _buffer.GetFree(connection.Loop.Blocks, Math.Min(_readSize, settings.ReadPerEventMax));
            if (free.IsEmpty)
            {
                return;
            }
            IoResult result = connection.Receive(free);
            if (result.HasBytes)
            {
                _buffer.Commit(result.Bytes);
                _receivedThisEvent += result.Bytes;
                AdaptReadSize(free.Length, result.Bytes);
                if (result.Bytes == free.Length || Has(State.PeerClosed))
                {
                    continue;
                }
            }
            else if (result.IsEndOfStream && !_bridge.HasSendFailed)
            {
                _state |= State.Ended;
            }
            else if (!result.IsWouldBlock || Has(State.Dead))
            {
                FailByPeer(); // end of stream, too: the failed send has taken the socket's error
            }
            _state &= ~State.Readable; // a short read means drained: the next bytes bring an edge
            break;
        }
        while (MustReceiveMore(settings));
        if (_buffer.Length == 0)
        {
            ReleaseUnheld();
        }
    }

    private void FailByPeer()
    {
        if (_failure is not null)
        {
            return;
        }
        _failure = new ConnectionResetException("The connection was reset by the peer.");
        _state |= State.Reset | State.BytesFirst;
        if (!KeepsBytes)
        {
            ReleaseUnheld();
        }
    }

    private bool MustReceiveMore(PipeBridgeSettings settings) =>
        _receivedThisEvent < settings.ReadPerEventMax
        && (Has(State.PeerClosed) ? _buffer.Length < settings.ReadAheadMax : _buffer.Length < _minimum);

    /// <summary>A full read asks for more next time, a small one for less: 20 KB messages come in one call, and idle connections stay cheap.</summary>
    private void AdaptReadSize(int asked, int got)
    {
        if (got == asked && asked == _readSize && _readSize < ReadSizeMax)
        {
            _readSize = Math.Min(_readSize * 4, Math.Max(ReadSizeMax, _bridge.Settings.ReadSizeMin));
        }
        else if (got < _readSize / 4 && _readSize > _bridge.Settings.ReadSizeMin)
        {
            _readSize = Math.Max(_readSize / 2, _bridge.Settings.ReadSizeMin);
        }
    }

    private void ReleaseUnheld()
    {
        if (!Has(State.Reading | State.Tentative))
        {
            _examined = 0;
            _buffer.Release(_bridge.Connection.Loop.Blocks);
        }
    }
}
