using System;
using System.Collections.Generic;
using System.Security.Cryptography.X509Certificates;
using Aeronet.Transport;
using Aeronet.Transport.Tls;
using Aeronet.Transport.Tls.Ciphers;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace Aeronet.Server.Https;

/// <summary>What all identities of a server have in common: the part of <see cref="AeronetTlsOptions"/> that is not about one name. A snapshot; a reload makes a new one.</summary>
internal sealed record SharedTls
{
    public required TlsServices Services { get; init; }

    public KernelTls KernelTls { get; init; }

    public TlsCipherPolicy Ciphers { get; init; } = TlsCipherPolicy.Library;

    public bool RequireApplicationProtocolMatch { get; init; }

    public bool AllowResumption { get; init; } = true;

    public int SessionCacheSize { get; init; }

    /// <summary>Replace what was configured for Kestrel; empty: nothing does.</summary>
    public IReadOnlyList<TlsCertificate> Certificates { get; init; } = [];

    /// <summary>By server name, one label for a wildcard.</summary>
    public IReadOnlyDictionary<string, SharedTlsName> Names { get; init; } = new Dictionary<string, SharedTlsName>();

    public ClientTrust ClientTrust { get; init; } = ClientTrust.System;

    public static SharedTls Create(AeronetTlsOptions options, TlsServices services, IReadOnlyList<TlsCertificate> certificates, IReadOnlyDictionary<string, SharedTlsName> names, ClientTrust clientTrust) => new()
    {
        Services = services,
        KernelTls = options.KernelTls switch
        {
            TlsKernelMode.Auto => KernelTls.Auto,
            TlsKernelMode.Require => KernelTls.Require,
            _ => KernelTls.Off,
        },
        Ciphers = CipherPresets.ToPolicy(options.CipherPreset, options.CipherSuites),
        RequireApplicationProtocolMatch = options.RequireApplicationProtocolMatch,
        AllowResumption = options.Tickets.Enabled,
        SessionCacheSize = options.Tickets.SessionCacheSize,
        Certificates = certificates,
        Names = names,
        ClientTrust = clientTrust,
    };

    /// <summary>Who serves the endpoints has HTTP/2: Kestrel.</summary>
    public bool HasHttp2 { get; init; }

    /// <summary>The application protocols that an endpoint offers, the preferred one first.</summary>
    public IReadOnlyList<string> ApplicationProtocols(HttpProtocols protocols) => (HasHttp2 && protocols.HasFlag(HttpProtocols.Http2), protocols.HasFlag(HttpProtocols.Http1)) switch
    {
        (true, true) => ["h2", "http/1.1"],
        (true, false) => ["h2"],
        (false, true) => ["http/1.1"],
        _ => [],
    };
}

/// <summary>What <see cref="AeronetTlsOptions.Sni"/> says of one name; null anywhere: as the endpoint.</summary>
internal sealed record SharedTlsName
{
    public IReadOnlyList<TlsCertificate> Certificates { get; init; } = [];

    public System.Security.Authentication.SslProtocols? Protocols { get; init; }

    public TlsClientCertificateMode? ClientCertificateMode { get; init; }

    public ClientTrust? ClientTrust { get; init; }

    public TlsCipherPolicy? Ciphers { get; init; }

    public bool? RequireApplicationProtocolMatch { get; init; }
}

/// <summary>Who is trusted to issue client certificates, and what else is asked of them.</summary>
internal sealed record ClientTrust
{
    public static ClientTrust System { get; } = new();

    /// <summary>Null: the roots of the system.</summary>
    public X509Certificate2Collection? Authorities { get; init; }

    /// <summary>Lists of revoked certificates and the application's own word; null: nothing more is asked.</summary>
    public Func<X509Certificate2, X509Chain, bool>? IsAccepted { get; init; }
}
