using System;
using System.IO;
using System.Linq;
using System.Net;
using System.Net.Http;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using System.Threading.Tasks;
using Aeronet.Server;
using Aeronet.TestSupport.Hosting;
using Aeronet.TestSupport.Programs;
using Aeronet.TestSupport.Tls;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Core.Features;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Xunit;

namespace Aeronet.EndToEnd.Tests.Https;

/// <summary>Kestrel behind the TLS of Aeronet's transport: what is different from the suite's column, which runs everything else.</summary>
public sealed class TransportTlsTests : IDisposable
{
    private static readonly X509Certificate2 s_certificate = TestCertificates.Shared.Server(TestKey.P256, "localhost");

    private readonly string _folder = Directory.CreateTempSubdirectory("aeronet-transport-tls-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData(2, "HTTP/2")]
    [InlineData(1, "HTTP/1.1")]
    public async Task Kestrel_gets_the_protocol_that_was_negotiated(int version, string expected)
    {
        await using AppHost host = await StartAsync(static listen => listen.UseHttps(s_certificate));
        Assert.Equal($"{expected} https Tls13 False", await GetAsync(host, version));
        Assert.Contains(host.Logs.Entries, static entry => entry.Id == 2160);
    }

    [Fact]
    public async Task An_https_address_is_found_too()
    {
        await using AppHost host = await AppHost.StartAsync(
            ServerKind.KestrelOnAeronetHttps,
            Describe,
            static builder =>
            {
                builder.WebHost.UseUrls("https://127.0.0.1:0");
                builder.WebHost.ConfigureKestrel(static kestrel => kestrel.ConfigureHttpsDefaults(static https => https.ServerCertificate = s_certificate));
            },
            shape: BuilderShape.Full,
            listen: false);
        Assert.Equal("HTTP/2 https Tls13 False", await GetAsync(host, 2));
        Assert.Contains(host.Logs.Entries, static entry => entry.Id == 2160);
    }

    [Fact]
    public async Task Of_two_endpoints_with_any_port_each_has_its_own_certificate()
    {
        X509Certificate2 other = TestCertificates.Shared.Server(TestKey.Rsa2048, "localhost");
        await using AppHost host = await AppHost.StartAsync(ServerKind.KestrelOnAeronetHttps, Describe, kestrel: kestrel =>
        {
            kestrel.Listen(IPAddress.Loopback, 0, static listen => listen.UseHttps(s_certificate));
            kestrel.Listen(IPAddress.Loopback, 0);
            kestrel.Listen(IPAddress.Loopback, 0, listen => listen.UseHttps(other));
        }, listen: false);
        Uri[] addresses = [.. host.Addresses.Select(static address => new Uri(address))];
        Assert.Equal(["https", "http", "https"], addresses.Select(static address => address.Scheme));
        Assert.Equal(s_certificate.Thumbprint, await ShownAsync(addresses[0].Port));
        Assert.Equal(other.Thumbprint, await ShownAsync(addresses[2].Port));
        using HttpClient cleartext = new();
        Assert.StartsWith("HTTP/1.1 http", await cleartext.GetStringAsync(addresses[1]), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Other_middleware_in_front_keeps_Kestrels_TLS_and_that_is_logged()
    {
        await using AppHost host = await StartAsync(static listen =>
        {
            listen.Use(static next => next);
            listen.UseHttps(s_certificate);
        });
        Assert.Equal("HTTP/2 https Tls13 True", await GetAsync(host, 2)); // an SslStream
        Assert.Contains(host.Logs.Entries, static entry => entry.Id == 2161);
        host.ErrorsExpected = true;
        Assert.False(host.Services.GetRequiredService<IAeronetTls>().UpdateClientAuthorities([]));
        Assert.True(host.Services.GetRequiredService<IAeronetTls>().Reload());
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Without_epoll_Kestrel_keeps_its_TLS_unless_more_was_asked_for(bool asksForMore)
    {
        Task<AppHost> starting = AppHost.StartAsync(
            ServerKind.KestrelOnAeronetHttps,
            Describe,
            builder => builder.WebHost.UseAeronetTransport(static options => options.Backend = Transport.TransportBackend.Sockets).UseAeronetTransportTls(tls =>
            {
                if (asksForMore)
                {
                    tls.ClientTrust.RequireRevocationList = true;
                    tls.ClientTrust.RevocationListFiles.Add("clients.crl");
                }
            }),
            static kestrel => kestrel.Listen(IPAddress.Loopback, 0, static listen => listen.UseHttps(s_certificate)),
            listen: false);
        if (asksForMore)
        {
            Assert.Contains("AeronetTlsOptions.ClientTrust.RevocationListFiles", (await Assert.ThrowsAnyAsync<Exception>(() => starting)).ToString(), StringComparison.Ordinal);
            return;
        }

        await using AppHost host = await starting;
        Assert.Equal("HTTP/2 https Tls13 True", await GetAsync(host, 2));
        Assert.Contains(host.Logs.Entries, static entry => entry.Id == 2161);
    }

    [Fact]
    public async Task What_Kestrels_TLS_cannot_honour_stops_the_start()
    {
        Exception fault = await Assert.ThrowsAnyAsync<Exception>(() => AppHost.StartAsync(
            ServerKind.KestrelOnAeronetHttps,
            Describe,
            static builder => builder.WebHost.UseAeronetTransportTls(static tls => tls.HandshakeLimits.MaxConcurrent = 10),
            static kestrel => kestrel.Listen(IPAddress.Loopback, 0, static listen =>
            {
                listen.Use(static next => next);
                listen.UseHttps(s_certificate);
            }),
            listen: false));
        Assert.Contains("AeronetTlsOptions.HandshakeLimits.MaxConcurrent", fault.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("localhost", HttpStatusCode.OK)]
    [InlineData("b.example.com", HttpStatusCode.MisdirectedRequest)]
    [InlineData("B.example.com.:443", HttpStatusCode.MisdirectedRequest)]
    [Trait("Defect", "TLS-16")]
    public async Task A_request_for_another_name_s_host_is_misdirected_in_HTTP_2_too(string host, HttpStatusCode expected)
    {
        await using AppHost server = await AppHost.StartAsync(
            ServerKind.KestrelOnAeronetHttps,
            Describe,
            static builder => builder.WebHost.UseAeronetTransportTls(static tls => tls.Sni["b.example.com"] = new Transport.AeronetTlsName { ClientCertificateMode = Microsoft.AspNetCore.Server.Kestrel.Https.ClientCertificateMode.RequireCertificate }),
            static kestrel => kestrel.Listen(IPAddress.Loopback, 0, static listen => listen.UseHttps(s_certificate)),
            listen: false);
        ProgramResult? curl = await ExternalProgram.TryRunAsync("curl", ["-sSk", "--http2", "-o", "/dev/null", "-w", "%{http_version} %{http_code}", "-H", $"Host: {host}", $"https://localhost:{server.EndPoint.Port}/"]);
        if (curl is not null)
        {
            Assert.Equal($"2 {(int)expected}", curl.Output);
        }
    }

    [Fact]
    public async Task Kestrel_hears_nothing_of_a_handshake_that_fails()
    {
        await using AppHost host = await StartAsync(static listen => listen.UseHttps(s_certificate));
        using (Socket socket = await RawPeers.ConnectAsync(host.EndPoint))
        {
            await socket.SendAsync("GET / HTTP/1.1\r\n\r\n"u8.ToArray());
            Assert.StartsWith("HTTP/1.1 400", System.Text.Encoding.ASCII.GetString(await RawPeers.ReadToEndAsync(socket)), StringComparison.Ordinal);
        }
        Assert.Equal("HTTP/1.1 https Tls13 False", await GetAsync(host, 1));
        Assert.Equal(1, host.Logs.Entries.Count(static entry => entry.Category.StartsWith("Microsoft.AspNetCore.Server.Kestrel.Connections", StringComparison.Ordinal) && entry.Id == 39)); // accepted
    }

    [Fact]
    public async Task A_handshake_that_never_ends_does_not_hold_up_the_stop()
    {
        Socket silent;
        await using (AppHost host = await StartAsync(static listen => listen.UseHttps(s_certificate, static https => https.HandshakeTimeout = TimeSpan.FromMinutes(10))))
        {
            silent = await RawPeers.ConnectAsync(host.EndPoint);
            await silent.SendAsync((await TlsHellos.CaptureAsync())[..100]);
            Assert.Equal("HTTP/1.1 https Tls13 False", await GetAsync(host, 1)); // accepted after it: the loop has it
        }
        Assert.Empty(await RawPeers.ReadToEndAsync(silent));
        silent.Dispose();
    }

    [Fact]
    public async Task A_changed_certificate_reaches_new_connections_and_drops_none()
    {
        string file = Path.Combine(_folder, "site.pem");
        await File.WriteAllTextAsync(file, Pem(s_certificate));
        await using AppHost host = await AppHost.StartAsync(
            ServerKind.KestrelOnAeronetHttps,
            Describe,
            builder => builder.WebHost.UseAeronetTransportTls(tls =>
            {
                tls.Certificates.Add(new Transport.AeronetTlsCertificate { CertificateFile = file });
                tls.ReloadOnChange = false;
            }),
            static kestrel => kestrel.ListenLocalhost(5000 + Environment.ProcessId % 20_000, static listen => listen.UseHttps(s_certificate)),
            BuilderShape.Full,
            listen: false);
        int port = new Uri(host.Addresses[0]).Port;
        Assert.Equal(s_certificate.Thumbprint, await ShownAsync(port));
        X509Certificate2 renewed = TestCertificates.Shared.Renewed(TestKey.P256, "localhost");
        await File.WriteAllTextAsync(file, Pem(renewed));
        Assert.True(host.Services.GetRequiredService<IAeronetTls>().Reload());
        Assert.Equal(renewed.Thumbprint, await ShownAsync(port));
    }

    [Fact]
    public async Task What_cannot_be_used_stops_the_start()
    {
        Exception fault = await Assert.ThrowsAnyAsync<Exception>(() => AppHost.StartAsync(
            ServerKind.KestrelOnAeronetHttps,
            Describe,
            builder => builder.WebHost.UseAeronetTransportTls(tls => tls.Certificates.Add(new Transport.AeronetTlsCertificate { CertificateFile = Path.Combine(_folder, "missing.pem") })),
            static kestrel => kestrel.Listen(IPAddress.Loopback, 0, static listen => listen.UseHttps(s_certificate)),
            listen: false));
        Assert.Contains("missing.pem", fault.ToString(), StringComparison.Ordinal);
    }

    private static string Pem(X509Certificate2 certificate) => certificate.ExportCertificatePem() + "\n" + certificate.GetECDsaPrivateKey()!.ExportPkcs8PrivateKeyPem();

    private static void Describe(WebApplication app) => app.Run(static context => context.Response.WriteAsync(
        $"{context.Request.Protocol} {context.Request.Scheme} {context.Features.Get<ITlsHandshakeFeature>()?.Protocol} {context.Features.Get<ISslStreamFeature>() is not null}"));

    private static Task<AppHost> StartAsync(Action<ListenOptions> listen)
        => AppHost.StartAsync(ServerKind.KestrelOnAeronetHttps, Describe, kestrel: kestrel => kestrel.Listen(IPAddress.Loopback, 0, listen), listen: false);

    private static async Task<string> GetAsync(AppHost host, int version)
    {
        using HttpClient client = host.CreateClient();
        client.DefaultRequestVersion = new Version(version, version == 1 ? 1 : 0);
        client.DefaultVersionPolicy = HttpVersionPolicy.RequestVersionExact;
        return await client.GetStringAsync(new Uri("/", UriKind.Relative)).WaitAsync(Guard.Time);
    }

    private static async Task<string> ShownAsync(int port)
    {
        using Socket socket = await RawPeers.ConnectAsync(new IPEndPoint(IPAddress.Loopback, port));
        await using SslStream stream = new(new NetworkStream(socket));
        await stream.AuthenticateAsClientAsync(new SslClientAuthenticationOptions { TargetHost = "localhost", AllowTlsResume = false, RemoteCertificateValidationCallback = AppHost.Trust }).WaitAsync(Guard.Time);
        return ((X509Certificate2)stream.RemoteCertificate!).Thumbprint;
    }
}
