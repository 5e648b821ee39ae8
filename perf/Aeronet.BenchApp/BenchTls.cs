using System;
using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Configuration;

namespace Aeronet.BenchApp;

/// <summary>A second port with TLS, in the words of Kestrel: <c>--http-port N --https-port M --https-key rsa2048|p256</c>.</summary>
internal static class BenchTls
{
    public static void Listen(IWebHostBuilder webHost, IConfiguration configuration, string key)
    {
        int http = int.Parse(configuration["http-port"] ?? "0", CultureInfo.InvariantCulture);
        int https = int.Parse(configuration["https-port"] ?? "0", CultureInfo.InvariantCulture);
        X509Certificate2 certificate = MakeCertificate(key);
        webHost.UseKestrelHttpsConfiguration();
        webHost.ConfigureKestrel(options =>
        {
            options.Listen(IPAddress.Loopback, http);
            options.Listen(IPAddress.Loopback, https, listen =>
            {
                listen.Protocols = HttpProtocols.Http1;
                listen.UseHttps(certificate);
            });
        });
    }

    private static X509Certificate2 MakeCertificate(string key)
    {
        DateTimeOffset from = DateTimeOffset.UtcNow.AddDays(-1), to = DateTimeOffset.UtcNow.AddDays(30);
        X500DistinguishedName name = new("CN=localhost");
        if (key == "rsa2048")
        {
            using RSA rsa = RSA.Create(2048);
            return new CertificateRequest(name, rsa, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1).CreateSelfSigned(from, to);
        }

        using ECDsa ecdsa = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        return new CertificateRequest(name, ecdsa, HashAlgorithmName.SHA256).CreateSelfSigned(from, to);
    }
}
