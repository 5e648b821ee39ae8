using System.Collections.Generic;
using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Aeronet.Transport.Connections;

namespace Aeronet.Transport.Tls;

/// <summary>Judges the certificate of a client, as <c>SslStream</c> does: a chain with the issuers that it sent, then the application's word.</summary>
internal static class TlsClientCheck
{
    private static readonly Oid s_clientAuthentication = new("1.3.6.1.5.5.7.3.2");

    /// <summary>Null when the client is accepted, otherwise why not. May block (revocation, the application); never on a loop.</summary>
    public static string? Run(TransportConnection connection, TlsClientCertificates policy, X509Certificate2? certificate, IReadOnlyList<byte[]> issuers)
    {
        SslPolicyErrors errors = certificate is null ? SslPolicyErrors.RemoteCertificateNotAvailable : SslPolicyErrors.None;
        if (certificate is null)
        {
            bool isWelcome = policy.Validation?.Invoke(connection, null, null, errors) ?? policy.Mode != TlsClientCertificateMode.Require;
            return isWelcome ? null : "no client certificate";
        }

        using X509Chain chain = new();
        X509Certificate2Collection loaded = [];
        try
        {
            Prepare(chain, policy, issuers, loaded);
            bool isValid = chain.Build(certificate);
            errors |= isValid ? SslPolicyErrors.None : SslPolicyErrors.RemoteCertificateChainErrors;
            bool isAccepted = policy.Validation?.Invoke(connection, certificate, chain, errors) ?? isValid;
            if (!isAccepted)
            {
                return isValid ? "refused by the application" : Describe(chain);
            }

            // Behind the application's word: it may accept a chain with errors (a root of its own), and a revoked client of that chain is still revoked.
            return policy.IsNotRevoked is { } isNotRevoked && !isNotRevoked(certificate, chain) ? "revoked" : null;
        }
        finally
        {
            foreach (X509ChainElement element in chain.ChainElements)
            {
                element.Certificate.Dispose();
            }

            foreach (X509Certificate2 issuer in loaded)
            {
                issuer.Dispose();
            }
        }
    }

    private static void Prepare(X509Chain chain, TlsClientCertificates policy, IReadOnlyList<byte[]> issuers, X509Certificate2Collection loaded)
    {
        X509ChainPolicy rules = chain.ChainPolicy;
        rules.RevocationMode = policy.RevocationMode;
        rules.RevocationFlag = X509RevocationFlag.ExcludeRoot;
        rules.ApplicationPolicy.Add(s_clientAuthentication);
        rules.DisableCertificateDownloads = true; // the address would be the client's choice, and the wait, too
        foreach (byte[] issuer in issuers)
        {
            if (TryLoad(issuer) is { } certificate)
            {
                loaded.Add(certificate);
            }
        }

        rules.ExtraStore.AddRange(loaded);
        if (policy.TrustedAuthorities is { } authorities)
        {
            rules.TrustMode = X509ChainTrustMode.CustomRootTrust;
            rules.CustomTrustStore.AddRange(authorities);
        }
    }

    private static X509Certificate2? TryLoad(byte[] der)
    {
        try
        {
            return X509CertificateLoader.LoadCertificate(der);
        }
        catch (CryptographicException)
        {
            return null; // OpenSSL could read it and .NET cannot: the chain is built without it
        }
    }

    private static string Describe(X509Chain chain)
    {
        foreach (X509ChainStatus status in chain.ChainStatus)
        {
            if (status.Status != X509ChainStatusFlags.NoError)
            {
                return status.Status.ToString();
            }
        }

        return "chain not valid";
    }
}
