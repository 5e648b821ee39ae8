using System;
using System.Collections.Generic;

namespace Aeronet.Native.OpenSsl;

/// <summary>What an <see cref="SslContext"/> is made of.</summary>
internal sealed class SslContextOptions
{
    /// <summary>In the client's eyes one of them, by key type. At least one.</summary>
    public required IReadOnlyList<SslCertificate> Certificates { get; init; }

    public bool Tls10 { get; init; }

    public bool Tls11 { get; init; }

    public bool Tls12 { get; init; } = true;

    public bool Tls13 { get; init; } = true;

    /// <summary>OpenSSL's syntax; null: the library's.</summary>
    public string? CipherList { get; init; }

    public string? CipherSuites { get; init; }

    /// <summary>Length-prefixed names, most wanted first; empty: ALPN is ignored.</summary>
    public byte[] ApplicationProtocols { get; init; } = [];

    public bool RequireApplicationProtocolMatch { get; init; }

    /// <summary>Asks for a client certificate; what it is worth is judged elsewhere.</summary>
    public bool RequestsClientCertificate { get; init; }

    /// <summary>Ends the handshake with certificate_required when there is none.</summary>
    public bool RequiresClientCertificate { get; init; }

    /// <summary>DER certificates whose names are sent in the request.</summary>
    public IReadOnlyList<byte[]> ClientAuthorities { get; init; } = [];

    /// <summary>At most 32 bytes: only sessions of contexts with the same bytes resume here. SSL_CTX_set_session_id_context.</summary>
    public required byte[] SessionContext { get; init; }

    public bool AllowsResumption { get; init; } = true;

    /// <summary>Sessions in memory; 0: tickets only.</summary>
    public int SessionCacheSize { get; init; }

    /// <summary>Null: OpenSSL's own keys, for as long as the context lives.</summary>
    public ISslTicketKeys? TicketKeys { get; init; }

    /// <summary>How long a session resumes, in seconds.</summary>
    public int SessionSeconds { get; init; } = 24 * 60 * 60;

    /// <summary>The host gets the key for what is sent and may encrypt itself (<see cref="ISslHost.TryEncryptSends"/>).</summary>
    public bool OffersSendKey { get; init; }

    /// <summary>Answers with the DER of an OCSP response for the DER certificate that was selected. Never throws.</summary>
    public Func<byte[], byte[]?>? FindStaple { get; init; }

    /// <summary>Writes a line of an NSS key log. Never throws.</summary>
    public Action<byte[]>? KeyLog { get; init; }
}

/// <summary>A certificate as DER: leaf, the rest of its chain, its key as PKCS#8.</summary>
/// <param name="Leaf">X.509.</param>
/// <param name="Chain">X.509, in order.</param>
/// <param name="PrivateKey">Unencrypted PKCS#8; the maker clears it after use.</param>
internal sealed record SslCertificate(byte[] Leaf, IReadOnlyList<byte[]> Chain, byte[] PrivateKey);

/// <summary>OpenSSL refused something; the message says what and why.</summary>
internal sealed class SslContextException(string message) : Exception(message);
