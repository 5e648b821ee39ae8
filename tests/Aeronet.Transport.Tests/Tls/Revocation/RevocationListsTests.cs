using System;
using System.Collections.Generic;
using System.IO;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Aeronet.TestSupport.Hosting;
using Aeronet.TestSupport.Kernel;
using Aeronet.TestSupport.Tls;
using Aeronet.Transport.Tls;
using Aeronet.Transport.Tls.Revocation;
using Xunit;

namespace Aeronet.Transport.Tests.Tls.Revocation;

public sealed class RevocationListsTests : IDisposable
{
    private static readonly TestCertificates s_authority = TestCertificates.Shared;
    private static readonly X509Certificate2 s_good = s_authority.Client("good");
    private static readonly X509Certificate2 s_bad = s_authority.Client("bad");

    private readonly string _folder = Directory.CreateTempSubdirectory("aeronet-crl-").FullName;
    private readonly ManualClock _clock = new() { WallClockStep = DateTimeOffset.UtcNow - new DateTimeOffset(2030, 1, 1, 0, 0, 0, TimeSpan.Zero) };
    private readonly LogCapture _log = new();

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_certificate_that_its_issuer_has_revoked_is_refused_and_others_pass(bool isPem)
    {
        string path = Path.Combine(_folder, "crl");
        byte[] der = List(s_bad);
        if (isPem)
        {
            File.WriteAllText(path, PemEncoding.WriteString("X509 CRL", der));
        }
        else
        {
            File.WriteAllBytes(path, der);
        }
        RevocationLists lists = Lists(RevocationList.LoadFile(path));
        Assert.True(IsAccepted(lists, s_good));
        Assert.False(IsAccepted(lists, s_bad));
    }

    [Fact]
    public void A_revoked_intermediate_takes_its_certificates_with_it()
    {
        using ECDsa key = s_authority.Root.GetECDsaPrivateKey()!;
        var builder = new CertificateRevocationListBuilder();
        builder.AddEntry(s_authority.Intermediate);
        byte[] der = builder.Build(s_authority.Root, 1, _clock.GetUtcNow().AddDays(1), HashAlgorithmName.SHA256);
        Assert.False(IsAccepted(Lists([RevocationList.Parse(der, "root")]), s_good));
    }

    [Fact]
    public void A_list_that_its_issuer_has_not_signed_revokes_nothing_and_is_reported_once()
    {
        byte[] der = List(s_bad);
        der[^1] ^= 1;
        RevocationLists lists = Lists([RevocationList.Parse(der, "forged.crl")]);
        Assert.True(IsAccepted(lists, s_bad));
        Assert.True(IsAccepted(lists, s_bad));
        Assert.Contains("forged.crl", Assert.Single(_log.Entries, static entry => entry.Id == 2130).Message, StringComparison.Ordinal);

        // Another authority of the same name.
        var impostor = new TestCertificates("Aeronet test");
        Assert.True(IsAccepted(Lists([RevocationList.Parse(List(s_bad, impostor), "impostor")]), s_bad));
    }

    [Fact]
    public void Without_a_current_list_a_certificate_passes_unless_lists_are_required()
    {
        RevocationList list = RevocationList.Parse(List(s_bad), "crl");
        RevocationLists lax = Lists([list]);
        RevocationLists strict = new([list], isRequired: true, _clock, _log.CreateLogger("x"));
        // The intermediate's own issuer has no list here: a chain is judged link by link.
        Assert.False(IsAccepted(strict, s_good));
        RevocationLists complete = new([list, RevocationList.Parse(RootList(), "root")], isRequired: true, _clock, _log.CreateLogger("x"));
        Assert.True(IsAccepted(complete, s_good));

        _clock.Advance(TimeSpan.FromDays(2));
        Assert.True(IsAccepted(lax, s_good));
        Assert.False(IsAccepted(complete, s_good));
        Assert.False(IsAccepted(lax, s_bad)); // once revoked, revoked for good
    }

    [Fact]
    public void What_a_list_names_is_not_let_in_where_the_issuer_is_not_known()
    {
        // An application that pins accepts chains that end nowhere; the operator's list still counts.
        RevocationLists lists = Lists([RevocationList.Parse(List(s_bad), "crl")]);
        foreach ((X509Certificate2 certificate, bool expected) in ((X509Certificate2, bool)[])[(s_good, true), (s_bad, false)])
        {
            using var chain = new X509Chain();
            chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
            chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
            Assert.False(chain.Build(certificate));
            Assert.Equal(expected, lists.IsAccepted(chain));
        }
    }

    [Fact]
    public void A_file_without_a_list_is_refused_by_name()
    {
        string path = Path.Combine(_folder, "nothing");
        File.WriteAllText(path, s_good.ExportCertificatePem());
        Assert.Contains(path, Assert.Throws<TlsConfigurationException>(() => RevocationList.LoadFile(path)).Message, StringComparison.Ordinal);
        File.WriteAllBytes(path, [1, 2, 3]);
        Assert.Contains(path, Assert.Throws<TlsConfigurationException>(() => RevocationList.LoadFile(path)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_list_cut_anywhere_is_an_error_and_nothing_else()
    {
        byte[] der = List(s_bad);
        for (int length = 0; length < der.Length; length++)
        {
            byte[] cut = der[..length];
            Assert.Throws<System.Formats.Asn1.AsnContentException>(() => RevocationList.Parse(cut, "cut"));
        }
    }

    private byte[] List(X509Certificate2 revoked, TestCertificates? authority = null)
    {
        var builder = new CertificateRevocationListBuilder();
        builder.AddEntry(revoked);
        return builder.Build((authority ?? s_authority).Intermediate, 1, _clock.GetUtcNow().AddDays(1), HashAlgorithmName.SHA256);
    }

    private byte[] RootList() => new CertificateRevocationListBuilder().Build(s_authority.Root, 1, _clock.GetUtcNow().AddDays(1), HashAlgorithmName.SHA256);

    private RevocationLists Lists(List<RevocationList> lists) => new(lists, isRequired: false, _clock, _log.CreateLogger("x"));

    private static bool IsAccepted(RevocationLists lists, X509Certificate2 certificate)
    {
        using var chain = new X509Chain();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.CustomTrustStore.Add(s_authority.Root);
        chain.ChainPolicy.ExtraStore.Add(s_authority.Intermediate);
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        Assert.True(chain.Build(certificate));
        return lists.IsAccepted(chain);
    }
}
