using System;
using System.Buffers;
using System.Diagnostics;
using System.IO.Pipelines;
using System.Threading;
using System.Threading.Tasks;
using System.Threading.Tasks.Sources;
using Aeronet.Http.Http1;
using Aeronet.Server.Sessions;
using Aeronet.Transport.Buffers;
using Aeronet.Transport.Loop;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace Aeronet.Server.Exchange;

/// <summary>How the bytes of a response are delimited, RFC 9112 section 6.</summary>
internal enum ResponseFraming
{
    /// <summary>HEAD, 204, 304 and the like: what the application writes is dropped.</summary>
    NoContent,
    ContentLength,
    Chunked,

    /// <summary>HTTP/1.0, or an application that frames by itself: bytes as they are.</summary>
    Raw,
}

/// <summary>The response of an exchange on its way out: what the application wrote but whose framing is open, and what waits for the socket.</summary>
/// <remarks>
/// One send per turn: while the application has not yet returned for the first time (<c>_deferring</c>) a flush is only noted. A response that is
/// complete by then leaves with Content-Length in one send, together with the other responses of the turn. When the application suspends, or
/// the session's watch or a hand-off finds it still running, flushed bytes go out. A response that begins later has its first flush held for up to one
/// and a half hand-off times, 1.5 ms by default (<see cref="HeldFlushes"/>), because its end usually follows at once; later flushes send.
/// A stream that fills a whole send in that time, or waits for the client, is gathered into whole sends (<c>_gathers</c>), each part held that long at
/// most; the first part that waits so long ends it, because the application is then slower than that.
/// One lock guards everything: application threads, the loop (socket writable, watch) and aborts meet here. Uncontended it costs about 10 ns.
/// </remarks>
internal sealed partial class ResponseOutput : IValueTaskSource<FlushResult>, IValueTaskSource, IHeldFlush
{
    private readonly HttpExchange _exchange;
    private readonly Lock _gate = new();

    // All below: under the gate.
    private readonly SendQueue _wire = new();    // framed bytes
    private readonly SendQueue _pending = new(); // content of which the framing, or the chunk, is still open
    private bool _deferring;
    private bool _gathers;                       // content comes faster than it is worth a send each
    private bool _flushWanted;
    private long _heldNumber;                    // of the flush that is held; 0: none
    private long _heldCount;
    private bool _shutdownWanted; // FIN follows the last byte
    private bool _headCommitted;
    private bool _ended = true;                  // the response is framed to its end; also between requests: late writes of the application are dropped
    private bool _lost;                          // the connection takes nothing any more: writes are dropped
    private bool _memoryOut;                     // the application holds memory of _pending's tail
    private ResponseFraming _framing;            // valid when _headCommitted
    private long? _declaredLength;               // valid when _headCommitted
    private long _contentWritten;
    private long _unflushed;
    private bool _blocked;                       // the socket was full at the last send
    private long _rateDeadlineMs = long.MaxValue;

    private ManualResetValueTaskSourceCore<FlushResult> _wait = new() { RunContinuationsAsynchronously = true }; // completed on the loop
    private bool _waiting;
    private bool _cancelNextFlush;
    private TaskCompletionSource<FlushResult>? _sharedWait; // further flushes while one waits
    private CancellationTokenRegistration _waitCancellation;
    private CancellationToken _waitToken;        // of the flush that waits

    public ResponseOutput(HttpExchange exchange) => _exchange = exchange;

    /// <summary>Framed bytes that wait for the socket.</summary>
    public long Length => _wire.Length;

    /// <summary>Everything framed so far is in the kernel.</summary>
    public bool IsDrained
    {
        get
        {
            lock (_gate)
            {
                return _wire.IsEmpty;
            }
        }
    }

    public bool IsBlocked => Volatile.Read(ref _blocked);

    /// <summary>A write that the application did not await waits for the socket, perhaps with the application's memory. Asked when the response has ended: no further one can come.</summary>
    public bool HasWaiter => Volatile.Read(ref _waiting) || _wire.HasBorrowed;

    public long UnflushedBytes => _unflushed;

    /// <summary>Content bytes the application has written.</summary>
    public long ContentWritten => _contentWritten;

    public ResponseFraming Framing => _framing;

    private Http1Session Session => _exchange.Session;

    private BlockPool Blocks => _exchange.Session.Blocks;

    public void Begin()
    {
        Debug.Assert(_pending.IsEmpty);
        _deferring = true;
        _gathers = false;
        _ended = false;
        OpenForFiles();
    }

    /// <summary>Takes the blocks that a small response needs while the pool is this thread's own: application code would have to lock it. Loop thread.</summary>
    public void Reserve()
    {
        // The request has begun: an abort by code that kept the context of an earlier request clears the queues on its own thread.
        lock (_gate)
        {
            _wire.Reserve(Blocks);
            _pending.Reserve(Blocks);
        }
    }

    /// <summary>Ready for the next request; framed bytes of this one stay.</summary>
    public void Reset()
    {
        // A flush that nobody awaited has left its registration: its token may fire when the exchange serves another connection.
        // Outside the gate: waits for a callback that runs right now and may want the gate.
        _waitCancellation.Dispose();
        _waitCancellation = default;
        lock (_gate)
        {
            Debug.Assert(!_waiting);
            Debug.Assert(!_wire.HasBorrowed);
            Debug.Assert(!HasFile);
            _pending.Clear(Blocks);
            if (_wire.IsEmpty)
            {
                _wire.Clear(Blocks); // what was reserved
            }

            _flushWanted = false;
            _heldNumber = 0;
            _shutdownWanted = false;
            _headCommitted = false;
            _ended = true;
            _lost = false; // an abort from another thread may have come behind the last look at the connection: its signal stays set
            _memoryOut = false;
            _cancelNextFlush = false;
            _declaredLength = null;
            _contentWritten = 0;
            _unflushed = 0;
        }
    }

    /// <summary>Drops everything: the connection closes.</summary>
    public void Abandon()
    {
        lock (_gate)
        {
            DropAll();
            CompleteWaiters(new FlushResult(isCanceled: false, isCompleted: true));
            _deferring = false;
            _blocked = false;
            _rateDeadlineMs = long.MaxValue;
        }

        Reset();
    }

    // ---- The application's writes ----------------------------------------------------------------------------

    public Memory<byte> GetMemory(int sizeHint)
    {
        lock (_gate)
        {
            _memoryOut = true;
            return _pending.GetMemory(Blocks, sizeHint);
        }
    }

    public Span<byte> GetSpan(int sizeHint)
    {
        lock (_gate)
        {
            _memoryOut = true;
            return _pending.GetSpan(Blocks, sizeHint);
        }
    }

    public void Advance(int count)
    {
        lock (_gate)
        {
            if (!_memoryOut)
            {
                ThrowNoMemory();
            }

            if (_lost || _ended)
            {
                _memoryOut = false;
                return; // the bytes stay unclaimed in the tail
            }

            if (count > _pending.TailFree)
            {
                ThrowAdvancedTooFar(count); // behind the memory lies another connection's
            }

            _memoryOut = false;
            Account(count);
            _pending.Advance(count);
            _unflushed += count;
        }
    }

    /// <summary>Throws when <paramref name="count"/> more bytes exceed the declared length: asked before the response starts, so that it can still become an error.</summary>
    public void CheckFirstWrite(long count)
    {
        lock (_gate)
        {
            CheckLength(count);
        }
    }

    /// <summary>Content known to be written at once: copied when small, lent to the socket when large.</summary>
    public ValueTask<FlushResult> WriteAsync(ReadOnlyMemory<byte> content, CancellationToken cancellation)
    {
        if (cancellation.IsCancellationRequested)
        {
            return ValueTask.FromCanceled<FlushResult>(cancellation);
        }

        lock (_gate)
        {
            if (_lost || _ended)
            {
                return Done();
            }

            Account(content.Length);
            if (_headCommitted && _framing == ResponseFraming.NoContent)
            {
                return Done();
            }

            if (!IsWorthLending(content.Length))
            {
                _pending.Write(Blocks, content.Span);
                _memoryOut = false;
                return FlushLocked(cancellation);
            }

            _gathers |= _flushWanted;
            _deferring &= _exchange.IsInline;
            CommitFlushed();
            if (_framing == ResponseFraming.NoContent)
            {
                return Done();
            }

            if (_framing == ResponseFraming.Chunked)
            {
                WriteChunkSize(content.Length);
            }

            _wire.Borrow(content);
            if (_framing == ResponseFraming.Chunked)
            {
                _wire.Write(Blocks, ChunkedWriter.Suffix);
            }

            return SendLocked(cancellation);
        }
    }

    public ValueTask<FlushResult> FlushAsync(CancellationToken cancellation)
    {
        if (cancellation.IsCancellationRequested)
        {
            return ValueTask.FromCanceled<FlushResult>(cancellation);
        }

        lock (_gate)
        {
            return _lost || _ended || HasFile ? Done() : FlushLocked(cancellation); // a file is its own flush
        }
    }

    /// <summary>Content copied without a flush (synchronous writes flush by themselves).</summary>
    public void Buffer(ReadOnlySpan<byte> content)
    {
        lock (_gate)
        {
            if (_lost || _ended)
            {
                return;
            }

            Account(content.Length);
            _pending.Write(Blocks, content);
            _unflushed += content.Length;
        }
    }

    /// <summary>Blocks until a flush that waits has been sent: synchronous writes.</summary>
    public void BlockUntilFlushed(ValueTask<FlushResult> flush)
    {
        if (!flush.IsCompleted)
        {
            _exchange.LeaveLoop(HandOffCause.SynchronousIo); // or nobody would be there to see the socket take bytes again
        }

        flush.AsTask().GetAwaiter().GetResult();
    }

    public void CancelPendingFlush()
    {
        lock (_gate)
        {
            if (_waiting || _sharedWait is not null)
            {
                _wire.CopyBorrowed(); // the writer goes on, and its memory with it, while the bytes still wait
                CompleteWaiters(new FlushResult(isCanceled: true, isCompleted: false));
            }
            else
            {
                _cancelNextFlush = true;
            }
        }
    }

    // ---- The server's side ---------------------------------------------------------------------------------------

    /// <summary>An interim response, sent at once unless the final one has begun.</summary>
    public void SendInterim(ReadOnlySpan<byte> head)
    {
        lock (_gate)
        {
            if (!_lost && !_headCommitted)
            {
                _wire.Write(Blocks, head);
                Send();
            }
        }
    }

    /// <summary>The application runs longer than a response may be held back: flushed content goes out, later flushes send.</summary>
    public void StopDeferring() => StopDeferring(isSuspended: false);

    /// <summary>The application has suspended: as <see cref="StopDeferring()"/>, and what was reserved goes back, because it may wait for hours.</summary>
    public void OnSuspended() => StopDeferring(isSuspended: true);

    private void StopDeferring(bool isSuspended)
    {
        Exception? fault = null;
        uint request;
        lock (_gate)
        {
            request = _exchange.RequestNumber;
            try
            {
                if (_flushWanted && !_lost && !_ended)
                {
                    CommitFlushed();
                }

                _deferring = false;
                SendUnlessBlocked(); // also a complete response whose exchange goes on, with the rest of the request's content for one
            }
            catch (Exception exception)
            {
                fault = GiveUp(exception);
            }

            if (isSuspended)
            {
                ReleaseEmpty();
            }
        }

        if (fault is not null)
        {
            _exchange.OnOutputFault(request, fault);
        }
    }

    void IHeldFlush.SendHeld(long number)
    {
        Exception? fault = null;
        uint request;
        lock (_gate)
        {
            if (_heldNumber != number || _lost || _ended)
            {
                return;
            }

            request = _exchange.RequestNumber;
            try
            {
                _gathers = false;
                CommitFlushed();
                Send();
                ReleaseEmpty();
            }
            catch (Exception exception)
            {
                fault = GiveUp(exception);
            }
        }

        if (fault is not null)
        {
            _exchange.OnOutputFault(request, fault);
        }
    }

    // Encoders and log providers are foreign code, and here no application is on the stack to catch what they throw. Nothing of the response may
    // follow (its head is missing), so the connection ends at once; who waits is told outside of the gate.
    private Exception GiveUp(Exception exception)
    {
        _deferring = false;
        _lost = true;
        DropAll();
        Session.AbortConnection(Diagnostics.ConnectionErrors.AbortedByApp);
        return exception;
    }

    // Nothing is due soon: a suspended or upgraded request, or a stream between two flushes, holds no block.
    private void ReleaseEmpty()
    {
        _wire.ReleaseIfEmpty(Blocks);
        if (!_memoryOut)
        {
            _pending.ReleaseIfEmpty(Blocks);
        }
    }

    /// <summary>The head goes out with the next flush or send; used by an upgrade, whose bytes follow at once.</summary>
    public void CommitAndSend()
    {
        lock (_gate)
        {
            _deferring = false;
            if (!_lost)
            {
                CommitFlushed();
                Send();
                ReleaseEmpty();
            }
        }
    }

    /// <summary>Ends the sending direction behind what is queued; the other one stays open. For a connection that has left HTTP.</summary>
    public void ShutdownWhenDrained()
    {
        lock (_gate)
        {
            if (!_lost)
            {
                _shutdownWanted = true;
                if (Send() == SendOutcome.Drained)
                {
                    ShutdownIfWanted();
                }
            }
        }
    }

    private void ShutdownIfWanted()
    {
        if (_shutdownWanted)
        {
            _shutdownWanted = false;
            Session.Connection.ShutdownSend();
        }
    }

    /// <summary>Nothing follows: frames the rest. With <paramref name="send"/> it leaves now, otherwise with the turn.</summary>
    public void End(bool send)
    {
        lock (_gate)
        {
            if (_lost || _ended)
            {
                return;
            }

            Debug.Assert(!HasFile);
            bool waitsForTurn = _deferring && _exchange.IsInline;
            CommitHead(final: true);
            CommitPending();
            if (_framing == ResponseFraming.Chunked)
            {
                WriteLastChunk();
            }

            else if (_exchange.ResponseTrailersIfAny is { Count: > 0 } dropped)
            {
                _exchange.OnTrailersDropped(dropped);
            }

            _ended = true;
            _deferring = false;
            if (send && !waitsForTurn)
            {
                Send();
            }
        }
    }

    /// <summary>Bytes that are no HTTP/1.1 response, and nothing after them.</summary>
    public void EndRaw(ReadOnlySpan<byte> bytes)
    {
        lock (_gate)
        {
            Debug.Assert(!_headCommitted);
            _headCommitted = true;
            _framing = ResponseFraming.Raw;
            _wire.Write(Blocks, bytes);
            _ended = true;
        }
    }

    /// <summary>The response stays incomplete: what was flushed goes out, then the connection is to be closed, so that the client can tell.</summary>
    public void EndIncomplete()
    {
        lock (_gate)
        {
            if (!_lost && !_ended)
            {
                _deferring = false;
                if (_flushWanted || _headCommitted || _exchange.HasStarted) // an empty close would invite the client to try again
                {
                    CommitFlushed();
                }

                _ended = true;
                _pending.Clear(Blocks);
                Send();
            }
        }
    }

    /// <summary>Drops content of a response that is to be replaced by an error.</summary>
    public void DiscardPending()
    {
        lock (_gate)
        {
            Debug.Assert(!_headCommitted);
            _pending.Clear(Blocks);
            _memoryOut = false;
            _contentWritten = 0;
            _unflushed = 0;
            _flushWanted = false;
            _heldNumber = 0;
        }
    }

    /// <summary>Sends what is framed. Any thread.</summary>
    public SendOutcome SendNow()
    {
        lock (_gate)
        {
            return Send();
        }
    }

    /// <summary>The socket takes bytes again. Loop.</summary>
    public SendOutcome OnWritable()
    {
        lock (_gate)
        {
            return !_wire.IsEmpty ? Send() : HasFile ? LetFileGoOn() : SendOutcome.Drained;
        }
    }

    /// <summary>The connection is gone: waiting writers go on, everything later is dropped.</summary>
    public void OnConnectionLost()
    {
        lock (_gate)
        {
            _lost = true;
            DropAll();
            CompleteWaiters(new FlushResult(isCanceled: false, isCompleted: true));
        }
    }

    /// <summary>Aborts a client that takes the response too slowly. True when it did.</summary>
    public bool CheckRate(long nowMs)
    {
        lock (_gate)
        {
            if (!_blocked || nowMs < _rateDeadlineMs)
            {
                return false;
            }
        }

        _exchange.Settings.Log.BadRequests.ResponseMinimumDataRateNotSatisfied(Session.Connection, _exchange.TraceIdentifier, _exchange.MinResponseDataRate?.BytesPerSecond ?? 0);
        Session.AbortConnection(Diagnostics.ConnectionErrors.MinResponseDataRate);
        _exchange.OnConnectionLost();
        return true;
    }

    // ---- Under the gate --------------------------------------------------------------------------------------------

    private bool IsWorthLending(int length)
    {
        ServerSettings settings = _exchange.Settings;
        if (length <= settings.InlineBodyThreshold)
        {
            return false;
        }

        if (_exchange.ResponseFields.ContentLength == _contentWritten || _pending.Length + _wire.Length + length > settings.DeferredResponseBytesMax)
        {
            return true;
        }

        // More is to follow, or the end: a copy that waits for it costs less than a send, and the response may still leave whole, with Content-Length.
        return !(_deferring || (length <= settings.DeferredResponseBytesMax / 2 && MayHold));
    }

    private bool MayHold => (!_headCommitted || _gathers) && !_blocked && !_exchange.IsUpgraded && Session.Connection.Loop.HeldFlushes is not null;

    private ValueTask<FlushResult> FlushLocked(CancellationToken cancellation)
    {
        _unflushed = 0;
        bool isWholeSend = _pending.Length + _wire.Length > _exchange.Settings.DeferredResponseBytesMax;
        if (!isWholeSend && (_deferring || TryHold()))
        {
            _flushWanted = true;
            return Done();
        }

        _gathers |= isWholeSend;
        _deferring &= _exchange.IsInline; // elsewhere nobody would look early enough at an application that goes on to block
        CommitFlushed();
        return SendLocked(cancellation);
    }

    // The first flush of a response that began after the application had suspended, those of a fast stream, and what follows while one is held.
    private bool TryHold()
    {
        if (!MayHold)
        {
            return false;
        }

        if (_heldNumber == 0)
        {
            _heldNumber = ++_heldCount;
            Session.Connection.Loop.HeldFlushes!.Add(this, _heldNumber);
        }

        return true;
    }

    private ValueTask<FlushResult> Done()
    {
        if (_cancelNextFlush)
        {
            _cancelNextFlush = false;
            return new ValueTask<FlushResult>(new FlushResult(isCanceled: true, isCompleted: _lost));
        }

        return new ValueTask<FlushResult>(new FlushResult(isCanceled: false, isCompleted: _lost));
    }

    private ValueTask<FlushResult> SendLocked(CancellationToken cancellation)
    {
        SendOutcome outcome = SendUnlessBlocked();
        ReleaseEmpty();
        if (outcome != SendOutcome.Blocked || !MustWait)
        {
            return Done();
        }

        _gathers = true;
        return WaitLocked(cancellation);
    }

    private ValueTask<FlushResult> WaitLocked(CancellationToken cancellation)
    {
        if (_waiting)
        {
            _sharedWait ??= new TaskCompletionSource<FlushResult>(TaskCreationOptions.RunContinuationsAsynchronously);
            return new ValueTask<FlushResult>(_sharedWait.Task);
        }

        _wait.Reset();
        _waiting = true;
        _waitToken = cancellation;
        _waitCancellation.Unregister(); // of a flush that nobody awaited; not Dispose: its callback may be waiting for the gate
        _waitCancellation = default;
        short version = _wait.Version;
        if (cancellation.CanBeCanceled)
        {
            _waitCancellation = cancellation.UnsafeRegister(static (state, token) => ((ResponseOutput)state!).OnWaitCanceled(token), this);
        }

        return new ValueTask<FlushResult>(this, version);
    }

    // Lent memory must be sent before its owner goes on, and all before a file; otherwise up to the buffer limit may wait.
    private bool MustWait => _wire.HasBorrowed || HasFile || _wire.Length > (_exchange.Settings.MaxResponseBufferSize ?? long.MaxValue);

    // The loop is told when a full socket takes bytes again, and sends what has come meanwhile, too.
    private SendOutcome SendUnlessBlocked() => _blocked ? SendOutcome.Blocked : Send();

    private SendOutcome Send()
    {
        if (_wire.IsEmpty)
        {
            return SendOutcome.Drained;
        }

        long before = _wire.Length;
        SendOutcome outcome = _wire.Send(Session.Connection);
        switch (outcome)
        {
            case SendOutcome.Drained:
                Volatile.Write(ref _blocked, false);
                _rateDeadlineMs = long.MaxValue;
                ShutdownIfWanted();
                CompleteWaiters(new FlushResult(isCanceled: false, isCompleted: false));
                break;
            case SendOutcome.Blocked:
                if (!MustWait)
                {
                    CompleteWaiters(new FlushResult(isCanceled: false, isCompleted: false));
                }

                StartRateClock(progressed: _wire.Length < before);
                Session.Connection.NotifyWhenWritable();
                break;
            case SendOutcome.Failed:
                Fail();
                break;
        }

        return outcome;
    }

    private void Fail()
    {
        Session.MarkReset(Diagnostics.ConnectionErrors.ConnectionReset);
        _lost = true;
        DropAll();
        CompleteWaiters(new FlushResult(isCanceled: false, isCompleted: true));
        _exchange.OnSendFailed();
    }

    // The client has the grace period, or the time that the waiting bytes take at the minimum rate, whichever is longer, since the last byte it took.
    private void StartRateClock(bool progressed)
    {
        if (_blocked && !progressed)
        {
            return;
        }

        Volatile.Write(ref _blocked, true);
        MinDataRate? rate = _exchange.MinResponseDataRate;
        if (rate is null)
        {
            _rateDeadlineMs = long.MaxValue;
            return;
        }

        double allowedMs = Math.Max(rate.GracePeriod.TotalMilliseconds, BytesDue * 1000.0 / rate.BytesPerSecond);
        _rateDeadlineMs = Session.Connection.Loop.ReadClockMs() + (long)allowedMs;
        Session.Watch();
    }

    /// <summary>Another rate holds from now on.</summary>
    public void RestartRateClock()
    {
        lock (_gate)
        {
            if (_blocked)
            {
                StartRateClock(progressed: true);
            }
        }
    }

    // Everything written so far is framed, so that the next send takes it.
    private void CommitFlushed()
    {
        CommitHead(final: false);
        CommitPending();
        _flushWanted = false;
        _heldNumber = 0;
    }

    private void CommitHead(bool final)
    {
        if (_headCommitted)
        {
            return;
        }

        _exchange.MarkStarted();
        (_framing, _declaredLength) = ResponseHead.Write(_exchange, _wire, Blocks, final, _contentWritten);
        _headCommitted = true; // not before it is written: content must never leave without a head, whatever an encoder throws
    }

    private void CommitPending()
    {
        if (_pending.IsEmpty)
        {
            return;
        }

        if (_framing == ResponseFraming.NoContent)
        {
            _exchange.Settings.Log.General.HeadResponseBodyWrite(_exchange.ConnectionId, _pending.Length);
            _pending.Drop(Blocks, keepTail: _memoryOut); // the application may be writing into it
            return;
        }

        if (_framing == ResponseFraming.Chunked)
        {
            WriteChunkSize(_pending.Length);
        }

        _wire.TakeAll(Blocks, _pending, _exchange.Settings.InlineBodyThreshold, keepTail: _memoryOut);
        if (_framing == ResponseFraming.Chunked)
        {
            _wire.Write(Blocks, ChunkedWriter.Suffix);
        }
    }

    private void WriteChunkSize(long size)
    {
        Debug.Assert(size is > 0 and <= int.MaxValue);
        Span<byte> prefix = _wire.GetSpan(Blocks, ChunkedWriter.PrefixLengthMax);
        _wire.Advance(ChunkedWriter.WritePrefix(prefix, (int)size));
    }

    private void WriteLastChunk()
    {
        ResponseTrailers? trailers = _exchange.ResponseTrailersIfAny;
        if (trailers is { Count: > 0 } && !ResponseHead.PeerExpectsTrailers(_exchange))
        {
            _exchange.OnTrailersDropped(trailers);
            trailers = null;
        }

        if (trailers is null || trailers.Count == 0)
        {
            _wire.Write(Blocks, ChunkedWriter.End);
            return;
        }

        _wire.Write(Blocks, ChunkedWriter.LastChunk);
        Span<byte> lines = _wire.GetSpan(Blocks, trailers.Measure());
        bool fits = trailers.TryWrite(lines, out int written);
        Debug.Assert(fits);
        _wire.Advance(written);
        _wire.Write(Blocks, ChunkedWriter.Suffix);
    }

    // What the application declared is what the client will wait for.
    private void Account(int count)
    {
        ThrowIfFileUnderWay();
        AccountContent(count);
    }

    private void AccountContent(int count)
    {
        CheckLength(count);
        if (count > 0 && _exchange.HasStarted && !ResponseHead.StatusAllowsContent(_exchange.StatusCode) && !_exchange.IsHeadRequest && !_exchange.IsUpgraded)
        {
            throw new InvalidOperationException($"Writing to the response body is invalid for responses with status code {_exchange.StatusCode}.");
        }

        _contentWritten += count;
    }

    private void CheckLength(long count)
    {
        long? declared = _headCommitted ? _declaredLength : _exchange.ResponseFields.ContentLength;
        if (declared < _contentWritten + count && !_exchange.IsHeadRequest && !_exchange.IsUpgraded && !_exchange.ResponseFields.HasTransferEncoding)
        {
            _exchange.DisableKeepAlive();
            throw new InvalidOperationException($"Response Content-Length mismatch: too many bytes written ({_contentWritten + count} of {declared}).");
        }
    }

    private void DropAll()
    {
        _fileLeft = 0;
        _wire.Clear(Blocks);
        if (!_memoryOut)
        {
            _pending.Clear(Blocks);
        }
    }

    private void CompleteWaiters(FlushResult result)
    {
        if (_waiting)
        {
            _waiting = false;
            _wait.SetResult(result);
        }

        if (_sharedWait is not null)
        {
            _sharedWait.TrySetResult(result);
            _sharedWait = null;
        }
    }

    // A cancelled write leaves the response cut in the middle: as on Kestrel the connection cannot go on.
    private void OnWaitCanceled(CancellationToken cancellation)
    {
        lock (_gate)
        {
            if (!_waiting || cancellation != _waitToken)
            {
                return; // sent meanwhile
            }

            _waiting = false;
            _lost = true;
            DropAll(); // the writer's memory is its own again
            Session.AbortConnection(Diagnostics.ConnectionErrors.WriteCanceled);
            _wait.SetException(new OperationCanceledException(cancellation));
            CompleteWaiters(new FlushResult(isCanceled: false, isCompleted: true));
        }

        _exchange.OnSendFailed();
    }

    private static void ThrowAdvancedTooFar(int count) => throw new ArgumentOutOfRangeException(nameof(count), count, "Cannot advance past the end of the memory that GetMemory or GetSpan returned.");

    private static void ThrowNoMemory() => throw new InvalidOperationException("Advance was called without GetMemory or GetSpan before it.");

    FlushResult IValueTaskSource<FlushResult>.GetResult(short token)
    {
        _waitCancellation.Dispose();
        _waitCancellation = default;
        return _wait.GetResult(token);
    }

    ValueTaskSourceStatus IValueTaskSource<FlushResult>.GetStatus(short token) => _wait.GetStatus(token);

    void IValueTaskSource<FlushResult>.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) => _wait.OnCompleted(continuation, state, token, flags);

    void IValueTaskSource.GetResult(short token) => ((IValueTaskSource<FlushResult>)this).GetResult(token);

    ValueTaskSourceStatus IValueTaskSource.GetStatus(short token) => _wait.GetStatus(token);

    void IValueTaskSource.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) => _wait.OnCompleted(continuation, state, token, flags);
}
