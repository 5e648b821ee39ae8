using System.Collections.Generic;
using System.Linq;
using System.Security.Authentication;
using Aeronet.Transport;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.Extensions.Configuration;
using Xunit;

namespace Aeronet.Server.Tests.Options;

public sealed class AeronetTlsOptionsReaderTests
{
    [Fact]
    public void Lists_and_names_can_be_given_in_the_section()
    {
        AeronetTlsOptions tls = Read(out List<string> faults, new()
        {
            ["Certificates:0:CertificateFile"] = "rsa.pem",
            ["Certificates:0:KeyFile"] = "rsa.key",
            ["Certificates:1:CertificateFile"] = "ec.pfx",
            ["Certificates:1:Password"] = "p",
            ["CipherSuites:0"] = "TLS_AES_128_GCM_SHA256",
            ["CipherSuites:1"] = "ECDHE-RSA-AES128-GCM-SHA256",
            ["Sni:*.example.com:SslProtocols"] = "Tls12, Tls13",
            ["Sni:*.example.com:ClientCertificateMode"] = "RequireCertificate",
            ["Sni:*.example.com:CipherPreset"] = "Modern",
            ["Sni:*.example.com:RequireApplicationProtocolMatch"] = "true",
            ["Sni:*.example.com:Certificates:0:CertificateFile"] = "w.pem",
            ["Sni:*.example.com:ClientTrust:AuthorityFiles"] = "ca.pem",
            ["Tickets:KeyFiles:0"] = "t1",
            ["Tickets:KeyFiles:1"] = "t2",
            ["Tickets:Keys"] = "Files",
            ["Stapling:ResponseFiles:0"] = "r.der",
            ["ClientTrust:RevocationListFiles:0"] = "c.crl",
        });
        Assert.Empty(faults);
        Assert.Equal(["rsa.pem/rsa.key/", "ec.pfx//p"], tls.Certificates.Select(static c => $"{c.CertificateFile}/{c.KeyFile}/{c.Password}"));
        Assert.Equal(["TLS_AES_128_GCM_SHA256", "ECDHE-RSA-AES128-GCM-SHA256"], tls.CipherSuites);
        AeronetTlsName name = tls.Sni["*.EXAMPLE.com"];
        Assert.Equal(SslProtocols.Tls12 | SslProtocols.Tls13, name.SslProtocols);
        Assert.Equal(ClientCertificateMode.RequireCertificate, name.ClientCertificateMode);
        Assert.Equal(TlsCipherPreset.Modern, name.CipherPreset);
        Assert.True(name.RequireApplicationProtocolMatch);
        Assert.Equal("w.pem", Assert.Single(name.Certificates).CertificateFile);
        Assert.Equal("ca.pem", Assert.Single(name.ClientTrust.AuthorityFiles));
        Assert.Equal(["t1", "t2"], tls.Tickets.KeyFiles);
        Assert.Equal(TlsTicketKeys.Files, tls.Tickets.Keys);
        Assert.Equal("r.der", Assert.Single(tls.Stapling.ResponseFiles));
        Assert.Equal("c.crl", Assert.Single(tls.ClientTrust.RevocationListFiles));
    }

    [Fact]
    public void Unknown_keys_at_any_depth_are_reported_with_their_path()
    {
        Read(out List<string> faults, new()
        {
            ["Certificates:0:Path"] = "a",
            ["Sni:a:Certificate"] = "b",
            ["Tickets:Lifetime"] = "1",
            ["KernelTls"] = "Perhaps",
        });
        Assert.Equal(4, faults.Count);
        Assert.Contains(faults, static fault => fault.StartsWith("Aeronet:Tls:Certificates:0:Path ", System.StringComparison.Ordinal));
        Assert.Contains(faults, static fault => fault.StartsWith("Aeronet:Tls:KernelTls is 'Perhaps'; expected: one of Off, Auto, Require", System.StringComparison.Ordinal));
    }

    [Fact]
    public void A_value_where_a_list_or_a_section_belongs_is_reported()
    {
        Read(out List<string> faults, new()
        {
            ["Certificates"] = "site.pem",
            ["Tickets"] = "true",
            ["Tickets:KeyFiles"] = "key",
            ["Sni"] = "",
        });
        Assert.Contains("Aeronet:Tls:Certificates is 'site.pem'; expected: a list or a section.", faults);
        Assert.Contains("Aeronet:Tls:Tickets is 'true'; expected: a section.", faults);
        Assert.Equal(2, faults.Count); // an empty value is what providers make of an empty section
    }

    private static AeronetTlsOptions Read(out List<string> faults, Dictionary<string, string?> values)
    {
        IConfiguration configuration = new ConfigurationBuilder().AddInMemoryCollection(values.Select(static pair => KeyValuePair.Create($"Aeronet:Tls:{pair.Key}", pair.Value))).Build();
        var options = new AeronetServerOptions();
        AeronetServerOptionsSetup.Read(configuration.GetSection("Aeronet"), options);
        faults = options.ConfigurationFaults;
        return options.Tls;
    }
}
