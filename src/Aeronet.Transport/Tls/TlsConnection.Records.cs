using System;
using System.Buffers;
using System.Diagnostics;
using System.Threading;
using Aeronet.Native.OpenSsl;
using Aeronet.Transport.Connections;
using Aeronet.Transport.Diagnostics;
using Microsoft.Extensions.Logging;

namespace Aeronet.Transport.Tls;

// Plaintext on the protocol's side, records on the socket's.
internal sealed partial class TlsConnection
{
    private const int RecordLengthMax = 16 * 1024; // plaintext of one record, RFC 8446 section 5.1
    private const int RecordOverheadMax = 64; // header, explicit nonce, content type, tag or padding with MAC
    private const int ChunkLengthMax = 3 * RecordLengthMax; // encrypted before each send: with its overhead it fits a pooled 64 KiB array
    private const int QueuedBytesMax = 1024 * 1024; // what OpenSSL writes on its own (a handshake's flight, alerts) is far below

    // A client decrypts a record when all of it has come. The first ones of a burst are sent short, so that the first bytes need one round trip
    // although the congestion window is ten packets (RFC 6928) and a full record twelve.
    private const int ShortRecordLength = 4 * 1024 - RecordOverheadMax;
    private const int ShortRecordsBytes = 4 * ShortRecordLength;
    private const long BurstEndsMs = 1000;

    // OpenSSL goes on for as long as records bring no content and more are there: key updates, empty and tiny records. What one call may take
    // beyond the content that was asked for; about 600 key updates.
    private const int RecordBytesMax = 16 * 1024;

    // Under the lock.
    private SslSession _session; // Exists from the ClientHello until Close.
    private byte[]? _records; // Non-null while records wait to be sent (with EncryptsSends messages, see TlsConnection.Kernel); rented
    private int _recordsStart;
    private int _recordsEnd;
    private int _held; // plaintext at the head of what the protocol sends whose records wait here: it is reported as sent when they are
    private int _burstBytes;
    private long _lastSendMs;
    private bool _sendsDirectly; // the record that OpenSSL writes now is the only one of its send
    private bool _sendFailed;
    private IoError _sendError;
    private bool _endOfRecords; // the socket has ended; OpenSSL knows
    private int _recordBytesLeft; // of the present call into OpenSSL, once the connection is open

    // Written by the loop, read by the receive owner: what the socket has announced, and up to which announcement it was found empty.
    private int _edges;
    private int _peerClosed;
    private int _emptyAtEdge = -1; // receive owner only

    private bool IsPeerClosed => Volatile.Read(ref _peerClosed) != 0;

    private bool IsEndOfRecords => _endOfRecords;

    // ---- Receiving --------------------------------------------------------------------------------------------

    /// <remarks>A result shorter than <paramref name="into"/> means as much as on a socket: nothing is left, neither there nor in OpenSSL, and the next bytes bring an edge.</remarks>
    public override IoResult Receive(Span<byte> into)
    {
        if (!IsOpen)
        {
            return IoResult.WouldBlock;
        }

        lock (this)
        {
            if (!_session.Exists)
            {
                return IoResult.Failed(IoError.ConnectionReset);
            }

            _recordBytesLeft = into.Length + RecordBytesMax;
            int total = 0;
            while (true)
            {
                bool isAnswered = false;
                SslResult result = _isCertificateAwaited ? _session.Read(this, into[total..], out isAnswered) : _session.Read(this, into[total..]);
                if (isAnswered)
                {
                    BeginLateCheck(); // the answer stood behind content that has just been read
                }

                if (result.Step == SslStep.Done)
                {
                    total += result.Bytes;
                    // The second question is only asked when the first is answered: most requests are one record that came whole.
                    if (total == into.Length || (IsSocketEmpty && !_session.HasPending))
                    {
                        return IoResult.Transferred(total);
                    }

                    continue;
                }

                if (_records is not null && !TryFlush())
                {
                    _inner.NotifyWhenWritable(); // an answer to a key update, an alert
                }

                if (result.Step == SslStep.WantRead)
                {
                    return total > 0 ? IoResult.Transferred(total) : IoResult.WouldBlock;
                }

                if (total > 0)
                {
                    // The end is behind bytes, and no edge may follow: the loop asks the protocol to receive once more.
                    Set(State.EndUnread);
                    _inner.Post();
                    return IoResult.Transferred(total);
                }

                return EndOf(result);
            }
        }
    }

    private IoResult EndOf(SslResult result)
    {
        // The end without close_notify is an end, too: HTTP frames its messages by itself, and half of the world's clients close like that.
        if (result.Step == SslStep.Closed || (result.Error == 0 && _endOfRecords))
        {
            return IoResult.Transferred(0);
        }

        Report(result.Error);
        return IoResult.Failed(IoError.ConnectionReset);
    }

    // A method of its own, or every end of a connection would allocate what the lambda captures.
    private void Report(uint error) => Guard.Run(() =>
    {
        if (Logger.IsEnabled(LogLevel.Debug))
        {
            TlsLog.SessionFailed(Logger, ConnectionId, error == 0 ? "the connection failed" : OpenSslLibrary.Describe(error));
        }
    });

    private bool IsSocketEmpty => _emptyAtEdge == Volatile.Read(ref _edges) && !IsPeerClosed;

    private void NoteEdge(bool peerClosed)
    {
        if (peerClosed)
        {
            Volatile.Write(ref _peerClosed, 1);
        }

        Volatile.Write(ref _edges, _edges + 1); // the loop alone writes it
    }

    int ISslHost.ReceiveRecords(Span<byte> into)
    {
        if (_handshake is { } handshake && handshake.Input.Length > 0)
        {
            int count = Math.Min(into.Length, handshake.Input.Length);
            handshake.Input.Unread[..count].CopyTo(into);
            handshake.Input.Consume(count);
            return count;
        }

        if (IsOpen && _recordBytesLeft <= 0)
        {
            Set(State.ReceiveAgain);
            _inner.Post(); // other connections first
            return SslSession.WouldBlock;
        }

        IoResult received = ReceiveBelow(into);
        if (received.HasBytes)
        {
            _recordBytesLeft -= received.Bytes;
            return received.Bytes;
        }

        if (received.IsWouldBlock)
        {
            return SslSession.WouldBlock;
        }

        _endOfRecords = received.IsEndOfStream;
        return received.IsEndOfStream ? 0 : SslSession.ConnectionFailed;
    }

    /// <summary>Receives from the socket unless it is known to be empty.</summary>
    private IoResult ReceiveBelow(Span<byte> into)
    {
        // Taken before the receive: an announcement that comes meanwhile makes the socket not empty.
        int edges = Volatile.Read(ref _edges);
        if (_emptyAtEdge == edges && !IsPeerClosed && !_sendFailed)
        {
            return IoResult.WouldBlock;
        }

        IoResult received = _inner.Receive(into);
        if (received.IsWouldBlock || (received.HasBytes && received.Bytes < into.Length))
        {
            _emptyAtEdge = edges;
        }

        return received;
    }

    // ---- Sending ----------------------------------------------------------------------------------------------

    public override IoResult Send(ReadOnlySpan<byte> bytes)
    {
        Debug.Assert(!bytes.IsEmpty);
        if (!IsOpen)
        {
            return IoResult.WouldBlock;
        }

        lock (this)
        {
            if (!TryBeginSend(out int total))
            {
                return Unsent(0);
            }

            Debug.Assert(total <= bytes.Length);
            if (Has(State.EncryptsSends))
            {
                return total > 0 ? IoResult.Transferred(total) : IsKeyUpdateDue() ? Unsent(0) : AfterKernelSend(_inner.Send(bytes));
            }

            while (total < bytes.Length)
            {
                int chunk = Math.Min(bytes.Length - total, NextChunkMax());
                // With nothing before it the record goes to the socket from OpenSSL's own memory.
                _sendsDirectly = chunk <= RecordLengthMax;
                if (!Encrypt(bytes.Slice(total, chunk)) || !TryEndChunk(chunk))
                {
                    return Unsent(total);
                }

                total += chunk;
            }

            return IoResult.Transferred(total);
        }
    }

    public override IoResult Send(ReadOnlySpan<ReadOnlyMemory<byte>> segments)
    {
        Debug.Assert(!segments.IsEmpty);
        if (!IsOpen)
        {
            return IoResult.WouldBlock;
        }

        lock (this)
        {
            if (!TryBeginSend(out int total))
            {
                return Unsent(0);
            }

            if (Has(State.EncryptsSends))
            {
                return total > 0 ? IoResult.Transferred(total) : IsKeyUpdateDue() ? Unsent(0) : AfterKernelSend(_inner.Send(segments));
            }

            byte[] joined = ArrayPool<byte>.Shared.Rent(RecordLengthMax);
            try
            {
                SegmentReader reader = new(segments, total);
                while (!reader.IsAtEnd)
                {
                    int chunk = EncryptSegments(ref reader, joined);
                    if (chunk < 0 || !TryEndChunk(chunk))
                    {
                        return Unsent(total);
                    }

                    total += chunk;
                }

                return IoResult.Transferred(total);
            }
            finally
            {
                ArrayPool<byte>.Shared.Return(joined);
            }
        }
    }

    public override void NotifyWhenWritable()
    {
        if (!Has(State.SendAwaitsRead)) // else what the peer sends next tells: the socket has room all the time
        {
            _inner.NotifyWhenWritable();
        }
    }

    public override void ShutdownSend()
    {
        lock (this)
        {
            WriteCloseNotify();
            if (TryFlush() && IsAllInSocket)
            {
                _inner.ShutdownSend();
                return;
            }

            Set(State.ShutdownPending);
        }

        _inner.NotifyWhenWritable();
    }

    void ISslHost.SendRecords(ReadOnlySpan<byte> records)
    {
        if (Has(State.EncryptsSends))
        {
            SendMessage(records);
            return;
        }

        if (_sendsDirectly && _records is null && !_sendFailed)
        {
            IoResult sent = _inner.Send(records);
            if (sent.IsFailed)
            {
                FailSending(sent.Error);
                return;
            }

            records = records[(sent.HasBytes ? sent.Bytes : 0)..];
        }

        QueueRecords(records);
    }

    /// <summary>What was encrypted and refused by a full socket goes first. False: it still waits, or the connection is dead.</summary>
    private bool TryBeginSend(out int alreadySent)
    {
        alreadySent = 0;
        _recordBytesLeft = RecordBytesMax; // OpenSSL may have to read the rest of a flight first
        if (_held > 0)
        {
            if (!TryFlush() || (Has(State.EncryptsSends) && !_inner.IsWritable))
            {
                return false;
            }

            alreadySent = _held;
            _held = 0;
        }
        else if (Has(State.EncryptsSends) && !TryFlush())
        {
            return false; // messages of OpenSSL's come first; elsewhere they join the records that follow
        }

        long nowMs = Loop.IsCurrent ? Loop.NowMs : Loop.ReadClockMs(); // the loop's own stands still while it sleeps
        if (nowMs - _lastSendMs >= BurstEndsMs)
        {
            _burstBytes = 0;
        }

        _lastSendMs = nowMs;
        return !_sendFailed && !Has(State.ShutdownSent | State.Aborted) && _session.Exists;
    }

    /// <summary>Sends the chunk's records. False: not all of them left, and the chunk is not sent before they have.</summary>
    private bool TryEndChunk(int chunk)
    {
        _sendsDirectly = false;
        if (_sendFailed)
        {
            return false;
        }

        if (TryFlush())
        {
            return !_sendFailed;
        }

        _held = chunk;
        return false;
    }

    private IoResult Unsent(int total)
    {
        if (_sendFailed)
        {
            return IoResult.Failed(_sendError);
        }

        if (Has(State.ShutdownSent | State.Aborted) || !_session.Exists)
        {
            return IoResult.Failed(IoError.ConnectionReset);
        }

        return total > 0 ? IoResult.Transferred(total) : IoResult.WouldBlock;
    }

    private int NextChunkMax()
    {
        Debug.Assert(_held == 0);
        return _burstBytes < ShortRecordsBytes ? ShortRecordLength * 4 : ChunkLengthMax;
    }

    private bool Encrypt(ReadOnlySpan<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            int count = bytes.Length;
            // A response that is one short record anyway stays one.
            if (_burstBytes < ShortRecordsBytes && bytes.Length > ShortRecordLength)
            {
                count = ShortRecordLength;
                _sendsDirectly = false;
            }

            bool isAnswered = false;
            SslResult result = _isCertificateAwaited ? _session.Write(this, bytes[..count], out isAnswered) : _session.Write(this, bytes[..count]);
            if (isAnswered)
            {
                BeginLateCheck();
            }

            if (result.Step == SslStep.WantRead)
            {
                Set(State.SendAwaitsRead); // half of a certificate's flight has come: nothing can be sent before the rest
                return false;
            }

            if (result.Step != SslStep.Done)
            {
                FailSending(IoError.ConnectionReset);
                return false;
            }

            Debug.Assert(result.Bytes == count);
            _burstBytes = Math.Min(_burstBytes + count, ShortRecordsBytes);
            bytes = bytes[count..];
        }

        return true;
    }

    /// <summary>Small segments share records; large ones are read where they are. Returns the plaintext bytes taken, -1 when the connection is dead.</summary>
    private int EncryptSegments(ref SegmentReader reader, byte[] joined)
    {
        int taken = 0;
        int max = NextChunkMax();
        while (!reader.IsAtEnd && taken < max)
        {
            ReadOnlySpan<byte> next;
            if (reader.Current.Length >= RecordLengthMax)
            {
                next = reader.Current[..Math.Min(reader.Current.Length, max - taken)];
                reader.Skip(next.Length);
            }
            else
            {
                int count = reader.CopyTo(joined.AsSpan(0, Math.Min(RecordLengthMax, max - taken)));
                next = joined.AsSpan(0, count);
                _sendsDirectly = taken == 0 && reader.IsAtEnd;
            }

            if (!Encrypt(next))
            {
                return -1;
            }

            taken += next.Length;
        }

        return taken;
    }

    private void QueueRecords(ReadOnlySpan<byte> records)
    {
        if (records.IsEmpty || _sendFailed)
        {
            return;
        }

        int waiting = _recordsEnd - _recordsStart;
        if (waiting + records.Length > QueuedBytesMax)
        {
            FailSending(IoError.Other);
            return;
        }

        if (_records is not null && _records.Length - _recordsEnd < records.Length && waiting + records.Length <= _records.Length)
        {
            // A peer that never lets the queue run empty must not make it grow with all that ever went through it.
            _records.AsSpan(_recordsStart, waiting).CopyTo(_records);
            _recordsStart = 0;
            _recordsEnd = waiting;
        }

        if (_records is null || _records.Length - _recordsEnd < records.Length)
        {
            byte[] larger = ArrayPool<byte>.Shared.Rent(Math.Max(_records is null ? records.Length * 2 : _records.Length * 2, waiting + records.Length));
            if (_records is not null)
            {
                _records.AsSpan(_recordsStart, waiting).CopyTo(larger);
                ArrayPool<byte>.Shared.Return(_records);
            }

            _records = larger;
            _recordsStart = 0;
            _recordsEnd = waiting;
        }

        records.CopyTo(_records.AsSpan(_recordsEnd));
        _recordsEnd += records.Length;
    }

    /// <summary>Sends what waits. True: nothing waits any more (or the connection is dead).</summary>
    private bool TryFlush()
    {
        while (_records is not null)
        {
            IoResult sent = Has(State.EncryptsSends) ? SendFirstMessage() : _inner.Send(_records.AsSpan(_recordsStart, _recordsEnd - _recordsStart));
            if (sent.IsWouldBlock)
            {
                return false;
            }

            if (sent.IsFailed)
            {
                FailSending(sent.Error);
                return true;
            }

            _recordsStart += sent.Bytes;
            if (_recordsStart == _recordsEnd)
            {
                DropRecords();
            }
        }

        return true;
    }

    private void FlushNow()
    {
        bool isBlocked;
        lock (this)
        {
            isBlocked = _records is not null && !TryFlush();
        }

        if (isBlocked)
        {
            _inner.NotifyWhenWritable();
        }
    }

    private void FailSending(IoError error)
    {
        _sendFailed = true;
        _sendError = error;
        _held = 0;
        DropRecords();
    }

    private void DropRecords()
    {
        if (_records is not null)
        {
            ArrayPool<byte>.Shared.Return(_records);
        }

        _records = null;
        _recordsStart = 0;
        _recordsEnd = 0;
    }

    private void WriteCloseNotify()
    {
        if (_session.Exists && !_sendFailed && !Has(State.ShutdownSent | State.Aborted) && _version != 0)
        {
            _session.Shutdown(this);
        }

        Set(State.ShutdownSent);
    }

    // The last call into the session; the protocol promises that no other thread is inside one.
    private void EndSession()
    {
        EndCertificateRequest();
        if (_held == 0)
        {
            WriteCloseNotify(); // after what was sent; it goes if the socket takes it
            TryFlush();
        }

        DropRecords();
        if (_session.Exists)
        {
            _session.Free();
        }
    }

    /// <summary>Walks through gathered segments.</summary>
    private ref struct SegmentReader
    {
        private readonly ReadOnlySpan<ReadOnlyMemory<byte>> _segments;
        private int _next;

        public SegmentReader(ReadOnlySpan<ReadOnlyMemory<byte>> segments, int skip)
        {
            _segments = segments;
            Advance();
            while (skip > 0)
            {
                int count = Math.Min(skip, Current.Length);
                Debug.Assert(count > 0);
                Skip(count);
                skip -= count;
            }
        }

        public ReadOnlySpan<byte> Current { get; private set; }

        public readonly bool IsAtEnd => Current.IsEmpty;

        public void Skip(int count)
        {
            Current = Current[count..];
            Advance();
        }

        /// <summary>Copies from as many segments as fit.</summary>
        public int CopyTo(Span<byte> into)
        {
            int total = 0;
            while (!IsAtEnd && total < into.Length)
            {
                int count = Math.Min(Current.Length, into.Length - total);
                Current[..count].CopyTo(into[total..]);
                total += count;
                Skip(count);
            }

            return total;
        }

        private void Advance()
        {
            while (Current.IsEmpty && _next < _segments.Length)
            {
                Current = _segments[_next++].Span;
            }
        }
    }
}
