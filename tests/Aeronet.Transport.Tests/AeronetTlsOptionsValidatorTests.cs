using System;
using System.Linq;
using Microsoft.Extensions.Options;
using Xunit;

namespace Aeronet.Transport.Tests;

public sealed class AeronetTlsOptionsValidatorTests
{
    [Fact]
    public void The_defaults_are_valid() => Assert.True(new AeronetTlsOptionsValidator().Validate(null, new AeronetTlsOptions()).Succeeded);

    [Fact]
    public void Every_fault_is_named_at_once_with_property_value_and_range()
    {
        var options = new AeronetTlsOptions
        {
            CipherPreset = TlsCipherPreset.Modern,
            KernelTls = (TlsKernelMode)9,
            KeyLogFile = "",
            ReloadDelay = TimeSpan.FromMinutes(2),
        };
        options.CipherSuites.Add("ALL");
        options.Certificates.Add(new AeronetTlsCertificate());
        options.Certificates.Add(new AeronetTlsCertificate { KeyFile = "k" });
        options.Sni["bad name"] = new AeronetTlsName { ClientCertificateMode = (Microsoft.AspNetCore.Server.Kestrel.Https.ClientCertificateMode)77 };
        options.Sni["a.*.example.com"] = new AeronetTlsName();
        options.Tickets.KeyLifetime = TimeSpan.FromSeconds(1);
        options.Tickets.MaxKeys = 17;
        options.Tickets.SessionCacheSize = -1;
        options.Tickets.KeyFiles.Add("x");
        options.Stapling.ResponderTimeout = TimeSpan.Zero;
        options.Stapling.RefreshInterval = TimeSpan.FromDays(8);
        options.ClientTrust.RequireRevocationList = true;
        options.HandshakeLimits.MaxConcurrent = -1;
        options.HandshakeLimits.Burst = 3;
        options.HandshakeLimits.PeerBurst = 3;
        options.HandshakeLimits.IPv6PrefixLength = 129;
        string[] faults = Faults(options);
        foreach (string expected in new[]
        {
            "CipherPreset is Modern", "CipherSuites is \"ALL\"", "KernelTls is 9", "KeyLogFile", "ReloadDelay is 00:02:00", "Certificates[0] is empty", "Certificates[1] is empty", "Certificates[1] is a KeyFile", "Sni is \"bad name\"", "Sni is \"a.*.example.com\"",
            "Sni[bad name].ClientCertificateMode is 77", "Tickets.KeyLifetime is 00:00:01", "Tickets.MaxKeys is 17; allowed: 1 to 16", "Tickets.SessionCacheSize is -1", "Tickets.KeyFiles is of 1 files",
            "Stapling.ResponderTimeout", "Stapling.RefreshInterval", "ClientTrust.RequireRevocationList", "HandshakeLimits.MaxConcurrent is -1; allowed: 0 to 1048576", "HandshakeLimits.Burst is 3",
            "HandshakeLimits.PeerBurst is 3", "HandshakeLimits.IPv6PrefixLength is 129",
        })
        {
            Assert.Single(faults, fault => fault.StartsWith("AeronetTlsOptions." + expected, StringComparison.Ordinal));
        }
    }

    [Fact]
    public void Ticket_keys_from_files_need_files()
    {
        var options = new AeronetTlsOptions();
        options.Tickets.Keys = TlsTicketKeys.Files;
        Assert.Contains("at least one file", Assert.Single(Faults(options)), StringComparison.Ordinal);
        options.Tickets.KeyFiles.Add("tickets.key");
        Assert.True(new AeronetTlsOptionsValidator().Validate(null, options).Succeeded);
    }

    [Theory]
    [InlineData("a.example.com")]
    [InlineData("*.example.com")]
    [InlineData("localhost")]
    public void Host_names_and_wildcards_are_names(string name)
    {
        var options = new AeronetTlsOptions();
        options.Sni[name] = new AeronetTlsName();
        Assert.True(new AeronetTlsOptionsValidator().Validate(null, options).Succeeded);
    }

    private static string[] Faults(AeronetTlsOptions options)
    {
        ValidateOptionsResult result = new AeronetTlsOptionsValidator().Validate(null, options);
        Assert.True(result.Failed);
        return result.Failures.ToArray();
    }
}
