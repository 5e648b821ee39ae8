using System;
using System.Buffers;
using System.Diagnostics;
using System.IO;
using System.IO.Pipelines;
using System.Threading;
using System.Threading.Tasks;
using Aeronet.Http.Http1;
using Aeronet.Server.Diagnostics;
using Aeronet.Transport.Buffers;
using Aeronet.Transport.Connections;
using Microsoft.Win32.SafeHandles;

namespace Aeronet.Server.Exchange;

// Files that are larger than what is worth copying: from the kernel's cache to the socket, or through one buffer where the connection encrypts or is none
// of the kernel's. The calls that may wait for a disk are made outside of the gate, which the loop takes, and never by the loop: when the socket
// takes bytes again the thread pool goes on. Whoever is inside such a call has the connection's descriptor: the request does not end before it has
// left, whoever awaits it or not, and nothing else of the response can be written meanwhile.
internal sealed partial class ResponseOutput
{
    private const int PieceLengthMax = 2 * 1024 * 1024; // of one call to the kernel: more than a socket takes at once
    private const int ReadLength = 64 * 1024;
    private const int RateBytesMax = 64 * 1024; // what a response that is not a file would have waiting

    private static class FileState
    {
        internal const int Open = 0;
        internal const int Inside = 1;
        internal const int Refused = 2; // the request ends
    }

    private int _fileState = FileState.Refused; // to Inside and from there: under the gate
    private long _fileLeft;                     // framed, and not sent; under the gate
    private bool _brokenOff;
    private TaskCompletionSource? _fileGone;    // the end of the request waits; under the gate

    /// <summary>A file is under way.</summary>
    public bool HasFile => Volatile.Read(ref _fileState) == FileState.Inside;

    /// <summary>A file could not be sent to its end, and that is not the client's doing.</summary>
    public bool HasBrokenOffFile => Volatile.Read(ref _brokenOff);

    // The client's rate is asked for what it would have to take next, not for the whole file: a stalled one would be waited for for days.
    private long BytesDue => Math.Max(_wire.Length, Math.Min(_wire.Length + _fileLeft, RateBytesMax));

    private bool IsLost
    {
        get
        {
            lock (_gate)
            {
                return _lost;
            }
        }
    }

    private void OpenForFiles()
    {
        Debug.Assert(!HasFile);
        _brokenOff = false;
        Volatile.Write(ref _fileState, FileState.Open);
    }

    /// <summary>No file can begin any more. False: one is under way.</summary>
    public bool TryRefuseFiles() => Interlocked.CompareExchange(ref _fileState, FileState.Refused, FileState.Open) != FileState.Inside;

    /// <summary>As <see cref="TryRefuseFiles"/>, when the one that is under way has left.</summary>
    public Task RefuseFilesAsync()
    {
        if (TryRefuseFiles())
        {
            return Task.CompletedTask;
        }

        lock (_gate)
        {
            return TryRefuseFiles() ? Task.CompletedTask : (_fileGone ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).Task;
        }
    }

    /// <summary>From here to <see cref="LeaveFile"/> the request does not end.</summary>
    /// <param name="request">The one that the caller belongs to.</param>
    /// <exception cref="InvalidOperationException">It ends, has ended, or another file is under way.</exception>
    public void EnterFile(uint request)
    {
        lock (_gate)
        {
            ThrowIfFileUnderWay();
            if (_exchange.RequestNumber != request || Interlocked.CompareExchange(ref _fileState, FileState.Inside, FileState.Open) != FileState.Open)
            {
                throw new InvalidOperationException("Writing is not allowed after writer was completed.");
            }
        }
    }

    public void LeaveFile()
    {
        TaskCompletionSource? gone;
        lock (_gate)
        {
            Debug.Assert(HasFile);
            _fileLeft = 0;
            gone = _fileGone;
            _fileGone = null;
            Volatile.Write(ref _fileState, gone is null ? FileState.Open : FileState.Refused);
        }

        gone?.SetResult();
    }

    /// <summary>Sends this part of a file behind what was written, as one chunk where the response is chunked. The response has started, the caller has entered.</summary>
    /// <exception cref="IOException">The file ended early or cannot be read: the response is broken off, as whenever this throws.</exception>
    public async Task SendFileAsync(SafeFileHandle file, long offset, int count, CancellationToken cancellation)
    {
        if (!TryBeginFile(count))
        {
            return;
        }

        TransportConnection connection = Session.Connection;
        byte[]? buffer = null;
        try
        {
            int left = count;
            bool isSentByKernel = connection.SendsFiles;
            while (left > 0)
            {
                cancellation.ThrowIfCancellationRequested();
                int moved;
                if (isSentByKernel)
                {
                    while (!TrySendBeforeFile(cancellation, out ValueTask<FlushResult> wait))
                    {
                        await wait.ConfigureAwait(false);
                    }

                    if (IsLost)
                    {
                        return;
                    }

                    IoResult sent = connection.SendFile(file, offset, Math.Min(left, PieceLengthMax));
                    if (sent.Error == IoError.FileNotSendable)
                    {
                        isSentByKernel = false;
                        continue;
                    }

                    ThrowIfEnded(sent.IsEndOfStream);
                    moved = sent.HasBytes ? sent.Bytes : 0;
                    await AfterFileSent(sent, cancellation).ConfigureAwait(false);
                }
                else
                {
                    buffer ??= ArrayPool<byte>.Shared.Rent(Math.Min(count, ReadLength));
                    moved = RandomAccess.Read(file, buffer.AsSpan(0, Math.Min(left, buffer.Length)), offset);
                    ThrowIfEnded(moved == 0);
                    await SendRead(buffer.AsMemory(0, moved), cancellation).ConfigureAwait(false);
                }

                if (IsLost)
                {
                    return;
                }

                offset += moved;
                left -= moved;
            }

            EndFile();
        }
        catch (Exception exception)
        {
            BreakOffFile(exception);
            throw;
        }
        finally
        {
            if (buffer is not null)
            {
                ArrayPool<byte>.Shared.Return(buffer);
            }
        }

        static void ThrowIfEnded(bool hasEnded)
        {
            if (hasEnded)
            {
                throw new EndOfStreamException("The file became shorter while it was being sent.");
            }
        }
    }

    // False: nothing of it is to be sent.
    private bool TryBeginFile(int count)
    {
        Debug.Assert(count > 0);
        lock (_gate)
        {
            Debug.Assert(!_ended);
            if (_lost)
            {
                return false;
            }

            AccountContent(count);
            _deferring &= _exchange.IsInline;
            CommitFlushed();
            if (_framing == ResponseFraming.NoContent)
            {
                return false;
            }

            if (_framing == ResponseFraming.Chunked)
            {
                WriteChunkSize(count);
            }

            _fileLeft = count;
            return true;
        }
    }

    // False: what is before the file waits for the socket.
    private bool TrySendBeforeFile(CancellationToken cancellation, out ValueTask<FlushResult> wait)
    {
        wait = default;
        lock (_gate)
        {
            if (_lost || _wire.IsEmpty || SendUnlessBlocked() != SendOutcome.Blocked)
            {
                return true;
            }

            wait = WaitLocked(cancellation);
            return false;
        }
    }

    private ValueTask<FlushResult> AfterFileSent(IoResult sent, CancellationToken cancellation)
    {
        lock (_gate)
        {
            if (_lost)
            {
                return default;
            }

            if (sent.IsWouldBlock)
            {
                StartRateClock(progressed: false);
                Session.Connection.NotifyWhenWritable();
                return WaitLocked(cancellation);
            }

            if (sent.IsFailed)
            {
                Fail();
                return default;
            }

            _fileLeft -= sent.Bytes;
            Debug.Assert(_fileLeft >= 0);
            return default;
        }
    }

    private ValueTask<FlushResult> SendRead(ReadOnlyMemory<byte> bytes, CancellationToken cancellation)
    {
        lock (_gate)
        {
            if (_lost)
            {
                return default;
            }

            _wire.Borrow(bytes);
            _fileLeft -= bytes.Length;
            return SendLocked(cancellation);
        }
    }

    // The socket takes bytes again: the client has done its part, whatever the disk does now. Loop, under the gate.
    private SendOutcome LetFileGoOn()
    {
        Volatile.Write(ref _blocked, false);
        _rateDeadlineMs = long.MaxValue;
        CompleteWaiters(new FlushResult(isCanceled: false, isCompleted: false));
        return SendOutcome.Blocked;
    }

    private void EndFile()
    {
        lock (_gate)
        {
            Debug.Assert(_lost || _fileLeft == 0);
            if (!_lost && _framing == ResponseFraming.Chunked)
            {
                _wire.Write(Blocks, ChunkedWriter.Suffix);
                if (!_deferring)
                {
                    SendUnlessBlocked();
                }
            }
        }
    }

    // What was announced will not come.
    private void BreakOffFile(Exception exception)
    {
        lock (_gate)
        {
            if (_lost)
            {
                return;
            }

            bool isCanceled = exception is OperationCanceledException;
            Volatile.Write(ref _brokenOff, !isCanceled);
            _lost = true;
            DropAll();
            Session.AbortConnection(isCanceled ? ConnectionErrors.WriteCanceled : ConnectionErrors.ErrorAfterStartingResponse);
            CompleteWaiters(new FlushResult(isCanceled: false, isCompleted: true));
        }

        _exchange.OnSendFailed();
    }

    private void ThrowIfFileUnderWay()
    {
        if (HasFile)
        {
            throw FileIsUnderWay();
        }
    }

    /// <summary>What the application is told that writes beside a file that it has not awaited.</summary>
    public static InvalidOperationException FileIsUnderWay() => new("A file is being sent: the response cannot be written until SendFileAsync has completed.");
}
