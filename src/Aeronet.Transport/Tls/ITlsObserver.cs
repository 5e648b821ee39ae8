using System;
using System.Security.Authentication;
using Aeronet.Transport.Connections;

namespace Aeronet.Transport.Tls;

/// <summary>What stopped a handshake. Names in snake_case are the metric's reasons.</summary>
internal enum TlsFailure
{
    None,

    /// <summary>The peer closed in the middle.</summary>
    HandshakeEof,

    /// <summary>The peer reset the connection, or the network failed.</summary>
    ConnectionReset,

    HandshakeTimeout,

    /// <summary>The server stopped.</summary>
    ServerStopping,

    RejectedConcurrency,
    RejectedRateLimit,

    /// <summary>An HTTP request in cleartext; answered with 400.</summary>
    PlainHttp,

    UnsupportedVersion,
    NoSharedCipher,
    AlpnStrictMismatch,

    /// <summary>No identity for the server name, or the selector failed.</summary>
    CertificateSelection,

    ClientCertificateMissing,
    ClientCertificateInvalid,

    /// <summary>The peer ended the handshake with an alert: it does not trust our certificate, most often.</summary>
    PeerAlert,

    /// <summary>Bytes that are no TLS, or against the protocol.</summary>
    HandshakeError,
}

/// <summary>One handshake that has ended. Only valid during the call.</summary>
internal readonly struct TlsHandshakeEvent
{
    public required TransportConnection Connection { get; init; }

    /// <summary><see cref="TlsFailure.None"/>: it succeeded.</summary>
    public required TlsFailure Failure { get; init; }

    /// <summary>OpenSSL's words, or ours, for the log; null on success.</summary>
    public string? Detail { get; init; }

    /// <summary>Null as long as none was named.</summary>
    public string? ServerName { get; init; }

    /// <summary><see cref="SslProtocols.None"/> when it failed before that was settled.</summary>
    public SslProtocols Protocol { get; init; }

    /// <summary>IANA number of the cipher suite; 0 before that was settled.</summary>
    public ushort CipherSuite { get; init; }

    /// <summary>Null: none negotiated.</summary>
    public string? ApplicationProtocol { get; init; }

    public bool IsResumed { get; init; }

    public bool HasClientCertificate { get; init; }

    /// <summary>Whether the kernel encrypts what is sent; null where it was not wanted, or cannot be had here.</summary>
    public bool? IsKernelTls { get; init; }

    /// <summary>From accept on.</summary>
    public TimeSpan Duration { get; init; }
}

/// <summary>Hears of every handshake. Called on loop threads: counts and queues, runs no application code, never throws.</summary>
internal interface ITlsObserver
{
    void OnHandshakeStarted(TransportConnection connection);

    /// <summary>Once per started handshake; for refused ones without a start.</summary>
    void OnHandshakeEnded(in TlsHandshakeEvent handshake);
}
