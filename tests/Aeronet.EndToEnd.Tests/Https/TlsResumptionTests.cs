using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Threading.Tasks;
using Aeronet.TestSupport.Programs;
using Aeronet.TestSupport.Tls;
using Aeronet.Transport.Tls;
using Xunit;

namespace Aeronet.EndToEnd.Tests.Https;

/// <summary>Sessions that are resumed, and those that must not be. The witness is openssl's own client, which keeps sessions in files.</summary>
public sealed class TlsResumptionTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("aeronet").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData("-tls1_2")]
    [InlineData("-tls1_3")]
    public async Task A_ticket_resumes(string version)
    {
        await using TlsServer server = TlsServer.Start(TlsServer.Identity());
        if (!await ConnectAsync(server, version, expectsResumed: false))
        {
            return;
        }

        await ConnectAsync(server, version, expectsResumed: true);
    }

    [Fact]
    public async Task Each_resumed_session_of_TLS_1_3_brings_the_ticket_of_the_next()
    {
        // Clients use a ticket once; s_client would use it again, so only a count of the tickets tells.
        Keys keys = new();
        await using TlsServer server = TlsServer.Start(new TlsSettings { Default = TlsServer.Identity(), Services = new TlsServices { TicketKeys = keys } });
        if (!await ConnectAsync(server, "-tls1_3", expectsResumed: false))
        {
            return;
        }

        Assert.Equal(2, keys.Issued);
        for (int issued = 3; issued <= 5; issued++)
        {
            await ConnectAsync(server, "-tls1_3", expectsResumed: true);
            Assert.Equal(issued, keys.Issued);
        }
    }

    [Fact]
    public async Task A_ticket_of_TLS_1_2_is_renewed_only_when_its_key_is_old()
    {
        Keys keys = new();
        await using TlsServer server = TlsServer.Start(new TlsSettings { Default = TlsServer.Identity(), Services = new TlsServices { TicketKeys = keys } });
        if (!await ConnectAsync(server, "-tls1_2", expectsResumed: false))
        {
            return;
        }

        await ConnectAsync(server, "-tls1_2", expectsResumed: true);
        Assert.Equal(1, keys.Issued);
    }

    [Theory]
    [InlineData("-tls1_2")]
    [InlineData("-tls1_3")]
    [Trait("Defect", "TLS-12")]
    public async Task A_second_server_with_the_same_keys_resumes_what_the_first_began(string version)
    {
        Keys keys = new();
        TlsSettings settings = new() { Default = TlsServer.Identity(), Services = new TlsServices { TicketKeys = keys } };
        await using TlsServer first = TlsServer.Start(settings);
        await using TlsServer second = TlsServer.Start(settings);
        if (!await ConnectAsync(first, version, expectsResumed: false))
        {
            return;
        }

        await ConnectAsync(second, version, expectsResumed: true);
        Assert.True(keys.Issued > 0);
    }

    [Theory]
    [InlineData("-tls1_2")]
    [InlineData("-tls1_3")]
    [Trait("Defect", "TLS-9")]
    public async Task A_ticket_of_an_older_key_resumes_and_is_renewed(string version)
    {
        Keys keys = new();
        await using TlsServer server = TlsServer.Start(new TlsSettings { Default = TlsServer.Identity(), Services = new TlsServices { TicketKeys = keys } });
        if (!await ConnectAsync(server, version, expectsResumed: false))
        {
            return;
        }

        keys.Rotate();
        int issued = keys.Issued;
        await ConnectAsync(server, version, expectsResumed: true);
        Assert.Equal(issued + 1, keys.Issued);
        keys.ForgetOld();
        if (version == "-tls1_3") // s_client writes a session of TLS 1.2 down when it begins, not when its ticket is renewed
        {
            await ConnectAsync(server, version, expectsResumed: true);
        }

        keys.Rotate();
        keys.ForgetOld();
        await ConnectAsync(server, version, expectsResumed: false);
    }

    [Theory]
    [InlineData("-tls1_2")]
    [InlineData("-tls1_3")]
    [Trait("Defect", "TLS-10")]
    public async Task Where_resumption_is_off_there_is_none_of_any_kind(string version)
    {
        await using TlsServer server = TlsServer.Start(new TlsIdentity { Certificates = [TlsServer.Certificate()], AllowResumption = false, SessionCacheSize = 100 });
        if (!await ConnectAsync(server, version, expectsResumed: false))
        {
            return;
        }

        await ConnectAsync(server, version, expectsResumed: false);
    }

    [Fact]
    public async Task A_client_that_knows_no_tickets_resumes_from_the_cache()
    {
        await using TlsServer server = TlsServer.Start(new TlsIdentity { Certificates = [TlsServer.Certificate()], SessionCacheSize = 100 });
        if (!await ConnectAsync(server, "-tls1_2", expectsResumed: false, "-no_ticket"))
        {
            return;
        }

        await ConnectAsync(server, "-tls1_2", expectsResumed: true, "-no_ticket");
    }

    [Fact]
    [Trait("Defect", "TLS-25")]
    public async Task A_renewed_certificate_ends_no_session()
    {
        TlsServices services = new() { TicketKeys = new Keys() };
        await using TlsServer server = TlsServer.Start(new TlsSettings { Default = TlsServer.Identity(), Services = services });
        if (!await ConnectAsync(server, "-tls1_3", expectsResumed: false))
        {
            return;
        }

        TlsCertificate renewed = new() { Leaf = TestCertificates.Shared.Renewed(TestKey.P256, "localhost"), Chain = [TestCertificates.Shared.Intermediate] };
        server.Replace(new TlsSettings { Default = new TlsIdentity { Certificates = [renewed] }, Services = services });
        await ConnectAsync(server, "-tls1_3", expectsResumed: true);
    }

    [Theory]
    [InlineData("-tls1_2")]
    [InlineData("-tls1_3")]
    [Trait("Defect", "TLS-8")]
    public async Task A_client_with_a_certificate_resumes_and_is_checked_again(string version)
    {
        TlsServices services = new() { TicketKeys = new Keys() };
        TlsIdentity demanding = Demanding(TestCertificates.Shared);
        await using TlsServer server = TlsServer.Start(new TlsSettings { Default = demanding, Services = services });
        string[] certificate = await WriteClientAsync();
        if (!await ConnectAsync(server, version, expectsResumed: false, certificate))
        {
            return;
        }

        // The ticket has the leaf and the intermediate: the chain is built anew to the root.
        TlsOutcome outcome = await ConnectForOutcomeAsync(server, version, expectsResumed: true, certificate);
        Assert.True(outcome.HasClientCertificate);

        // As has the ticket of a session that was itself resumed.
        outcome = await ConnectForOutcomeAsync(server, version, expectsResumed: true, certificate);
        Assert.True(outcome.HasClientCertificate);
    }

    [Fact]
    public async Task A_client_with_a_certificate_that_knows_no_tickets_resumes_from_the_cache()
    {
        await using TlsServer server = TlsServer.Start(new TlsIdentity
        {
            Certificates = [TlsServer.Certificate()],
            SessionCacheSize = 100,
            ClientCertificates = Demanding(TestCertificates.Shared).ClientCertificates,
        });
        string[] certificate = [.. await WriteClientAsync(), "-no_ticket"];
        if (!await ConnectAsync(server, "-tls1_2", expectsResumed: false, certificate))
        {
            return;
        }

        TlsOutcome outcome = await ConnectForOutcomeAsync(server, "-tls1_2", expectsResumed: true, certificate);
        Assert.True(outcome.HasClientCertificate);
    }

    [Fact]
    public async Task A_certificate_that_comes_late_is_checked_with_its_issuers_after_a_resumed_handshake_too()
    {
        TlsServices services = new() { TicketKeys = new Keys() };
        TlsIdentity asking = new()
        {
            Certificates = [TlsServer.Certificate()],
            ClientCertificates = new TlsClientCertificates { Mode = TlsClientCertificateMode.Delay, TrustedAuthorities = [TestCertificates.Shared.Root] },
        };
        int requests = 0;
        await using TlsServer server = TlsServer.Start(new TlsSettings { Default = asking, Services = services }, async features =>
        {
            if (requests++ == 0) // its ticket knows of no certificate
            {
                await features.Get<Microsoft.AspNetCore.Http.Features.IHttpResponseBodyFeature>()!.Writer.WriteAsync("hello over https"u8.ToArray());
                return;
            }

            System.Security.Cryptography.X509Certificates.X509Certificate2? late =
                await features.Get<Microsoft.AspNetCore.Http.Features.ITlsConnectionFeature>()!.GetClientCertificateAsync(System.Threading.CancellationToken.None);
            string text = late is null ? "no certificate" : "hello over https";
            await features.Get<Microsoft.AspNetCore.Http.Features.IHttpResponseBodyFeature>()!.Writer.WriteAsync(System.Text.Encoding.ASCII.GetBytes(text));
        });
        string[] certificate = [.. await WriteClientAsync(), "-enable_pha"];
        if (!await ConnectAsync(server, "-tls1_3", expectsResumed: false, certificate))
        {
            return;
        }

        await ConnectAsync(server, "-tls1_3", expectsResumed: true, certificate);
        await ConnectAsync(server, "-tls1_3", expectsResumed: true, certificate);
    }

    [Theory]
    [InlineData("-tls1_2")]
    [InlineData("-tls1_3")]
    [Trait("Defect", "TLS-22")]
    public async Task A_session_from_before_a_change_of_trust_does_not_resume(string version)
    {
        TlsServices services = new() { TicketKeys = new Keys() };
        await using TlsServer server = TlsServer.Start(new TlsSettings { Default = Demanding(TestCertificates.Shared), Services = services });
        string[] certificate = await WriteClientAsync();
        if (!await ConnectAsync(server, version, expectsResumed: false, certificate))
        {
            return;
        }

        server.Replace(new TlsSettings { Default = Demanding(new TestCertificates("Another")), Services = services });
        List<string> arguments = ["s_client", "-connect", $"localhost:{server.Port}", "-servername", "localhost", version, "-ign_eof", "-sess_in", SessionFile, .. certificate];
        ProgramResult client = (await ExternalProgram.TryRunAsync("openssl", arguments, "GET / HTTP/1.0\r\nHost: a\r\n\r\n"))!;
        Assert.DoesNotContain("hello over https", client.Output, StringComparison.Ordinal);
        Assert.Equal(TlsFailure.ClientCertificateInvalid, server.NextOutcome().Failure);
    }

    [Fact]
    public async Task A_session_of_one_name_does_not_resume_under_another()
    {
        TlsServices services = new() { TicketKeys = new Keys() };
        TlsSettings settings = new()
        {
            Default = TlsServer.Identity(),
            Names = new Dictionary<string, TlsIdentity> { ["b"] = TlsServer.Identity(TestKey.P256, "b") },
            Services = services,
        };
        await using TlsServer server = TlsServer.Start(settings);
        if (!await ConnectAsync(server, "-tls1_3", expectsResumed: false))
        {
            return;
        }

        await ConnectAsync(server, "-tls1_3", expectsResumed: false, "-servername", "b");
    }

    private string SessionFile => Path.Combine(_folder, "session.pem");

    private async Task<string[]> WriteClientAsync()
    {
        string certificate = Path.Combine(_folder, "client.pem");
        string key = Path.Combine(_folder, "client.key");
        System.Security.Cryptography.X509Certificates.X509Certificate2 client = TestCertificates.Shared.Client("resuming client");
        await File.WriteAllTextAsync(certificate, client.ExportCertificatePem() + "\n" + TestCertificates.Shared.Intermediate.ExportCertificatePem() + "\n");
        using System.Security.Cryptography.ECDsa ecdsa = System.Security.Cryptography.X509Certificates.ECDsaCertificateExtensions.GetECDsaPrivateKey(client)!;
        await File.WriteAllTextAsync(key, ecdsa.ExportPkcs8PrivateKeyPem());
        return ["-cert", certificate, "-key", key, "-cert_chain", certificate];
    }

    private static TlsIdentity Demanding(TestCertificates authority) => new()
    {
        Certificates = [TlsServer.Certificate()],
        ClientCertificates = new TlsClientCertificates { Mode = TlsClientCertificateMode.Require, TrustedAuthorities = [authority.Root] },
    };

    private async Task<bool> ConnectAsync(TlsServer server, string version, bool expectsResumed, params string[] more) =>
        await TryConnectAsync(server, version, expectsResumed, more) is not null;

    private async Task<TlsOutcome> ConnectForOutcomeAsync(TlsServer server, string version, bool expectsResumed, params string[] more) =>
        await TryConnectAsync(server, version, expectsResumed, more) ?? throw new InvalidOperationException("The program was there a moment ago.");

    // Null: there is no openssl here.
    private async Task<TlsOutcome?> TryConnectAsync(TlsServer server, string version, bool expectsResumed, string[] more)
    {
        List<string> arguments = ["s_client", "-connect", $"localhost:{server.Port}", version, "-ign_eof", "-sess_out", SessionFile];
        int name = Array.IndexOf(more, "-servername") + 1;
        string host = name > 0 ? more[name] : "localhost";
        if (name == 0)
        {
            arguments.AddRange(["-servername", host]);
        }

        if (File.Exists(SessionFile))
        {
            arguments.AddRange(["-sess_in", SessionFile]);
        }

        arguments.AddRange(more);
        ProgramResult? client = await ExternalProgram.TryRunAsync("openssl", arguments, $"GET / HTTP/1.0\r\nHost: {host}\r\n\r\n");
        if (client is null)
        {
            return null;
        }

        Assert.Contains("hello over https", client.Output, StringComparison.Ordinal);
        TlsOutcome outcome = server.NextOutcome();
        Assert.Equal((TlsFailure.None, expectsResumed), (outcome.Failure, outcome.IsResumed));
        Assert.Contains(expectsResumed ? "Reused, TLSv1" : "New, TLSv1", client.Output, StringComparison.Ordinal);
        return outcome;
    }

    /// <summary>A key, and the one before it.</summary>
    private sealed class Keys : ITicketKeySource
    {
        private readonly List<byte[]> _keys = [Make(1)];
        private byte _last = 1;

        public int Issued { get; private set; }

        public TimeSpan TicketLifetime => TimeSpan.FromHours(1);

        public void Rotate() => _keys.Insert(0, Make(++_last));

        public void ForgetOld() => _keys.RemoveRange(1, _keys.Count - 1);

        public int CopyCurrent(Span<byte> name, Span<byte> aesKey, Span<byte> hmacKey)
        {
            Issued++;
            return Copy(_keys[0], name, aesKey, hmacKey);
        }

        public int CopyByName(ReadOnlySpan<byte> name, Span<byte> aesKey, Span<byte> hmacKey, out bool isCurrent)
        {
            isCurrent = true;
            foreach (byte[] key in _keys)
            {
                if (key.AsSpan(0, 16).SequenceEqual(name))
                {
                    isCurrent = key == _keys[0];
                    return Copy(key, [], aesKey, hmacKey);
                }
            }

            return 0;
        }

        private static int Copy(byte[] key, Span<byte> name, Span<byte> aesKey, Span<byte> hmacKey)
        {
            key.AsSpan(0, name.Length).CopyTo(name);
            key.AsSpan(16, 32).CopyTo(aesKey);
            key.AsSpan(48, 32).CopyTo(hmacKey);
            return 32;
        }

        private static byte[] Make(byte number) => [.. Enumerable.Repeat(number, 80)];
    }
}
