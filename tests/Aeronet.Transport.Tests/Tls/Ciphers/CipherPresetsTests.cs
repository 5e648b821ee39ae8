using System;
using System.Linq;
using Aeronet.Transport.Tls;
using Aeronet.Transport.Tls.Ciphers;
using Xunit;

namespace Aeronet.Transport.Tests.Tls.Ciphers;

public sealed class CipherPresetsTests
{
    private const string Modern12 = "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
    private const string Compatibility12 = Modern12 + ":ECDHE-RSA-AES256-SHA384:ECDHE-RSA-AES128-SHA256";
    private const string Legacy12 = Compatibility12 + ":ECDHE-ECDSA-AES256-SHA:ECDHE-RSA-AES256-SHA:ECDHE-ECDSA-AES128-SHA:ECDHE-RSA-AES128-SHA:AES256-GCM-SHA384:AES128-GCM-SHA256:AES256-SHA:AES128-SHA";
    private const string All13 = "TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256";

    [Theory]
    [InlineData(TlsCipherPreset.Default, null, null)]
    [InlineData(TlsCipherPreset.Modern, Modern12, All13)]
    [InlineData(TlsCipherPreset.Compatibility, Compatibility12, All13)]
    [InlineData(TlsCipherPreset.Legacy, Legacy12, All13)]
    [Trait("Defect", "TLS-19")]
    public void Presets_are_these_suites_in_this_order(TlsCipherPreset preset, string? list, string? suites)
        => Assert.Equal(new TlsCipherPolicy(list, suites), CipherPresets.ToPolicy(preset, []));

    [Fact]
    public void Suites_can_be_named_by_IANA_or_OpenSSL_in_any_case_and_keep_their_order()
        => Assert.Equal(
            new TlsCipherPolicy("ECDHE-RSA-AES128-GCM-SHA256:AES256-SHA", "TLS_AES_128_GCM_SHA256"),
            CipherPresets.ToPolicy(TlsCipherPreset.Default, ["tls_ecdhe_rsa_with_aes_128_gcm_sha256", "TLS_AES_128_GCM_SHA256", "aes256-sha"]));

    [Theory]
    [InlineData("TLS_RSA_WITH_RC4_128_MD5")]
    [InlineData("TLS_NULL_WITH_NULL_NULL")]
    [InlineData("ALL")]
    [InlineData("ECDHE-RSA-AES128-GCM-SHA256:AES256-SHA")]
    [InlineData("")]
    public void Other_names_are_not_known(string name) => Assert.False(CipherSuiteNames.IsKnown(name));

    [Fact]
    public void Every_known_name_is_one_that_dotnet_has_too()
    {
        string[] dotnet = Enum.GetNames<System.Net.Security.TlsCipherSuite>();
        Assert.True(dotnet.Count(CipherSuiteNames.IsKnown) >= 30);
    }
}
