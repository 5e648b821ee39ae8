using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using System.Threading;
using System.Threading.Tasks;
using Aeronet.TestSupport.Hosting;
using Aeronet.TestSupport.Programs;
using Aeronet.TestSupport.Tls;
using Aeronet.Transport.Tls;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core.Features;
using Xunit;

namespace Aeronet.EndToEnd.Tests.Https;

/// <summary>Keys, names, protocols, certificates of clients: what a handshake decides.</summary>
public sealed class TlsHandshakeTests
{
    public static TheoryData<TestKey, SslProtocols> Keys()
    {
        TheoryData<TestKey, SslProtocols> keys = [];
        foreach (TestKey key in Enum.GetValues<TestKey>())
        {
            keys.Add(key, SslProtocols.Tls12);
            keys.Add(key, SslProtocols.Tls13);
        }

        return keys;
    }

    [Theory]
    [MemberData(nameof(Keys))]
    [Trait("Defect", "TLS-15")]
    public async Task Every_key_works_and_the_chain_is_sent(TestKey key, SslProtocols version)
    {
        // The client trusts the root only: without the intermediate it would refuse.
        await using TlsServer server = TlsServer.Start(TlsServer.Identity(key));
        await using SslStream stream = await TlsClients.ConnectAsync(server, options => options.EnabledSslProtocols = version);
        Assert.Equal(version, stream.SslProtocol);
        Assert.Equal(version, server.NextOutcome().Protocol);
    }

    [Theory]
    [InlineData("-tls1_2")]
    [InlineData("-tls1_3")]
    public async Task An_Ed25519_key_works_from_its_file(string version)
    {
        string folder = Directory.CreateTempSubdirectory("aeronet").FullName;
        try
        {
            string key = Path.Combine(folder, "key.der");
            string certificate = Path.Combine(folder, "cert.pem");
            ProgramResult? made = await ExternalProgram.TryRunAsync("openssl", ["genpkey", "-algorithm", "ed25519", "-outform", "DER", "-out", key]);
            if (made is null)
            {
                return;
            }

            ProgramResult signed = (await ExternalProgram.TryRunAsync("openssl", ["req", "-new", "-x509", "-key", key, "-keyform", "DER", "-subj", "/CN=localhost", "-days", "5", "-out", certificate]))!;
            Assert.True(signed.ExitCode == 0, signed.All);
            using X509Certificate2 leaf = X509CertificateLoader.LoadCertificateFromFile(certificate);
            TlsIdentity identity = new() { Certificates = [new TlsCertificate { Leaf = leaf, PrivateKey = await File.ReadAllBytesAsync(key) }] };
            await using TlsServer server = TlsServer.Start(identity);
            ProgramResult client = (await ExternalProgram.TryRunAsync("openssl", ["s_client", "-connect", $"localhost:{server.Port}", version, "-ign_eof"], "GET / HTTP/1.0\r\nHost: a\r\n\r\n"))!;
            Assert.Contains("hello over https", client.Output, StringComparison.Ordinal);
            Assert.Contains("Ed25519", client.Output, StringComparison.OrdinalIgnoreCase);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Theory]
    [InlineData("RSA+SHA256:RSA-PSS+SHA256", "RSA")]
    [InlineData("ECDSA+SHA256", "ECDSA")]
    public async Task Of_two_certificates_the_client_s_algorithms_decide(string algorithms, string expected)
    {
        TlsIdentity identity = new() { Certificates = [TlsServer.Certificate(TestKey.Rsa2048), TlsServer.Certificate(TestKey.P256)] };
        await using TlsServer server = TlsServer.Start(identity);
        ProgramResult? client = await ExternalProgram.TryRunAsync("openssl", ["s_client", "-connect", $"localhost:{server.Port}", "-tls1_3", "-sigalgs", algorithms, "-ign_eof"], "GET / HTTP/1.0\r\nHost: a\r\n\r\n");
        if (client is null)
        {
            return;
        }

        Assert.Contains("hello over https", client.Output, StringComparison.Ordinal);
        Assert.Contains($"Peer signature type: {expected}", client.Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("a.example.com", "a.example.com")]
    [InlineData("A.EXAMPLE.COM", "a.example.com")]
    [InlineData("b.example.com", "*.example.com")]
    [InlineData("x.deep.example.com", "*.deep.example.com")]
    [InlineData("fooexample.com", "default")]
    [InlineData("example.com", "default")]
    [InlineData("x.y.example.com", "default")]
    [InlineData("", "default")]
    [Trait("Defect", "TLS-14")]
    public async Task The_server_name_chooses_the_identity(string name, string expected)
    {
        await using TlsServer server = TlsServer.Start(NamedSettings(spanLabels: false));
        await using SslStream stream = await TlsClients.ConnectAsync(server, options => AcceptAny(options, name));
        Assert.Equal($"CN={expected}", stream.RemoteCertificate!.Subject);
    }

    [Fact]
    public async Task Kestrels_wildcards_span_labels()
    {
        await using TlsServer server = TlsServer.Start(NamedSettings(spanLabels: true));
        await using SslStream stream = await TlsClients.ConnectAsync(server, options => AcceptAny(options, "x.y.example.com"));
        Assert.Equal("CN=*.example.com", stream.RemoteCertificate!.Subject);
    }

    [Fact]
    [Trait("Defect", "TLS-17")]
    public async Task A_name_that_nobody_has_is_refused_where_there_is_no_default()
    {
        TlsSettings settings = new() { Names = NamedSettings(spanLabels: false).Names };
        await using TlsServer server = TlsServer.Start(settings);
        await Assert.ThrowsAsync<AuthenticationException>(() => TlsClients.ConnectAsync(server, options => AcceptAny(options, "other.org")));
        TlsOutcome outcome = server.NextOutcome();
        Assert.Equal(TlsFailure.CertificateSelection, outcome.Failure);
        Assert.Equal("other.org", outcome.ServerName);
    }

    [Theory]
    [InlineData(new[] { "http/1.1" }, false, "http/1.1")]
    [InlineData(new[] { "h2", "http/1.1" }, false, "http/1.1")]
    [InlineData(new[] { "h2" }, false, null)]
    [InlineData(new[] { "http/1.1", "h2" }, true, "http/1.1")]
    [Trait("Defect", "TLS-24")]
    public async Task The_protocol_is_the_first_of_ours_that_the_client_has(string[] offered, bool strict, string? expected)
    {
        await using TlsServer server = TlsServer.Start(new TlsIdentity { Certificates = [TlsServer.Certificate()], RequireApplicationProtocolMatch = strict });
        await using SslStream stream = await TlsClients.ConnectAsync(server, options => options.ApplicationProtocols = [.. offered.Select(static name => new SslApplicationProtocol(name))]);
        Assert.Equal(expected ?? "", stream.NegotiatedApplicationProtocol.ToString());
        Assert.Equal(expected, server.NextOutcome().ApplicationProtocol);
    }

    [Fact]
    public async Task A_strict_server_refuses_a_client_without_a_common_protocol()
    {
        await using TlsServer server = TlsServer.Start(new TlsIdentity { Certificates = [TlsServer.Certificate()], RequireApplicationProtocolMatch = true });
        await Assert.ThrowsAsync<AuthenticationException>(() => TlsClients.ConnectAsync(server, static options => options.ApplicationProtocols = [SslApplicationProtocol.Http2]));
        Assert.Equal(TlsFailure.AlpnStrictMismatch, server.NextOutcome().Failure);
    }

    [Fact]
    public async Task The_features_say_what_was_agreed()
    {
        (SslProtocols Protocol, TlsCipherSuite? Suite, string Host, string Alpn, bool Certificate) seen = default;
        await using TlsServer server = TlsServer.Start(TlsServer.Identity(), features =>
        {
            ITlsHandshakeFeature handshake = features.GetRequiredFeature<ITlsHandshakeFeature>();
            seen = (handshake.Protocol, handshake.NegotiatedCipherSuite, handshake.HostName, System.Text.Encoding.ASCII.GetString(features.GetRequiredFeature<ITlsApplicationProtocolFeature>().ApplicationProtocol.Span), features.GetRequiredFeature<ITlsConnectionFeature>().ClientCertificate is not null);
            return Task.CompletedTask;
        });
        await using SslStream stream = await TlsClients.ConnectAsync(server, static options => options.ApplicationProtocols = [SslApplicationProtocol.Http11]);
        await stream.WriteAsync("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"u8.ToArray());
        await new StreamReader(stream).ReadToEndAsync().WaitAsync(Guard.Time);
        Assert.Equal((stream.SslProtocol, (TlsCipherSuite?)stream.NegotiatedCipherSuite, "localhost", "http/1.1", false), seen);
    }

    // ---- The application chooses ------------------------------------------------------------------------------

    [Fact]
    public async Task A_selector_may_take_its_time()
    {
        TlsIdentity chosen = TlsServer.Identity(TestKey.P256, "chosen");
        TaskCompletionSource<TlsIdentity?> later = new(TaskCreationOptions.RunContinuationsAsynchronously);
        TaskCompletionSource<TlsClientHello> asked = new(TaskCreationOptions.RunContinuationsAsynchronously);
        Selector selector = new(hello =>
        {
            asked.TrySetResult(hello);
            return new ValueTask<TlsIdentity?>(later.Task);
        });
        await using TlsServer server = TlsServer.Start(new TlsSettings { Selector = selector, Services = new TlsServices { CapturesClientHello = true } });
        Task<SslStream> connecting = TlsClients.ConnectAsync(server, static options =>
        {
            AcceptAny(options, "whoever");
            options.ApplicationProtocols = [SslApplicationProtocol.Http2, SslApplicationProtocol.Http11];
        });
        TlsClientHello hello = await asked.Task.WaitAsync(Guard.Time);
        Assert.Equal("whoever", hello.ServerName);
        Assert.Equal(["h2", "http/1.1"], hello.ApplicationProtocols);
        Assert.Equal(22, hello.Bytes.Span[0]);
        Assert.NotNull(hello.Connection.RemoteEndPoint);
        Assert.False(connecting.IsCompleted);
        later.SetResult(chosen);
        await using SslStream stream = await connecting;
        Assert.Equal("CN=chosen", stream.RemoteCertificate!.Subject);
    }

    [Fact]
    public async Task A_client_that_leaves_during_the_selection_is_let_go_and_the_selection_cancelled()
    {
        TaskCompletionSource<bool> cancelled = new(TaskCreationOptions.RunContinuationsAsynchronously);
        Selector selector = new((_, cancellation) =>
        {
            TaskCompletionSource<TlsIdentity?> never = new();
            cancellation.Register(() =>
            {
                never.TrySetCanceled(cancellation);
                cancelled.TrySetResult(Thread.CurrentThread.IsThreadPoolThread);
            });
            return new ValueTask<TlsIdentity?>(never.Task);
        });
        await using TlsServer server = TlsServer.Start(new TlsSettings { Selector = selector, HandshakeTimeout = TimeSpan.FromMilliseconds(300) });
        using System.Net.Sockets.Socket socket = await RawPeers.ConnectAsync(server.EndPoint);
        await socket.SendAsync(await TlsHellos.CaptureAsync());
        await RawPeers.ReadToEndAsync(socket);
        Assert.Equal(TlsFailure.HandshakeTimeout, server.NextOutcome().Failure);
        Assert.True(await cancelled.Task.WaitAsync(Guard.Time)); // application code, and not on the loop
        await server.WhenEmptyAsync();
    }

    // ---- Clients with certificates ----------------------------------------------------------------------------

    [Theory]
    [InlineData(SslProtocols.Tls12)]
    [InlineData(SslProtocols.Tls13)]
    [Trait("Defect", "TLS-5")]
    public async Task A_client_certificate_is_checked_against_the_trusted_authorities(SslProtocols version)
    {
        X509Certificate2? seen = null;
        await using TlsServer server = TlsServer.Start(Demanding(TlsClientCertificateMode.Require), features =>
        {
            seen = features.GetRequiredFeature<ITlsConnectionFeature>().ClientCertificate;
            return Task.CompletedTask;
        });
        X509Certificate2 mine = TestCertificates.Shared.Client("me");
        await using SslStream stream = await TlsClients.ConnectAsync(server, options => Present(options, mine, version));
        await stream.WriteAsync("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"u8.ToArray());
        Assert.StartsWith("HTTP/1.1 200", await new StreamReader(stream).ReadToEndAsync().WaitAsync(Guard.Time), StringComparison.Ordinal);
        Assert.Equal(mine.Thumbprint, seen!.Thumbprint);
        TlsOutcome outcome = server.NextOutcome();
        Assert.Equal((TlsFailure.None, true), (outcome.Failure, outcome.HasClientCertificate));
    }

    [Theory]
    [InlineData(SslProtocols.Tls12)]
    [InlineData(SslProtocols.Tls13)]
    public async Task A_client_certificate_of_somebody_else_is_refused(SslProtocols version)
    {
        await using TlsServer server = TlsServer.Start(Demanding(TlsClientCertificateMode.Require));
        X509Certificate2 foreign = new TestCertificates("Somebody else").Client("me");
        await ExpectNoAnswerAsync(server, options => Present(options, foreign, version));
        Assert.Equal(TlsFailure.ClientCertificateInvalid, server.NextOutcome().Failure);
        await server.WhenEmptyAsync();
    }

    [Theory]
    [InlineData(SslProtocols.Tls12)]
    [InlineData(SslProtocols.Tls13)]
    [Trait("Defect", "TLS-5")]
    public async Task A_client_without_the_demanded_certificate_is_refused(SslProtocols version)
    {
        await using TlsServer server = TlsServer.Start(Demanding(TlsClientCertificateMode.Require));
        await ExpectNoAnswerAsync(server, options => options.EnabledSslProtocols = version);
        Assert.Equal(TlsFailure.ClientCertificateMissing, server.NextOutcome().Failure);
    }

    [Fact]
    public async Task Where_it_is_optional_a_client_without_one_is_served()
    {
        await using TlsServer server = TlsServer.Start(Demanding(TlsClientCertificateMode.Allow));
        await TlsBadPeerTests.ExpectServiceAsync(server);
        Assert.False(server.NextOutcome().HasClientCertificate);
    }

    [Fact]
    public async Task The_application_has_the_last_word()
    {
        List<SslPolicyErrors> errors = [];
        TlsClientCertificates policy = new()
        {
            Mode = TlsClientCertificateMode.Require,
            Validation = (_, certificate, chain, found) =>
            {
                errors.Add(found);
                return certificate is not null && chain is not null;
            },
        };
        await using TlsServer server = TlsServer.Start(new TlsIdentity { Certificates = [TlsServer.Certificate()], ClientCertificates = policy });
        X509Certificate2 foreign = new TestCertificates("Somebody else").Client("me");
        await using SslStream stream = await TlsClients.ConnectAsync(server, options => Present(options, foreign, SslProtocols.Tls13));
        Assert.Equal(TlsFailure.None, server.NextOutcome().Failure);
        Assert.Equal([SslPolicyErrors.RemoteCertificateChainErrors], errors);
    }

    [Fact]
    [Trait("Defect", "TLS-29")]
    public async Task A_delayed_certificate_is_not_worth_a_renegotiation_in_TLS_1_2()
    {
        X509Certificate2? seen = TestCertificates.Shared.Root;
        await using TlsServer server = TlsServer.Start(Demanding(TlsClientCertificateMode.Delay), async features =>
            seen = await features.GetRequiredFeature<ITlsConnectionFeature>().GetClientCertificateAsync(CancellationToken.None));
        await using SslStream stream = await TlsClients.ConnectAsync(server, static options => Present(options, TestCertificates.Shared.Client("late"), SslProtocols.Tls12));
        await stream.WriteAsync("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"u8.ToArray());
        await TlsTransferTests.ReadUntilAsync(stream, "\r\n\r\n");
        Assert.Null(seen);
    }

    [Fact]
    public async Task A_delayed_certificate_is_asked_for_when_the_application_wants_it()
    {
        List<X509Certificate2?> before = [];
        X509Certificate2? seen = null;
        await using TlsServer server = TlsServer.Start(Demanding(TlsClientCertificateMode.Delay), async features =>
        {
            ITlsConnectionFeature feature = features.GetRequiredFeature<ITlsConnectionFeature>();
            before.Add(feature.ClientCertificate);
            seen = await feature.GetClientCertificateAsync(CancellationToken.None);
        });
        X509Certificate2 mine = TestCertificates.Shared.Client("late");
        await using SslStream stream = await TlsClients.ConnectAsync(server, options =>
        {
            Present(options, mine, SslProtocols.Tls13);
        });
        for (int i = 0; i < 2; i++)
        {
            await stream.WriteAsync("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"u8.ToArray());
            await TlsTransferTests.ReadUntilAsync(stream, "\r\n\r\n");
            Assert.Equal(mine.Thumbprint, seen!.Thumbprint);
        }

        Assert.Equal([null, mine.Thumbprint], before.Select(static certificate => certificate?.Thumbprint));
    }

    [Fact]
    public async Task A_delayed_certificate_of_somebody_else_is_the_application_s_exception()
    {
        Exception? thrown = null;
        await using TlsServer server = TlsServer.Start(Demanding(TlsClientCertificateMode.Delay), async features =>
            thrown = await Record.ExceptionAsync(() => features.GetRequiredFeature<ITlsConnectionFeature>().GetClientCertificateAsync(CancellationToken.None)));
        X509Certificate2 foreign = new TestCertificates("Somebody else").Client("late");
        await using SslStream stream = await TlsClients.ConnectAsync(server, options => Present(options, foreign, SslProtocols.Tls13));
        await stream.WriteAsync("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"u8.ToArray());
        await TlsTransferTests.ReadUntilAsync(stream, "\r\n\r\n");
        Assert.IsType<AuthenticationException>(thrown);
    }

    [Fact]
    public async Task A_delayed_certificate_is_not_asked_for_over_unread_content()
    {
        Exception? thrown = null;
        await using TlsServer server = TlsServer.Start(Demanding(TlsClientCertificateMode.Delay), async features =>
        {
            thrown = await Record.ExceptionAsync(() => features.GetRequiredFeature<ITlsConnectionFeature>().GetClientCertificateAsync(CancellationToken.None));
            await features.GetRequiredFeature<IHttpRequestFeature>().Body.CopyToAsync(Stream.Null);
        });
        await using SslStream stream = await TlsClients.ConnectAsync(server, options => Present(options, TestCertificates.Shared.Client("late"), SslProtocols.Tls13));
        byte[] content = new byte[40_000];
        await stream.WriteAsync(System.Text.Encoding.ASCII.GetBytes($"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: {content.Length}\r\n\r\n"));
        await stream.WriteAsync(content);
        await TlsTransferTests.ReadUntilAsync(stream, "\r\n\r\n");
        Assert.IsType<InvalidOperationException>(thrown);
    }

    [Fact]
    [Trait("Defect", "TLS-29")]
    public async Task A_client_cannot_renegotiate()
    {
        await using TlsServer server = TlsServer.Start(TlsServer.Identity());
        ProgramResult? client = await ExternalProgram.TryRunAsync("openssl", ["s_client", "-connect", $"localhost:{server.Port}", "-tls1_2"], "R\n", holdsInputOpen: "RENEGOTIATING");
        if (client is null)
        {
            return;
        }

        Assert.Contains("no renegotiation", client.All, StringComparison.OrdinalIgnoreCase);
        await TlsBadPeerTests.ExpectServiceAsync(server);
    }

    // ---- Staples and the key log ------------------------------------------------------------------------------

    [Fact]
    public async Task A_staple_is_sent_to_who_asks()
    {
        byte[] staple = [0x30, 0x03, 0x0A, 0x01, 0x06]; // OCSPResponse { unauthorized }: well-formed DER
        await using TlsServer server = TlsServer.Start(new TlsSettings { Default = TlsServer.Identity(), Services = new TlsServices { Staples = new Staples(staple) } });
        ProgramResult? client = await ExternalProgram.TryRunAsync("openssl", ["s_client", "-connect", $"localhost:{server.Port}", "-status", "-ign_eof"], "GET / HTTP/1.0\r\nHost: a\r\n\r\n");
        if (client is null)
        {
            return;
        }

        Assert.Contains("OCSP Response Status: unauthorized", client.Output, StringComparison.Ordinal);
        Assert.Contains("hello over https", client.Output, StringComparison.Ordinal);
    }

    [Fact]
    [Trait("Defect", "TLS-27")]
    public async Task Without_a_staple_the_handshake_goes_on()
    {
        await using TlsServer server = TlsServer.Start(new TlsSettings { Default = TlsServer.Identity(), Services = new TlsServices { Staples = new Staples(null) } });
        ProgramResult? client = await ExternalProgram.TryRunAsync("openssl", ["s_client", "-connect", $"localhost:{server.Port}", "-status", "-ign_eof"], "GET / HTTP/1.0\r\nHost: a\r\n\r\n");
        if (client is null)
        {
            return;
        }

        Assert.Contains("OCSP response: no response sent", client.Output, StringComparison.Ordinal);
        Assert.Contains("hello over https", client.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_key_log_gets_its_lines()
    {
        KeyLog log = new();
        await using TlsServer server = TlsServer.Start(new TlsSettings { Default = TlsServer.Identity(), Services = new TlsServices { KeyLog = log } });
        await TlsBadPeerTests.ExpectServiceAsync(server);
        string[] labels = [.. log.Lines.Select(static line => line.Split(' ')[0]).Order(StringComparer.Ordinal)];
        Assert.Equal(["CLIENT_HANDSHAKE_TRAFFIC_SECRET", "CLIENT_TRAFFIC_SECRET_0", "EXPORTER_SECRET", "SERVER_HANDSHAKE_TRAFFIC_SECRET", "SERVER_TRAFFIC_SECRET_0"], labels);
    }

    // ---- Faults of the configuration --------------------------------------------------------------------------

    [Fact]
    public void All_faults_are_named_at_once()
    {
        TlsSettings settings = new()
        {
            Default = new TlsIdentity { Certificates = [] },
            Names = new Dictionary<string, TlsIdentity>
            {
                ["a"] = new() { Certificates = [TlsServer.Certificate()], Ciphers = new TlsCipherPolicy("NO-SUCH-CIPHER", null) },
                ["b"] = new() { Certificates = [TlsServer.Certificate(), TlsServer.Certificate(TestKey.P384)] },
                ["c"] = new() { Certificates = [new TlsCertificate { Leaf = TestCertificates.Shared.Server(), PrivateKey = KeyOf(TestKey.Rsa2048) }] },
                ["d"] = new() { Certificates = [new TlsCertificate { Leaf = X509CertificateLoader.LoadCertificate(TestCertificates.Shared.Server().RawData) }] },
                ["e"] = new() { Certificates = [TlsServer.Certificate()], ApplicationProtocols = [""] },
            },
            KernelTls = KernelTls.Require,
            FindKernelTls = static () => new KernelTlsSupport("there is none"),
        };
        string message = Assert.Throws<TlsConfigurationException>(() => new TlsEndpoint(settings)).Message;
        string[] expected = ["default identity", "NO-SUCH-CIPHER", "two certificates of one key type", "does not belong to the certificate", "no usable private key", "ApplicationProtocols", "KernelTls"];
        Assert.All(expected, part => Assert.Contains(part, message, StringComparison.Ordinal));
    }

    [Fact]
    [Trait("Defect", "TLS-21")]
    [Trait("Defect", "TLS-25")]
    public async Task A_replaced_certificate_is_for_new_connections_and_a_broken_one_changes_nothing()
    {
        await using TlsServer server = TlsServer.Start(TlsServer.Identity());
        await using SslStream kept = await TlsClients.ConnectAsync(server);
        string before = kept.RemoteCertificate!.GetCertHashString();
        Assert.Throws<TlsConfigurationException>(() => server.Replace(new TlsSettings { Default = new TlsIdentity { Certificates = [] } }));
        await using (SslStream same = await TlsClients.ConnectAsync(server))
        {
            Assert.Equal(before, same.RemoteCertificate!.GetCertHashString());
        }

        X509Certificate2 renewed = TestCertificates.Shared.Renewed(TestKey.P256, "localhost");
        server.Replace(new TlsSettings { Default = new TlsIdentity { Certificates = [new TlsCertificate { Leaf = renewed, Chain = [TestCertificates.Shared.Intermediate] }] } });
        await using SslStream fresh = await TlsClients.ConnectAsync(server);
        Assert.Equal(renewed.GetCertHashString(), fresh.RemoteCertificate!.GetCertHashString());
        await kept.WriteAsync("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"u8.ToArray());
        Assert.EndsWith("hello over https", await new StreamReader(kept).ReadToEndAsync().WaitAsync(Guard.Time), StringComparison.Ordinal);
    }

    private static byte[] KeyOf(TestKey key)
    {
        using System.Security.Cryptography.RSA rsa = TestCertificates.Shared.Server(key).GetRSAPrivateKey()!;
        return rsa.ExportPkcs8PrivateKey();
    }

    private static TlsIdentity Demanding(TlsClientCertificateMode mode) => new()
    {
        Certificates = [TlsServer.Certificate()],
        ClientCertificates = new TlsClientCertificates { Mode = mode, TrustedAuthorities = [TestCertificates.Shared.Root] },
    };

    private static void Present(SslClientAuthenticationOptions options, X509Certificate2 certificate, SslProtocols version)
    {
        options.EnabledSslProtocols = version;
        options.ClientCertificateContext = SslStreamCertificateContext.Create(certificate, [TestCertificates.Shared.Intermediate], offline: true);
    }

    private static void AcceptAny(SslClientAuthenticationOptions options, string name)
    {
        options.TargetHost = name;
        options.RemoteCertificateValidationCallback = static (_, certificate, chain, errors) => TlsClients.IsTrusted(certificate, chain, errors & ~SslPolicyErrors.RemoteCertificateNameMismatch);
    }

    // In TLS 1.3 the client believes in its success until it reads.
    private static async Task ExpectNoAnswerAsync(TlsServer server, Action<SslClientAuthenticationOptions> configure)
    {
        string answer = "";
        try
        {
            await using SslStream stream = await TlsClients.ConnectAsync(server, configure);
            await stream.WriteAsync("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"u8.ToArray());
            answer = await new StreamReader(stream).ReadToEndAsync().WaitAsync(Guard.Time);
        }
        catch (Exception refused) when (refused is AuthenticationException or IOException)
        {
            // An alert, or the end.
        }

        Assert.Equal("", answer);
    }

    private static TlsSettings NamedSettings(bool spanLabels) => new()
    {
        Default = TlsServer.Identity(TestKey.P256, "default"),
        Names = new[] { "a.example.com", "*.example.com", "*.deep.example.com" }.ToDictionary(static name => name, static name => TlsServer.Identity(TestKey.P256, name)),
        WildcardsSpanLabels = spanLabels,
    };

    private sealed class Selector(Func<TlsClientHello, CancellationToken, ValueTask<TlsIdentity?>> select) : ITlsSelector
    {
        public Selector(Func<TlsClientHello, ValueTask<TlsIdentity?>> select)
            : this((hello, _) => select(hello))
        {
        }

        public ValueTask<TlsIdentity?> SelectAsync(TlsClientHello hello, CancellationToken cancellationToken) => select(hello, cancellationToken);
    }

    private sealed class Staples(byte[]? staple) : IOcspStapleSource
    {
        public byte[]? Find(X509Certificate2 certificate) => staple;
    }

    private sealed class KeyLog : ITlsKeyLog
    {
        public List<string> Lines { get; } = [];

        public void Write(ReadOnlySpan<byte> line) => Lines.Add(System.Text.Encoding.ASCII.GetString(line));
    }
}
