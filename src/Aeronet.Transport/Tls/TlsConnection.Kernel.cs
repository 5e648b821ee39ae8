using System;
using System.Buffers.Binary;
using System.Diagnostics;
using Aeronet.Native.OpenSsl;
using Aeronet.Transport.Connections;
using Aeronet.Transport.Diagnostics;
using Microsoft.Extensions.Logging;
using Microsoft.Win32.SafeHandles;

namespace Aeronet.Transport.Tls;

// Sending where the kernel encrypts. Under the lock, as all that sends.
//
// OpenSSL offers its key when it changes to it, in the middle of the handshake; from then on it sends cleartext. What the protocol sends no longer
// goes through OpenSSL at all; what OpenSSL says by itself (Finished, tickets, alerts) are messages, which leave as records of their own type and
// wait, each with its type and length in front, where records wait otherwise.
internal sealed partial class TlsConnection
{
    private const int MessageHeaderLength = 3; // content type, two bytes of length

    private byte _contentType; // of OpenSSL's next message

    bool ISslHost.EncryptsSends => Has(State.EncryptsSends);

    bool ISslHost.TryEncryptSends(ReadOnlySpan<byte> key)
    {
        // Once: later keys are not offered, but nothing here could take them. What OpenSSL has encrypted itself must be in the socket before.
        if (key.IsEmpty || Has(State.EncryptsSends) || !TryFlush() || _sendFailed || !_inner.TryEncryptSends(key))
        {
            return false;
        }

        Set(State.EncryptsSends);
        return true;
    }

    void ISslHost.SetContentType(byte contentType) => _contentType = contentType;

    /// <summary>The peer wants new keys. OpenSSL would make them for itself, so nothing that the peer could read may follow: true, and the connection ends.</summary>
    private bool IsKeyUpdateDue()
    {
        if (!_session.IsKeyUpdateDue)
        {
            return false;
        }

        Guard.Run(() =>
        {
            if (Logger.IsEnabled(LogLevel.Debug))
            {
                TlsLog.KeyUpdateInKernel(Logger, ConnectionId);
            }
        });

        FailSending(IoError.ConnectionReset);
        Abort();
        return true;
    }

    public override bool SendsFiles => Has(State.EncryptsSends) && _inner.SendsFiles;

    public override IoResult SendFile(SafeFileHandle file, long offset, int count)
    {
        if (!IsOpen)
        {
            return IoResult.WouldBlock;
        }

        lock (this)
        {
            if (!TryBeginSend(out int total) || (total == 0 && IsKeyUpdateDue()))
            {
                return Unsent(0);
            }

            if (total > 0)
            {
                return IoResult.Transferred(total);
            }
        }

        // Not under the lock, which the loop takes. What OpenSSL may have to say meanwhile is a record of its own between two of the file's.
        IoResult sent = _inner.SendFile(file, offset, count);
        lock (this)
        {
            return sent.IsEndOfStream || sent.Error == IoError.FileNotSendable ? sent : AfterKernelSend(sent);
        }
    }

    private void SendMessage(ReadOnlySpan<byte> message)
    {
        if (_records is null && !_sendFailed)
        {
            IoResult sent = SendWhole(_contentType, message);
            if (sent.IsFailed)
            {
                FailSending(sent.Error);
            }

            if (!sent.IsWouldBlock)
            {
                return;
            }
        }

        Span<byte> header = stackalloc byte[MessageHeaderLength];
        header[0] = _contentType;
        BinaryPrimitives.WriteUInt16BigEndian(header[1..], checked((ushort)message.Length)); // OpenSSL's own buffer is 4 KiB, a message of one piece at most a record
        QueueRecords(header);
        QueueRecords(message);
    }

    private IoResult SendFirstMessage()
    {
        Debug.Assert(_records is not null);
        ReadOnlySpan<byte> first = _records.AsSpan(_recordsStart, _recordsEnd - _recordsStart);
        int length = BinaryPrimitives.ReadUInt16BigEndian(first[1..]);
        IoResult sent = SendWhole(first[0], first.Slice(MessageHeaderLength, length));
        return sent.HasBytes ? IoResult.Transferred(MessageHeaderLength + length) : sent;
    }

    private IoResult SendWhole(byte contentType, ReadOnlySpan<byte> message)
    {
        IoResult sent = _inner.SendRecord(contentType, message);
        return sent.HasBytes && sent.Bytes < message.Length ? IoResult.Failed(IoError.Other) : sent;
    }

    // The kernel takes a record whole when the socket has room for any of it; FIN, or close(2) while the socket is full, would cut it off.
    private bool IsAllInSocket => !Has(State.EncryptsSends) || _inner.IsWritable;

    /// <summary>What the kernel has taken is sent when the socket has room after it: then the rest of a record that it holds leaves at the latest with close_notify, or with the close.</summary>
    private IoResult AfterKernelSend(IoResult sent)
    {
        if (sent.IsFailed)
        {
            FailSending(sent.Error);
            return sent;
        }

        if (sent.HasBytes && !_inner.IsWritable)
        {
            _held = sent.Bytes;
            return IoResult.WouldBlock;
        }

        return sent;
    }
}
