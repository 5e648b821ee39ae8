using System.Collections.Generic;
using System.Diagnostics;

namespace Aeronet.Transport.Tls.Ciphers;

/// <summary>What the presets stand for. Each wider one holds all of the narrower and keeps their order of preference.</summary>
internal static class CipherPresets
{
    private static readonly string[] s_modern =
    [
        "TLS_AES_256_GCM_SHA384", "TLS_AES_128_GCM_SHA256", "TLS_CHACHA20_POLY1305_SHA256",
        "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-RSA-AES256-GCM-SHA384",
        "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256",
        "ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-RSA-CHACHA20-POLY1305",
    ];

    private static readonly string[] s_compatibility = [.. s_modern, "ECDHE-RSA-AES256-SHA384", "ECDHE-RSA-AES128-SHA256"];

    private static readonly string[] s_legacy =
    [
        .. s_compatibility,
        "ECDHE-ECDSA-AES256-SHA", "ECDHE-RSA-AES256-SHA", "ECDHE-ECDSA-AES128-SHA", "ECDHE-RSA-AES128-SHA",
        "AES256-GCM-SHA384", "AES128-GCM-SHA256", "AES256-SHA", "AES128-SHA",
    ];

    /// <param name="preset">One of the defined values.</param>
    /// <param name="named">Suites by name: only with <see cref="TlsCipherPreset.Default"/>; all known.</param>
    public static TlsCipherPolicy ToPolicy(TlsCipherPreset preset, ICollection<string> named)
    {
        Debug.Assert(named.Count == 0 || preset == TlsCipherPreset.Default);
        return preset switch
        {
            TlsCipherPreset.Modern => CipherSuiteNames.ToPolicy(s_modern),
            TlsCipherPreset.Compatibility => CipherSuiteNames.ToPolicy(s_compatibility),
            TlsCipherPreset.Legacy => CipherSuiteNames.ToPolicy(s_legacy),
            _ => named.Count > 0 ? CipherSuiteNames.ToPolicy(named) : TlsCipherPolicy.Library,
        };
    }
}
