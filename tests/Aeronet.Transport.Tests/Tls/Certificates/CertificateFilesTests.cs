using System;
using System.IO;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Threading.Tasks;
using Aeronet.TestSupport.Programs;
using Aeronet.TestSupport.Tls;
using Aeronet.Transport.Tls;
using Aeronet.Transport.Tls.Certificates;
using Xunit;

namespace Aeronet.Transport.Tests.Tls.Certificates;

public sealed class CertificateFilesTests : IDisposable
{
    private static readonly X509Certificate2 s_ec = TestCertificates.Shared.Server(TestKey.P256, "a.example.com");
    private static readonly X509Certificate2 s_rsa = TestCertificates.Shared.Server(TestKey.Rsa2048, "a.example.com");
    private static readonly string s_chain = TestCertificates.Shared.Intermediate.ExportCertificatePem();

    private readonly string _folder = Directory.CreateTempSubdirectory("aeronet-certificates-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    [Trait("Defect", "TLS-15")]
    public void A_full_chain_and_a_key_file_are_loaded()
    {
        Write("fullchain.pem", s_ec.ExportCertificatePem(), s_chain);
        Write("key.pem", s_ec.GetECDsaPrivateKey()!.ExportPkcs8PrivateKeyPem());
        TlsCertificate certificate = Load("fullchain.pem", "key.pem");
        Assert.Equal(s_ec.Thumbprint, certificate.Leaf.Thumbprint);
        Assert.True(certificate.Leaf.HasPrivateKey);
        Assert.Equal(TestCertificates.Shared.Intermediate.Thumbprint, Assert.Single(certificate.Chain).Thumbprint);
        Assert.True(certificate.PrivateKey.IsEmpty);
    }

    [Fact]
    public void Key_and_certificates_may_share_a_file_in_any_order_with_text_around_them()
    {
        Write("all.pem", "a comment\r\n", s_chain, s_rsa.GetRSAPrivateKey()!.ExportRSAPrivateKeyPem().ReplaceLineEndings("\r\n"), s_rsa.ExportCertificatePem(), "\nthe end");
        TlsCertificate certificate = Load("all.pem");
        Assert.Equal(s_rsa.Thumbprint, certificate.Leaf.Thumbprint);
        Assert.Single(certificate.Chain);
    }

    [Fact]
    public void Keys_come_as_PKCS8_PKCS1_and_SEC1()
    {
        Write("ec.pem", s_ec.ExportCertificatePem());
        Write("rsa.pem", s_rsa.ExportCertificatePem());
        Write("sec1.key", s_ec.GetECDsaPrivateKey()!.ExportECPrivateKeyPem());
        Write("pkcs1.key", s_rsa.GetRSAPrivateKey()!.ExportRSAPrivateKeyPem());
        Write("pkcs8.key", s_rsa.GetRSAPrivateKey()!.ExportPkcs8PrivateKeyPem());
        Assert.True(Load("ec.pem", "sec1.key").Leaf.HasPrivateKey);
        Assert.True(Load("rsa.pem", "pkcs1.key").Leaf.HasPrivateKey);
        Assert.True(Load("rsa.pem", "pkcs8.key").Leaf.HasPrivateKey);
    }

    [Theory]
    [InlineData(PbeEncryptionAlgorithm.Aes256Cbc)]
    [InlineData(PbeEncryptionAlgorithm.Aes128Cbc)]
    [InlineData(PbeEncryptionAlgorithm.TripleDes3KeyPkcs12)]
    public void Encrypted_keys_are_opened_with_their_password(PbeEncryptionAlgorithm algorithm)
    {
        HashAlgorithmName hash = algorithm == PbeEncryptionAlgorithm.TripleDes3KeyPkcs12 ? HashAlgorithmName.SHA1 : HashAlgorithmName.SHA256;
        Write("ec.pem", s_ec.ExportCertificatePem());
        Write("ec.key", s_ec.GetECDsaPrivateKey()!.ExportEncryptedPkcs8PrivateKeyPem("secret", new PbeParameters(algorithm, hash, 2000)));
        Assert.True(Load("ec.pem", "ec.key", "secret").Leaf.HasPrivateKey);
        Assert.Contains("password", Fault("ec.pem", "ec.key", "wrong"), StringComparison.Ordinal);
        Assert.Contains("Password is needed", Fault("ec.pem", "ec.key"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_Ed25519_key_passes_through_in_bytes_encrypted_or_not()
    {
        string key = Path.Combine(_folder, "ed.key");
        if (await ExternalProgram.TryRunAsync("openssl", ["genpkey", "-algorithm", "ed25519", "-out", key]) is null)
        {
            return;
        }
        await RunAsync("req", "-x509", "-new", "-key", key, "-subj", "/CN=ed25519.test", "-out", Path.Combine(_folder, "ed.pem"));
        await RunAsync("pkcs8", "-topk8", "-in", key, "-passout", "pass:secret", "-out", Path.Combine(_folder, "encrypted.key"));
        TlsCertificate plain = Load("ed.pem", "ed.key");
        Assert.Equal("1.3.101.112", plain.Leaf.GetKeyAlgorithm());
        Assert.Equal(48, plain.PrivateKey.Length);
        Assert.Equal(plain.PrivateKey.ToArray(), Load("ed.pem", "encrypted.key", "secret").PrivateKey.ToArray());
        Assert.Contains("password", Fault("ed.pem", "encrypted.key", "wrong"), StringComparison.Ordinal);
        Assert.Contains("does not belong", Fault("ed.pem", WriteKey("ec.key", s_ec)), StringComparison.Ordinal);

        static async Task RunAsync(params string[] arguments)
        {
            ProgramResult? result = await ExternalProgram.TryRunAsync("openssl", arguments);
            Assert.True(result!.ExitCode == 0, result.All);
        }
    }

    [Fact]
    public void A_PKCS12_file_brings_its_chain_in_order()
    {
        var bag = new X509Certificate2Collection { Public(TestCertificates.Shared.Root), Public(TestCertificates.Shared.Intermediate), s_ec };
        File.WriteAllBytes(Path.Combine(_folder, "a.pfx"), bag.Export(X509ContentType.Pkcs12, "p")!);
        TlsCertificate certificate = Load("a.pfx", password: "p");
        Assert.Equal(s_ec.Thumbprint, certificate.Leaf.Thumbprint);
        Assert.True(certificate.Leaf.HasPrivateKey);
        Assert.Equal(TestCertificates.Shared.Intermediate.Thumbprint, certificate.Chain[0].Thumbprint);
        Assert.Contains("password", Fault("a.pfx", password: "wrong"), StringComparison.Ordinal);

        bag.Add(s_rsa);
        File.WriteAllBytes(Path.Combine(_folder, "two.pfx"), bag.Export(X509ContentType.Pkcs12, "p")!);
        Assert.Contains("more than one", Fault("two.pfx", password: "p"), StringComparison.Ordinal);

        static X509Certificate2 Public(X509Certificate2 certificate) => X509CertificateLoader.LoadCertificate(certificate.RawData);
    }

    [Fact]
    public void Certificates_from_memory_are_taken_as_they_are()
    {
        TlsCertificate certificate = CertificateFiles.Load(new AeronetTlsCertificate { Certificate = s_ec, Chain = [TestCertificates.Shared.Intermediate] }, _folder);
        Assert.Same(s_ec, certificate.Leaf);
        Assert.Single(certificate.Chain);
    }

    [Fact]
    public void Faults_name_file_and_reason()
    {
        Write("ec.pem", s_ec.ExportCertificatePem());
        Write("two.key", s_ec.GetECDsaPrivateKey()!.ExportPkcs8PrivateKeyPem(), s_ec.GetECDsaPrivateKey()!.ExportPkcs8PrivateKeyPem());
        Write("broken.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
        Write("empty.pem", "");
        Write("words.pem", "no PEM at all");
        AssertFault(Fault("missing.pem"), "missing.pem", "cannot be read");
        AssertFault(Fault("ec.pem"), "ec.pem", "no private key");
        AssertFault(Fault("ec.pem", "two.key"), "two.key", "more than one private key");
        AssertFault(Fault("ec.pem", WriteKey("rsa.key", s_rsa)), "rsa.key", "does not belong");
        AssertFault(Fault("ec.pem", WriteKey("other.key", TestCertificates.Shared.Server(TestKey.P256, "other"))), "other.key", "does not belong");
        AssertFault(Fault("broken.pem", "two.key"), "broken.pem", "cannot be read");
        AssertFault(Fault("empty.pem", WriteKey("ec.key", s_ec)), "empty.pem", "no certificate");
        AssertFault(Fault("words.pem"), "words.pem", "neither PEM nor");

        void AssertFault(string fault, string file, string reason)
        {
            Assert.Contains(Path.Combine(_folder, file), fault, StringComparison.Ordinal);
            Assert.Contains(reason, fault, StringComparison.Ordinal);
        }
    }

    [Fact]
    [Trait("Defect", "TLS-33")]
    public void The_bytes_of_a_key_are_cleared_with_its_file()
    {
        Write("ec.key", s_ec.GetECDsaPrivateKey()!.ExportPkcs8PrivateKeyPem());
        PemFile file = PemFile.Read(Path.Combine(_folder, "ec.key"), password: null);
        byte[] key = file.PrivateKey!;
        Assert.Contains(key, static b => b != 0);
        file.Dispose();
        Assert.All(key, static b => Assert.Equal(0, b));
        Assert.True(MemoryMarshal.TryGetArray<byte>(key, out _));
    }

    [Fact]
    [Trait("Defect", "TLS-23")]
    public void Every_authority_of_a_bundle_is_loaded_and_DER_is_understood()
    {
        Write("bundle.pem", s_chain, TestCertificates.Shared.Root.ExportCertificatePem());
        File.WriteAllBytes(Path.Combine(_folder, "root.cer"), TestCertificates.Shared.Root.RawData);
        Assert.Equal(2, CertificateFiles.LoadAuthorities(Path.Combine(_folder, "bundle.pem")).Count);
        Assert.Equal(TestCertificates.Shared.Root.Thumbprint, Assert.Single(CertificateFiles.LoadAuthorities(Path.Combine(_folder, "root.cer"))).Thumbprint);
        Write("words.pem", "nothing");
        Assert.Throws<TlsConfigurationException>(() => CertificateFiles.LoadAuthorities(Path.Combine(_folder, "words.pem")));
    }

    private void Write(string name, params string[] parts) => File.WriteAllText(Path.Combine(_folder, name), string.Join('\n', parts));

    private string WriteKey(string name, X509Certificate2 certificate)
    {
        Write(name, certificate.GetRSAPrivateKey()?.ExportPkcs8PrivateKeyPem() ?? certificate.GetECDsaPrivateKey()!.ExportPkcs8PrivateKeyPem());
        return name;
    }

    private TlsCertificate Load(string certificate, string? key = null, string? password = null)
        => CertificateFiles.Load(new AeronetTlsCertificate { CertificateFile = certificate, KeyFile = key, Password = password }, _folder);

    private string Fault(string certificate, string? key = null, string? password = null)
        => Assert.Throws<TlsConfigurationException>(() => Load(certificate, key, password)).Message;
}
