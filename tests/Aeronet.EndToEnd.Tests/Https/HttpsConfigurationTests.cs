using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Net;
using System.Net.Http;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Threading;
using System.Threading.Tasks;
using Aeronet.EndToEnd.Tests.Columns;
using Aeronet.Server;
using Aeronet.TestSupport.Hosting;
using Aeronet.TestSupport.Programs;
using Aeronet.TestSupport.Tls;
using Aeronet.Transport;
using Aeronet.Transport.ProxyProtocol;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Xunit;

namespace Aeronet.EndToEnd.Tests.Https;

/// <summary>HTTPS as users configure it: Kestrel's words mean the same on both servers, and Aeronet's own come on top.</summary>
public sealed class HttpsConfigurationTests : IDisposable
{
    private static readonly TestCertificates s_authority = TestCertificates.Shared;
    private static readonly X509Certificate2 s_a = s_authority.Server(TestKey.P256, "a.example.com");
    private static readonly X509Certificate2 s_b = s_authority.Server(TestKey.Rsa2048, "b.example.com");
    private static readonly X509Certificate2 s_client = s_authority.Client("client");

    private readonly string _folder = Directory.CreateTempSubdirectory("aeronet-https-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory, BothServers]
    public async Task A_certificate_in_code_serves_https_and_the_request_says_so(ServerKind server)
    {
        await using AppHost host = await StartAsync(server, static listen => listen.UseHttps(s_a, static https => https.ServerCertificateChain = [s_authority.Intermediate]));
        Assert.StartsWith("https://127.0.0.1:", Assert.Single(host.Addresses), StringComparison.Ordinal);
        await using SslStream client = await ConnectAsync(host, "a.example.com");
        Assert.Equal("https Tls13 -", await GetAsync(client));
        Assert.Equal("https Tls13 -", await GetAsync(client)); // and the connection is kept
    }

    [Theory, BothServers]
    public async Task An_https_address_uses_the_defaults(ServerKind server)
    {
        await using AppHost host = await AppHost.StartAsync(
            server, Describe, builder => builder.WebHost.UseUrls("https://127.0.0.1:0"), static kestrel => kestrel.ConfigureHttpsDefaults(static https => https.ServerCertificate = s_b), BuilderShape.Full, listen: false);
        Assert.StartsWith("https://127.0.0.1:", Assert.Single(host.Addresses), StringComparison.Ordinal);
        await using SslStream client = await ConnectAsync(host, "b.example.com");
        Assert.Equal(s_b.Thumbprint, Shown(client));
    }

    [Theory, BothServers]
    public async Task The_configuration_section_gives_certificates_names_and_modes(ServerKind server)
    {
        await using AppHost host = await StartConfiguredAsync(
            server,
            ("Kestrel:Endpoints:A:Url", "https://127.0.0.1:0"),
            ("Kestrel:Endpoints:A:Certificate:Path", Pem("a", s_a)),
            ("Kestrel:Endpoints:A:Certificate:KeyPath", Key("a", s_a)),
            ("Kestrel:Endpoints:A:Sni:a.example.com:SslProtocols:0", "Tls12"),
            ("Kestrel:Endpoints:A:Sni:*.example.com:Certificate:Path", Pem("b", s_b)),
            ("Kestrel:Endpoints:A:Sni:*.example.com:Certificate:KeyPath", Key("b", s_b)));
        await using (SslStream a = await ConnectAsync(host, "a.example.com"))
        {
            Assert.Equal(s_a.Thumbprint, Shown(a));
            Assert.Equal(SslProtocols.Tls12, a.SslProtocol);
        }
        await using (SslStream b = await ConnectAsync(host, "b.example.com"))
        {
            Assert.Equal(s_b.Thumbprint, Shown(b));
            Assert.Equal(SslProtocols.Tls13, b.SslProtocol);
        }
        await AssertRefusedAsync(host, "other.test");
    }

    [Theory]
    [BothServers(ClientCertificateMode.AllowCertificate, false, true)]
    [BothServers(ClientCertificateMode.AllowCertificate, true, true)]
    [BothServers(ClientCertificateMode.RequireCertificate, false, false)]
    [BothServers(ClientCertificateMode.RequireCertificate, true, true)]
    [BothServers(ClientCertificateMode.NoCertificate, true, true)]
    public async Task Client_certificates_are_asked_for_as_configured(ServerKind server, ClientCertificateMode mode, bool hasCertificate, bool isWelcome)
    {
        await using AppHost host = await StartAsync(server, listen => listen.UseHttps(s_a, https =>
        {
            https.ClientCertificateMode = mode;
            https.ClientCertificateValidation = static (certificate, _, _) => certificate.Thumbprint == s_client.Thumbprint;
        }));
        string? answer = await TryGetAsync(host, "a.example.com", hasCertificate ? s_client : null);
        string shown = mode != ClientCertificateMode.NoCertificate && hasCertificate ? "CN=client" : "-";
        Assert.Equal(isWelcome ? $"https Tls13 {shown}" : null, answer);
    }

    [Theory, BothServers]
    public async Task A_certificate_selector_sees_the_name(ServerKind server)
    {
        await using AppHost host = await StartAsync(server, static listen => listen.UseHttps(static https => https.ServerCertificateSelector = static (_, name) => name == "b.example.com" ? s_b : s_a));
        await using SslStream a = await ConnectAsync(host, "a.example.com");
        await using SslStream b = await ConnectAsync(host, "b.example.com");
        Assert.Equal((s_a.Thumbprint, s_b.Thumbprint), (Shown(a), Shown(b)));
    }

    [Theory, BothServers]
    public async Task An_options_callback_may_wait_before_it_decides(ServerKind server)
    {
        await using AppHost host = await StartAsync(server, static listen => listen.UseHttps(
            static async (_, hello, state, _) =>
            {
                await Task.Yield();
                return new SslServerAuthenticationOptions { ServerCertificate = hello.ServerName == "b.example.com" ? s_b : (X509Certificate2)state! };
            },
            s_a));
        await using SslStream a = await ConnectAsync(host, "a.example.com");
        await using SslStream b = await ConnectAsync(host, "b.example.com");
        Assert.Equal("https Tls13 -", await GetAsync(a));
        Assert.Equal((s_a.Thumbprint, s_b.Thumbprint), (Shown(a), Shown(b)));
    }

    [Theory, BothServers]
    public async Task Handshakes_are_measured_under_Kestrels_names(ServerKind server)
    {
        await using AppHost host = await StartAsync(server, static listen => listen.UseHttps(s_a));
        using var meters = new MeterCapture(host.Services.GetRequiredService<System.Diagnostics.Metrics.IMeterFactory>(), "kestrel.tls_handshake.duration", "kestrel.active_tls_handshakes");
        await using (SslStream client = await ConnectAsync(host, "a.example.com"))
        {
            await GetAsync(client);
        }
        Measurement good = (await meters.WaitForAsync("kestrel.tls_handshake.duration", static all => all.Count == 1))[0];
        Assert.Equal("1.3", good.Tags["tls.protocol.version"]);
        Assert.Equal("127.0.0.1", good.Tags["server.address"]);
        Assert.Equal(host.EndPoint.Port, good.Tags["server.port"]);
        Assert.False(good.Tags.ContainsKey("error.type"));
        IReadOnlyList<Measurement> active = await meters.WaitForAsync("kestrel.active_tls_handshakes", static all => all.Count == 2);
        Assert.Equal([1, -1], active.Select(static one => one.Value));

        using (var garbage = new Socket(SocketType.Stream, ProtocolType.Tcp))
        {
            await garbage.ConnectAsync(host.EndPoint);
            await garbage.SendAsync("not TLS at all, by any means"u8.ToArray());
            byte[] rest = new byte[256];
            while (await garbage.ReceiveAsync(rest).WaitAsync(Guard.Time) > 0)
            {
            }
        }
        Measurement bad = (await meters.WaitForAsync("kestrel.tls_handshake.duration", static all => all.Count == 2))[1];
        Assert.Equal(typeof(AuthenticationException).FullName, bad.Tags["error.type"]);
        Assert.False(bad.Tags.ContainsKey("tls.protocol.version"));
    }

    [Theory, InlineData(ServerKind.Aeronet)]
    public async Task The_slim_builder_serves_configured_https_without_being_asked(ServerKind server)
    {
        await using AppHost host = await AppHost.StartAsync(
            server,
            Describe,
            builder => Configure(builder, ("Kestrel:Endpoints:A:Url", "https://127.0.0.1:0"), ("Kestrel:Endpoints:A:Certificate:Path", Pem("a", s_a)), ("Kestrel:Endpoints:A:Certificate:KeyPath", Key("a", s_a))),
            shape: BuilderShape.Slim,
            listen: false);
        await using SslStream client = await ConnectAsync(host, "a.example.com");
        Assert.Equal("https Tls13 -", await GetAsync(client));
    }

    [Theory, InlineData(ServerKind.Aeronet)]
    [Trait("Defect", "TLS-25")]
    public async Task A_changed_certificate_in_Kestrels_section_reaches_new_connections_and_drops_none(ServerKind server)
    {
        ConfigurationManager? configuration = null;
        await using AppHost host = await AppHost.StartAsync(
            server,
            Describe,
            builder =>
            {
                configuration = builder.Configuration;
                Configure(builder, ("Kestrel:Endpoints:A:Url", "https://127.0.0.1:0"), ("Kestrel:Endpoints:A:Certificate:Path", Pem("a", s_a)), ("Kestrel:Endpoints:A:Certificate:KeyPath", Key("a", s_a)));
            },
            shape: BuilderShape.Full,
            listen: false);
        host.ErrorsExpected = true; // of the broken certificate
        string address = Assert.Single(host.Addresses);
        await using SslStream kept = await ConnectAsync(host, "a.example.com");
        Assert.Equal(s_a.Thumbprint, Shown(kept));

        // The port was 0: the same address is asked for by its number.
        Pem("b", s_b);
        Key("b", s_b);
        configuration!["Kestrel:Endpoints:A:Url"] = address;
        configuration["Kestrel:Endpoints:A:Certificate:Path"] = Path.Combine(_folder, "b.pem");
        configuration["Kestrel:Endpoints:A:Certificate:KeyPath"] = Path.Combine(_folder, "b.key");
        ((IConfigurationRoot)configuration).Reload();
        await EventuallyAsync(async () =>
        {
            await using SslStream fresh = await ConnectAsync(host, "b.example.com", anyName: true);
            return Shown(fresh) == s_b.Thumbprint;
        });
        Assert.Equal("https Tls13 -", await GetAsync(kept));
        Assert.Equal([address], host.Addresses);

        configuration["Kestrel:Endpoints:A:Certificate:KeyPath"] = Path.Combine(_folder, "a.key"); // does not belong to it
        ((IConfigurationRoot)configuration).Reload();
        await host.Logs.WaitForAsync(static entry => entry.Id == 3008);
        await using SslStream last = await ConnectAsync(host, "b.example.com");
        Assert.Equal(s_b.Thumbprint, Shown(last));
        Assert.Equal("https Tls13 -", await GetAsync(kept));
    }

    [Theory, InlineData(ServerKind.Aeronet)]
    [Trait("Defect", "TLS-21"), Trait("Defect", "TLS-25")]
    public async Task A_changed_certificate_file_reaches_new_connections_and_a_broken_one_is_refused(ServerKind server)
    {
        string certificate = Pem("site", s_a);
        string key = Key("site", s_a);
        await using AppHost host = await StartAsync(server, static listen => listen.UseHttps(s_b), options =>
        {
            options.Tls.Certificates.Add(new AeronetTlsCertificate { CertificateFile = certificate, KeyFile = key });
            options.Tls.ReloadDelay = TimeSpan.FromMilliseconds(50);
        });
        host.ErrorsExpected = true;
        await using SslStream kept = await ConnectAsync(host, "a.example.com");
        Assert.Equal(s_a.Thumbprint, Shown(kept));

        X509Certificate2 renewed = s_authority.Renewed(TestKey.P256, "a.example.com");
        Pem("site", renewed);
        Key("site", renewed);
        await EventuallyAsync(async () =>
        {
            await using SslStream fresh = await ConnectAsync(host, "a.example.com");
            return Shown(fresh) == renewed.Thumbprint;
        });
        Assert.Equal("https Tls13 -", await GetAsync(kept));

        File.WriteAllText(certificate, "no certificate");
        LogEntry refused = await host.Logs.WaitForAsync(entry => entry.Id == 2122 && entry.Message.Contains("Certificates[0]", StringComparison.Ordinal));
        Assert.Contains(certificate, refused.Message, StringComparison.Ordinal);
        await using SslStream still = await ConnectAsync(host, "a.example.com");
        Assert.Equal(renewed.Thumbprint, Shown(still));
        Assert.False(host.Services.GetRequiredService<IAeronetTls>().Reload());
        Assert.Equal("https Tls13 -", await GetAsync(kept));
    }

    [Theory, InlineData(ServerKind.Aeronet)]
    public async Task Names_of_Aeronets_section_have_their_own_certificates_and_ask_for_their_own_clients(ServerKind server)
    {
        await using AppHost host = await StartConfiguredAsync(
            server,
            ("Kestrel:Endpoints:A:Url", "https://127.0.0.1:0"),
            ("Kestrel:Endpoints:A:Certificate:Path", Pem("a", s_a)),
            ("Kestrel:Endpoints:A:Certificate:KeyPath", Key("a", s_a)),
            ("Aeronet:Tls:CipherPreset", "Modern"),
            ("Aeronet:Tls:Sni:b.example.com:Certificates:0:CertificateFile", Pem("b", s_b)),
            ("Aeronet:Tls:Sni:b.example.com:Certificates:0:KeyFile", Key("b", s_b)),
            ("Aeronet:Tls:Sni:b.example.com:ClientCertificateMode", "RequireCertificate"),
            ("Aeronet:Tls:Sni:b.example.com:ClientTrust:AuthorityFiles:0", Bundle("authorities")));
        Assert.Equal("https Tls13 -", await TryGetAsync(host, "a.example.com", s_client));
        Assert.Equal("https Tls13 CN=client", await TryGetAsync(host, "b.example.com", s_client));
        Assert.Null(await TryGetAsync(host, "b.example.com", null));
        Assert.Null(await TryGetAsync(host, "b.example.com", new TestCertificates("somebody else").Client("stranger")));
    }

    [Theory]
    [InlineData("a.example.com", "a.example.com", 200)]
    [InlineData("a.example.com", "whatever.example.org", 200)]
    [InlineData("a.example.com", "b.example.com", 421)]
    [InlineData("a.example.com", "B.EXAMPLE.COM.:8443", 421)]
    [InlineData("a.example.com", "x.w.example.com", 421)]
    [InlineData("a.example.com", "[::1]:80", 200)]
    [InlineData("b.example.com", "b.example.com", 200)]
    [InlineData("b.example.com", "B.example.com.:443", 200)]
    [InlineData("b.example.com", "a.example.com", 421)]
    [InlineData("b.example.com", "", 200)]
    [InlineData("x.w.example.com", "y.w.example.com", 200)]
    [Trait("Defect", "TLS-16")]
    public async Task A_request_for_a_host_with_another_entry_is_misdirected(string serverName, string host, int expected)
    {
        await using AppHost server = await StartAsync(ServerKind.Aeronet, static listen => listen.UseHttps(s_a), static options =>
        {
            options.Tls.Sni["b.example.com"] = new AeronetTlsName { Certificates = { new AeronetTlsCertificate { Certificate = s_b } } };
            options.Tls.Sni["*.w.example.com"] = new AeronetTlsName();
        });
        await using SslStream stream = await ConnectAsync(server, serverName, anyName: true);
        await stream.WriteAsync(Encoding.ASCII.GetBytes($"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"));
        Assert.StartsWith($"HTTP/1.1 {expected} ", await new StreamReader(stream).ReadToEndAsync().WaitAsync(Guard.Time), StringComparison.Ordinal);
    }

    [Fact]
    [Trait("Defect", "TLS-16")]
    public async Task A_tunnel_s_other_end_is_no_misdirected_host()
    {
        using var target = new TcpListener(IPAddress.Loopback, 0);
        target.Start();
        string authority = $"127.0.0.1:{((IPEndPoint)target.LocalEndpoint).Port}";
        await using AppHost server = await StartAsync(ServerKind.Aeronet, static listen => listen.UseHttps(s_a), options =>
        {
            options.Tls.Sni["b.example.com"] = new AeronetTlsName { Certificates = { new AeronetTlsCertificate { Certificate = s_b } } };
            options.ConnectTunnels.Enabled = true;
            options.ConnectTunnels.Allow.Add(authority);
        });
        await using SslStream stream = await ConnectAsync(server, "b.example.com");
        await stream.WriteAsync(Encoding.ASCII.GetBytes($"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n"));
        byte[] answer = new byte[12];
        await stream.ReadExactlyAsync(answer).AsTask().WaitAsync(Guard.Time);
        Assert.Equal("HTTP/1.1 200", Encoding.ASCII.GetString(answer));
    }

    [Theory, BothServers]
    [Trait("Defect", "TLS-16")]
    public async Task An_endpoint_with_one_certificate_serves_every_host(ServerKind server)
    {
        await using AppHost host = await StartAsync(server, static listen => listen.UseHttps(s_a));
        await using SslStream stream = await ConnectAsync(host, "a.example.com");
        await stream.WriteAsync("GET / HTTP/1.1\r\nHost: b.example.com\r\nConnection: close\r\n\r\n"u8.ToArray());
        Assert.StartsWith("HTTP/1.1 200 ", await new StreamReader(stream).ReadToEndAsync().WaitAsync(Guard.Time), StringComparison.Ordinal);
    }

    [Theory, InlineData(ServerKind.Aeronet)]
    [Trait("Defect", "TLS-22")]
    public async Task The_authorities_of_clients_can_be_replaced_while_the_server_runs(ServerKind server)
    {
        var others = new TestCertificates("others");
        await using AppHost host = await StartAsync(
            server,
            static listen => listen.UseHttps(s_a, static https => https.ClientCertificateMode = ClientCertificateMode.RequireCertificate),
            static options => options.Tls.ClientTrust.Authorities.AddRange(new X509Certificate2Collection { s_authority.Root, s_authority.Intermediate }));
        IAeronetTls tls = host.Services.GetRequiredService<IAeronetTls>();
        Assert.NotNull(await TryGetAsync(host, "a.example.com", s_client));
        Assert.Null(await TryGetAsync(host, "a.example.com", others.Client("other")));

        Assert.True(tls.UpdateClientAuthorities([others.Root, others.Intermediate]));
        Assert.Null(await TryGetAsync(host, "a.example.com", s_client));
        Assert.NotNull(await TryGetAsync(host, "a.example.com", others.Client("other")));

        Assert.True(tls.UpdateClientAuthorities([])); // nobody, and not everybody whom the machine trusts
        Assert.Null(await TryGetAsync(host, "a.example.com", s_client));
        Assert.Null(await TryGetAsync(host, "a.example.com", others.Client("other")));

        Assert.True(tls.UpdateClientAuthorities(null));
        Assert.NotNull(await TryGetAsync(host, "a.example.com", s_client));
    }

    [Theory, InlineData(ServerKind.AeronetSockets)]
    [Trait("Defect", "TLS-22")]
    public async Task Authorities_that_SslStream_would_not_ask_are_refused_aloud(ServerKind server)
    {
        await using AppHost host = await StartAsync(server, static listen => listen.UseHttps(s_a, static https => https.ClientCertificateMode = ClientCertificateMode.RequireCertificate));
        host.ErrorsExpected = true;
        IAeronetTls tls = host.Services.GetRequiredService<IAeronetTls>();
        Assert.True(tls.Reload());
        Assert.False(tls.UpdateClientAuthorities([s_authority.Root]));
        LogEntry refused = await host.Logs.WaitForAsync(static entry => entry.Id == 2122);
        Assert.Contains("UpdateClientAuthorities", refused.Message, StringComparison.Ordinal);
        Assert.True(tls.Reload()); // what was refused is not kept: it would stop every renewal
        Assert.True(tls.UpdateClientAuthorities(null));
    }

    [Theory, InlineData(ServerKind.Aeronet)]
    public async Task A_revoked_client_is_refused_and_the_list_can_be_renewed(ServerKind server)
    {
        string list = Path.Combine(_folder, "clients.crl");
        File.WriteAllBytes(list, RevocationList(s_authority.Client("revoked")));
        await using AppHost host = await StartAsync(
            server,
            static listen => listen.UseHttps(s_a, static https => https.ClientCertificateMode = ClientCertificateMode.RequireCertificate),
            options =>
            {
                options.Tls.ClientTrust.Authorities.AddRange(new X509Certificate2Collection { s_authority.Root, s_authority.Intermediate });
                options.Tls.ClientTrust.RevocationListFiles.Add(list);
            });
        Assert.Null(await TryGetAsync(host, "a.example.com", s_authority.Client("revoked")));
        Assert.NotNull(await TryGetAsync(host, "a.example.com", s_client));

        File.WriteAllBytes(list, RevocationList(s_client));
        Assert.True(host.Services.GetRequiredService<IAeronetTls>().Reload());
        Assert.Null(await TryGetAsync(host, "a.example.com", s_client));
    }

    [Theory, InlineData(ServerKind.Aeronet)]
    [Trait("Defect", "TLS-5")]
    public async Task A_revoked_client_is_refused_also_where_the_application_accepts_chains_with_errors(ServerKind server)
    {
        string list = Path.Combine(_folder, "clients.crl");
        File.WriteAllBytes(list, RevocationList(s_authority.Client("revoked")));
        await using AppHost host = await StartAsync(
            server,
            static listen => listen.UseHttps(s_a, static https =>
            {
                https.ClientCertificateMode = ClientCertificateMode.RequireCertificate;
                https.ClientCertificateValidation = static (_, _, _) => true; // pins in its own way: the chain ends in no trusted root
            }),
            options => options.Tls.ClientTrust.RevocationListFiles.Add(list));
        Assert.Null(await TryGetAsync(host, "a.example.com", s_authority.Client("revoked")));
        Assert.NotNull(await TryGetAsync(host, "a.example.com", s_client));
    }

    [Theory, InlineData(ServerKind.Aeronet)]
    public async Task A_broken_key_file_is_refused_by_name_and_the_keys_before_go_on(ServerKind server)
    {
        string keys = Path.Combine(_folder, "tickets.key");
        File.WriteAllBytes(keys, new byte[79]);
        Exception refused = await Assert.ThrowsAnyAsync<Exception>(() => StartAsync(server, static listen => listen.UseHttps(s_a), Configure));
        Assert.Contains("AeronetTlsOptions.Tickets", refused.Message, StringComparison.Ordinal);

        File.WriteAllBytes(keys, RandomNumberGenerator.GetBytes(80));
        await using AppHost host = await StartAsync(server, static listen => listen.UseHttps(s_a), Configure);
        host.ErrorsExpected = true;
        Assert.True(host.Services.GetRequiredService<IAeronetTls>().Reload());
        File.WriteAllBytes(keys, new byte[79]);
        Assert.False(host.Services.GetRequiredService<IAeronetTls>().Reload());
        Assert.NotNull(await TryGetAsync(host, "a.example.com", null));

        void Configure(AeronetServerOptions options)
        {
            options.Tls.Tickets.Keys = TlsTicketKeys.Files;
            options.Tls.Tickets.KeyFiles.Add(keys);
            options.Tls.ReloadOnChange = false;
        }
    }

    [Theory, InlineData(ServerKind.Aeronet), InlineData(ServerKind.AeronetSockets)]
    public async Task A_selector_without_a_certificate_or_with_a_fault_refuses_its_client_and_no_other(ServerKind server)
    {
        await using AppHost host = await StartAsync(server, static listen => listen.UseHttps(static https => https.ServerCertificateSelector = static (_, name) => name switch
        {
            "a.example.com" => s_a,
            "fault.example.com" => throw new InvalidOperationException("a fault of the selector"),
            _ => null,
        }));
        host.ErrorsExpected = true; // the selector's fault is one
        using var meters = new MeterCapture(host.Services.GetRequiredService<System.Diagnostics.Metrics.IMeterFactory>(), "aeronet.tls.handshakes", "kestrel.active_tls_handshakes");
        await AssertRefusedAsync(host, "nobody.example.com");
        await AssertRefusedAsync(host, "fault.example.com");
        await AssertRefusedAsync(host, "fault.example.com");
        Assert.NotNull(await TryGetAsync(host, "a.example.com", null));
        IReadOnlyList<Measurement> counted = await meters.WaitForAsync("aeronet.tls.handshakes", static all => all.Count == 4);
        Assert.Equal(3, counted.Count(static handshake => (string?)handshake.Tags.GetValueOrDefault("reason") == "certificate_selection"));
        await meters.WaitForAsync("kestrel.active_tls_handshakes", static all => all.Sum(static change => change.Value) == 0);
        Assert.DoesNotContain(host.Logs.Entries, static entry => entry.Level >= LogLevel.Error && entry.Message.Contains("nobody", StringComparison.Ordinal));
    }

    [Theory, InlineData(ServerKind.Aeronet)]
    public async Task Two_servers_with_one_Data_Protection_ring_resume_each_others_sessions(ServerKind server)
    {
        DirectoryInfo ring = Directory.CreateDirectory(Path.Combine(_folder, "ring"));
        await using AppHost one = await StartFarmAsync(server, ring);
        await using AppHost two = await StartFarmAsync(server, ring);
        await using AppHost stranger = await StartFarmAsync(server, Directory.CreateDirectory(Path.Combine(_folder, "other")));
        string session = Path.Combine(_folder, "session");
        ProgramResult? first = await SClientAsync(one, "-sess_out", session);
        if (first is null)
        {
            return;
        }
        Assert.Contains("New, TLSv1.3", first.All, StringComparison.Ordinal);
        Assert.Contains("Reused, TLSv1.3", (await SClientAsync(two, "-sess_in", session))!.All, StringComparison.Ordinal);
        Assert.Contains("New, TLSv1.3", (await SClientAsync(stranger, "-sess_in", session))!.All, StringComparison.Ordinal);
    }

    [Theory, InlineData(ServerKind.Aeronet)]
    [Trait("Defect", "TLS-22")]
    public async Task A_session_of_a_name_that_asks_for_nothing_does_not_open_one_that_asks_for_certificates(ServerKind server)
    {
        await using AppHost host = await StartAsync(server, static listen => listen.UseHttps(s_a), options =>
        {
            options.Tls.Sni["b.example.com"] = new AeronetTlsName { ClientCertificateMode = ClientCertificateMode.RequireCertificate };
            options.Tls.Sni["b.example.com"].Certificates.Add(new AeronetTlsCertificate { Certificate = s_b });
        });
        string session = Path.Combine(_folder, "session");
        ProgramResult? first = await SClientAsync(host, "-sess_out", session);
        if (first is null)
        {
            return;
        }
        Assert.Contains("HTTP/1.1 200", first.All, StringComparison.Ordinal);
        Assert.Contains("HTTP/1.1 200", (await SClientAsync(host, "-sess_in", session))!.All, StringComparison.Ordinal);
        ProgramResult? second = await SClientAsync(host, "-servername", "b.example.com", "-sess_in", session);
        Assert.DoesNotContain("HTTP/1.1 200", second!.All, StringComparison.Ordinal);
    }

    [Theory, InlineData(ServerKind.Aeronet)]
    public async Task Every_handshake_is_reported_once_with_what_was_negotiated(ServerKind server)
    {
        var reports = System.Threading.Channels.Channel.CreateUnbounded<TlsHandshakeReport>();
        await using AppHost host = await StartAsync(server, static listen => listen.UseHttps(s_a), options => options.Tls.OnHandshake = report =>
        {
            reports.Writer.TryWrite(report);
            throw new InvalidOperationException("scripted");
        });
        host.ErrorsExpected = true;
        await using SslStream client = await ConnectAsync(host, "a.example.com");
        TlsHandshakeReport good = await reports.Reader.ReadAsync().AsTask().WaitAsync(Guard.Time);
        Assert.Equal((TlsHandshakeOutcome.Succeeded, null, "a.example.com", SslProtocols.Tls13), (good.Outcome, good.Reason, good.ServerName, good.Protocol));
        Assert.NotEqual(0, good.CipherSuite);
        Assert.IsType<IPEndPoint>(good.RemoteEndPoint);
        Assert.False(good.IsResumed);

        using var garbage = new Socket(SocketType.Stream, ProtocolType.Tcp);
        await garbage.ConnectAsync(host.EndPoint);
        await garbage.SendAsync("GET / HTTP/1.1\r\nHost: a\r\n\r\n"u8.ToArray());
        TlsHandshakeReport bad = await reports.Reader.ReadAsync().AsTask().WaitAsync(Guard.Time);
        Assert.Equal((TlsHandshakeOutcome.Failed, "plain_http"), (bad.Outcome, bad.Reason));
        TlsHandshakeStatistics statistics = host.Services.GetRequiredService<IAeronetTls>().GetHandshakeStatistics();
        Assert.Equal((1, 0, 1, 0), (statistics.Full.Count, statistics.Resumed.Count, statistics.FailedCount, statistics.RefusedCount));
        await host.Logs.WaitForAsync(static entry => entry.Id == 2150);
    }

    [Theory, InlineData(ServerKind.Aeronet)]
    [Trait("Defect", "TLS-36")]
    public async Task Handshakes_above_the_limit_are_refused_before_they_begin_and_counted(ServerKind server)
    {
        await using AppHost host = await StartAsync(server, static listen => listen.UseHttps(s_a), static options => options.Tls.HandshakeLimits.MaxConcurrent = 2);
        using var meters = new MeterCapture(host.Services.GetRequiredService<System.Diagnostics.Metrics.IMeterFactory>(), "aeronet.tls.handshakes", "kestrel.active_tls_handshakes");
        using var first = new Socket(SocketType.Stream, ProtocolType.Tcp);
        using var second = new Socket(SocketType.Stream, ProtocolType.Tcp);
        await first.ConnectAsync(host.EndPoint);
        await second.ConnectAsync(host.EndPoint);
        await meters.WaitForAsync("kestrel.active_tls_handshakes", static all => all.Count == 2);
        await AssertRefusedAsync(host, "a.example.com");
        IReadOnlyList<Measurement> counted = await meters.WaitForAsync("aeronet.tls.handshakes", static all => all.Count == 1);
        Assert.Equal(("refused", "rejected_concurrency"), ((string)counted[0].Tags["result"]!, (string)counted[0].Tags["reason"]!));

        first.Dispose();
        await meters.WaitForAsync("kestrel.active_tls_handshakes", static all => all.Count == 3);
        Assert.Equal("https Tls13 -", await TryGetAsync(host, "a.example.com", null));
    }

    [Theory, InlineData(ServerKind.Aeronet)]
    public async Task A_key_log_has_the_secrets_of_a_session_and_Production_refuses_it_unless_told(ServerKind server)
    {
        string log = Path.Combine(_folder, "keys.log");
        Exception refused = await Assert.ThrowsAnyAsync<Exception>(() => StartAsync(server, static listen => listen.UseHttps(s_a), options => options.Tls.KeyLogFile = log));
        Assert.Contains("AllowKeyLogInProduction", refused.Message, StringComparison.Ordinal);

        await using AppHost host = await StartAsync(server, static listen => listen.UseHttps(s_a), options =>
        {
            options.Tls.KeyLogFile = log;
            options.Tls.AllowKeyLogInProduction = true;
        });
        Assert.NotNull(await TryGetAsync(host, "a.example.com", null));
        Assert.Contains("CLIENT_TRAFFIC_SECRET_0 ", File.ReadAllText(log), StringComparison.Ordinal);
        Assert.Contains(host.Logs.Entries, static entry => entry.Id == 2110);
    }

    [Theory, InlineData(ServerKind.Aeronet)]
    public async Task A_staple_from_a_file_comes_with_the_certificate(ServerKind server)
    {
        string file = Path.Combine(_folder, "response.der");
        File.WriteAllBytes(file, new TestOcsp { Signer = s_authority.Intermediate, ThisUpdate = DateTimeOffset.UtcNow.AddMinutes(-1), NextUpdate = DateTimeOffset.UtcNow.AddHours(1) }.Respond(s_a, s_authority.Intermediate));
        await using AppHost host = await StartAsync(
            server,
            static listen => listen.UseHttps(s_a, static https => https.ServerCertificateChain = [s_authority.Intermediate]),
            options => options.Tls.Stapling.ResponseFiles.Add(file));
        ProgramResult? client = await SClientAsync(host, "-status");
        if (client is not null)
        {
            Assert.Contains("OCSP Response Status: successful", client.All, StringComparison.Ordinal);
            Assert.Contains("Cert Status: good", client.All, StringComparison.Ordinal);
        }
    }

    [Theory, BothServers]
    public async Task Other_connection_middleware_stands_beside_https(ServerKind server)
    {
        int count = 0;
        await using AppHost host = await StartAsync(server, listen =>
        {
            listen.Use(next => connection =>
            {
                Interlocked.Increment(ref count);
                return next(connection);
            });
            listen.UseHttps(s_a, static https => https.ClientCertificateMode = ClientCertificateMode.AllowCertificate);
            listen.UseConnectionLogging();
        });
        Assert.StartsWith("https://127.0.0.1:", Assert.Single(host.Addresses), StringComparison.Ordinal);
        await using SslStream client = await ConnectAsync(host, "a.example.com", s_client);
        Assert.Equal(1, count);
    }

    [Theory, BothServers]
    public async Task Https_behind_other_middleware_serves_requests_one_after_the_other(ServerKind server)
    {
        await using AppHost host = await StartAsync(server, static listen =>
        {
            listen.Use(static next => next);
            listen.UseHttps(s_a);
        });
        await using SslStream client = await ConnectAsync(host, "a.example.com");
        Assert.Equal("https Tls13 -", await GetAsync(client));
        Assert.Equal("https Tls13 -", await GetAsync(client));
    }

    [Theory, InlineData(ServerKind.Aeronet), InlineData(ServerKind.AeronetSockets)]
    public async Task What_SslStream_cannot_honour_stops_the_start_by_name(ServerKind server)
    {
        Exception fault = await Assert.ThrowsAnyAsync<Exception>(() => StartAsync(
            server,
            static listen =>
            {
                listen.Use(static next => next);
                listen.UseHttps(s_a);
            },
            static options =>
            {
                options.Tls.Stapling.Enabled = true;
                options.Tls.CipherPreset = TlsCipherPreset.Modern;
            }));
        Assert.Contains("AeronetTlsOptions.CipherPreset, AeronetTlsOptions.Stapling.Enabled", fault.Message, StringComparison.Ordinal);
        Assert.Contains("https://127.0.0.1:0", fault.Message, StringComparison.Ordinal);
    }

    [Theory, InlineData(ServerKind.Aeronet)]
    public async Task Everything_that_is_wrong_with_certificates_is_named_at_the_start(ServerKind server)
    {
        Exception fault = await Assert.ThrowsAnyAsync<Exception>(() => StartAsync(server, static listen => listen.UseHttps(s_a), options =>
        {
            options.Tls.Certificates.Add(new AeronetTlsCertificate { CertificateFile = Path.Combine(_folder, "missing.pem") });
            options.Tls.Sni["b.example.com"] = new AeronetTlsName();
            options.Tls.Sni["b.example.com"].Certificates.Add(new AeronetTlsCertificate { CertificateFile = Pem("b", s_b), KeyFile = Key("a", s_a) });
            options.Tls.ClientTrust.RevocationListFiles.Add(Pem("a", s_a));
        }));
        Assert.Contains("missing.pem", fault.Message, StringComparison.Ordinal);
        Assert.Contains("Sni[b.example.com].Certificates[0]", fault.Message, StringComparison.Ordinal);
        Assert.Contains("ClientTrust.RevocationListFiles", fault.Message, StringComparison.Ordinal);
    }

    private static void Describe(WebApplication app) => app.Run(static context =>
    {
        X509Certificate2? certificate = context.Connection.ClientCertificate;
        string text = $"{context.Request.Scheme} {context.Features.Get<ITlsHandshakeFeature>()?.Protocol} {certificate?.Subject ?? "-"}";
        context.Response.ContentLength = text.Length;
        return context.Response.WriteAsync(text);
    });

    private static Task<AppHost> StartAsync(ServerKind server, Action<ListenOptions> listen, Action<AeronetServerOptions>? options = null)
        => AppHost.StartAsync(
            server, Describe, builder => builder.Services.Configure(options ?? (static _ => { })), kestrel => kestrel.Listen(IPAddress.Loopback, 0, listen), BuilderShape.Full, listen: false);

    private static Task<AppHost> StartConfiguredAsync(ServerKind server, params (string Key, string Value)[] settings)
        => AppHost.StartAsync(server, Describe, builder => Configure(builder, settings), shape: BuilderShape.Full, listen: false);

    private static Task<AppHost> StartFarmAsync(ServerKind server, DirectoryInfo ring)
        => AppHost.StartAsync(
            server,
            Describe,
            builder =>
            {
                builder.Services.AddDataProtection().PersistKeysToFileSystem(ring).SetApplicationName("farm");
                builder.Services.Configure<AeronetServerOptions>(static options => options.Tls.Tickets.Keys = TlsTicketKeys.DataProtection);
            },
            static kestrel => kestrel.Listen(IPAddress.Loopback, 0, static listen => listen.UseHttps(s_a)),
            BuilderShape.Full,
            listen: false);

    private static void Configure(WebApplicationBuilder builder, params (string Key, string Value)[] settings)
    {
        foreach ((string key, string value) in settings)
        {
            builder.Configuration[key] = value;
        }
    }

    private static Task<ProgramResult?> SClientAsync(AppHost host, params string[] arguments)
        => ExternalProgram.TryRunAsync(
            "openssl",
            ["s_client", "-connect", $"127.0.0.1:{host.EndPoint.Port}", "-servername", "a.example.com", "-tls1_3", "-ign_eof", .. arguments],
            "GET / HTTP/1.1\r\nHost: a.example.com\r\nConnection: close\r\n\r\n");

    [Theory, BothServers]
    public async Task Https_behind_a_proxy_s_header_sees_the_client(ServerKind server)
    {
        await using AppHost host = await StartBehindProxyAsync(server);
        await using SslStream client = await ConnectAsync(host, "a.example.com", header: ProxyHeader);
        Assert.Equal("https 192.0.2.7:7 v1", await GetAsync(client));
        Assert.Equal("https 192.0.2.7:7 v1", await GetAsync(client)); // and the connection is kept
    }

    [Theory, AeronetOnly]
    public async Task A_proxy_s_header_does_not_keep_https_from_the_server_s_own_TLS(ServerKind server)
    {
        var reports = System.Threading.Channels.Channel.CreateUnbounded<TlsHandshakeReport>();
        Task<AppHost> starting = StartBehindProxyAsync(server, options =>
        {
            options.Tls.CipherPreset = TlsCipherPreset.Modern; // SslStream would stop the start
            options.Tls.OnHandshake = report => reports.Writer.TryWrite(report);
        });
        if (server is ServerKind.AeronetSockets or ServerKind.AeronetMiddleware)
        {
            await Assert.ThrowsAnyAsync<Exception>(() => starting); // as without the header
            return;
        }

        await using AppHost host = await starting;
        await using SslStream client = await ConnectAsync(host, "a.example.com", header: ProxyHeader);
        Assert.Equal("https 192.0.2.7:7 v1", await GetAsync(client));
        Assert.Equal("192.0.2.7:7", (await reports.Reader.ReadAsync().AsTask().WaitAsync(Guard.Time)).RemoteEndPoint!.ToString());
    }

    private const string ProxyHeader = "PROXY TCP4 192.0.2.7 192.0.2.8 7 8\r\n";

    private static Task<AppHost> StartBehindProxyAsync(ServerKind server, Action<AeronetServerOptions>? options = null) => AppHost.StartAsync(
        server,
        static app => app.Run(static context =>
        {
            string text = $"{context.Request.Scheme} {context.Connection.RemoteIpAddress}:{context.Connection.RemotePort} v{context.Features.Get<IProxyProtocolFeature>()?.Version}";
            context.Response.ContentLength = text.Length;
            return context.Response.WriteAsync(text);
        }),
        builder => builder.Services.Configure(options ?? (static _ => { })),
        static kestrel => kestrel.Listen(IPAddress.Loopback, 0, static listen => listen
            .UseProxyProtocol(static proxy => proxy.TrustedNetworks.Add(IPNetwork.Parse("127.0.0.0/8"))).UseConnectionLimitPerAddress(2).UseHttps(s_a)),
        BuilderShape.Full,
        listen: false);

    private static async Task<SslStream> ConnectAsync(AppHost host, string name, X509Certificate2? client = null, bool anyName = false, string header = "")
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        SslStream? stream = null;
        try
        {
            await socket.ConnectAsync(host.EndPoint).WaitAsync(Guard.Time);
            await socket.SendAsync(Encoding.ASCII.GetBytes(header));
            stream = new SslStream(new NetworkStream(socket, ownsSocket: true));
            await stream.AuthenticateAsClientAsync(new SslClientAuthenticationOptions
            {
                TargetHost = name,
                AllowTlsResume = false, // a resumed session shows the certificate of the first
                ClientCertificateContext = client is null ? null : SslStreamCertificateContext.Create(client, [s_authority.Intermediate], offline: true),
                RemoteCertificateValidationCallback = (_, _, _, errors) => anyName || !errors.HasFlag(SslPolicyErrors.RemoteCertificateNameMismatch),
            }).WaitAsync(Guard.Time);
            return stream;
        }
        catch
        {
            if (stream is not null)
            {
                await stream.DisposeAsync();
            }
            socket.Dispose();
            throw;
        }
    }

    private static async Task AssertRefusedAsync(AppHost host, string name)
    {
        Exception refused = await Assert.ThrowsAnyAsync<Exception>(async () => await (await ConnectAsync(host, name)).DisposeAsync());
        Assert.True(refused is AuthenticationException or IOException or SocketException, refused.ToString());
    }

    // TLS 1.3: a client learns only with its first read that its certificate was not good enough.
    private static async Task<string?> TryGetAsync(AppHost host, string name, X509Certificate2? client)
    {
        try
        {
            await using SslStream stream = await ConnectAsync(host, name, client);
            return await GetAsync(stream);
        }
        catch (Exception refused) when (refused is AuthenticationException or IOException or SocketException)
        {
            return null;
        }
    }

    private static async Task<string> GetAsync(SslStream stream)
    {
        await stream.WriteAsync(Encoding.ASCII.GetBytes($"GET / HTTP/1.1\r\nHost: {stream.TargetHostName}\r\n\r\n")).AsTask().WaitAsync(Guard.Time);
        var text = new StringBuilder();
        byte[] buffer = new byte[4096];
        while (true)
        {
            int count = await stream.ReadAsync(buffer).AsTask().WaitAsync(Guard.Time);
            if (count == 0)
            {
                throw new IOException("The server has closed.");
            }
            text.Append(Encoding.Latin1.GetString(buffer, 0, count));
            string seen = text.ToString();
            int body = seen.IndexOf("\r\n\r\n", StringComparison.Ordinal) + 4;
            if (body > 4 && seen.Length - body == ContentLength(seen))
            {
                Assert.StartsWith("HTTP/1.1 200", seen, StringComparison.Ordinal);
                return seen[body..];
            }
        }

        static int ContentLength(string head)
        {
            const string field = "Content-Length: ";
            int start = head.IndexOf(field, StringComparison.Ordinal) + field.Length;
            return int.Parse(head.AsSpan(start, head.IndexOf('\r', start) - start), System.Globalization.CultureInfo.InvariantCulture);
        }
    }

    private static string Shown(SslStream stream) => ((X509Certificate2)stream.RemoteCertificate!).Thumbprint;

    private static byte[] RevocationList(X509Certificate2 revoked)
    {
        var builder = new CertificateRevocationListBuilder();
        builder.AddEntry(revoked);
        return builder.Build(s_authority.Intermediate, 1, DateTimeOffset.UtcNow.AddDays(1), HashAlgorithmName.SHA256);
    }

    // What another thread does becomes visible at some moment: looked for until the guard time is over.
    private static async Task EventuallyAsync(Func<Task<bool>> condition)
    {
        using var guard = new CancellationTokenSource(Guard.Time);
        while (!await condition())
        {
            await Task.Delay(20, guard.Token);
        }
    }

    private string Pem(string name, X509Certificate2 certificate) => Write(name + ".pem", certificate.ExportCertificatePem() + "\n" + s_authority.Intermediate.ExportCertificatePem());

    private string Key(string name, X509Certificate2 certificate)
        => Write(name + ".key", certificate.GetRSAPrivateKey()?.ExportPkcs8PrivateKeyPem() ?? certificate.GetECDsaPrivateKey()!.ExportPkcs8PrivateKeyPem());

    private string Bundle(string name) => Write(name + ".pem", s_authority.Intermediate.ExportCertificatePem() + "\n" + s_authority.Root.ExportCertificatePem());

    private string Write(string name, string text)
    {
        string path = Path.Combine(_folder, name);
        File.WriteAllText(path, text);
        return path;
    }
}
