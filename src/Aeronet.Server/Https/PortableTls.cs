using System.Collections.Generic;
using System.Linq;
using Aeronet.Transport;
using Microsoft.AspNetCore.Server.Kestrel.Https;

namespace Aeronet.Server.Https;

/// <summary>What of <see cref="AeronetTlsOptions"/> goes beyond <c>SslStream</c>, which stands in for Aeronet's TLS where that cannot be.</summary>
internal static class PortableTls
{
    private static readonly AeronetTlsTickets s_defaults = new();

    /// <summary>Settings that somebody made and that <c>SslStream</c> cannot honour: the endpoint must not start without them in silence.</summary>
    public static List<string> FindNotHonoured(AeronetTlsOptions options, HttpsConnectionAdapterOptions? https)
    {
        var names = new List<string>();
        Name("Certificates", options.Certificates.Count > 0);
        Name("Sni", options.Sni.Count > 0);
        Name("CipherPreset", options.CipherPreset != TlsCipherPreset.Default);
        Name("CipherSuites", options.CipherSuites.Count > 0);
        Name("RequireApplicationProtocolMatch", options.RequireApplicationProtocolMatch);
        Name("KernelTls", options.KernelTls == TlsKernelMode.Require);
        Name("Tickets.Enabled", !options.Tickets.Enabled);
        Name("Tickets.Keys", options.Tickets.Keys != TlsTicketKeys.Process);
        Name("Tickets.KeyLifetime", options.Tickets.KeyLifetime != s_defaults.KeyLifetime);
        Name("Tickets.MaxKeys", options.Tickets.MaxKeys != s_defaults.MaxKeys);
        Name("Tickets.SessionCacheSize", options.Tickets.SessionCacheSize > 0);
        Name("Stapling.Enabled", options.Stapling.Enabled);
        Name("Stapling.ResponseFiles", options.Stapling.ResponseFiles.Any());
        Name("ClientTrust.AuthorityFiles", options.ClientTrust.AuthorityFiles.Any());
        Name("ClientTrust.Authorities", options.ClientTrust.Authorities.Count > 0);
        Name("ClientTrust.RevocationListFiles", options.ClientTrust.RevocationListFiles.Any());
        Name("ClientTrust.IsAccepted", options.ClientTrust.IsAccepted is not null);
        Name("HandshakeLimits.MaxConcurrent", options.HandshakeLimits.MaxConcurrent > 0);
        Name("HandshakeLimits.RatePerSecond", options.HandshakeLimits.RatePerSecond > 0);
        Name("HandshakeLimits.PeerRatePerSecond", options.HandshakeLimits.PeerRatePerSecond > 0);
        Name("KeyLogFile", options.KeyLogFile is not null);
        if (https?.TlsClientHelloBytesCallback is not null)
        {
            names.Add($"{nameof(HttpsConnectionAdapterOptions)}.{nameof(https.TlsClientHelloBytesCallback)}");
        }
        return names;

        void Name(string property, bool isSet)
        {
            if (isSet)
            {
                names.Add($"AeronetTlsOptions.{property}");
            }
        }
    }
}
