using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Linq;
using System.Net.Security;
using System.Runtime.CompilerServices;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using System.Threading;
using Aeronet.Transport.Connections;
using Aeronet.Transport.Tls;
using Aeronet.Transport.Tls.Ciphers;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;

namespace Aeronet.Server.Https;

/// <summary>Makes identities of what was configured for Kestrel or for <c>SslStream</c>, together with what all identities of the server share.</summary>
internal static class TlsIdentities
{
    /// <summary>From the options of <c>UseHttps</c>.</summary>
    /// <param name="options">Its certificate is not looked at.</param>
    /// <param name="certificates">What is shown to clients.</param>
    /// <param name="protocols">Of the endpoint.</param>
    /// <param name="shared">Of the server.</param>
    public static TlsIdentity From(HttpsConnectionAdapterOptions options, IReadOnlyList<TlsCertificate> certificates, HttpProtocols protocols, SharedTls shared) => new()
    {
        Certificates = certificates,
        Protocols = options.SslProtocols,
        Ciphers = shared.Ciphers,
        ApplicationProtocols = shared.ApplicationProtocols(protocols),
        RequireApplicationProtocolMatch = shared.RequireApplicationProtocolMatch,
        ClientCertificates = ClientCertificates(options, options.ClientCertificateMode, shared.ClientTrust),
        AllowResumption = shared.AllowResumption,
        SessionCacheSize = shared.SessionCacheSize,
    };

    /// <summary>From <c>SslServerAuthenticationOptions</c>, as Kestrel's callbacks and its <c>Sni</c> section give them.</summary>
    /// <param name="options">Not changed, not kept.</param>
    /// <param name="selected">What their selection callback has chosen; null: they have a certificate.</param>
    /// <param name="isDelayed">The application may ask for a client certificate later.</param>
    /// <param name="protocols">Of the endpoint: what is offered when <paramref name="options"/> name no application protocols.</param>
    /// <param name="shared">Of the server.</param>
    /// <exception cref="TlsConfigurationException">They ask for something that Aeronet does not have, or have no certificate.</exception>
    public static TlsIdentity From(SslServerAuthenticationOptions options, X509Certificate2? selected, bool isDelayed, HttpProtocols protocols, SharedTls shared)
    {
        Refuse(options);
        return new TlsIdentity
        {
            Certificates = [CertificateOf(options, selected)],
            Protocols = options.EnabledSslProtocols,
            Ciphers = options.CipherSuitesPolicy is { } policy ? ToPolicy(policy) : shared.Ciphers,
            ApplicationProtocols = options.ApplicationProtocols is { } wanted ? Offered(wanted, shared.ApplicationProtocols(protocols)) : shared.ApplicationProtocols(protocols),
            RequireApplicationProtocolMatch = shared.RequireApplicationProtocolMatch,
            ClientCertificates = ClientCertificates(options, isDelayed, shared.ClientTrust),
            AllowResumption = options.AllowTlsResume && shared.AllowResumption,
            SessionCacheSize = shared.SessionCacheSize,
        };
    }

    /// <summary>An identity as the endpoint's own, changed in what the server's options say of one name.</summary>
    public static TlsIdentity ForName(TlsIdentity endpoint, SharedTlsName name, ClientTrust trust)
    {
        TlsClientCertificates clients = endpoint.ClientCertificates;
        ClientTrust? nameTrust = name.ClientTrust;
        TlsClientCertificateMode mode = name.ClientCertificateMode ?? clients.Mode;
        return new TlsIdentity
        {
            Certificates = name.Certificates.Count > 0 ? name.Certificates : endpoint.Certificates,
            Protocols = name.Protocols ?? endpoint.Protocols,
            Ciphers = name.Ciphers ?? endpoint.Ciphers,
            ApplicationProtocols = endpoint.ApplicationProtocols,
            RequireApplicationProtocolMatch = name.RequireApplicationProtocolMatch ?? endpoint.RequireApplicationProtocolMatch,
            ClientCertificates = new TlsClientCertificates
            {
                Mode = mode,
                TrustedAuthorities = nameTrust?.Authorities ?? trust.Authorities,
                RevocationMode = clients.RevocationMode,
                ApplicationRule = clients.ApplicationRule,
                // The endpoint's last word was made for its own mode; the application's rule for certificates holds in all of them.
                Validation = mode == clients.Mode ? clients.Validation : Validation(mode, clients.ApplicationRule),
                IsNotRevoked = nameTrust?.IsAccepted ?? trust.IsAccepted,
            },
            AllowResumption = endpoint.AllowResumption,
            SessionCacheSize = endpoint.SessionCacheSize,
        };
    }

    public static TlsClientCertificateMode ToMode(ClientCertificateMode mode) => mode switch
    {
        ClientCertificateMode.AllowCertificate => TlsClientCertificateMode.Allow,
        ClientCertificateMode.RequireCertificate => TlsClientCertificateMode.Require,
        ClientCertificateMode.DelayCertificate => TlsClientCertificateMode.Delay,
        _ => TlsClientCertificateMode.None,
    };

    private static TlsClientCertificates ClientCertificates(HttpsConnectionAdapterOptions options, ClientCertificateMode mode, ClientTrust trust)
        => new()
        {
            Mode = ToMode(mode),
            TrustedAuthorities = trust.Authorities,
            RevocationMode = options.CheckCertificateRevocation ? X509RevocationMode.Online : X509RevocationMode.NoCheck,
            ApplicationRule = options.ClientCertificateValidation,
            Validation = Validation(ToMode(mode), options.ClientCertificateValidation),
            IsNotRevoked = trust.IsAccepted,
        };

    // Kestrel's rule: a missing certificate is a matter of the mode, errors are the application's matter if it has a say.
    private static TlsClientCertificateValidation Validation(TlsClientCertificateMode mode, Func<X509Certificate2, X509Chain?, SslPolicyErrors, bool>? application)
        => (_, certificate, chain, errors) => certificate is null
            ? mode != TlsClientCertificateMode.Require
            : application is not null ? application(certificate, chain, errors) : errors == SslPolicyErrors.None;

    private static TlsClientCertificates ClientCertificates(SslServerAuthenticationOptions options, bool isDelayed, ClientTrust trust)
    {
        RemoteCertificateValidationCallback? callback = options.RemoteCertificateValidationCallback;
        if (!options.ClientCertificateRequired && !isDelayed)
        {
            return TlsClientCertificates.None;
        }

        X509ChainPolicy? policy = options.CertificateChainPolicy;
        return new TlsClientCertificates
        {
            // SslStream only asks; whether a client without a certificate may come in is the callback's decision.
            Mode = !options.ClientCertificateRequired ? TlsClientCertificateMode.Delay : callback is null ? TlsClientCertificateMode.Require : TlsClientCertificateMode.Allow,
            TrustedAuthorities = policy is { TrustMode: X509ChainTrustMode.CustomRootTrust } ? policy.CustomTrustStore : trust.Authorities,
            RevocationMode = options.CertificateRevocationCheckMode,
            Validation = Validation(callback, policy, trust, isMissingAllowed: !options.ClientCertificateRequired),
            IsNotRevoked = trust.IsAccepted,
        };
    }

    private static TlsClientCertificateValidation Validation(RemoteCertificateValidationCallback? callback, X509ChainPolicy? policy, ClientTrust trust, bool isMissingAllowed)
        => (connection, certificate, chain, errors) =>
        {
            X509Chain? ownChain = null;
            try
            {
                if (policy is not null && certificate is not null)
                {
                    ownChain = new X509Chain { ChainPolicy = policy.Clone() };
                    if (policy.TrustMode == X509ChainTrustMode.System && trust.Authorities is { } authorities)
                    {
                        ownChain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
                        ownChain.ChainPolicy.CustomTrustStore.AddRange(authorities);
                    }
                    if (chain is not null)
                    {
                        ownChain.ChainPolicy.ExtraStore.AddRange(chain.ChainPolicy.ExtraStore);
                    }
                    errors &= ~SslPolicyErrors.RemoteCertificateChainErrors;
                    errors |= ownChain.Build(certificate) ? SslPolicyErrors.None : SslPolicyErrors.RemoteCertificateChainErrors;
                    chain = ownChain;
                }
                if (callback is not null)
                {
                    return callback(connection, certificate, chain, errors);
                }
                return (isMissingAllowed ? errors & ~SslPolicyErrors.RemoteCertificateNotAvailable : errors) == SslPolicyErrors.None;
            }
            finally
            {
                ownChain?.Dispose();
            }
        };

    private static TlsCertificate CertificateOf(SslServerAuthenticationOptions options, X509Certificate2? selected)
    {
        if (options.ServerCertificateContext is { } context)
        {
            return ServerCertificates.ToTls(context, "ServerCertificateContext");
        }
        X509Certificate? certificate = options.ServerCertificate ?? selected;
        return certificate switch
        {
            null => throw new TlsConfigurationException("The options have no server certificate."),
            X509Certificate2 full => ServerCertificates.ToTls(full, chain: null, "ServerCertificate"),
            _ => throw new TlsConfigurationException($"The server certificate is a {certificate.GetType().Name}; allowed: an {nameof(X509Certificate2)}, which can have a private key."),
        };
    }

    private static List<string> Offered(List<SslApplicationProtocol> wanted, IReadOnlyList<string> spoken)
    {
        return wanted.Select(static protocol => System.Text.Encoding.ASCII.GetString(protocol.Protocol.Span)).Where(spoken.Contains).ToList();
    }

    private static TlsCipherPolicy ToPolicy(CipherSuitesPolicy policy)
    {
#pragma warning disable CA1416 // Aeronet's own TLS runs where OpenSSL is, and so does this class.
        List<string> names = policy.AllowedCipherSuites.Select(static suite => suite.ToString()).ToList();
#pragma warning restore CA1416
        if (names.FirstOrDefault(static name => !CipherSuiteNames.IsKnown(name)) is { } unknown)
        {
            throw new TlsConfigurationException($"CipherSuitesPolicy names {unknown}, which is not available on Aeronet.");
        }
        return CipherSuiteNames.ToPolicy(names);
    }

    private static void Refuse(SslServerAuthenticationOptions options)
    {
        string? refused =
#pragma warning disable SYSLIB0040 // Asked about in order to be refused.
            options.EncryptionPolicy != EncryptionPolicy.RequireEncryption ? $"{nameof(options.EncryptionPolicy)} = {options.EncryptionPolicy}" :
#pragma warning restore SYSLIB0040
            !options.AllowRsaPssPadding ? $"{nameof(options.AllowRsaPssPadding)} = false" :
            !options.AllowRsaPkcs1Padding ? $"{nameof(options.AllowRsaPkcs1Padding)} = false" : null;
        if (refused is not null)
        {
            throw new TlsConfigurationException($"SslServerAuthenticationOptions.{refused} is not available on Aeronet.");
        }
    }
}
