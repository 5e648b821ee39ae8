using System;
using System.Collections.Generic;
using System.Net;
using System.Text;
using Aeronet.Native.Libc;

namespace Aeronet.TestSupport.Kernel;

/// <summary>The other end of a simulated connection, played by the test.</summary>
internal sealed class SimulatedPeer : SimulatedKernel.IWatched
{
    private readonly Queue<byte> _sent = new(); // sent by the peer, not yet received by the server
    private readonly List<byte> _received = [];
    private int _space = int.MaxValue;
    private bool _hasSentFin;
    private bool _hasReset;
    private bool _serverSentFin;
    private bool _isBlocked; // a send of the server met a full socket: room is worth an edge
    private bool _resetsOnClose;
    private bool _hasTlsProtocol; // the server has asked for it, with or without success
    private bool _receivesNothing; // the server has shut down its receiving side
    private Errno _pendingError;

    internal SimulatedPeer(IPEndPoint endPoint) => EndPoint = endPoint;

    public IPEndPoint EndPoint { get; }

    /// <summary>The server's descriptor; valid once accepted.</summary>
    public int Descriptor { get; internal set; } = -1;

    /// <summary>Everything the server has sent.</summary>
    public string Received => Encoding.Latin1.GetString([.. _received]);

    public int ReceivedCount => _received.Count;

    public IReadOnlyList<byte> ReceivedBytes => _received;

    /// <summary>Non-null once the server has given its key to the kernel.</summary>
    public SimulatedKernelTls? Encryption { get; private set; }

    /// <summary>Bytes that the server has not received.</summary>
    public int UnreadCount => _sent.Count;

    /// <summary>The server has sent FIN or closed.</summary>
    public bool SeesEndOfStream => _serverSentFin;

    /// <summary>The server has sent RST.</summary>
    public bool SeesReset { get; private set; }

    /// <summary>The server has closed its descriptor.</summary>
    public bool IsClosedByServer { get; private set; }

    public int Edges { get; private set; }

    public EpollEvents Readiness
    {
        get
        {
            EpollEvents ready = EpollEvents.None;
            if (_sent.Count > 0 || _hasSentFin || _hasReset || _receivesNothing)
            {
                ready |= EpollEvents.In;
            }
            if (_hasSentFin || _receivesNothing)
            {
                ready |= EpollEvents.ReadHangUp;
            }
            if (_space > 0 || _hasReset)
            {
                ready |= EpollEvents.Out;
            }
            if (_hasReset)
            {
                ready |= EpollEvents.Error | EpollEvents.HangUp | EpollEvents.ReadHangUp;
            }
            if ((_hasSentFin || _receivesNothing) && _serverSentFin)
            {
                ready |= EpollEvents.HangUp;
            }
            return ready;
        }
    }

    public void Send(string text) => Send(Encoding.Latin1.GetBytes(text));

    public void Send(ReadOnlySpan<byte> bytes)
    {
        foreach (byte b in bytes)
        {
            _sent.Enqueue(b);
        }
        Touch();
    }

    /// <summary>Sends FIN.</summary>
    public void Finish()
    {
        _hasSentFin = true;
        Touch();
    }

    /// <summary>Sends RST.</summary>
    public void Reset()
    {
        _hasReset = true;
        _pendingError = Errno.ECONNRESET;
        Touch();
    }

    /// <summary>Sets how many bytes the server can send before its socket is full.</summary>
    public void SetSpace(int bytes)
    {
        _space = bytes;
        if (bytes > 0 && _isBlocked)
        {
            _isBlocked = false;
            Touch(); // as Linux: room is an edge only after a send has met a full socket
        }

        PushRecords();
    }

    internal bool HasRoom => _space > 0 || _hasReset;

    internal void OnTlsProtocol() => _hasTlsProtocol = true;

    internal SysResult OnEncryption(ReadOnlySpan<byte> key)
    {
        Encryption = SimulatedKernelTls.Create(key);
        return SysResult.Ok(0);
    }

    internal SysResult PutRecord(byte contentType, ReadOnlySpan<byte> content)
    {
        if (_hasReset || _serverSentFin)
        {
            return SysResult.Failed(Errno.EPIPE);
        }

        PushRecords();
        if (_space == 0)
        {
            _isBlocked = true;
            return SysResult.Failed(Errno.EAGAIN);
        }

        Encryption!.Encrypt(contentType, content);
        PushRecords();
        return SysResult.Ok(content.Length);
    }

    internal void OnResetWanted() => _resetsOnClose = true;

    private void PushRecords()
    {
        while (_space > 0 && Encryption is { Waiting.Count: > 0 })
        {
            _received.Add(Encryption.Waiting.Dequeue());
            _space -= _space == int.MaxValue ? 0 : 1;
        }

        _isBlocked |= _space == 0; // what waits in the kernel makes room an edge, too
    }

    internal void Touch() => Edges++;

    internal SysResult TakeSent(Span<byte> into)
    {
        if (_sent.Count == 0)
        {
            if (_pendingError != Errno.None)
            {
                Errno error = _pendingError;
                _pendingError = Errno.ENOTCONN;
                return SysResult.Failed(error);
            }
            return _hasSentFin || _receivesNothing ? SysResult.Ok(0) : SysResult.Failed(Errno.EAGAIN);
        }
        int count = Math.Min(into.Length, _sent.Count);
        for (int i = 0; i < count; i++)
        {
            into[i] = _sent.Dequeue();
        }
        return SysResult.Ok(count);
    }

    internal SysResult Put(ReadOnlySpan<byte> bytes)
    {
        if (_hasReset || _serverSentFin)
        {
            return SysResult.Failed(Errno.EPIPE);
        }
        if (Encryption is not null)
        {
            const byte ApplicationData = 23;
            return PutRecord(ApplicationData, bytes);
        }

        int count = Math.Min(bytes.Length, _space);
        if (count == 0)
        {
            _isBlocked = true;
            return SysResult.Failed(Errno.EAGAIN);
        }
        _space -= _space == int.MaxValue ? 0 : count;
        _received.AddRange(bytes[..count]);
        return SysResult.Ok(count);
    }

    internal void OnShutdownByServer(ShutdownSide side)
    {
        if (Encryption is { Waiting.Count: > 0 } && side != ShutdownSide.Receive)
        {
            throw new InvalidOperationException("FIN in the middle of a record.");
        }

        _serverSentFin |= side != ShutdownSide.Receive;
        _receivesNothing |= side != ShutdownSide.Send;
        Touch();
    }

    internal SysResult OnDisconnectedByServer()
    {
        if (_hasTlsProtocol)
        {
            return SysResult.Failed(Errno.EOPNOTSUPP); // Linux from 6.15 on, and what was mended since
        }

        SeesReset = true;
        Reset();
        return SysResult.Ok(0);
    }

    internal void OnClosedByServer()
    {
        SeesReset |= _resetsOnClose;
        if (!_resetsOnClose)
        {
            PushRecords(); // as Linux: what finds room now; the rest is lost
        }

        Encryption?.Dispose();
        IsClosedByServer = true;
        _serverSentFin = true;
    }
}
