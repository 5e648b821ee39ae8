using System;
using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using Aeronet.Transport.Connections;

namespace Aeronet.Transport.Tls;

/// <summary>When a client is asked for a certificate.</summary>
internal enum TlsClientCertificateMode
{
    None,

    /// <summary>Asked during the handshake; a client without one is welcome.</summary>
    Allow,

    /// <summary>Asked during the handshake; a client without one is refused with certificate_required.</summary>
    Require,

    /// <summary>Not asked during the handshake; the application may ask later (<c>GetClientCertificateAsync</c>).</summary>
    Delay,
}

/// <summary>What is asked of clients' certificates, per server name. Checked after the handshake's cryptography, off the loop, before the first request byte is looked at, and again for resumed sessions.</summary>
internal sealed class TlsClientCertificates
{
    public static TlsClientCertificates None { get; } = new();

    public TlsClientCertificateMode Mode { get; init; }

    /// <summary>The only roots that are trusted, and the names sent in the request for a certificate. Null: the system's roots, no names.</summary>
    public X509Certificate2Collection? TrustedAuthorities { get; init; }

    /// <summary>Online revocation check by the chain (Kestrel's <c>CheckCertificateRevocation</c>).</summary>
    public X509RevocationMode RevocationMode { get; init; } = X509RevocationMode.NoCheck;

    /// <summary>The application's rule for a certificate that was shown, whatever the mode: what a server name with a mode of its own makes its <see cref="Validation"/> of. Null: it has none.</summary>
    public Func<X509Certificate2, X509Chain?, SslPolicyErrors, bool>? ApplicationRule { get; init; }

    /// <summary>Last word of the application; called for every client that presented a certificate, and with Allow or Delay also for one that did not. Null: no errors are accepted, except a missing certificate where that is allowed.</summary>
    public TlsClientCertificateValidation? Validation { get; init; }

    /// <summary>CRLs and the like: false refuses a chain that was otherwise accepted. Any thread but the loop's; may block.</summary>
    public Func<X509Certificate2, X509Chain, bool>? IsNotRevoked { get; init; }
}

/// <summary>As <see cref="RemoteCertificateValidationCallback"/>, with the connection. Runs on the thread pool.</summary>
internal delegate bool TlsClientCertificateValidation(TransportConnection connection, X509Certificate2? certificate, X509Chain? chain, SslPolicyErrors errors);
