using System;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Aeronet.TestSupport.Tls;
using Aeronet.Transport.Tls.Stapling;
using Xunit;

namespace Aeronet.Transport.Tests.Tls.Stapling;

public sealed class OcspResponseTests
{
    private static readonly DateTimeOffset s_now = DateTimeOffset.UtcNow;
    private static readonly TestCertificates s_authority = TestCertificates.Shared;
    private static readonly X509Certificate2 s_leaf = s_authority.Server(TestKey.P256, "ocsp.example.com");
    private static readonly X509Certificate2 s_issuer = s_authority.Intermediate;

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_good_response_of_the_issuer_is_taken(bool usesSha256)
    {
        TestOcsp ocsp = Ocsp();
        ocsp.UsesSha256 = usesSha256;
        byte[] der = ocsp.Respond(s_leaf, s_issuer);
        OcspResponse? response = OcspResponse.Read(der, s_leaf, s_issuer, s_now, out string? fault);
        Assert.Null(fault);
        Assert.Same(der, response!.Der);
        Assert.Equal(ocsp.NextUpdate!.Value.ToUnixTimeSeconds(), response.NextUpdate!.Value.ToUnixTimeSeconds());
    }

    [Fact]
    public void A_delegate_that_the_issuer_has_authorised_may_sign_and_nobody_else()
    {
        using X509Certificate2 responder = Delegate("1.3.6.1.5.5.7.3.9", s_authority);
        TestOcsp ocsp = Ocsp();
        ocsp.Signer = responder;
        ocsp.Delegate = responder;
        Assert.NotNull(Read(ocsp, out _));

        ocsp.Delegate = null;
        Assert.Null(Read(ocsp, out string? fault));
        Assert.Contains("signature", fault, StringComparison.Ordinal);

        using X509Certificate2 forServers = Delegate("1.3.6.1.5.5.7.3.1", s_authority);
        ocsp.Signer = ocsp.Delegate = forServers;
        Assert.Null(Read(ocsp, out _));

        using X509Certificate2 stranger = Delegate("1.3.6.1.5.5.7.3.9", new TestCertificates("Aeronet test"));
        ocsp.Signer = ocsp.Delegate = stranger;
        Assert.Null(Read(ocsp, out _));
    }

    [Theory]
    [InlineData(1, 0, "REVOKED")]
    [InlineData(2, 0, "does not know")]
    [InlineData(0, 6, "status 6")]
    public void Other_answers_are_faults(int certificateStatus, int responseStatus, string expected)
    {
        TestOcsp ocsp = Ocsp();
        ocsp.CertificateStatus = certificateStatus;
        ocsp.ResponseStatus = responseStatus;
        Assert.Null(Read(ocsp, out string? fault));
        Assert.Contains(expected, fault, StringComparison.Ordinal);
    }

    [Fact]
    [Trait("Defect", "TLS-27")]
    public void A_response_that_has_expired_or_is_from_the_future_is_none()
    {
        TestOcsp ocsp = Ocsp();
        ocsp.NextUpdate = s_now.AddSeconds(-1);
        Assert.Null(Read(ocsp, out string? expired));
        Assert.Contains("expired", expired, StringComparison.Ordinal);

        ocsp = Ocsp();
        ocsp.ThisUpdate = s_now.AddMinutes(10);
        Assert.Null(Read(ocsp, out string? future));
        Assert.Contains("future", future, StringComparison.Ordinal);
    }

    [Fact]
    public void A_response_about_another_certificate_is_none()
    {
        Assert.Null(OcspResponse.Read(Ocsp().Respond(s_authority.Server(TestKey.P256, "other"), s_issuer), s_leaf, s_issuer, s_now, out string? fault));
        Assert.Contains("other certificates", fault, StringComparison.Ordinal);
    }

    [Fact]
    public void A_response_cut_or_changed_anywhere_is_refused_and_nothing_else()
    {
        byte[] der = Ocsp().Respond(s_leaf, s_issuer);
        for (int i = 0; i < der.Length; i++)
        {
            Assert.Null(OcspResponse.Read(der[..i], s_leaf, s_issuer, s_now, out string? cut));
            Assert.NotNull(cut);
            byte[] changed = [.. der];
            changed[i] ^= 0x5A;
            Assert.Null(OcspResponse.Read(changed, s_leaf, s_issuer, s_now, out _));
        }
    }

    private static OcspResponse? Read(TestOcsp ocsp, out string? fault) => OcspResponse.Read(ocsp.Respond(s_leaf, s_issuer), s_leaf, s_issuer, s_now, out fault);

    private static TestOcsp Ocsp() => new() { Signer = s_issuer, ThisUpdate = s_now.AddMinutes(-1), NextUpdate = s_now.AddDays(1) };

    private static X509Certificate2 Delegate(string usage, TestCertificates authority)
    {
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=responder", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid(usage)], false));
        using ECDsa issuerKey = authority.Intermediate.GetECDsaPrivateKey()!;
        using X509Certificate2 bare = request.Create(authority.Intermediate.SubjectName, X509SignatureGenerator.CreateForECDsa(issuerKey), s_now.AddDays(-1), s_now.AddDays(1), [1, 2, 3]);
        return bare.CopyWithPrivateKey(key);
    }
}
