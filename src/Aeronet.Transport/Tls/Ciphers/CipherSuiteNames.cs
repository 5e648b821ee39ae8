using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Text;

namespace Aeronet.Transport.Tls.Ciphers;

/// <summary>The cipher suites that can be named, by IANA and by OpenSSL. OpenSSL ignores names in a list that it does not know, so names are checked here.</summary>
internal static class CipherSuiteNames
{
    /// <summary>TLS 1.3: both worlds use one name. RFC 8446 appendix B.4.</summary>
    private static readonly string[] s_tls13 =
    [
        "TLS_AES_256_GCM_SHA384",
        "TLS_CHACHA20_POLY1305_SHA256",
        "TLS_AES_128_GCM_SHA256",
        "TLS_AES_128_CCM_SHA256",
        "TLS_AES_128_CCM_8_SHA256",
    ];

    private static readonly (string Iana, string OpenSsl)[] s_tls12 =
    [
        ("TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", "ECDHE-ECDSA-AES256-GCM-SHA384"),
        ("TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", "ECDHE-RSA-AES256-GCM-SHA384"),
        ("TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305"),
        ("TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-RSA-CHACHA20-POLY1305"),
        ("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256"),
        ("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "ECDHE-RSA-AES128-GCM-SHA256"),
        ("TLS_ECDHE_ECDSA_WITH_AES_256_CCM", "ECDHE-ECDSA-AES256-CCM"),
        ("TLS_ECDHE_ECDSA_WITH_AES_128_CCM", "ECDHE-ECDSA-AES128-CCM"),
        ("TLS_DHE_RSA_WITH_AES_256_GCM_SHA384", "DHE-RSA-AES256-GCM-SHA384"),
        ("TLS_DHE_RSA_WITH_CHACHA20_POLY1305_SHA256", "DHE-RSA-CHACHA20-POLY1305"),
        ("TLS_DHE_RSA_WITH_AES_128_GCM_SHA256", "DHE-RSA-AES128-GCM-SHA256"),
        ("TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384", "ECDHE-ECDSA-AES256-SHA384"),
        ("TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384", "ECDHE-RSA-AES256-SHA384"),
        ("TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256", "ECDHE-ECDSA-AES128-SHA256"),
        ("TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256", "ECDHE-RSA-AES128-SHA256"),
        ("TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA", "ECDHE-ECDSA-AES256-SHA"),
        ("TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA", "ECDHE-RSA-AES256-SHA"),
        ("TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA", "ECDHE-ECDSA-AES128-SHA"),
        ("TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", "ECDHE-RSA-AES128-SHA"),
        ("TLS_DHE_RSA_WITH_AES_256_CBC_SHA256", "DHE-RSA-AES256-SHA256"),
        ("TLS_DHE_RSA_WITH_AES_128_CBC_SHA256", "DHE-RSA-AES128-SHA256"),
        ("TLS_DHE_RSA_WITH_AES_256_CBC_SHA", "DHE-RSA-AES256-SHA"),
        ("TLS_DHE_RSA_WITH_AES_128_CBC_SHA", "DHE-RSA-AES128-SHA"),
        ("TLS_RSA_WITH_AES_256_GCM_SHA384", "AES256-GCM-SHA384"),
        ("TLS_RSA_WITH_AES_128_GCM_SHA256", "AES128-GCM-SHA256"),
        ("TLS_RSA_WITH_AES_256_CBC_SHA256", "AES256-SHA256"),
        ("TLS_RSA_WITH_AES_128_CBC_SHA256", "AES128-SHA256"),
        ("TLS_RSA_WITH_AES_256_CBC_SHA", "AES256-SHA"),
        ("TLS_RSA_WITH_AES_128_CBC_SHA", "AES128-SHA"),
    ];

    public static bool IsKnown(string name) => Find(name, out _) is not null;

    /// <summary>The lists for OpenSSL; a version without a suite gets null, OpenSSL's default.</summary>
    /// <param name="names">All known, in order of preference.</param>
    public static TlsCipherPolicy ToPolicy(IEnumerable<string> names)
    {
        var list = new StringBuilder();
        var suites = new StringBuilder();
        foreach (string name in names)
        {
            string? openSsl = Find(name, out bool isTls13);
            Debug.Assert(openSsl is not null);
            StringBuilder into = isTls13 ? suites : list;
            into.Append(into.Length > 0 ? ":" : "").Append(openSsl);
        }
        return new TlsCipherPolicy(list.Length > 0 ? list.ToString() : null, suites.Length > 0 ? suites.ToString() : null);
    }

    private static string? Find(string name, out bool isTls13)
    {
        isTls13 = true;
        foreach (string suite in s_tls13)
        {
            if (suite.Equals(name, StringComparison.OrdinalIgnoreCase))
            {
                return suite;
            }
        }
        isTls13 = false;
        foreach ((string iana, string openSsl) in s_tls12)
        {
            if (iana.Equals(name, StringComparison.OrdinalIgnoreCase) || openSsl.Equals(name, StringComparison.OrdinalIgnoreCase))
            {
                return openSsl;
            }
        }
        return null;
    }
}
