using System;
using System.Net;
using System.Security.Authentication;

namespace Aeronet.Transport;

/// <summary>How a TLS handshake went.</summary>
public enum TlsHandshakeOutcome
{
    /// <summary>The connection is encrypted.</summary>
    Succeeded,

    /// <summary>The handshake ended without one.</summary>
    Failed,

    /// <summary>A limit refused it before it began.</summary>
    Refused,
}

/// <summary>One handshake that has ended: what <see cref="AeronetTlsOptions.OnHandshake"/> gets.</summary>
public readonly record struct TlsHandshakeReport
{
    /// <summary>How it went.</summary>
    public TlsHandshakeOutcome Outcome { get; init; }

    /// <summary>Why it did not succeed, the value of the tag <c>reason</c> of <c>aeronet.tls.handshakes</c>, e.g. <c>handshake_eof</c>; null when it did.</summary>
    public string? Reason { get; init; }

    /// <summary>The peer; null when it has no IP address.</summary>
    public EndPoint? RemoteEndPoint { get; init; }

    /// <summary>The connection's id in the log.</summary>
    public string ConnectionId { get; init; }

    /// <summary>The server name that the client asked for; null when none, or none yet. Chosen by the client: escape it before it goes anywhere.</summary>
    public string? ServerName { get; init; }

    /// <summary>The version; <see cref="SslProtocols.None"/> when it was not settled.</summary>
    public SslProtocols Protocol { get; init; }

    /// <summary>The cipher suite's IANA number; 0 when it was not settled.</summary>
    public int CipherSuite { get; init; }

    /// <summary>The application protocol (ALPN); null when none was settled.</summary>
    public string? ApplicationProtocol { get; init; }

    /// <summary>An earlier session was resumed.</summary>
    public bool IsResumed { get; init; }

    /// <summary>The client has shown a certificate.</summary>
    public bool HasClientCertificate { get; init; }

    /// <summary>From accept to the end.</summary>
    public TimeSpan Duration { get; init; }
}
