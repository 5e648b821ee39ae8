using System;
using System.Collections.Generic;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;

namespace Aeronet.Transport.Tls;

/// <summary>Everything an endpoint needs to know for TLS. Immutable: a change is a new object for <see cref="TlsEndpoint.Replace"/>.</summary>
internal sealed class TlsSettings
{
    /// <summary>For clients that name no server, or one that <see cref="Names"/> does not have. Null: their handshake fails with unrecognized_name, as Kestrel's <c>Sni</c> section without <c>*</c>.</summary>
    public TlsIdentity? Default { get; init; }

    /// <summary>By server name: <c>a.example.com</c>, or <c>*.example.com</c> for what is below that dot. Upper and lower case are one; the exact name wins, then the longest wildcard.</summary>
    public IReadOnlyDictionary<string, TlsIdentity> Names { get; init; } = new Dictionary<string, TlsIdentity>();

    /// <summary>True: <c>*.example.com</c> is also for <c>a.b.example.com</c>, as in Kestrel's <c>Sni</c> section. False: for one label only, as a certificate's wildcard (RFC 9525 section 6.3).</summary>
    public bool WildcardsSpanLabels { get; init; }

    /// <summary>Chooses per connection, before <see cref="Names"/> and <see cref="Default"/>; what it returns null for goes on with those.</summary>
    public ITlsSelector? Selector { get; init; }

    /// <summary>From accept to the end of the handshake, client certificate check included. <see cref="System.Threading.Timeout.InfiniteTimeSpan"/>: none. Default 10 s.</summary>
    public TimeSpan HandshakeTimeout { get; init; } = TimeSpan.FromSeconds(10);

    public KernelTls KernelTls { get; init; } = KernelTls.Off;

    /// <summary>What the machine has. Not asked when <see cref="KernelTls"/> is <see cref="KernelTls.Off"/>.</summary>
    public Func<KernelTlsSupport> FindKernelTls { get; init; } = static () => KernelTlsSupport.OfThisMachine;

    /// <summary>Connections offer the kernel their keys.</summary>
    public bool UsesKernelTls => KernelTls != KernelTls.Off && FindKernelTls().Obstacle is null;

    public TlsServices Services { get; init; } = TlsServices.None;
}

/// <summary>Whether the kernel encrypts records (the Linux <c>tls</c> module). See <see cref="KernelTlsSupport"/>.</summary>
internal enum KernelTls
{
    /// <summary>Always in user space.</summary>
    Off,

    /// <summary>Where it can be had; otherwise in user space, with a word in the log why.</summary>
    Auto,

    /// <summary>The start fails where it cannot be had.</summary>
    Require,
}

/// <summary>One face of the server: certificates with everything that may differ between server names. Immutable; its OpenSSL context is made once and lives as long as somebody uses it.</summary>
internal sealed class TlsIdentity
{
    /// <summary>One certificate per key type at most (RSA, ECDSA, Ed25519): the client's signature algorithms decide which is used.</summary>
    public required IReadOnlyList<TlsCertificate> Certificates { get; init; }

    /// <summary><see cref="SslProtocols.None"/>: TLS 1.2 and 1.3. SSL 2 and 3 are refused.</summary>
    public SslProtocols Protocols { get; init; }

    public TlsCipherPolicy Ciphers { get; init; } = TlsCipherPolicy.Library;

    /// <summary>ALPN names in the server's order of preference, 1 to 255 bytes of ASCII each. Empty: ALPN is ignored.</summary>
    public IReadOnlyList<string> ApplicationProtocols { get; init; } = ["http/1.1"];

    /// <summary>A client whose ALPN offers none of ours is refused with no_application_protocol (RFC 7301 section 3.2). False: it goes on without ALPN.</summary>
    public bool RequireApplicationProtocolMatch { get; init; }

    public TlsClientCertificates ClientCertificates { get; init; } = TlsClientCertificates.None;

    /// <summary>Tickets and the stateful cache; false turns both off for all versions.</summary>
    public bool AllowResumption { get; init; } = true;

    /// <summary>Sessions kept in memory for TLS 1.2 clients that cannot do tickets; 0: none.</summary>
    public int SessionCacheSize { get; init; }
}

/// <summary>A certificate, the certificates that lead to its root, and its key.</summary>
internal sealed class TlsCertificate
{
    public required X509Certificate2 Leaf { get; init; }

    /// <summary>Sent after the leaf, in order; the root need not be there.</summary>
    public IReadOnlyList<X509Certificate2> Chain { get; init; } = [];

    /// <summary>The key as unencrypted PKCS#8 DER, for keys that <see cref="X509Certificate2"/> cannot hold (Ed25519). Empty: the key of <see cref="Leaf"/>. Whoever made the array clears it once the endpoint has been made.</summary>
    public ReadOnlyMemory<byte> PrivateKey { get; init; }

    /// <summary>For messages: where it came from, e.g. a file name.</summary>
    public string Source { get; init; } = "";
}

/// <summary>Cipher lists in OpenSSL's syntax; null leaves the library's default. Checked when the context is made.</summary>
/// <param name="CipherList">TLS 1.2 and below, e.g. <c>ECDHE-ECDSA-AES128-GCM-SHA256:...</c>.</param>
/// <param name="CipherSuites">TLS 1.3, e.g. <c>TLS_AES_128_GCM_SHA256:...</c>.</param>
internal sealed record TlsCipherPolicy(string? CipherList, string? CipherSuites)
{
    public static TlsCipherPolicy Library { get; } = new(null, null);
}

/// <summary>A configuration that OpenSSL, or this file's rules, refuse.</summary>
internal sealed class TlsConfigurationException : Exception
{
    public TlsConfigurationException(string message, Exception? inner = null)
        : base(message, inner)
    {
    }
}
