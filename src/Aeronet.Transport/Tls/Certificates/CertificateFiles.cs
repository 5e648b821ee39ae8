using System;
using System.Collections.Generic;
using System.IO;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Aeronet.Transport.Tls.Certificates;

/// <summary>Loads certificates with their keys and chains as users have them: PEM, PKCS#12, or from memory.</summary>
internal static class CertificateFiles
{
    private const string RsaOid = "1.2.840.113549.1.1.1";
    private const string EcOid = "1.2.840.10045.2.1";
    private const string Ed25519Oid = "1.3.101.112";

    /// <param name="certificate">Valid: a file, or a certificate from memory.</param>
    /// <param name="contentRoot">Where relative paths begin.</param>
    /// <exception cref="TlsConfigurationException">Names the file (or the certificate) and the reason.</exception>
    public static TlsCertificate Load(AeronetTlsCertificate certificate, string contentRoot)
    {
        if (certificate.Certificate is { } given)
        {
            return new TlsCertificate { Leaf = given, Chain = certificate.Chain is null ? [] : [.. certificate.Chain], Source = given.Subject };
        }
        string path = Path.Combine(contentRoot, certificate.CertificateFile!);
        byte[] bytes = PemFile.ReadAllBytes(path);
        bool isPem = PemFile.IsPem(bytes);
        try
        {
            return isPem || certificate.KeyFile is not null
                ? FromPem(path, certificate.KeyFile is null ? null : Path.Combine(contentRoot, certificate.KeyFile), certificate.Password)
                : FromPkcs12(path, bytes, certificate.Password);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(bytes);
        }
    }

    /// <summary>Every certificate in a PEM bundle, or the one in a DER file.</summary>
    /// <exception cref="TlsConfigurationException">The file cannot be read or holds no certificate.</exception>
    public static List<X509Certificate2> LoadAuthorities(string path)
    {
        byte[] bytes = PemFile.ReadAllBytes(path);
        if (PemFile.IsPem(bytes))
        {
            using PemFile pem = PemFile.Read(path, password: null);
            return pem.Certificates.Count > 0 ? pem.Certificates : throw new TlsConfigurationException($"'{path}' holds no certificate.");
        }
        try
        {
            return [X509CertificateLoader.LoadCertificate(bytes)];
        }
        catch (CryptographicException broken)
        {
            throw new TlsConfigurationException($"'{path}' is neither PEM nor a certificate in DER: {broken.Message}", broken);
        }
    }

    private static TlsCertificate FromPem(string path, string? keyPath, string? password)
    {
        using PemFile file = PemFile.Read(path, keyPath is null ? password : null);
        using PemFile? keyFile = keyPath is null || keyPath == path ? null : PemFile.Read(keyPath, password);
        PemFile keyOwner = keyFile ?? file;
        if (file.Certificates.Count == 0)
        {
            throw new TlsConfigurationException($"'{path}' holds no certificate.");
        }
        if (keyOwner.PrivateKey is not { } key)
        {
            throw new TlsConfigurationException($"'{keyOwner.Path}' holds no private key{(keyPath is null ? ": name it with KeyFile" : "")}.");
        }

        if (keyOwner.KeyAlgorithm == Ed25519Oid)
        {
            // No class of .NET holds such a key: OpenSSL gets its bytes, and checks that it fits.
            X509Certificate2 ed25519 = file.Certificates[0];
            RequireAlgorithm(ed25519, Ed25519Oid, path, keyOwner.Path);
            byte[] copy = GC.AllocateUninitializedArray<byte>(key.Length, pinned: true);
            key.CopyTo(copy, 0);
            return new TlsCertificate { Leaf = ed25519, Chain = file.Certificates.GetRange(1, file.Certificates.Count - 1), PrivateKey = copy, Source = path };
        }

        // The leaf comes first in a full chain; files that were put together in another order are taken as they are meant.
        CryptographicException? mismatch = null;
        for (int i = 0; i < file.Certificates.Count; i++)
        {
            if (file.Certificates[i].GetKeyAlgorithm() != keyOwner.KeyAlgorithm)
            {
                continue;
            }
            try
            {
                X509Certificate2 leaf = WithKey(file.Certificates[i], keyOwner.KeyAlgorithm, key);
                var chain = new List<X509Certificate2>(file.Certificates);
                chain.RemoveAt(i);
                return new TlsCertificate { Leaf = leaf, Chain = chain, Source = path };
            }
            catch (Exception other) when (other is CryptographicException or ArgumentException)
            {
                mismatch ??= other as CryptographicException ?? new CryptographicException(other.Message, other);
            }
        }
        throw new TlsConfigurationException($"'{keyOwner.Path}': the private key does not belong to a certificate in '{path}'.", mismatch);
    }

    private static X509Certificate2 WithKey(X509Certificate2 certificate, string algorithm, byte[] pkcs8)
    {
        switch (algorithm)
        {
            case RsaOid:
                using (var rsa = RSA.Create())
                {
                    rsa.ImportPkcs8PrivateKey(pkcs8, out _);
                    return certificate.CopyWithPrivateKey(rsa);
                }
            case EcOid:
                using (var ec = ECDsa.Create())
                {
                    ec.ImportPkcs8PrivateKey(pkcs8, out _);
                    return certificate.CopyWithPrivateKey(ec);
                }
            default:
                throw new CryptographicException($"The key algorithm {algorithm} is not known; allowed: RSA, ECDSA, Ed25519.");
        }
    }

    private static void RequireAlgorithm(X509Certificate2 certificate, string algorithm, string path, string keyPath)
    {
        if (certificate.GetKeyAlgorithm() != algorithm)
        {
            throw new TlsConfigurationException($"'{keyPath}': the private key does not belong to the certificate in '{path}': one is for {algorithm}, the other for {certificate.GetKeyAlgorithm()}.");
        }
    }

    private static TlsCertificate FromPkcs12(string path, byte[] bytes, string? password)
    {
        X509Certificate2Collection all;
        try
        {
            all = X509CertificateLoader.LoadPkcs12Collection(bytes, password, X509KeyStorageFlags.EphemeralKeySet | X509KeyStorageFlags.Exportable);
        }
        catch (CryptographicException broken)
        {
            throw new TlsConfigurationException($"'{path}' is neither PEM nor a PKCS#12 file that can be opened (password?): {broken.Message}", broken);
        }
        X509Certificate2? leaf = null;
        foreach (X509Certificate2 certificate in all)
        {
            leaf = certificate.HasPrivateKey ? leaf is null ? certificate : throw new TlsConfigurationException($"'{path}' holds more than one certificate with a private key; allowed: one.") : leaf;
        }
        if (leaf is null)
        {
            throw new TlsConfigurationException($"'{path}' holds no certificate with a private key (an Ed25519 key has to come as PEM).");
        }
        all.Remove(leaf);
        return new TlsCertificate { Leaf = leaf, Chain = InOrder(leaf, all), Source = path };
    }

    // PKCS#12 has no order: each certificate is followed by its issuer.
    private static List<X509Certificate2> InOrder(X509Certificate2 leaf, X509Certificate2Collection others)
    {
        var chain = new List<X509Certificate2>();
        X509Certificate2? last = leaf;
        while (last is not null && !last.SubjectName.RawData.AsSpan().SequenceEqual(last.IssuerName.RawData))
        {
            X509Certificate2? issuer = null;
            foreach (X509Certificate2 candidate in others)
            {
                if (candidate.SubjectName.RawData.AsSpan().SequenceEqual(last.IssuerName.RawData) && !chain.Contains(candidate))
                {
                    issuer = candidate;
                    chain.Add(candidate);
                    break;
                }
            }
            last = issuer;
        }
        return chain;
    }
}
