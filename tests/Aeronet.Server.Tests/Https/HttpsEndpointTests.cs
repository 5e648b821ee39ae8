using System;
using System.Buffers;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Net;
using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Threading;
using System.Threading.Tasks;
using Aeronet.Server.Binding;
using Aeronet.Server.Https;
using Aeronet.Server.Tests.Binding;
using Aeronet.TestSupport.Connections;
using Aeronet.TestSupport.Tls;
using Aeronet.Transport;
using Aeronet.Transport.Tls;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Xunit;

#pragma warning disable CA1416 // these tests run where OpenSSL is

namespace Aeronet.Server.Tests.Https;

/// <summary>What <c>UseHttps</c> and the <c>Kestrel</c> section say becomes settings of Aeronet's TLS, word by word.</summary>
public sealed class HttpsEndpointTests : IDisposable
{
    private static readonly X509Certificate2 s_certificate = TestCertificates.Shared.Server(TestKey.P256, "a.example.com");
    private static readonly X509Certificate2 s_other = TestCertificates.Shared.Server(TestKey.Rsa2048, "b.example.com");

    private readonly string _folder = Directory.CreateTempSubdirectory("aeronet-https-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void A_certificate_with_its_chain_is_all_that_is_needed()
    {
        TlsSettings settings = Read(static listen => listen.UseHttps(https =>
        {
            https.ServerCertificate = s_certificate;
            https.ServerCertificateChain = [TestCertificates.Shared.Intermediate];
        }));
        TlsCertificate certificate = Assert.Single(settings.Default!.Certificates);
        Assert.Same(s_certificate, certificate.Leaf);
        Assert.Equal([TestCertificates.Shared.Intermediate], certificate.Chain);
        Assert.Equal(["http/1.1"], settings.Default.ApplicationProtocols);
        Assert.Equal(SslProtocols.None, settings.Default.Protocols);
        Assert.Equal(TlsClientCertificateMode.None, settings.Default.ClientCertificates.Mode);
        Assert.Equal(TimeSpan.FromSeconds(10), settings.HandshakeTimeout);
        Assert.Empty(settings.Names);
        Assert.Null(settings.Selector);
        Assert.True(settings.Default.AllowResumption);
    }

    [Fact]
    public void All_overloads_with_a_certificate_or_a_file_are_read()
    {
        string file = Path.Combine(_folder, "a.pfx");
        File.WriteAllBytes(file, s_certificate.Export(X509ContentType.Pkcs12, "secret"));
        string open = Path.Combine(_folder, "open.pfx");
        File.WriteAllBytes(open, s_certificate.Export(X509ContentType.Pkcs12));
        foreach (Action<ListenOptions> overload in new Action<ListenOptions>[]
        {
            static listen => listen.UseHttps(s_certificate),
            static listen => listen.UseHttps(s_certificate, static _ => { }),
            static listen => listen.UseHttps(new HttpsConnectionAdapterOptions { ServerCertificate = s_certificate }),
            listen => listen.UseHttps(open),
            listen => listen.UseHttps(file, "secret"),
            listen => listen.UseHttps(file, "secret", static _ => { }),
        })
        {
            Assert.Equal(s_certificate.Thumbprint, Assert.Single(Read(overload).Default!.Certificates).Leaf.Thumbprint);
        }
    }

    [Fact]
    public void Every_property_of_the_options_is_honoured()
    {
        TlsSettings settings = Read(static listen => listen.UseHttps(s_certificate, static https =>
        {
            https.SslProtocols = SslProtocols.Tls13;
            https.CheckCertificateRevocation = true;
            https.ClientCertificateMode = ClientCertificateMode.RequireCertificate;
            https.HandshakeTimeout = TimeSpan.FromSeconds(3);
        }));
        Assert.Equal(SslProtocols.Tls13, settings.Default!.Protocols);
        Assert.Equal(TimeSpan.FromSeconds(3), settings.HandshakeTimeout);
        Assert.Equal(TlsClientCertificateMode.Require, settings.Default.ClientCertificates.Mode);
        Assert.Equal(X509RevocationMode.Online, settings.Default.ClientCertificates.RevocationMode);
        Assert.Equal(Timeout.InfiniteTimeSpan, Read(static listen => listen.UseHttps(s_certificate, static https => https.HandshakeTimeout = Timeout.InfiniteTimeSpan)).HandshakeTimeout);
    }

    [Theory]
    [InlineData(ClientCertificateMode.NoCertificate, "None")]
    [InlineData(ClientCertificateMode.AllowCertificate, "Allow")]
    [InlineData(ClientCertificateMode.RequireCertificate, "Require")]
    [InlineData(ClientCertificateMode.DelayCertificate, "Delay")]
    [Trait("Defect", "TLS-5")]
    public void Client_certificate_modes_keep_their_meaning(ClientCertificateMode mode, string expected)
    {
        TlsClientCertificates clients = Read(listen => listen.UseHttps(s_certificate, https => https.ClientCertificateMode = mode)).Default!.ClientCertificates;
        Assert.Equal(expected, clients.Mode.ToString());
        if (mode != ClientCertificateMode.NoCertificate)
        {
            bool isMissingAllowed = mode != ClientCertificateMode.RequireCertificate;
            Assert.Equal(isMissingAllowed, clients.Validation!(Connection(), null, null, SslPolicyErrors.RemoteCertificateNotAvailable));
            Assert.True(clients.Validation(Connection(), s_other, null, SslPolicyErrors.None));
            Assert.False(clients.Validation(Connection(), s_other, null, SslPolicyErrors.RemoteCertificateChainErrors));
        }
    }

    [Fact]
    public void The_applications_validation_has_the_last_word_on_errors()
    {
        var seen = new List<SslPolicyErrors>();
        TlsClientCertificates clients = Read(listen => listen.UseHttps(s_certificate, https =>
        {
            https.ClientCertificateMode = ClientCertificateMode.AllowCertificate;
            https.ClientCertificateValidation = (certificate, _, errors) =>
            {
                seen.Add(errors);
                return certificate.Equals(s_other);
            };
        })).Default!.ClientCertificates;
        Assert.True(clients.Validation!(Connection(), s_other, null, SslPolicyErrors.RemoteCertificateChainErrors));
        Assert.False(clients.Validation(Connection(), s_certificate, null, SslPolicyErrors.None));
        Assert.True(clients.Validation(Connection(), null, null, SslPolicyErrors.RemoteCertificateNotAvailable));
        Assert.Equal([SslPolicyErrors.RemoteCertificateChainErrors, SslPolicyErrors.None], seen);
    }

    [Fact]
    public void Https_defaults_of_code_and_configuration_apply()
    {
        KestrelServerOptions kestrel = KestrelInternalsTests.Options(
            static options =>
            {
                options.ConfigureHttpsDefaults(static https => https.ServerCertificate = s_certificate);
                options.Listen(IPAddress.Loopback, 5001, static listen => listen.UseHttps());
            },
            ("EndpointDefaults:SslProtocols:0", "Tls12"),
            ("EndpointDefaults:ClientCertificateMode", "AllowCertificate"));
        TlsSettings settings = HttpsEndpoint.Read(KestrelInternals.GetCodeBackedListenOptions(kestrel)[0], Shared());
        Assert.Equal(SslProtocols.Tls12, settings.Default!.Protocols);
        Assert.Equal(TlsClientCertificateMode.Allow, settings.Default.ClientCertificates.Mode);
        Assert.Same(s_certificate, settings.Default.Certificates[0].Leaf);
    }

    [Fact]
    [Trait("Defect", "TLS-15")]
    public void A_configured_endpoint_with_a_pem_chain_sends_the_whole_chain()
    {
        string certificate = Path.Combine(_folder, "fullchain.pem");
        string key = Path.Combine(_folder, "key.pem");
        File.WriteAllText(certificate, s_certificate.ExportCertificatePem() + "\n" + TestCertificates.Shared.Intermediate.ExportCertificatePem());
        File.WriteAllText(key, s_certificate.GetECDsaPrivateKey()!.ExportPkcs8PrivateKeyPem());
        TlsSettings settings = ReadConfigured(
            ("Endpoints:A:Url", "https://127.0.0.1:5001"),
            ("Endpoints:A:Certificate:Path", certificate),
            ("Endpoints:A:Certificate:KeyPath", key),
            ("Endpoints:A:SslProtocols:0", "Tls13"),
            ("Endpoints:A:ClientCertificateMode", "RequireCertificate"));
        TlsCertificate read = Assert.Single(settings.Default!.Certificates);
        Assert.Equal(s_certificate.Thumbprint, read.Leaf.Thumbprint);
        Assert.Equal(TestCertificates.Shared.Intermediate.Thumbprint, Assert.Single(read.Chain).Thumbprint);
        Assert.Equal(SslProtocols.Tls13, settings.Default.Protocols);
        Assert.Equal(TlsClientCertificateMode.Require, settings.Default.ClientCertificates.Mode);
    }

    [Fact]
    public void The_default_certificate_of_the_configuration_serves_endpoints_without_one()
    {
        string file = Path.Combine(_folder, "default.pfx");
        File.WriteAllBytes(file, s_certificate.Export(X509ContentType.Pkcs12, "p"));
        TlsSettings settings = ReadConfigured(("Endpoints:A:Url", "https://127.0.0.1:5001"), ("Certificates:Default:Path", file), ("Certificates:Default:Password", "p"));
        Assert.Equal(s_certificate.Thumbprint, settings.Default!.Certificates[0].Leaf.Thumbprint);
    }

    [Fact]
    [Trait("Defect", "TLS-17")]
    public void The_Sni_section_gives_every_name_its_certificate_and_settings_and_refuses_others_without_a_star()
    {
        string a = Path.Combine(_folder, "a.pfx");
        string b = Path.Combine(_folder, "b.pfx");
        File.WriteAllBytes(a, s_certificate.Export(X509ContentType.Pkcs12, "p"));
        File.WriteAllBytes(b, s_other.Export(X509ContentType.Pkcs12, "p"));
        (string, string)[] section =
        [
            ("Endpoints:A:Url", "https://127.0.0.1:5001"),
            ("Endpoints:A:Certificate:Path", a),
            ("Endpoints:A:Certificate:Password", "p"),
            ("Endpoints:A:Sni:a.example.com:ClientCertificateMode", "RequireCertificate"),
            ("Endpoints:A:Sni:*.example.org:Certificate:Path", b),
            ("Endpoints:A:Sni:*.example.org:Certificate:Password", "p"),
            ("Endpoints:A:Sni:*.example.org:SslProtocols:0", "Tls12"),
        ];
        TlsSettings settings = ReadConfigured(section);
        Assert.Null(settings.Default);
        Assert.Null(settings.Selector);
        Assert.True(settings.WildcardsSpanLabels);
        Assert.Equal(["*.example.org", "a.example.com"], settings.Names.Keys.Order(StringComparer.Ordinal));
        Assert.Equal(s_certificate.Thumbprint, settings.Names["a.example.com"].Certificates[0].Leaf.Thumbprint);
        TlsClientCertificates clients = settings.Names["a.example.com"].ClientCertificates;
        Assert.NotEqual(TlsClientCertificateMode.None, clients.Mode);
        Assert.False(clients.Validation!(Connection(), null, null, SslPolicyErrors.RemoteCertificateNotAvailable));
        Assert.Equal(s_other.Thumbprint, settings.Names["*.example.org"].Certificates[0].Leaf.Thumbprint);
        Assert.Equal(SslProtocols.Tls12, settings.Names["*.example.org"].Protocols);
        Assert.Equal(TlsClientCertificateMode.None, settings.Names["*.example.org"].ClientCertificates.Mode);

        TlsSettings withStar = ReadConfigured([.. section, ("Endpoints:A:Sni:*:SslProtocols:0", "Tls13")]);
        Assert.Equal(SslProtocols.Tls13, withStar.Default!.Protocols);
    }

    [Fact]
    public async Task A_certificate_selector_is_asked_per_connection_and_the_same_answer_is_the_same_identity()
    {
        var asked = new List<(string Id, string? Name)>();
        TlsSettings settings = Read(listen => listen.UseHttps(https =>
        {
            https.ServerCertificateSelector = (connection, name) =>
            {
                asked.Add((connection!.ConnectionId, name));
                return name is null ? null : name.StartsWith('a') ? s_certificate : s_other;
            };
            https.ClientCertificateMode = ClientCertificateMode.AllowCertificate;
        }));
        Assert.Null(settings.Default);
        TlsIdentity? a = await SelectAsync(settings, "a");
        Assert.Same(s_certificate, a!.Certificates[0].Leaf);
        Assert.Equal(TlsClientCertificateMode.Allow, a.ClientCertificates.Mode);
        Assert.Same(a, await SelectAsync(settings, "a.b"));
        Assert.Same(s_other, (await SelectAsync(settings, "b"))!.Certificates[0].Leaf);
        await Assert.ThrowsAsync<AuthenticationException>(async () => await SelectAsync(settings, ""));
        Assert.Equal(["a", "a.b", "b", null], asked.Select(static one => one.Name));
        Assert.All(asked, static one => Assert.Equal(13, one.Id.Length));
    }

    [Fact]
    [Trait("Defect", "TLS-26")]
    public async Task OnAuthenticate_changes_the_handshake_of_its_connection_and_keeps_the_endpoints_rule_for_clients()
    {
        TlsSettings settings = Read(static listen => listen.UseHttps(s_certificate, static https =>
        {
            https.ClientCertificateMode = ClientCertificateMode.RequireCertificate;
            https.OnAuthenticate = static (_, ssl) =>
            {
                ssl.EnabledSslProtocols = SslProtocols.Tls12;
                ssl.CipherSuitesPolicy = s_policy;
            };
        }));
        TlsIdentity? identity = await SelectAsync(settings, "a");
        Assert.Equal(SslProtocols.Tls12, identity!.Protocols);
        Assert.Equal("ECDHE-ECDSA-AES128-GCM-SHA256", identity.Ciphers.CipherList);
        Assert.Equal("TLS_AES_128_GCM_SHA256", identity.Ciphers.CipherSuites);
        Assert.Equal(TlsClientCertificateMode.Require, identity.ClientCertificates.Mode);
        Assert.False(identity.ClientCertificates.Validation!(Connection(), null, null, SslPolicyErrors.RemoteCertificateNotAvailable));
        Assert.Same(identity, await SelectAsync(settings, "b"));
    }

    [Fact]
    public async Task What_a_callback_asks_for_and_Aeronet_does_not_have_refuses_the_connection_by_name()
    {
        TlsSettings settings = Read(static listen => listen.UseHttps(s_certificate, static https => https.OnAuthenticate = static (_, ssl) => ssl.AllowRsaPssPadding = false));
        TlsConfigurationException fault = await Assert.ThrowsAsync<TlsConfigurationException>(async () => await SelectAsync(settings, "a"));
        Assert.Contains("AllowRsaPssPadding", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_listener_for_ClientHello_bytes_gets_them_and_the_endpoints_identity_stays()
    {
        byte[]? seen = null;
        TlsSettings settings = Read(listen => listen.UseHttps(s_certificate, https => https.TlsClientHelloBytesCallback = (_, bytes) => seen = bytes.ToArray()));
        Assert.True(settings.Services.CapturesClientHello);
        Assert.Null(await SelectAsync(settings, "a", "hello"u8.ToArray()));
        Assert.Equal("hello"u8.ToArray(), seen);
        Assert.Same(s_certificate, settings.Default!.Certificates[0].Leaf);
    }

    [Fact]
    public async Task An_options_callback_may_take_its_time_and_decides_everything()
    {
        var gate = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        TlsSettings settings = Read(listen => listen.UseHttps(new TlsHandshakeCallbackOptions
        {
            HandshakeTimeout = TimeSpan.FromSeconds(4),
            OnConnectionState = "state",
            OnConnection = async context =>
            {
                await gate.Task;
                Assert.Equal("state", context.State);
                Assert.NotNull(context.SslStream);
                Assert.NotNull(context.Connection.ConnectionId);
                context.AllowDelayedClientCertificateNegotation = true;
                return new SslServerAuthenticationOptions { ServerCertificate = context.ClientHelloInfo.ServerName == "a" ? s_certificate : s_other, AllowTlsResume = false };
            },
        }));
        Assert.Equal(TimeSpan.FromSeconds(4), settings.HandshakeTimeout);
        ValueTask<TlsIdentity?> selecting = SelectAsync(settings, "a");
        Assert.False(selecting.IsCompleted);
        gate.SetResult();
        TlsIdentity? identity = await selecting;
        Assert.Same(s_certificate, identity!.Certificates[0].Leaf);
        Assert.Equal(TlsClientCertificateMode.Delay, identity.ClientCertificates.Mode);
        Assert.False(identity.AllowResumption);
        Assert.Equal(["http/1.1"], identity.ApplicationProtocols);
        Assert.Same(identity, await SelectAsync(settings, "a"));
        Assert.Same(s_other, (await SelectAsync(settings, "b"))!.Certificates[0].Leaf);
    }

    [Fact]
    [Trait("Defect", "TLS-5")]
    public async Task A_chain_policy_without_roots_of_its_own_trusts_the_server_s_authorities_only()
    {
        X509Certificate2 client = TestCertificates.Shared.Client("client");
        foreach ((X509Certificate2Collection authorities, bool isWelcome) in ((X509Certificate2Collection, bool)[])[([TestCertificates.Shared.Root, TestCertificates.Shared.Intermediate], true), ([new TestCertificates("others").Root], false)])
        {
            SharedTls shared = Shared() with { ClientTrust = new ClientTrust { Authorities = authorities } };
            TlsSettings settings = Read(static listen => listen.UseHttps(new TlsHandshakeCallbackOptions
            {
                OnConnection = static _ => new ValueTask<SslServerAuthenticationOptions>(new SslServerAuthenticationOptions
                {
                    ServerCertificate = s_certificate,
                    ClientCertificateRequired = true,
                    CertificateChainPolicy = new X509ChainPolicy { RevocationMode = X509RevocationMode.NoCheck },
                }),
            }), shared);
            TlsClientCertificates clients = (await SelectAsync(settings, "a"))!.ClientCertificates;
            Assert.Equal(isWelcome, clients.Validation!(Connection(), client, null, SslPolicyErrors.None));
        }
    }

    [Fact]
    public async Task The_short_form_of_an_options_callback_works_too()
    {
        TlsSettings settings = Read(static listen => listen.UseHttps(
            static (_, hello, state, _) => ValueTask.FromResult(new SslServerAuthenticationOptions { ServerCertificate = hello.ServerName == "a" ? s_certificate : (X509Certificate2)state! }), s_other));
        Assert.Same(s_other, (await SelectAsync(settings, "x"))!.Certificates[0].Leaf);
    }

    [Fact]
    public void Other_middleware_around_https_keeps_the_endpoint_off_our_tls()
    {
        Assert.True(HttpsEndpoint.IsNative(Listen(static listen => listen.UseHttps(s_certificate))));
        Assert.False(HttpsEndpoint.IsNative(Listen(static listen => listen.UseHttps(s_certificate).UseConnectionLogging())));
        Assert.False(HttpsEndpoint.IsNative(Listen(static listen =>
        {
            listen.Use(static next => next);
            listen.UseHttps(s_certificate);
        })));
        Assert.True(HttpsEndpoint.IsNative(Listen(static listen => Proxy(listen).UseHttps(s_certificate))));
        Assert.True(HttpsEndpoint.IsNative(Listen(static listen => Proxy(listen).UseConnectionLimitPerAddress(1).UseHttps(s_certificate))));
        Assert.False(HttpsEndpoint.IsNative(Listen(static listen => Proxy(listen.UseConnectionLimitPerAddress(1)).UseHttps(s_certificate))));
        Assert.False(HttpsEndpoint.IsNative(Listen(static listen => Proxy(listen.UseHttps(s_certificate)))));
        Assert.False(HttpsEndpoint.IsNative(Listen(static listen => Proxy(listen))));
        Assert.False(HttpsEndpoint.IsNative(Listen(static listen => listen.Use(static next => next))));
        Assert.False(HttpsEndpoint.IsNative(Listen(static _ => { })));
    }

    [Fact]
    public void Only_a_gate_in_its_order_and_https_behind_it_do_without_pipes()
    {
        Assert.False(Request(static listen => Proxy(listen)).NeedsPipes);
        Assert.False(Request(static listen => listen.UseConnectionLimitPerAddress(1)).NeedsPipes);
        Assert.False(Request(static listen => Proxy(listen).UseConnectionLimitPerAddress(1).UseHttps(s_certificate)).NeedsPipes);
        Assert.True(Request(static listen => Proxy(listen.UseConnectionLimitPerAddress(1))).NeedsPipes);
        Assert.True(Request(static listen => Proxy(Proxy(listen))).NeedsPipes);
        Assert.True(Request(static listen => Proxy(listen).Use(static next => next)).NeedsPipes);
        Assert.True(Request(static listen =>
        {
            Proxy(listen).Use(static next => next);
            listen.UseHttps(s_certificate);
        }).NeedsPipes);
        Assert.True(Request(static listen => Proxy(listen.UseHttps(s_certificate))).NeedsPipes);

        static EndpointRequest Request(Action<ListenOptions> configure) => EndpointRequest.FromListenOptions(Listen(configure), isConfigured: false);
    }

    private static ListenOptions Proxy(ListenOptions listen) => listen.UseProxyProtocol(static options => options.TrustedNetworks.Add(IPNetwork.Parse("10.0.0.0/8")));

    [Fact]
    [Trait("Defect", "TLS-30")]
    public void A_certificate_for_clients_and_one_without_a_key_are_refused_with_endpoint_and_reason()
    {
        TlsConfigurationException purpose = Assert.Throws<TlsConfigurationException>(() => Read(static listen => listen.UseHttps(TestCertificates.Shared.Client("somebody"))));
        Assert.Contains("https://127.0.0.1:5001", purpose.Message, StringComparison.Ordinal);
        Assert.Contains("serverAuth", purpose.Message, StringComparison.Ordinal);
        using X509Certificate2 bare = X509CertificateLoader.LoadCertificate(s_certificate.RawData);
        Assert.Contains("no private key", Assert.Throws<TlsConfigurationException>(() => Read(listen => listen.UseHttps(bare))).Message, StringComparison.Ordinal);
    }

    [Fact]
    [Trait("Defect", "TLS-14")]
    public void Names_of_Aeronets_options_come_on_top_with_their_own_rule_for_clients()
    {
        SharedTls shared = Shared(
            static options =>
            {
                options.CipherPreset = TlsCipherPreset.Modern;
                options.RequireApplicationProtocolMatch = true;
                options.Tickets.SessionCacheSize = 7;
            },
            new Dictionary<string, SharedTlsName>(StringComparer.OrdinalIgnoreCase)
            {
                ["b.example.com"] = new() { Certificates = [ServerCertificates.ToTls(s_other, null, "b")], ClientCertificateMode = TlsClientCertificateMode.Require, ClientTrust = new ClientTrust { Authorities = [TestCertificates.Shared.Root] } },
                ["*.c.example.com"] = new() { Protocols = SslProtocols.Tls13, RequireApplicationProtocolMatch = false },
            });
        TlsSettings settings = Read(static listen => listen.UseHttps(s_certificate), shared);
        Assert.False(settings.WildcardsSpanLabels);
        TlsIdentity b = settings.Names["B.EXAMPLE.COM"];
        Assert.Same(s_other, b.Certificates[0].Leaf);
        Assert.Equal(TlsClientCertificateMode.Require, b.ClientCertificates.Mode);
        Assert.Equal([TestCertificates.Shared.Root], b.ClientCertificates.TrustedAuthorities!);
        Assert.False(b.ClientCertificates.Validation!(Connection(), null, null, SslPolicyErrors.RemoteCertificateNotAvailable));
        Assert.True(b.RequireApplicationProtocolMatch);
        Assert.Equal(7, b.SessionCacheSize);

        TlsIdentity c = settings.Names["*.c.example.com"];
        Assert.Same(s_certificate, c.Certificates[0].Leaf);
        Assert.Equal(SslProtocols.Tls13, c.Protocols);
        Assert.False(c.RequireApplicationProtocolMatch);
        Assert.Equal(TlsClientCertificateMode.None, settings.Default!.ClientCertificates.Mode);
        Assert.StartsWith("TLS_AES_256_GCM_SHA384:", settings.Default.Ciphers.CipherSuites, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(ClientCertificateMode.NoCertificate)]
    [InlineData(ClientCertificateMode.AllowCertificate)]
    public void A_name_with_a_mode_of_its_own_keeps_the_applications_rule(ClientCertificateMode endpointMode)
    {
        SharedTls shared = Shared(null, new Dictionary<string, SharedTlsName>(StringComparer.OrdinalIgnoreCase)
        {
            ["b.example.com"] = new() { ClientCertificateMode = TlsClientCertificateMode.Require },
        });
        TlsSettings settings = Read(
            listen => listen.UseHttps(s_certificate, https =>
            {
                https.ClientCertificateMode = endpointMode;
                https.CheckCertificateRevocation = true;
                https.ClientCertificateValidation = static (certificate, _, _) => certificate.Equals(s_other);
            }),
            shared);
        TlsClientCertificates clients = settings.Names["b.example.com"].ClientCertificates;
        Assert.Equal(X509RevocationMode.Online, clients.RevocationMode);
        Assert.True(clients.Validation!(Connection(), s_other, null, SslPolicyErrors.RemoteCertificateChainErrors));
        Assert.False(clients.Validation(Connection(), s_certificate, null, SslPolicyErrors.None));
        Assert.False(clients.Validation(Connection(), null, null, SslPolicyErrors.RemoteCertificateNotAvailable));
    }

    [Fact]
    public async Task A_name_of_Aeronets_options_is_not_the_selectors_matter()
    {
        SharedTls shared = Shared(static _ => { }, new Dictionary<string, SharedTlsName>(StringComparer.OrdinalIgnoreCase)
        {
            ["*.example.com"] = new() { Certificates = [ServerCertificates.ToTls(s_other, null, "b")] },
        });
        TlsSettings settings = Read(static listen => listen.UseHttps(static https => https.ServerCertificateSelector = static (_, _) => s_certificate), shared);
        Assert.Null(await SelectAsync(settings, "b.example.com"));
        Assert.NotNull(await SelectAsync(settings, "a.b.example.com")); // a wildcard is for one label
    }

    [Fact]
    public void Certificates_of_Aeronets_options_replace_the_endpoints()
    {
        SharedTls shared = Shared(static _ => { }) with { Certificates = [ServerCertificates.ToTls(s_other, null, "b"), ServerCertificates.ToTls(s_certificate, null, "a")] };
        TlsSettings settings = Read(static listen => listen.UseHttps(s_certificate), shared);
        Assert.Equal([s_other, s_certificate], settings.Default!.Certificates.Select(static certificate => certificate.Leaf));
    }

    private static readonly CipherSuitesPolicy s_policy = new([TlsCipherSuite.TLS_AES_128_GCM_SHA256, TlsCipherSuite.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256]);

    private static SharedTls Shared(Action<AeronetTlsOptions>? configure = null, Dictionary<string, SharedTlsName>? names = null)
    {
        var options = new AeronetTlsOptions();
        configure?.Invoke(options);
        return SharedTls.Create(options, TlsServices.None, [], names ?? [], ClientTrust.System);
    }

    private static ListenOptions Listen(Action<ListenOptions> configure)
        => KestrelInternals.GetCodeBackedListenOptions(KestrelInternalsTests.Options(kestrel => kestrel.Listen(IPAddress.Loopback, 5001, configure)))[0];

    private static TlsSettings Read(Action<ListenOptions> configure, SharedTls? shared = null) => HttpsEndpoint.Read(Listen(configure), shared ?? Shared());

    private static TlsSettings ReadConfigured(params (string Key, string Value)[] section)
    {
        KestrelServerOptions kestrel = KestrelInternalsTests.Options(static _ => { }, section);
        kestrel.ConfigurationLoader!.Load();
        return HttpsEndpoint.Read(KestrelInternals.GetConfigurationBackedListenOptions(kestrel)[0], Shared());
    }

    private static ScriptedConnection Connection() => new(new ScriptedLoop());

    private static ValueTask<TlsIdentity?> SelectAsync(TlsSettings settings, string name, byte[]? bytes = null)
        => settings.Selector!.SelectAsync(new TlsClientHello(Connection(), name, ["http/1.1"], bytes), CancellationToken.None);
}
