using System;
using System.Diagnostics;
using System.IO;
using System.Threading;
using System.Threading.Tasks;
using System.Threading.Tasks.Sources;
using Aeronet.Http.Http1;
using Aeronet.Http.Semantics;
using Aeronet.Server.Diagnostics;
using Aeronet.Server.Sessions;
using Aeronet.Transport.Buffers;
using Aeronet.Transport.Connections;
using Aeronet.Transport.Loop;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace Aeronet.Server.Exchange;

/// <summary>The content of one request: takes bytes from the session's input or straight from the socket into the reader's memory, un-chunks, enforces limits, waits without a thread.</summary>
/// <remarks>
/// Used by whoever owns the session's receive side (<see cref="SessionSignals"/>): the application's thread, or, while it waits, the loop.
/// One read at a time. Errors of the peer become exceptions here because the reader is application code.
/// </remarks>
internal sealed class RequestBody : IValueTaskSource<int>
{
    // Below this the bytes go through the input buffer: an application that reads 100 bytes at a time costs one receive per buffer, not per read.
    private const int DirectReceiveMin = 2048;

    private readonly HttpExchange _exchange;
    private ManualResetValueTaskSourceCore<int> _wait = new() { RunContinuationsAsynchronously = true }; // completed on the loop: application code must not run there unasked
    private Memory<byte> _waitInto; // Valid while waiting.
    private CancellationTokenRegistration _waitCancellation;
    private int _waitsBegun;   // By the reader.
    private int _waitsEnded;   // By whoever completed the wait, as its last act: behind _waitsBegun while somebody may still touch _wait.
    private int _reading;      // Interlocked, 1 while a read runs or waits: two at once would share the session's input.
    private bool _closed = true; // Between requests and once the application has ended: what it left behind may not read any more.

    private BodyKind _kind;
    private bool _upgraded;
    private long _remaining;   // ContentLength: bytes still to come.
    private ChunkedReader _chunks;
    private TrailerParser _trailerParser;
    private bool _inTrailers;
    private bool _ended;       // All content (and trailers) consumed.
    private bool _readStarted;
    private Exception? _failure; // Set once; every later read throws it.
    private long _bytesRead;

    // Minimum rate: the clock runs only while the application waits for the peer.
    private long _waitedMs;
    private long _waitSinceMs = long.MaxValue; // MaxValue while not waiting.

    public RequestBody(HttpExchange exchange) => _exchange = exchange;

    /// <summary>Nothing left to read.</summary>
    public bool IsEnded => _ended;

    /// <summary>The application (or the server for it) has begun to read.</summary>
    public bool IsReadStarted => _readStarted;

    /// <summary>The request said that it has content.</summary>
    public bool CanHaveBody => _kind == BodyKind.Chunked || (_kind == BodyKind.ContentLength && _exchange.Head.ContentLength > 0);

    /// <summary>Trailers have been parsed (or cannot come).</summary>
    public bool TrailersAvailable => _ended && !_upgraded;

    /// <summary>Bytes of this request may still arrive.</summary>
    public bool MayHaveUnread => !_ended;

    /// <summary>More content is due than has been received.</summary>
    public bool MayWaitForPeer => !_ended && !_upgraded && (_kind == BodyKind.Chunked || _remaining > _exchange.Session.Input.Length);

    /// <summary>The declared length exceeds the limit and nobody has been told, because nobody has read.</summary>
    public bool IsOverLimitUnread => !_ended && !_readStarted && !_upgraded && _kind == BodyKind.ContentLength && _exchange.Head.ContentLength > (_exchange.MaxRequestBodySizeLimit ?? long.MaxValue);

    /// <summary>The reader failed for good.</summary>
    public bool HasFailed => _failure is not null;

    private Http1Session Session => _exchange.Session;

    public void Begin(RequestHead head)
    {
        _kind = head.Body;
        _remaining = head.Body == BodyKind.ContentLength ? head.ContentLength : 0;
        _ended = head.Body == BodyKind.None || (head.Body == BodyKind.ContentLength && head.ContentLength == 0);
        Volatile.Write(ref _closed, false);
        if (head.Body == BodyKind.Chunked)
        {
            _chunks.Reset(head.Length);
            _inTrailers = false;
        }
    }

    public void Reset()
    {
        Debug.Assert(_waitSinceMs == long.MaxValue);
        Debug.Assert(_waitsBegun == _waitsEnded);
        Volatile.Write(ref _closed, true);
        // A read that nobody awaited has left its registration: its token may fire when the exchange serves another connection.
        // Waits for a callback that runs right now.
        _waitCancellation.Dispose();
        _waitCancellation = default;
        _upgraded = false;
        _readStarted = false;
        _failure = null;
        _bytesRead = 0;
        _waitedMs = 0;
    }

    /// <summary>From here on the content is whatever comes until the peer closes: an upgraded connection.</summary>
    public void Upgrade()
    {
        Debug.Assert(_ended);
        _upgraded = true;
        _ended = false;
        _readStarted = true;
    }

    /// <summary>Skips content that is in the input buffer already. True when the body has ended.</summary>
    public bool TrySkipBuffered()
    {
        if (_ended)
        {
            return true;
        }

        if (_kind == BodyKind.ContentLength && !_upgraded && _remaining <= Session.Input.Length)
        {
            Session.Input.Consume((int)_remaining);
            _remaining = 0;
            _ended = true;
        }

        return _ended;
    }

    /// <summary>The application's read.</summary>
    public ValueTask<int> ReadAsync(Memory<byte> into, CancellationToken cancellation)
    {
        if (cancellation.IsCancellationRequested)
        {
            return ValueTask.FromCanceled<int>(cancellation);
        }

        Exception? misuse = BeginRead();
        return misuse is null ? ReadCoreAsync(into, cancellation) : ValueTask.FromException<int>(misuse);
    }

    /// <summary>The server's own read, after <see cref="AbandonWait"/>.</summary>
    public ValueTask<int> DrainAsync(Memory<byte> into, CancellationToken cancellation)
    {
        Debug.Assert(_closed);
        Volatile.Write(ref _reading, 1);
        return ReadCoreAsync(into, cancellation);
    }

    private ValueTask<int> ReadCoreAsync(Memory<byte> into, CancellationToken cancellation)
    {
        _exchange.AtHandOffPoint();
        bool waits = false;
        try
        {
            if (!_readStarted)
            {
                Exception? refused = StartReading();
                if (refused is not null)
                {
                    return ValueTask.FromException<int>(refused);
                }
            }

            int read = TryRead(into.Span);
            if (read >= 0)
            {
                return new ValueTask<int>(read);
            }

            if (_failure is not null)
            {
                return ValueTask.FromException<int>(_failure);
            }

            waits = true;
            return WaitAsync(into, cancellation);
        }
        finally
        {
            if (!waits)
            {
                EndRead();
            }
        }
    }

    // Null: the caller reads, alone, until EndRead or the end of its wait.
    private InvalidOperationException? BeginRead()
    {
        if (Interlocked.Exchange(ref _reading, 1) != 0)
        {
            return new InvalidOperationException("Concurrent reads are not supported.");
        }

        if (!Volatile.Read(ref _closed)) // after the exchange: AbandonWait closes first and looks for readers then
        {
            return null;
        }

        EndRead();
        return new InvalidOperationException("Reading is not allowed after the request has ended.");
    }

    private void EndRead() => Volatile.Write(ref _reading, 0);

    /// <summary>Blocking read, for applications that allow synchronous I/O.</summary>
    public int Read(Span<byte> into)
    {
        while (true)
        {
            if (BeginRead() is { } misuse)
            {
                throw misuse;
            }

            if (TryReadNow(into, out int read, out ValueTask<int> wait))
            {
                return read;
            }

            _exchange.LeaveLoop(HandOffCause.SynchronousIo); // or nobody would be there to receive what this thread waits for
            wait.AsTask().GetAwaiter().GetResult();
        }
    }

    // False: something may be there once the wait has ended, which also ends the read.
    private bool TryReadNow(Span<byte> into, out int read, out ValueTask<int> wait)
    {
        bool waits = false;
        wait = default;
        try
        {
            Exception? refused = _readStarted ? null : StartReading();
            if (refused is not null)
            {
                throw refused;
            }

            read = TryRead(into);
            if (read >= 0)
            {
                return true;
            }

            if (_failure is not null)
            {
                throw _failure;
            }

            // A zero-byte wait: completes when something has arrived, whichever thread the loop is on.
            waits = true;
            wait = WaitAsync(Memory<byte>.Empty, CancellationToken.None);
            return false;
        }
        finally
        {
            if (!waits)
            {
                EndRead();
            }
        }
    }

    // ---- The loop's side -------------------------------------------------------------------------------------

    /// <summary>The session claimed the wait: something can be received.</summary>
    public void OnReadable()
    {
        try
        {
            do
            {
                int read = TryRead(_waitInto.Span);
                if (read >= 0 || _failure is not null)
                {
                    EndWait(read);
                    return;
                }
            }
            while (!Session.TryBeginBodyWait());
        }
        catch (Exception exception) when (Volatile.Read(ref _waitSinceMs) != long.MaxValue)
        {
            // The reader's memory is gone (a custom MemoryManager), or a listener of the diagnostic event threw: the reader learns it, not the loop.
            _exchange.DisableKeepAlive();
            FailWait(exception);
        }
    }

    /// <summary>The application has ended without awaiting its last read: ends that read before anything else touches the input. True when there was one.</summary>
    public bool AbandonWait()
    {
        bool found = false;
        SpinWait spin = default;
        Volatile.Write(ref _closed, true);
        Interlocked.MemoryBarrier(); // see BeginRead
        while (Volatile.Read(ref _reading) != 0 || Volatile.Read(ref _waitsEnded) != _waitsBegun)
        {
            found |= Volatile.Read(ref _reading) != 0; // otherwise its reader has gone on, and whoever completed it is just leaving
            if (Session.TryClaimBodyWait())
            {
                FailWait(new InvalidOperationException("Reading is not allowed after the request has ended."));
            }
            else
            {
                spin.SpinOnce(); // another thread is inside a read, or the loop or a cancellation is completing one right now
            }
        }

        return found;
    }

    /// <summary>The connection is lost. Whoever calls has claimed the wait or knows that there is none.</summary>
    public void FailWait(Exception failure)
    {
        _failure ??= failure;
        EndWait(-1);
    }

    /// <summary>Marks the body as failed while nobody waits.</summary>
    public void Fail(Exception failure) => _failure ??= failure;

    public bool IsTooSlow(long nowMs)
    {
        MinDataRate? rate = _exchange.MinRequestBodyDataRate;
        long since = Volatile.Read(ref _waitSinceMs);
        if (rate is null || since == long.MaxValue || _upgraded)
        {
            return false;
        }

        double waitedMs = _waitedMs + Math.Max(0, nowMs - since);
        return waitedMs > rate.GracePeriod.TotalMilliseconds && _bytesRead * 1000.0 / waitedMs < rate.BytesPerSecond;
    }

    public void FailTooSlow()
    {
        try
        {
            ReportTooSlow();
        }
        catch (Exception exception)
        {
            // A log provider or a listener of the diagnostic event: the reader, whose wait is ours now, must not wait for ever.
            _exchange.DisableKeepAlive();
            _failure ??= exception;
        }

        EndWait(-1);
    }

    private void ReportTooSlow()
    {
        Debug.Assert(_exchange.MinRequestBodyDataRate is not null);
        Session.EndReason ??= ConnectionErrors.MinRequestBodyDataRate;
        _exchange.Settings.Log.BadRequests.RequestBodyMinimumDataRateNotSatisfied(Session.Connection, _exchange.TraceIdentifier, _exchange.MinRequestBodyDataRate.BytesPerSecond);
        _exchange.DisableKeepAlive();
        _failure ??= _exchange.Reject(Refusals.RequestBodyTimeout(_exchange.Head.Length + _bytesRead));
    }

    // ---- Reading ------------------------------------------------------------------------------------------------

    private Exception? StartReading()
    {
        _readStarted = true;
        if (_failure is not null)
        {
            return _failure;
        }

        if (_ended)
        {
            return null;
        }

        if (_kind == BodyKind.ContentLength && !_upgraded && _exchange.Head.ContentLength > (_exchange.MaxRequestBodySizeLimit ?? long.MaxValue))
        {
            return RefuseTooLarge();
        }

        _exchange.OnBodyReadStarted();
        return null;
    }

    private Exception RefuseTooLarge()
    {
        Session.EndReason ??= ConnectionErrors.MaxRequestBodySizeExceeded;
        _exchange.DisableKeepAlive();
        return _failure = _exchange.Reject(Refusals.RequestBodyTooLarge(_exchange.Head.Length + _bytesRead, _exchange.MaxRequestBodySizeLimit ?? 0));
    }

    /// <summary>Bytes read (0 = end, or an empty span and something is there), or -1: nothing there yet, or <see cref="_failure"/> is set.</summary>
    private int TryRead(Span<byte> into)
    {
        if (_failure is not null)
        {
            return -1;
        }

        if (_ended)
        {
            return 0;
        }

        int read = _upgraded ? ReadRaw(into, int.MaxValue) : _kind == BodyKind.Chunked ? ReadChunked(into) : ReadCounted(into);
        if (read > 0)
        {
            _bytesRead += read;
        }

        if (_ended && !_upgraded && _exchange.Settings.Log.General.IsDebugEnabled)
        {
            _exchange.Settings.Log.General.RequestBodyDone(_exchange.ConnectionId, _exchange.TraceIdentifier);
        }

        return read;
    }

    private int ReadCounted(Span<byte> into)
    {
        int read = ReadRaw(into, (int)Math.Min(_remaining, int.MaxValue));
        if (read > 0)
        {
            _remaining -= read;
            Debug.Assert(_remaining >= 0);
            _ended = _remaining == 0;
        }

        return read;
    }

    // From the buffer, else from the socket: directly into the reader's memory when that is worth a call.
    private int ReadRaw(Span<byte> into, int max)
    {
        ref ReceiveBuffer input = ref Session.Input;
        if (input.Length == 0)
        {
            if (into.Length >= DirectReceiveMin)
            {
                IoResult direct = Session.Receive(into[..Math.Min(into.Length, max)]);
                return direct.HasBytes ? direct.Bytes : NothingReceived(direct);
            }

            IoResult received = FillInput();
            if (!received.HasBytes)
            {
                return NothingReceived(received);
            }
        }

        int count = Math.Min(Math.Min(into.Length, max), input.Length);
        input.Unread[..count].CopyTo(into);
        input.Consume(count);
        return count;
    }

    private int ReadChunked(Span<byte> into)
    {
        ref ReceiveBuffer input = ref Session.Input;
        int total = 0;
        while (true)
        {
            if (_inTrailers)
            {
                int trailers = ReadTrailers();
                return total > 0 ? total : trailers;
            }

            if (input.Length > 0)
            {
                ChunkedStatus status = _chunks.Read(input.Unread, _exchange.Settings.Http1Limits, out int consumed, out int dataLength, out ProtocolError error);
                input.Consume(consumed);
                switch (status)
                {
                    case ChunkedStatus.Data:
                        int count = Math.Min(dataLength, into.Length);
                        input.Unread[..count].CopyTo(into);
                        input.Consume(count);
                        _chunks.TakeData(count);
                        into = into[count..];
                        total += count;
                        if (IsOverLimit(total))
                        {
                            RefuseTooLarge();
                            return -1;
                        }

                        if (into.IsEmpty)
                        {
                            return total;
                        }

                        continue;
                    case ChunkedStatus.Trailers:
                        if (IsOverLimit(total))
                        {
                            RefuseTooLarge();
                            return -1;
                        }

                        _inTrailers = true;
                        _trailerParser.Reset(_chunks.OffsetInRequest, _exchange.Head.FieldsLength, _exchange.Head.FieldCount);
                        _exchange.Trailers.Reset();
                        continue;
                    case ChunkedStatus.Failed:
                        return FailRead(error);
                    default:
                        break;
                }
            }

            if (total > 0)
            {
                return total; // what is decoded goes out before another receive
            }

            if (IsOverLimit(0))
            {
                RefuseTooLarge(); // framing alone can exceed it: one-byte chunks, long extensions
                return -1;
            }

            IoResult received = FillInput();
            if (!received.HasBytes)
            {
                return NothingReceived(received);
            }
        }
    }

    private bool IsOverLimit(int justRead) => _bytesRead + justRead + _chunks.OverheadBytes > (_exchange.MaxRequestBodySizeLimit ?? long.MaxValue);

    private int ReadTrailers()
    {
        ref ReceiveBuffer input = ref Session.Input;
        while (true)
        {
            if (input.Length > 0)
            {
                ParseStatus status = _trailerParser.Parse(input.Unread, _exchange.Settings.Http1Limits, _exchange.Trailers, out ProtocolError error);
                if (status == ParseStatus.Failed)
                {
                    return FailRead(error);
                }

                if (status == ParseStatus.Done)
                {
                    if (!_exchange.TryKeepTrailers(input.Unread[.._exchange.Trailers.Length], out int badOffset))
                    {
                        return FailRead(ProtocolError.Create(RejectionReason.ControlCharacter, _chunks.OffsetInRequest + badOffset, Excerpt.Escape(input.Unread, badOffset)));
                    }

                    input.Consume(_exchange.Trailers.Length);
                    _ended = true;
                    return 0;
                }
            }

            IoResult received = FillInput();
            if (!received.HasBytes)
            {
                return NothingReceived(received);
            }
        }
    }

    // Behind the unread bytes; the head's bytes stay where the application's lazy header strings find them.
    private IoResult FillInput()
    {
        if (!Session.MayReceive)
        {
            return IoResult.WouldBlock;
        }

        _exchange.KeepHead();
        Span<byte> free = Session.Input.GetFree(Session.Blocks, _exchange.Settings.BodyReadSize);
        IoResult received = Session.Receive(free);
        if (received.HasBytes)
        {
            Session.Input.Commit(received.Bytes);
        }

        return received;
    }

    private int NothingReceived(IoResult received)
    {
        if (Session.Input.Length == 0 && _exchange.HasHeadLeftInput)
        {
            Session.Input.Release(Session.Blocks); // a wait may be long, an upgraded connection's most of its life: it holds no buffer
        }

        if (received.IsWouldBlock)
        {
            return -1;
        }

        _exchange.DisableKeepAlive();
        if (received.IsFailed)
        {
            Session.MarkReset(ConnectionErrors.ConnectionReset);
            _failure = new ConnectionResetException("The client has disconnected.");
            return -1;
        }

        if (_upgraded)
        {
            _ended = true;
            return 0;
        }

        Session.EndReason ??= ConnectionErrors.UnexpectedEndOfRequestContent;
        _failure = _exchange.Reject(Refusals.UnexpectedEndOfContent(_exchange.Head.Length + _bytesRead));
        return -1;
    }

    private int FailRead(in ProtocolError error)
    {
        _exchange.DisableKeepAlive();
        Session.EndReason ??= Refusals.EndReason(error);
        _failure = _exchange.Reject(error);
        return -1;
    }

    // ---- Waiting ---------------------------------------------------------------------------------------------------

    private ValueTask<int> WaitAsync(Memory<byte> into, CancellationToken cancellation)
    {
        SpinWait spin = default;
        while (Volatile.Read(ref _waitsEnded) != _waitsBegun)
        {
            spin.SpinOnce(); // whoever completed the last wait is just leaving it
        }

        _waitsBegun++;
        _waitCancellation.Dispose(); // of a wait that nobody awaited
        _waitCancellation = default;
        _wait.Reset();
        _waitInto = into;
        short version = _wait.Version;
        long nowMs = Session.Connection.Loop.ReadClockMs();
        Volatile.Write(ref _waitSinceMs, nowMs);
        if (!_upgraded)
        {
            Session.Watch(); // the minimum rate is judged by the watch
        }

        if (cancellation.CanBeCanceled)
        {
            _waitCancellation = cancellation.UnsafeRegister(static (state, token) => ((RequestBody)state!).OnCanceled(token), this);
        }

        while (!Session.TryBeginBodyWait())
        {
            int read = TryRead(into.Span);
            if (read >= 0 || _failure is not null)
            {
                EndWait(read);
                return new ValueTask<int>(this, version);
            }
        }

        if (cancellation.IsCancellationRequested)
        {
            OnCanceled(cancellation); // the callback may have run before there was a wait to end
        }

        return new ValueTask<int>(this, version);
    }

    private void OnCanceled(CancellationToken cancellation)
    {
        if (Session.TryClaimBodyWait())
        {
            CompleteWait(0, new OperationCanceledException(cancellation));
        }
    }

    private void EndWait(int read)
    {
        Debug.Assert(read >= 0 || _failure is not null);
        CompleteWait(read, _failure);
    }

    private void CompleteWait(int read, Exception? failure)
    {
        StopRateClock();
        _waitInto = default;
        EndRead(); // before the reader can go on
        if (failure is not null)
        {
            _wait.SetException(failure);
        }
        else
        {
            _wait.SetResult(read);
        }

        Interlocked.Increment(ref _waitsEnded);
    }

    private void StopRateClock()
    {
        long since = _waitSinceMs;
        Debug.Assert(since != long.MaxValue);
        _waitedMs += Math.Max(0, Session.Connection.Loop.ReadClockMs() - since);
        Volatile.Write(ref _waitSinceMs, long.MaxValue);
    }

    int IValueTaskSource<int>.GetResult(short token)
    {
        // Waits for a cancellation callback that runs right now, so that it cannot reach into the next wait.
        _waitCancellation.Dispose();
        _waitCancellation = default;
        return _wait.GetResult(token);
    }

    ValueTaskSourceStatus IValueTaskSource<int>.GetStatus(short token) => _wait.GetStatus(token);

    void IValueTaskSource<int>.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _wait.OnCompleted(continuation, state, token, flags);
}
