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
// takes bytes again the thread pool goes on. While a file is under way nothing else of the response can be written.
internal sealed partial class ResponseOutput
{
    private const int PieceLengthMax = 2 * 1024 * 1024; // of one call to the kernel: more than a socket takes at once
    private const int ReadLength = 64 * 1024;
    private const int RateBytesMax = 64 * 1024; // what a response that is not a file would have waiting

    private long _fileLeft; // framed, and not sent

    private bool IsFileUnderWay => _fileLeft > 0;

    // The client's rate is asked for what it would have to take next, not for the whole file: a stalled one would be waited for for days.
    private long FileBytesDue => Math.Min(_fileLeft, RateBytesMax);

    /// <summary>Sends this part of a file behind what was written, as one chunk where the response is chunked. The response has started.</summary>
    /// <exception cref="InvalidOperationException">The file ended early: the response is broken off, as whenever this throws.</exception>
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
                    await SendBeforeFile(cancellation).ConfigureAwait(false);
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
            BreakOffFile(exception is OperationCanceledException ? ConnectionErrors.WriteCanceled : ConnectionErrors.ErrorAfterStartingResponse);
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
                throw new InvalidOperationException("The file became shorter while it was being sent."); // no IOException: those of a broken connection are not logged
            }
        }
    }

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

    // False: nothing of it is to be sent.
    private bool TryBeginFile(int count)
    {
        Debug.Assert(count > 0);
        lock (_gate)
        {
            if (_lost || _ended)
            {
                return false;
            }

            Account(count);
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

    private ValueTask<FlushResult> SendBeforeFile(CancellationToken cancellation)
    {
        lock (_gate)
        {
            return _wire.IsEmpty || SendUnlessBlocked() != SendOutcome.Blocked ? default : WaitLocked(cancellation);
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

            Volatile.Write(ref _blocked, false);
            _rateDeadlineMs = long.MaxValue;
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

    // The socket takes bytes again. Loop, under the gate.
    private SendOutcome LetFileGoOn()
    {
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
    private void BreakOffFile(string reason)
    {
        lock (_gate)
        {
            if (_lost)
            {
                return;
            }

            _lost = true;
            DropAll();
            Session.AbortConnection(reason);
            CompleteWaiters(new FlushResult(isCanceled: false, isCompleted: true));
        }

        _exchange.OnSendFailed();
    }

    private void ThrowIfFileUnderWay()
    {
        if (IsFileUnderWay)
        {
            throw new InvalidOperationException("A file is being sent: the response cannot be written until SendFileAsync has completed.");
        }
    }
}
