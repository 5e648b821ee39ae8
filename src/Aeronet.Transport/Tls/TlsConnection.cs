using System;
using System.Diagnostics;
using System.Net;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Threading;
using Aeronet.Native.OpenSsl;
using Aeronet.Transport.Connections;
using Aeronet.Transport.Diagnostics;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core.Features;
using Microsoft.Extensions.Logging;

namespace Aeronet.Transport.Tls;

/// <summary>TLS between a connection and its protocol: a connection for the protocol, a protocol for the connection below.</summary>
/// <remarks>
/// This part is the connection's life; <c>TlsConnection.Handshake</c> and <c>TlsConnection.Records</c> are the two things it does.
/// The protocol's handler exists from accept on, and hears nothing before the handshake is over, except the end.
/// Threads: the two ownerships of <see cref="TransportConnection"/> hold, but one <c>SSL</c> serves both directions, so every call into it
/// holds the connection's lock: the object's own monitor, which an idle connection does not pay for.
/// </remarks>
internal sealed partial class TlsConnection : TransportConnection, IConnectionHandler, ISslHost
{
    private readonly TransportConnection _inner;
    private readonly TlsAcceptor _acceptor;
    private IConnectionHandler? _protocol; // Non-null from Begin on.
    private TlsHandshake? _handshake; // Non-null until the handshake has succeeded, or for good.
    private TlsContext? _context; // Non-null once the identity is known.
    private TlsFeatures? _features; // made when asked for, after the handshake
    private X509Certificate2? _clientCertificate;
    private string _serverName = "";
    private string _applicationProtocol = "";
    private ushort _cipherSuite;
    private ushort _version; // 0x303 for TLS 1.2; 0 before it was agreed
    private int _state; // bits of State, any thread

    internal TlsConnection(TransportConnection inner, TlsAcceptor acceptor, TlsContextSet contexts)
        : base(inner.Loop)
    {
        _inner = inner;
        _acceptor = acceptor;
        _handshake = new TlsHandshake(this, contexts, inner.Loop.NowMs);
    }

    // Any thread, interlocked.
    [Flags]
    private enum State
    {
        None = 0,
        FeaturesAsked = 1, // the collection below has been handed out: it must learn of TLS
        Answered = 2, // the thread pool has an answer for the handshake
        EndUnread = 4, // the peer's end was met behind bytes: the protocol has to receive once more
        ShutdownPending = 8, // FIN follows the records that wait
        ShutdownSent = 16, // close_notify has been written
        Closed = 32,
        Aborted = 512, // nothing is said any more, no close_notify either
        EncryptsSends = 256, // the kernel does: what goes down to the socket is plaintext
        SendAwaitsRead = 128, // OpenSSL sends nothing before the peer has said the rest of a flight
        ReceiveAgain = 64, // a receive stopped for fairness: records are left that no edge announces again
    }

    public override string ConnectionId => _inner.ConnectionId;

    public override bool IsTls => true;

    public override bool HasFailedHandshake => _handshake is { IsOver: true };

    public override EndPoint? LocalEndPoint => _inner.LocalEndPoint;

    public override EndPoint? RemoteEndPoint => _inner.RemoteEndPoint;

    public override EndPoint? ListenEndPoint => _inner.ListenEndPoint;

    public override PeerAddress Peer => _inner.Peer;

    public override bool IsCloseRequested => _inner.IsCloseRequested;

    public override long DeadlineMs => _handshake is { } handshake ? handshake.ProtocolDeadlineMs : _inner.DeadlineMs;

    internal ILogger Logger => _acceptor.Logger;

    /// <summary>As the client sent it; empty for none.</summary>
    internal string ServerName => _serverName;

    internal ushort CipherSuite => _cipherSuite;

    internal X509Certificate2? ClientCertificate => _clientCertificate;

#pragma warning disable CA5397, SYSLIB0039 // what was agreed, whatever it was
    internal SslProtocols Protocol => _version switch
    {
        0x304 => SslProtocols.Tls13,
        0x303 => SslProtocols.Tls12,
        0x302 => SslProtocols.Tls11,
        0x301 => SslProtocols.Tls,
        _ => SslProtocols.None,
    };
#pragma warning restore CA5397, SYSLIB0039

    SslContext ISslHost.Context => _context!.Ssl;

    private bool IsOpen => _handshake is null;

    public override bool HasServerNames => _context is { Names: not null };

    public override bool IsMisdirected(ReadOnlySpan<byte> host) =>
        _context is { Names: { } names } && !Ascii.EqualsIgnoreCase(host, _serverName) && names.IsOther(_context, Encoding.ASCII.GetString(host));

    // ---- Features ---------------------------------------------------------------------------------------------

    public override IFeatureCollection Features
    {
        get
        {
            Set(State.FeaturesAsked);
            if (IsOpen)
            {
                PublishFeatures();
            }

            return _inner.Features;
        }
    }

    public override object? FindFeature(Type key)
    {
        // Not through the collection, which most connections never make; but what somebody has set there counts.
        if (TlsFeatures.Has(key) && IsOpen && !Has(State.FeaturesAsked))
        {
            return MakeFeatures();
        }

        return _inner.FindFeature(key);
    }

    private TlsFeatures MakeFeatures() => Volatile.Read(ref _features) ?? Interlocked.CompareExchange(ref _features, new TlsFeatures(this, _applicationProtocol), null) ?? _features!;

    private void PublishFeatures()
    {
        IFeatureCollection below = _inner.Features;
        TlsFeatures features = MakeFeatures();
        lock (this)
        {
            if (below[typeof(ITlsHandshakeFeature)] is null)
            {
                below[typeof(ITlsConnectionFeature)] = features;
                below[typeof(ITlsHandshakeFeature)] = features;
                below[typeof(ITlsApplicationProtocolFeature)] = features;
            }
        }
    }

    // ---- The protocol's calls that pass through ---------------------------------------------------------------

    public override void RequeueReadable() => _inner.RequeueReadable();

    public override void Post() => _inner.Post();

    public override void SetDeadline(long deadlineMs)
    {
        if (_handshake is { } handshake)
        {
            handshake.ProtocolDeadlineMs = deadlineMs; // the handshake's own stands meanwhile
            return;
        }

        _inner.SetDeadline(deadlineMs);
    }

    public override void Abort()
    {
        Set(State.Aborted);
        _inner.Abort();
    }

    public override void Close()
    {
        Debug.Assert(Loop.IsCurrent);
        Debug.Assert(!Has(State.Closed));
        Set(State.Closed);
        if (_handshake is { } handshake)
        {
            EndHandshake(handshake, TlsFailure.ServerStopping, "closed by the server");
            handshake.CancelSelection();
            handshake.Input.Release(Loop.Blocks); // a client that resets, or is given up, leaves what it had begun to say
        }

        lock (this)
        {
            EndSession();
        }

        _inner.Close();
    }

    // ---- The loop's calls -------------------------------------------------------------------------------------

    public void OnReadable(bool peerClosed)
    {
        NoteEdge(peerClosed);
        if (_handshake is { } handshake)
        {
            AdvanceHandshake(handshake, peerClosed);
            return;
        }

        if (_isCertificateAwaited)
        {
            LookForCertificate();
        }

        if (TryRetrySend())
        {
            _protocol!.OnReadable(peerClosed);
        }
    }

    /// <summary>Something of the peer has come: what could not be sent before it is tried again. False: the connection is closed.</summary>
    private bool TryRetrySend()
    {
        if (Has(State.SendAwaitsRead))
        {
            Clear(State.SendAwaitsRead);
            _protocol!.OnWritable();
        }

        return !Has(State.Closed);
    }

    public void OnWritable()
    {
        bool isBlocked;
        lock (this)
        {
            isBlocked = !TryFlush() || !IsAllInSocket;
            if (!isBlocked && Has(State.ShutdownPending))
            {
                Clear(State.ShutdownPending);
                _inner.ShutdownSend();
            }
        }

        if (isBlocked)
        {
            _inner.NotifyWhenWritable();
        }
        else if (IsOpen)
        {
            _protocol!.OnWritable();
        }
    }

    public void OnReset()
    {
        if (_handshake is { IsOver: false } handshake)
        {
            if (handshake.At == TlsHandshake.Step.Exchanging)
            {
                // A client that refuses us says why and closes; its close is a reset when it has not read all that we sent. What it said is still to be read.
                NoteEdge(peerClosed: false);
                Exchange(handshake);
                if (Has(State.Closed))
                {
                    return;
                }
            }

            EndHandshake(handshake, TlsFailure.ConnectionReset, "the connection was reset");
        }

        NoteEdge(peerClosed: true); // what came before the reset is still there
        Set(State.Aborted); // perhaps by ourselves, below us: nothing may make half an answer look whole
        _protocol!.OnReset();
    }

    public void OnDeadline(long nowMs)
    {
        if (_handshake is { } handshake)
        {
            EndHandshake(handshake, TlsFailure.HandshakeTimeout, "it took too long");
            _protocol!.OnReset();
            return;
        }

        _protocol!.OnDeadline(nowMs);
    }

    public void OnPosted()
    {
        if (_handshake is { } handshake)
        {
            if (Has(State.Answered))
            {
                Clear(State.Answered);
                OnAnswer(handshake);
            }

            return;
        }

        if (Has(State.ReceiveAgain))
        {
            Clear(State.ReceiveAgain);
            if (_isCertificateAwaited)
            {
                LookForCertificate();
            }

            if (!TryRetrySend())
            {
                return;
            }

            _protocol!.OnReadable(IsPeerClosed);
            if (Has(State.Closed))
            {
                return;
            }
        }

        if (Has(State.EndUnread))
        {
            Clear(State.EndUnread);
            _protocol!.OnReadable(peerClosed: true);
            if (Has(State.Closed))
            {
                return;
            }
        }

        _protocol!.OnPosted();
    }

    public void OnDrain() => _protocol!.OnDrain();

    public void OnAbort() => _protocol!.OnAbort();

    public void OnClosed()
    {
        if (!Has(State.Closed))
        {
            // Closed below us, after a handler failed: nothing can be said any more, but what we hold has to go back.
            Set(State.Closed);
            if (_handshake is { } handshake)
            {
                EndHandshake(handshake, TlsFailure.ConnectionReset, "the connection was given up");
                handshake.CancelSelection();
                handshake.Input.Release(Loop.Blocks);
            }

            lock (this)
            {
                _sendFailed = true;
                EndSession();
            }
        }

        _protocol?.OnClosed();
    }

    private bool Has(State bit) => (Volatile.Read(ref _state) & (int)bit) != 0;

    private void Set(State bit) => Interlocked.Or(ref _state, (int)bit);

    private void Clear(State bit) => Interlocked.And(ref _state, ~(int)bit);
}
