using System;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Aeronet.TestSupport.Connections;
using Aeronet.Transport.Tls;
using Xunit;

namespace Aeronet.Transport.Tests.Tls;

public sealed class TlsClientCheckTests
{
    [Theory]
    [InlineData(X509RevocationMode.NoCheck)]
    [InlineData(X509RevocationMode.Online)]
    public void No_address_that_a_client_names_is_asked_for_issuers(X509RevocationMode mode)
    {
        using TcpListener listener = new(IPAddress.Loopback, 0);
        listener.Start();
        using X509Certificate2 client = WithIssuersAt($"http://127.0.0.1:{((IPEndPoint)listener.LocalEndpoint).Port}/issuer.cer");
        TlsClientCertificates policy = new() { Mode = TlsClientCertificateMode.Require, RevocationMode = mode };
        Assert.NotNull(TlsClientCheck.Run(new ScriptedConnection(new ScriptedLoop()), policy, client, []));
        Assert.False(listener.Pending());
    }

    // Of an authority that nobody here knows.
    private static X509Certificate2 WithIssuersAt(string address)
    {
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using ECDsa issuerKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        CertificateRequest request = new("CN=somebody", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509AuthorityInformationAccessExtension([], [address]));
        return request.Create(new X500DistinguishedName("CN=nobody"), X509SignatureGenerator.CreateForECDsa(issuerKey), DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1), [1, 2, 3]);
    }
}
