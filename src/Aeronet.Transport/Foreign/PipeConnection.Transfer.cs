using System;
using System.Buffers;
using System.Diagnostics;
using System.IO.Pipelines;
using System.Net.Sockets;
using System.Threading;
using Aeronet.Transport.Connections;
using Aeronet.Transport.Diagnostics;
using Aeronet.Transport.Loop;
using Microsoft.AspNetCore.Connections.Features;

#pragma warning disable CA2012 // the awaiters of the one read and the one flush under way are kept in fields and asked once each

namespace Aeronet.Transport.Foreign;

// The two halves of the pipes as the two halves of a socket, and who may call pipes that are middleware's.
internal sealed partial class PipeConnection
{
    // ---- Receiving (receive owner) ------------------------------------------------------------------------------------

    public override IoResult Receive(Span<byte> into)
    {
        Debug.Assert(!into.IsEmpty);
        if (Volatile.Read(ref _isAborted) != 0)
        {
            return IoResult.Failed(IoError.ConnectionReset);
        }
        if (Volatile.Read(ref _isTaken) == 0)
        {
            return IoResult.WouldBlock; // the bytes belong to the middleware
        }
        if (Volatile.Read(ref _reading) == Reading.Idle)
        {
            BeginRead();
        }
        if (Volatile.Read(ref _reading) != Reading.Ready)
        {
            return IoResult.WouldBlock;
        }
        if (_readError is not null)
        {
            return IoResult.Failed(ToIoError(_readError));
        }
        return TakeBytes(into);
    }

    private IoResult TakeBytes(Span<byte> into)
    {
        ReadOnlySequence<byte> buffer = _read.Buffer;
        if (buffer.IsEmpty)
        {
            if (_read.IsCompleted)
            {
                return IoResult.Transferred(0); // and stays so
            }
            Advance(buffer.End); // somebody has called CancelPendingRead
            WatchForBytes();
            return IoResult.WouldBlock;
        }

        int count = (int)Math.Min(buffer.Length, into.Length);
        buffer.Slice(0, count).CopyTo(into);
        CountBytesRead(count);
        ReadOnlySequence<byte> left = buffer.Slice(count);
        if (!left.IsEmpty)
        {
            Debug.Assert(count == into.Length);
            _read = new ReadResult(left, isCanceled: false, _read.IsCompleted);
        }
        else if (_read.IsCompleted)
        {
            if (!HasPipesOfMiddleware)
            {
                _pipes.Input.AdvanceTo(buffer.End); // elsewhere completing the reader does
            }
            _read = new ReadResult(default, isCanceled: false, isCompleted: true);
            PostFlag(Posted.Readable); // a short read counts as drained, and nothing else would announce the end
        }
        else
        {
            Advance(buffer.End);
            WatchForBytes(); // also when the buffer was just filled: the end of the connection must be seen while the application runs
        }
        return IoResult.Transferred(count);
    }

    // A read follows.
    private void Advance(SequencePosition end)
    {
        if (HasPipesOfMiddleware)
        {
            _advanceTo = end;
        }
        else
        {
            _pipes.Input.AdvanceTo(end);
        }
        _read = default;
        Volatile.Write(ref _reading, Reading.Idle);
    }

    // The protocol waits for an edge: this is what brings it.
    private void WatchForBytes()
    {
        BeginRead();
        if (Volatile.Read(ref _reading) == Reading.Ready)
        {
            PostFlag(Posted.Readable);
        }
    }

    private void BeginRead()
    {
        Debug.Assert(_reading == Reading.Idle);
        if (HasPipesOfMiddleware)
        {
            Volatile.Write(ref _reading, Reading.Pending); // before the call can run
            Call(Due.Read);
            return;
        }
        try
        {
            _readAwaiter = _pipes.Input.ReadAsync().ConfigureAwait(false).GetAwaiter();
            if (_readAwaiter.IsCompleted)
            {
                OnRead(_readAwaiter.GetResult());
                Volatile.Write(ref _reading, Reading.Ready);
                return;
            }
        }
        catch (Exception exception)
        {
            OnReadFailed(exception);
            Volatile.Write(ref _reading, Reading.Ready);
            LogFailure(exception);
            return;
        }
        Volatile.Write(ref _reading, Reading.Pending); // before the callback can run
        _readAwaiter.UnsafeOnCompleted(_onReadCompleted);
    }

    private void ReadInCall()
    {
        try
        {
            if (_advanceTo is { } end)
            {
                _advanceTo = null;
                _pipes.Input.AdvanceTo(end); // runs whoever waits for room
            }
            _readAwaiter = _pipes.Input.ReadAsync().ConfigureAwait(false).GetAwaiter();
            if (!_readAwaiter.IsCompleted)
            {
                _readAwaiter.UnsafeOnCompleted(_onReadCompleted);
                return;
            }
        }
        catch (Exception exception)
        {
            OnReadFailed(exception);
            EndRead();
            return;
        }
        OnReadCompleted();
    }

    // Any thread: the pipe's scheduler decides.
    private void OnReadCompleted()
    {
        try
        {
            OnRead(_readAwaiter.GetResult());
        }
        catch (Exception exception)
        {
            OnReadFailed(exception);
        }
        EndRead();
    }

    private void EndRead()
    {
        lock (_gate)
        {
            Volatile.Write(ref _reading, Reading.Ready);
            _underWayDone?.TrySetResult();
        }
        PostFlag(Posted.Readable);
        if (_readError is not null)
        {
            LogFailure(_readError);
        }
    }

    private void OnRead(in ReadResult result)
    {
        _read = result;
        if (result.IsCompleted)
        {
            Volatile.Write(ref _isPeerClosed, 1);
        }
    }

    private void OnReadFailed(Exception exception)
    {
        _readError = exception;
        PostFlag(Posted.Reset);
    }

    // ---- Sending (send owner) -------------------------------------------------------------------------------------------

    public override IoResult Send(ReadOnlySpan<byte> bytes)
    {
        Debug.Assert(!bytes.IsEmpty);
        if (!MaySend(out IoResult refused))
        {
            return refused;
        }
        int count = Math.Min(bytes.Length, SendBytesMax);
        try
        {
            _pipes.Output.Write(bytes[..count]);
        }
        catch (Exception exception)
        {
            return FailSend(exception);
        }
        return Flush(count);
    }

    public override IoResult Send(ReadOnlySpan<ReadOnlyMemory<byte>> segments)
    {
        Debug.Assert(!segments.IsEmpty);
        if (!MaySend(out IoResult refused))
        {
            return refused;
        }
        int count = 0;
        try
        {
            foreach (ReadOnlyMemory<byte> segment in segments)
            {
                ReadOnlySpan<byte> bytes = segment.Span[..Math.Min(segment.Length, SendBytesMax - count)];
                _pipes.Output.Write(bytes);
                count += bytes.Length;
                if (count == SendBytesMax)
                {
                    break;
                }
            }
        }
        catch (Exception exception)
        {
            return FailSend(exception);
        }
        return Flush(count);
    }

    public override void NotifyWhenWritable()
    {
        if (!_traits.IsCarried)
        {
            _host.Context.Counters.AddWriteDeferred();
        }
        lock (_gate)
        {
            if (_isFlushing)
            {
                _wantsWritable = true;
                return;
            }
        }
        PostFlag(Posted.Writable); // it became writable before this call
    }

    private bool MaySend(out IoResult refused)
    {
        refused = IoResult.Failed(IoError.ConnectionReset);
        // Before the middleware has handed the connection over, what it puts around the bytes (TLS) is missing.
        if (Volatile.Read(ref _isAborted) != 0 || (Volatile.Read(ref _isTaken) == 0 && _traits.HasMiddleware))
        {
            return false;
        }
        // Streams that middleware has put over the pipes do not say it: without an end of its own the protocol would send for ever.
        if (_traits.IsCarried && HasPipesOfMiddleware && ((AeronetConnectionContext)_transportPipes).Bridge.IsPeerGone)
        {
            return false;
        }
        lock (_gate)
        {
            if (_hasSendFailed || _wantsShutdown)
            {
                return false;
            }
            refused = IoResult.WouldBlock;
            return !_isFlushing;
        }
    }

    private IoResult Flush(int count)
    {
        if (HasPipesOfMiddleware)
        {
            lock (_gate)
            {
                _isFlushing = true; // before the call can run
            }
            Call(Due.Flush);
            CountBytesWritten(count);
            return IoResult.Transferred(count);
        }
        FlushResult result;
        try
        {
            _flushAwaiter = _pipes.Output.FlushAsync().ConfigureAwait(false).GetAwaiter();
            if (!_flushAwaiter.IsCompleted)
            {
                lock (_gate)
                {
                    _isFlushing = true; // before the callback can run
                }
                _flushAwaiter.UnsafeOnCompleted(_onFlushed);
                CountBytesWritten(count);
                return IoResult.Transferred(count);
            }
            result = _flushAwaiter.GetResult();
        }
        catch (Exception exception)
        {
            return FailSend(exception);
        }
        if (result.IsCompleted)
        {
            return FailSend(null); // nobody reads the other end any more
        }
        CountBytesWritten(count);
        return IoResult.Transferred(count);
    }

    private void CountBytesRead(int count)
    {
        if (!_traits.IsCarried)
        {
            _host.CountBytesRead(count);
        }
    }

    private void CountBytesWritten(int count)
    {
        if (!_traits.IsCarried)
        {
            _host.CountBytesWrittenImmediate(count);
        }
    }

    private void LogFailure(Exception exception) => Guard.Run(() => TransportLog.PipeFailed(_host.Logger, ConnectionId, exception));

    private IoResult FailSend(Exception? exception)
    {
        lock (_gate)
        {
            _hasSendFailed = true;
        }
        if (exception is not null)
        {
            LogFailure(exception);
        }
        return IoResult.Failed(exception is null ? IoError.ConnectionReset : ToIoError(exception));
    }

    private void FlushInCall()
    {
        try
        {
            _flushAwaiter = _pipes.Output.FlushAsync().ConfigureAwait(false).GetAwaiter();
            if (!_flushAwaiter.IsCompleted)
            {
                _flushAwaiter.UnsafeOnCompleted(_onFlushed);
                return;
            }
        }
        catch (Exception exception)
        {
            EndFlush(hasFailed: true, exception);
            return;
        }
        OnFlushed();
    }

    // Any thread: the pipe's scheduler decides.
    private void OnFlushed()
    {
        Exception? failure = null;
        bool hasFailed;
        try
        {
            hasFailed = _flushAwaiter.GetResult().IsCompleted;
        }
        catch (Exception exception)
        {
            hasFailed = true;
            failure = exception;
        }
        EndFlush(hasFailed, failure);
    }

    private void EndFlush(bool hasFailed, Exception? failure)
    {
        bool notify;
        bool shutDown;
        lock (_gate)
        {
            _isFlushing = false;
            _hasSendFailed |= hasFailed;
            notify = _wantsWritable;
            _wantsWritable = false;
            shutDown = _wantsShutdown && !_isShutDown;
            _isShutDown |= shutDown;
            _underWayDone?.TrySetResult();
        }
        if (shutDown)
        {
            ShutDown();
        }
        if (hasFailed)
        {
            PostFlag(Posted.Reset);
        }
        else if (notify)
        {
            PostFlag(Posted.Writable);
        }
        if (failure is not null)
        {
            LogFailure(failure);
        }
    }

    public override void ShutdownSend()
    {
        lock (_gate)
        {
            if (_wantsShutdown || _hasSendFailed)
            {
                return;
            }
            _wantsShutdown = true;
            if (_isFlushing)
            {
                return; // the end of the flush goes on
            }
            _isShutDown = true;
        }
        ShutDown();
    }

    private void ShutDown()
    {
        try
        {
            if (HasPipesOfMiddleware)
            {
                Call(Due.Complete); // it flushes; the socket's own end could overtake what the middleware still holds
            }
            else if (_traits.HalfClose == HalfCloseBy.Bridge)
            {
                ((AeronetConnectionContext)_transportPipes).Bridge.ShutdownSend();
            }
            else if (_traits.HalfClose == HalfCloseBy.Socket && _context.Features.Get<IConnectionSocketFeature>() is { } feature)
            {
                feature.Socket.Shutdown(SocketShutdown.Send);
            }
            else
            {
                _pipes.Output.Complete();
            }
        }
        catch (Exception exception)
        {
            LogFailure(exception); // the peer has gone before us
        }
    }

    // ---- Calls of middleware's pipes ----------------------------------------------------------------------------------------

    private void Call(int due)
    {
        Interlocked.Or(ref _due, due);
        if (_traits.CallsInline && Loop.IsCurrent && !Loop.IsOutOfThreads)
        {
            Loop.Schedule(this);
        }
        else
        {
            ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
        }
    }

    void IThreadPoolWorkItem.Execute() => ((IApplicationCall)this).Run();

    void IApplicationCall.Run()
    {
        ExecutionContext? clean = ExecutionContext.Capture();
        // One thing, as one call was made for each: a flush that blocks must not keep a read from being begun, nor the other way round.
        if (TryTakeDue(Due.Flush))
        {
            FlushInCall();
        }
        else if (TryTakeDue(Due.Complete))
        {
            CompleteInCall();
        }
        else if (TryTakeDue(Due.Read))
        {
            ReadInCall();
        }

        if (clean is not null)
        {
            ExecutionContext.Restore(clean); // what middleware sets in AsyncLocals ends here
        }
    }

    private bool TryTakeDue(int due) => (Interlocked.And(ref _due, ~due) & due) != 0;

    private void CompleteInCall()
    {
        try
        {
            _pipes.Output.Complete();
        }
        catch (Exception exception)
        {
            LogFailure(exception);
        }
    }

    void IApplicationCall.OnReturned()
    {
    }

    void IApplicationCall.OnReturnedElsewhere()
    {
    }

    void IApplicationCall.OnTakenOver()
    {
    }

    void IApplicationCall.OnFailed(Exception exception)
    {
        LogFailure(exception);
        Abort();
    }
}
