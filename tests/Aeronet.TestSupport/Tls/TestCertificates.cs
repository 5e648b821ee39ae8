using System;
using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Aeronet.TestSupport.Tls;

/// <summary>Which key a test certificate has.</summary>
public enum TestKey
{
    /// <summary>RSA, 2,048 bits.</summary>
    Rsa2048,

    /// <summary>RSA, 3,072 bits.</summary>
    Rsa3072,

    /// <summary>RSA, 4,096 bits.</summary>
    Rsa4096,

    /// <summary>NIST P-256.</summary>
    P256,

    /// <summary>NIST P-384.</summary>
    P384,
}

/// <summary>A small certificate authority: a root, an intermediate, and leaves made as tests ask for them.</summary>
/// <remarks>Made in memory; nothing of it is trusted by the machine.</remarks>
public sealed class TestCertificates
{
    private const string ServerAuthentication = "1.3.6.1.5.5.7.3.1";
    private const string ClientAuthentication = "1.3.6.1.5.5.7.3.2";

    private static readonly DateTimeOffset s_from = DateTimeOffset.UtcNow.AddDays(-1);
    private static readonly DateTimeOffset s_to = DateTimeOffset.UtcNow.AddDays(30);
    private static readonly Lazy<TestCertificates> s_shared = new(static () => new TestCertificates("Aeronet test"));

    private readonly ConcurrentDictionary<(TestKey Key, string Names, bool Client), X509Certificate2> _leaves = new();
    private int _serial = 1000;

    /// <summary>Makes an authority of its own.</summary>
    public TestCertificates(string name)
    {
        Root = MakeAuthority($"{name} root", null);
        Intermediate = MakeAuthority($"{name} intermediate", Root);
    }

    /// <summary>One for the tests that do not care.</summary>
    public static TestCertificates Shared => s_shared.Value;

    /// <summary>What clients have to trust.</summary>
    public X509Certificate2 Root { get; }

    /// <summary>The issuer of all leaves.</summary>
    public X509Certificate2 Intermediate { get; }

    /// <summary>A certificate with its key for a server of these names; the same one whenever it is asked for.</summary>
    public X509Certificate2 Server(TestKey key = TestKey.P256, params string[] names) =>
        _leaves.GetOrAdd((key, string.Join(',', names.Length == 0 ? ["localhost"] : names), false), static (wanted, self) => self.MakeLeaf(wanted.Key, wanted.Names.Split(','), ServerAuthentication), this);

    /// <summary>A certificate with its key for a client.</summary>
    public X509Certificate2 Client(string name, TestKey key = TestKey.P256) =>
        _leaves.GetOrAdd((key, name, true), static (wanted, self) => self.MakeLeaf(wanted.Key, [wanted.Names], ClientAuthentication), this);

    /// <summary>A new certificate each time, as a renewal would be.</summary>
    public X509Certificate2 Renewed(TestKey key, params string[] names) => MakeLeaf(key, names, ServerAuthentication);

    private X509Certificate2 MakeLeaf(TestKey key, string[] names, string usage)
    {
        var subject = new X500DistinguishedName($"CN={names[0]}");
        using AsymmetricAlgorithm made = MakeKey(key);
        CertificateRequest request = RequestFor(subject, made);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(false, false, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.DigitalSignature | X509KeyUsageFlags.KeyEncipherment, true));
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid(usage)], false));
        var alternatives = new SubjectAlternativeNameBuilder();
        foreach (string name in names)
        {
            alternatives.AddDnsName(name);
        }

        alternatives.AddIpAddress(System.Net.IPAddress.Loopback);
        request.CertificateExtensions.Add(alternatives.Build());
        using X509Certificate2 bare = Sign(request, Intermediate);
        return made is RSA rsa ? bare.CopyWithPrivateKey(rsa) : bare.CopyWithPrivateKey((ECDsa)made);
    }

    private X509Certificate2 MakeAuthority(string name, X509Certificate2? issuer)
    {
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest(new X500DistinguishedName($"CN={name}"), key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign, true));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, false));
        if (issuer is null)
        {
            return request.CreateSelfSigned(s_from, s_to);
        }

        using X509Certificate2 bare = Sign(request, issuer);
        return bare.CopyWithPrivateKey(key);
    }

    private X509Certificate2 Sign(CertificateRequest request, X509Certificate2 issuer)
    {
        request.CertificateExtensions.Add(X509AuthorityKeyIdentifierExtension.CreateFromCertificate(issuer, includeKeyIdentifier: true, includeIssuerAndSerial: false));
        using ECDsa key = issuer.GetECDsaPrivateKey()!;
        byte[] serial = BitConverter.GetBytes(System.Threading.Interlocked.Increment(ref _serial));
        return request.Create(issuer.SubjectName, X509SignatureGenerator.CreateForECDsa(key), s_from, s_to, serial);
    }

    private static AsymmetricAlgorithm MakeKey(TestKey key) => key switch
    {
        TestKey.Rsa2048 => RSA.Create(2048),
        TestKey.Rsa3072 => RSA.Create(3072),
        TestKey.Rsa4096 => RSA.Create(4096),
        TestKey.P384 => ECDsa.Create(ECCurve.NamedCurves.nistP384),
        _ => ECDsa.Create(ECCurve.NamedCurves.nistP256),
    };

    private static CertificateRequest RequestFor(X500DistinguishedName subject, AsymmetricAlgorithm key) => key is RSA rsa
        ? new CertificateRequest(subject, rsa, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1)
        : new CertificateRequest(subject, (ECDsa)key, HashAlgorithmName.SHA256);
}
