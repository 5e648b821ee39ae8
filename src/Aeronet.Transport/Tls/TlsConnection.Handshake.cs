using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Threading;
using Aeronet.Native.OpenSsl;
using Aeronet.Transport.Connections;
using Aeronet.Transport.Diagnostics;
using Microsoft.Extensions.Logging;

namespace Aeronet.Transport.Tls;

// From the first byte to the first request: loop thread only.
internal sealed partial class TlsConnection
{
    // What is said before there are keys: records of TLS 1.2, which every version reads (RFC 8446 section 5.1).
    private const byte UnexpectedMessage = 10;
    private const byte InternalError = 80;
    private const byte UnrecognizedName = 112;

    private const long LingerMs = 1000;
    private const int HelloSizeHint = 2048; // nearly all are shorter, with post-quantum key shares as well

    /// <summary>Starts the clock of the handshake; the loop's first OnReadable follows.</summary>
    internal void Begin(IConnectionHandler protocol)
    {
        Debug.Assert(_protocol is null);
        Debug.Assert(_handshake is not null);
        _protocol = protocol;
        TlsSettings settings = _handshake.Contexts.Settings;
        if (settings.HandshakeTimeout > TimeSpan.Zero)
        {
            _inner.SetDeadline(Loop.NowMs + (long)settings.HandshakeTimeout.TotalMilliseconds);
        }

        if (settings.Services.Observer is { } observer)
        {
            Guard.Run(() => observer.OnHandshakeStarted(this)); // listeners of metrics are anybody's code
        }
    }

    /// <summary>Sends what the handshake has left to be said, unless a response has taken it along. Any thread, also after the end.</summary>
    internal void FlushRest() => FlushNow();

    /// <summary>The thread pool has an answer. Any thread.</summary>
    internal void PostAnswer()
    {
        Set(State.Answered);
        _inner.Post();
    }

    private void AdvanceHandshake(TlsHandshake handshake, bool peerClosed)
    {
        switch (handshake.At)
        {
            case TlsHandshake.Step.AwaitingHello:
                ReadHello(handshake);
                break;
            case TlsHandshake.Step.Exchanging:
                Exchange(handshake);
                break;
            case TlsHandshake.Step.Lingering:
                Linger(handshake);
                break;
            case TlsHandshake.Step.Selecting or TlsHandshake.Step.CheckingClient when peerClosed:
                break; // seen when the answer has come: a client may send its request and close at once
        }
    }

    private void ReadHello(TlsHandshake handshake)
    {
        while (true)
        {
            IoResult received = ReceiveBelow(handshake.Input.GetFree(Loop.Blocks, HelloSizeHint));
            if (received.IsWouldBlock)
            {
                if (handshake.Input.Length == 0)
                {
                    handshake.Input.Release(Loop.Blocks); // who says nothing holds nothing
                }

                return;
            }

            if (!received.HasBytes)
            {
                Fail(handshake, received.IsFailed ? TlsFailure.ConnectionReset : TlsFailure.HandshakeEof, "before a ClientHello");
                return;
            }

            handshake.Input.Commit(received.Bytes);
            switch (ClientHelloReader.Read(handshake.Input.Unread, out string serverName, out byte[] applicationProtocols))
            {
                case ClientHelloStatus.Complete:
                    _serverName = serverName;
                    ChooseIdentity(handshake, applicationProtocols);
                    return;
                case ClientHelloStatus.PlainHttp:
                    RefusePlainHttp(handshake);
                    return;
                case ClientHelloStatus.NotTls:
                    Refuse(handshake, TlsFailure.HandshakeError, UnexpectedMessage, "the first bytes are no ClientHello");
                    return;
                case ClientHelloStatus.Incomplete when handshake.Input.Length > ClientHelloReader.BytesMax:
                    Refuse(handshake, TlsFailure.HandshakeError, UnexpectedMessage, "the ClientHello is too long");
                    return;
            }
        }
    }

    private void ChooseIdentity(TlsHandshake handshake, byte[] applicationProtocols)
    {
        if (handshake.Contexts.Settings.Selector is not null)
        {
            handshake.At = TlsHandshake.Step.Selecting;
            handshake.BeginSelection(_serverName, applicationProtocols);
            return;
        }

        if (handshake.Contexts.Find(_serverName) is { } context)
        {
            BeginExchange(handshake, context);
            return;
        }

        Refuse(handshake, TlsFailure.CertificateSelection, UnrecognizedName, "no identity for the server name");
    }

    private void OnAnswer(TlsHandshake handshake)
    {
        object? answer = handshake.TakeAnswer();
        switch (handshake.At)
        {
            case TlsHandshake.Step.Selecting when answer is TlsContext context:
                BeginExchange(handshake, context);
                break;
            case TlsHandshake.Step.Selecting when answer is string reason:
                Refuse(handshake, TlsFailure.CertificateSelection, InternalError, reason);
                break;
            case TlsHandshake.Step.CheckingClient when answer is true:
                Open(handshake);
                break;
            case TlsHandshake.Step.CheckingClient when answer is string reason:
                Fail(handshake, _clientCertificate is null ? TlsFailure.ClientCertificateMissing : TlsFailure.ClientCertificateInvalid, reason);
                break;
        }
    }

    private void BeginExchange(TlsHandshake handshake, TlsContext context)
    {
        _context = context;
        if (!SslSession.TryCreate(context.Ssl, out _session))
        {
            Fail(handshake, TlsFailure.HandshakeError, "OpenSSL has no memory for a session");
            return;
        }

        handshake.At = TlsHandshake.Step.Exchanging;
        Exchange(handshake);
    }

    private void Exchange(TlsHandshake handshake)
    {
        SslResult result;
        bool isBlocked = false;
        lock (this)
        {
            result = _session.Handshake(this);
            if (result.Step == SslStep.Done && _context!.Ssl.Options.OffersSendKey)
            {
                _session.StopOfferingKeys();
            }

            // Done: what is left to be said (tickets; Finished in TLS 1.2) waits for the first response, if that comes at once.
            isBlocked = result.Step != SslStep.Done && !TryFlush();
        }

        if (result.Step == SslStep.Failed)
        {
            FailExchange(handshake, result);
            return;
        }

        if (isBlocked)
        {
            _inner.NotifyWhenWritable();
        }

        if (result.Step == SslStep.Done)
        {
            OnKeys(handshake);
        }
        else if (result.Step == SslStep.Closed)
        {
            Fail(handshake, TlsFailure.HandshakeEof, "close_notify during the handshake");
        }
    }

    /// <summary>Both sides have their keys.</summary>
    private void OnKeys(TlsHandshake handshake)
    {
        Debug.Assert(_context is not null);
        if (handshake.Input.Length > 0)
        {
            Fail(handshake, TlsFailure.HandshakeError, "bytes between the ClientHello and the answer");
            return;
        }

        byte[]? certificate = null;
        List<byte[]> issuers = [];
        TlsClientCertificates clients = _context.Identity.ClientCertificates;
        bool asks = clients.Mode is TlsClientCertificateMode.Allow or TlsClientCertificateMode.Require;
        lock (this)
        {
            _version = (ushort)_session.Version;
            _cipherSuite = _session.CipherSuite;
            _applicationProtocol = NameOf(_session.ApplicationProtocol);
            if (asks)
            {
                certificate = _session.GetPeerCertificate();
                issuers = certificate is null ? issuers : _session.GetPeerIssuers();
            }
        }

        if (!asks || (certificate is null && clients.Mode == TlsClientCertificateMode.Allow && clients.Validation is null))
        {
            Open(handshake);
            return;
        }

        try
        {
            _clientCertificate = certificate is null ? null : X509CertificateLoader.LoadCertificate(certificate);
        }
        catch (System.Security.Cryptography.CryptographicException)
        {
            Fail(handshake, TlsFailure.ClientCertificateInvalid, "the certificate cannot be read");
            return;
        }

        handshake.At = TlsHandshake.Step.CheckingClient;
        FlushNow();
        handshake.BeginClientCheck(clients, _clientCertificate, issuers);
    }

    private void Open(TlsHandshake handshake)
    {
        Debug.Assert(_protocol is not null);
        EndHandshake(handshake, TlsFailure.None, null);
        handshake.Input.Release(Loop.Blocks);
        _handshake = null;
        Interlocked.MemoryBarrier(); // the other half is in Features: either we see that it was asked for, or it sees that we are open
        if (Has(State.FeaturesAsked))
        {
            PublishFeatures();
        }

        // The protocol's deadline began when the connection was accepted; its time begins now.
        long protocolMs = handshake.ProtocolDeadlineMs;
        _inner.SetDeadline(protocolMs == long.MaxValue ? protocolMs : protocolMs + (Loop.NowMs - handshake.StartMs));
        _protocol.OnReadable(IsPeerClosed);
        if (_records is not null)
        {
            // Tickets, or Finished in TLS 1.2. Behind the application, if the protocol has just scheduled it: they leave with its response then.
            Loop.Schedule(handshake);
        }
    }

    // ---- Failing ----------------------------------------------------------------------------------------------

    private void FailExchange(TlsHandshake handshake, SslResult result)
    {
        if (result.Error == 0)
        {
            Fail(handshake, IsEndOfRecords ? TlsFailure.HandshakeEof : TlsFailure.ConnectionReset, "in the middle of the handshake");
            return;
        }

        Fail(handshake, BucketOf(result), OpenSslLibrary.Describe(result.Error));
    }

    internal static TlsFailure BucketOf(SslResult result)
    {
        const int ProtocolVersionAlert = 70;
        return result.Reason switch
        {
            SslReason.NoSharedCipher or SslReason.NoSuitableSignatureAlgorithm => TlsFailure.NoSharedCipher,
            SslReason.UnsupportedProtocol or SslReason.UnsupportedSslVersion or SslReason.VersionTooLow or SslReason.VersionTooHigh
                or SslReason.WrongVersionNumber or SslReason.NoProtocolsAvailable or SslReason.InappropriateFallback => TlsFailure.UnsupportedVersion,
            SslReason.NoApplicationProtocol => TlsFailure.AlpnStrictMismatch,
            SslReason.PeerDidNotReturnACertificate => TlsFailure.ClientCertificateMissing,
            SslReason.HttpRequest or SslReason.HttpsProxyRequest => TlsFailure.PlainHttp,
            _ when result.PeerAlert == ProtocolVersionAlert => TlsFailure.UnsupportedVersion,
            _ when result.PeerAlert >= 0 => TlsFailure.PeerAlert,
            _ => TlsFailure.HandshakeError,
        };
    }

    /// <summary>Ends a handshake for which OpenSSL was not asked: with an alert in cleartext.</summary>
    private void Refuse(TlsHandshake handshake, TlsFailure failure, byte alert, string detail)
    {
        const byte AlertRecord = 21;
        const byte Fatal = 2;
        lock (this)
        {
            QueueRecords([AlertRecord, 3, 3, 0, 2, Fatal, alert]);
        }

        Fail(handshake, failure, detail);
    }

    private void RefusePlainHttp(TlsHandshake handshake)
    {
        lock (this)
        {
            QueueRecords("HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 47\r\nConnection: close\r\n\r\nThis port speaks HTTPS. Use an https:// address"u8);
        }

        Fail(handshake, TlsFailure.PlainHttp, "an HTTP request in cleartext");
    }

    /// <summary>Reports, says good-bye, and lets what the client still sends run into the void for a moment: closing over unread bytes would destroy the alert.</summary>
    private void Fail(TlsHandshake handshake, TlsFailure failure, string detail)
    {
        EndHandshake(handshake, failure, detail);
        handshake.Input.Release(Loop.Blocks);
        if (failure is TlsFailure.ConnectionReset)
        {
            _protocol!.OnReset();
            return;
        }

        FlushNow();
        ShutdownSend();
        handshake.At = TlsHandshake.Step.Lingering;
        _inner.SetDeadline(Loop.NowMs + LingerMs);
        Linger(handshake);
    }

    private void Linger(TlsHandshake handshake)
    {
        while (handshake.LingerBytesLeft > 0)
        {
            IoResult received = ReceiveBelow(handshake.Input.GetFree(Loop.Blocks, HelloSizeHint));
            if (received.IsWouldBlock)
            {
                handshake.Input.Release(Loop.Blocks);
                return;
            }

            if (!received.HasBytes)
            {
                break;
            }

            handshake.LingerBytesLeft -= received.Bytes; // into the same memory again and again
        }

        handshake.Input.Release(Loop.Blocks);
        _protocol!.OnReset();
    }

    /// <summary>Counts and reports the end of the handshake, once.</summary>
    private void EndHandshake(TlsHandshake handshake, TlsFailure failure, string? detail)
    {
        if (handshake.IsOver)
        {
            return;
        }

        handshake.IsOver = true;
        TlsServices services = handshake.Contexts.Settings.Services;
        services.Admission?.Exit();
        bool isResumed = failure == TlsFailure.None && _session.IsResumed;
        Guard.Run(() => Report(handshake, failure, detail, isResumed)); // whatever listeners and loggers throw, the connection goes on, or ends, as it should
    }

    private void Report(TlsHandshake handshake, TlsFailure failure, string? detail, bool isResumed)
    {
        handshake.Contexts.Settings.Services.Observer?.OnHandshakeEnded(new TlsHandshakeEvent
        {
            Connection = this,
            Failure = failure,
            Detail = detail,
            ServerName = _serverName.Length > 0 ? _serverName : null,
            Protocol = Protocol,
            CipherSuite = _cipherSuite,
            ApplicationProtocol = _applicationProtocol.Length > 0 ? _applicationProtocol : null,
            IsResumed = isResumed,
            HasClientCertificate = _clientCertificate is not null,
            IsKernelTls = _context is { Ssl.Options.OffersSendKey: true } ? Has(State.EncryptsSends) : null,
            Duration = TimeSpan.FromMilliseconds(Loop.ReadClockMs() - handshake.StartMs),
        });
        if (!Logger.IsEnabled(LogLevel.Debug))
        {
            return;
        }

        if (failure == TlsFailure.None)
        {
            TlsLog.HandshakeSucceeded(Logger, ConnectionId, Protocol, _serverName, _cipherSuite, _applicationProtocol, isResumed);
        }
        else
        {
            TlsLog.HandshakeFailed(Logger, ConnectionId, failure, detail ?? "");
        }
    }

    private static string NameOf(ReadOnlySpan<byte> protocol) =>
        protocol.SequenceEqual("http/1.1"u8) ? "http/1.1" : protocol.SequenceEqual("h2"u8) ? "h2" : Encoding.ASCII.GetString(protocol);
}
