using System;
using System.Diagnostics;
using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Aeronet.Transport.Tls;

namespace Aeronet.Server.Https;

/// <summary>What Kestrel checks and looks up before it serves a certificate.</summary>
internal static class ServerCertificates
{
    private const string ServerAuthenticationOid = "1.3.6.1.5.5.7.3.1";

    /// <summary>A certificate that says what it is for must say that it is for servers. RFC 5280 section 4.2.1.12.</summary>
    /// <exception cref="TlsConfigurationException">It is for something else.</exception>
    public static void EnsureAllowed(X509Certificate2 certificate)
    {
        bool hasPurpose = false;
        foreach (X509Extension extension in certificate.Extensions)
        {
            if (extension is X509EnhancedKeyUsageExtension purposes)
            {
                hasPurpose = true;
                foreach (Oid purpose in purposes.EnhancedKeyUsages)
                {
                    if (purpose.Value == ServerAuthenticationOid)
                    {
                        return;
                    }
                }
            }
        }
        if (hasPurpose)
        {
            throw new TlsConfigurationException($"The certificate {certificate.Thumbprint} ({certificate.Subject}) is not for servers: its extended key usage lacks serverAuth ({ServerAuthenticationOid}).");
        }
    }

    /// <summary>The certificate with its key: itself, or the same one from the stores My of the machine and of the user.</summary>
    /// <exception cref="TlsConfigurationException">There is no key anywhere.</exception>
    public static X509Certificate2 WithPrivateKey(X509Certificate2 certificate)
    {
        if (certificate.HasPrivateKey)
        {
            return certificate;
        }
        foreach (StoreLocation location in (ReadOnlySpan<StoreLocation>)[StoreLocation.LocalMachine, StoreLocation.CurrentUser])
        {
            try
            {
                using var store = new X509Store(StoreName.My, location, OpenFlags.ReadOnly);
                foreach (X509Certificate2 found in store.Certificates.Find(X509FindType.FindByThumbprint, certificate.Thumbprint, validOnly: false))
                {
                    if (found.HasPrivateKey)
                    {
                        return found;
                    }
                }
            }
            catch (CryptographicException)
            {
                // Linux has no store of the machine; a store that cannot be opened has no key for us.
            }
        }
        throw new TlsConfigurationException($"The certificate {certificate.Thumbprint} ({certificate.Subject}) has no private key, and neither store My has it with one.");
    }

    /// <summary>A certificate as handshakes use it.</summary>
    /// <param name="certificate">With its key, or to be found in a store with it.</param>
    /// <param name="chain">Sent after it; null: none was given.</param>
    /// <param name="source">For messages.</param>
    public static TlsCertificate ToTls(X509Certificate2 certificate, X509Certificate2Collection? chain, string source)
    {
        Debug.Assert(source.Length > 0);
        EnsureAllowed(certificate);
        X509Certificate2 leaf = WithPrivateKey(certificate);
        // Intermediates come from the given ones and from the stores of the machine, as on Kestrel; offline, because neither a start nor a handshake should wait for other servers.
        return FromContext(SslStreamCertificateContext.Create(leaf, chain, offline: true), leaf, chain, source);
    }

    /// <summary>As <see cref="ToTls(X509Certificate2, X509Certificate2Collection?, string)"/>, with the chain that somebody has built already.</summary>
    public static TlsCertificate ToTls(SslStreamCertificateContext context, string source)
    {
        EnsureAllowed(context.TargetCertificate);
        return FromContext(context, WithPrivateKey(context.TargetCertificate), chain: null, source);
    }

    private static TlsCertificate FromContext(SslStreamCertificateContext context, X509Certificate2 leaf, X509Certificate2Collection? chain, string source) => new()
    {
        Leaf = leaf,
        // Given certificates that do not lead to the leaf's issuer are somebody's wish all the same.
        Chain = context.IntermediateCertificates.Count > 0 || chain is null ? [.. context.IntermediateCertificates] : [.. chain],
        Source = source,
    };
}
