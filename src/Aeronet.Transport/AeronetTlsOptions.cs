using System;
using System.Collections.Generic;
using System.Security.Cryptography.X509Certificates;

namespace Aeronet.Transport;

/// <summary>A choice of cipher suites.</summary>
public enum TlsCipherPreset
{
    /// <summary>What OpenSSL and its system-wide configuration offer.</summary>
    Default,

    /// <summary>Forward secrecy and authenticated encryption only: the three suites of TLS 1.3 (RFC 8446), ECDHE with AES-GCM or ChaCha20-Poly1305 for TLS 1.2.</summary>
    Modern,

    /// <summary><see cref="Modern"/> and, for TLS 1.2, ECDHE-RSA with AES-CBC and SHA-384 or SHA-256.</summary>
    Compatibility,

    /// <summary><see cref="Compatibility"/> and, for TLS 1.2 and older, ECDHE and RSA key exchange with AES-CBC and SHA-1. For clients that know nothing better.</summary>
    Legacy,
}

/// <summary>Whether the Linux kernel encrypts TLS records (module <c>tls</c>).</summary>
public enum TlsKernelMode
{
    /// <summary>OpenSSL encrypts, in user space.</summary>
    Off,

    /// <summary>The kernel where it, OpenSSL and the cipher suite allow it, per connection; otherwise user space.</summary>
    Auto,

    /// <summary>As <see cref="Auto"/>, but the server does not start when the kernel cannot do it at all.</summary>
    Require,
}

/// <summary>TLS settings for which Kestrel has no word; they apply to every HTTPS endpoint. Certificates, protocols and client certificates that were configured for Kestrel are honoured without them.</summary>
/// <remarks>
/// Source: the configuration section <c>Aeronet:Tls</c>, then <c>UseAeronet(options =&gt; options.Tls ...)</c>, so code wins. Names in the section are the property names.
/// Certificates, keys, trust and revocation files, names (<see cref="Sni"/>) and ciphers are followed while the server runs (<see cref="ReloadOnChange"/>), everything else is read at start.
/// Endpoints whose TLS is Kestrel's own middleware (with other connection middleware around it than <c>UseProxyProtocol</c> and <c>UseConnectionLimitPerAddress</c> in front, or without epoll) cannot honour all of them: those that they cannot stop the start by name.
/// </remarks>
public sealed class AeronetTlsOptions
{
    /// <summary>Certificates of every HTTPS endpoint, instead of those configured for Kestrel. Default none. At most one per key type (RSA, ECDSA, Ed25519): the client's signature algorithms choose.</summary>
    public IList<AeronetTlsCertificate> Certificates { get; } = new List<AeronetTlsCertificate>();

    /// <summary>Settings by the server name that the client asks for (SNI, RFC 6066 section 3): <c>a.example.com</c>, or <c>*.example.com</c> for exactly one label more. Default none.</summary>
    /// <remarks>The exact name wins, then the wildcard, then the endpoint's own certificate. A name here wins over the same name in <c>Kestrel:Endpoints:*:Sni</c>. Case does not matter.</remarks>
    public IDictionary<string, AeronetTlsName> Sni { get; } = new Dictionary<string, AeronetTlsName>(StringComparer.OrdinalIgnoreCase);

    /// <summary>Which cipher suites are offered. Default <see cref="TlsCipherPreset.Default"/>.</summary>
    public TlsCipherPreset CipherPreset { get; set; }

    /// <summary>The cipher suites offered, by their IANA names (<c>TLS_AES_128_GCM_SHA256</c>) or OpenSSL's (<c>ECDHE-RSA-AES128-GCM-SHA256</c>), in order of preference. Default none: <see cref="CipherPreset"/> decides.</summary>
    /// <remarks>Only with <see cref="TlsCipherPreset.Default"/>. Versions for which no suite is named keep OpenSSL's default.</remarks>
    public IList<string> CipherSuites { get; } = new List<string>();

    /// <summary>Refuses clients that offer application protocols (ALPN) of which the server has none. Default false: they go on without one, as on Kestrel. RFC 7301 section 3.2.</summary>
    public bool RequireApplicationProtocolMatch { get; set; }

    /// <summary>Whether the kernel encrypts what is sent (Linux: the module <c>tls</c>, loaded before the server starts; and a libssl built with it). Default <see cref="TlsKernelMode.Off"/>.</summary>
    /// <remarks>
    /// It saves a copy of large responses (not measured yet); a handshake costs at least two system calls more, a response one. Cipher suites that the kernel does not know stay in user space, connection by connection: the tag <c>records</c>
    /// of <c>aeronet.tls.handshakes</c> counts both. A client that asks the server to change its keys (KeyUpdate, RFC 8446 section 4.6.3) loses the connection. What is received is decrypted in user space.
    /// An aborted connection is reset when the request has ended, not at once. Endpoints that are not TCP, and those that other transports listen on, stay in user space.
    /// </remarks>
    public TlsKernelMode KernelTls { get; set; }

    /// <summary>Session resumption.</summary>
    public AeronetTlsTickets Tickets { get; } = new();

    /// <summary>OCSP responses sent with the certificate.</summary>
    public AeronetTlsStapling Stapling { get; } = new();

    /// <summary>Who is trusted to issue client certificates, and which of these are revoked. Whether clients are asked at all is <c>ClientCertificateMode</c> of Kestrel's options, or of <see cref="Sni"/>.</summary>
    public AeronetTlsClientTrust ClientTrust { get; } = new();

    /// <summary>Limits on handshakes, refused before they cost anything.</summary>
    public AeronetTlsHandshakeLimits HandshakeLimits { get; } = new();

    /// <summary>Writes the secrets of all connections to this file, in the NSS key log format that Wireshark reads. Default null: never.</summary>
    /// <remarks>Whoever reads the file can decrypt the traffic: for debugging only, announced by a warning at start. The file must be its owner's alone (mode 600). The environment variable <c>SSLKEYLOGFILE</c> is not looked at.</remarks>
    public string? KeyLogFile { get; set; }

    /// <summary>Allows <see cref="KeyLogFile"/> where the host's environment is Production. Default false: the server does not start with both.</summary>
    public bool AllowKeyLogInProduction { get; set; }

    /// <summary>Follows changes of the certificate, key, trust, revocation, ticket key and OCSP files named here, and of certificate files named for Kestrel. Default true.</summary>
    /// <remarks>New connections get the new settings; established ones keep theirs. Files that cannot be used are reported, and what was in force goes on. Without it <c>IAeronetTls.Reload</c> does the same on demand.</remarks>
    public bool ReloadOnChange { get; set; } = true;

    /// <summary>How long files must have been left alone before they are read again. Default 500 milliseconds; range 0 to 60 seconds.</summary>
    /// <remarks>A certificate and its key are two files: this waits for both.</remarks>
    public TimeSpan ReloadDelay { get; set; } = TimeSpan.FromMilliseconds(500);

    /// <summary>Called once for every handshake that has ended, failed or been refused. Default null.</summary>
    /// <remarks>On thread-pool threads, in order, one call at a time. Up to 4,096 reports wait for a callback that is slow, more are dropped. What it throws is logged and goes no further.</remarks>
    public Action<TlsHandshakeReport>? OnHandshake { get; set; }
}

/// <summary>A certificate with its key, from files or from memory.</summary>
public sealed class AeronetTlsCertificate
{
    /// <summary>A PEM file with the certificate and those that lead to its root (fullchain.pem), the key too if <see cref="KeyFile"/> is null; or a PKCS#12 file (<c>.pfx</c>, <c>.p12</c>). Relative to the content root.</summary>
    public string? CertificateFile { get; set; }

    /// <summary>A PEM file with the key: PKCS#8, PKCS#1, SEC 1 or encrypted PKCS#8; RSA, ECDSA or Ed25519. Relative to the content root. Default null: in <see cref="CertificateFile"/>.</summary>
    public string? KeyFile { get; set; }

    /// <summary>The password of an encrypted key or PKCS#12 file. Default null.</summary>
    public string? Password { get; set; }

    /// <summary>The certificate, with its private key, instead of files. Default null.</summary>
    public X509Certificate2? Certificate { get; set; }

    /// <summary>Sent after <see cref="Certificate"/>: the certificates that lead to its root. Default null. With files the chain comes from the file.</summary>
    public X509Certificate2Collection? Chain { get; set; }
}
