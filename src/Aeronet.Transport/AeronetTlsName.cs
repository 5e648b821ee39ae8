using System.Collections.Generic;
using System.Security.Authentication;
using Microsoft.AspNetCore.Server.Kestrel.Https;

namespace Aeronet.Transport;

/// <summary>TLS settings of one server name (or wildcard) that clients ask for; null means that the endpoint's own setting holds.</summary>
public sealed class AeronetTlsName
{
    /// <summary>Certificates of this name. Default none: the endpoint's. At most one per key type.</summary>
    public IList<AeronetTlsCertificate> Certificates { get; } = new List<AeronetTlsCertificate>();

    /// <summary>Versions of TLS. Default null.</summary>
    public SslProtocols? SslProtocols { get; set; }

    /// <summary>Whether clients are asked for a certificate. Default null.</summary>
    public ClientCertificateMode? ClientCertificateMode { get; set; }

    /// <summary>Who issues the client certificates of this name, and which are revoked.</summary>
    /// <remarks>Authorities here replace those of <see cref="AeronetTlsOptions.ClientTrust"/>, and so do, together, revocation lists and <see cref="AeronetTlsClientTrust.IsAccepted"/>; what is empty here is taken from there.</remarks>
    public AeronetTlsClientTrust ClientTrust { get; } = new();

    /// <summary>Cipher suites. Default null.</summary>
    public TlsCipherPreset? CipherPreset { get; set; }

    /// <summary>As <see cref="AeronetTlsOptions.RequireApplicationProtocolMatch"/>. Default null.</summary>
    public bool? RequireApplicationProtocolMatch { get; set; }
}
