using System.Security.Authentication;
using Aeronet.Transport;
using Microsoft.AspNetCore.Server.Kestrel.Https;

namespace Aeronet.Server;

/// <summary>Reads the section <c>Aeronet:Tls</c>. Certificates and trust from memory, and callbacks, come from code.</summary>
internal static class AeronetTlsOptionsReader
{
    public static void Read(SectionReader reader, AeronetTlsOptions options)
    {
        ReadCertificates(reader, options.Certificates);
        reader.Each(nameof(options.Sni), (host, name) =>
        {
            var settings = new AeronetTlsName();
            ReadName(name, settings);
            options.Sni[host] = settings;
        });
        reader.Enum<TlsCipherPreset>(nameof(options.CipherPreset), value => options.CipherPreset = value);
        reader.Texts(nameof(options.CipherSuites), options.CipherSuites);
        reader.Bool(nameof(options.RequireApplicationProtocolMatch), value => options.RequireApplicationProtocolMatch = value);
        reader.Enum<TlsKernelMode>(nameof(options.KernelTls), value => options.KernelTls = value);
        reader.Nested(nameof(options.Tickets), nested => ReadTickets(nested, options.Tickets));
        reader.Nested(nameof(options.Stapling), nested => ReadStapling(nested, options.Stapling));
        reader.Nested(nameof(options.ClientTrust), nested => ReadTrust(nested, options.ClientTrust));
        reader.Nested(nameof(options.HandshakeLimits), nested => ReadLimits(nested, options.HandshakeLimits));
        reader.Text(nameof(options.KeyLogFile), value => options.KeyLogFile = value);
        reader.Bool(nameof(options.AllowKeyLogInProduction), value => options.AllowKeyLogInProduction = value);
        reader.Bool(nameof(options.ReloadOnChange), value => options.ReloadOnChange = value);
        reader.Time(nameof(options.ReloadDelay), value => options.ReloadDelay = value);
    }

    private static void ReadName(SectionReader reader, AeronetTlsName name)
    {
        ReadCertificates(reader, name.Certificates);
        reader.Enum<SslProtocols>(nameof(name.SslProtocols), value => name.SslProtocols = value);
        reader.Enum<ClientCertificateMode>(nameof(name.ClientCertificateMode), value => name.ClientCertificateMode = value);
        reader.Nested(nameof(name.ClientTrust), nested => ReadTrust(nested, name.ClientTrust));
        reader.Enum<TlsCipherPreset>(nameof(name.CipherPreset), value => name.CipherPreset = value);
        reader.Bool(nameof(name.RequireApplicationProtocolMatch), value => name.RequireApplicationProtocolMatch = value);
    }

    private static void ReadCertificates(SectionReader reader, System.Collections.Generic.IList<AeronetTlsCertificate> certificates)
        => reader.Each("Certificates", (_, nested) =>
        {
            var certificate = new AeronetTlsCertificate();
            nested.Text(nameof(certificate.CertificateFile), value => certificate.CertificateFile = value);
            nested.Text(nameof(certificate.KeyFile), value => certificate.KeyFile = value);
            nested.Text(nameof(certificate.Password), value => certificate.Password = value);
            certificates.Add(certificate);
        });

    private static void ReadTickets(SectionReader reader, AeronetTlsTickets tickets)
    {
        reader.Bool(nameof(tickets.Enabled), value => tickets.Enabled = value);
        reader.Enum<TlsTicketKeys>(nameof(tickets.Keys), value => tickets.Keys = value);
        reader.Time(nameof(tickets.KeyLifetime), value => tickets.KeyLifetime = value);
        reader.Int(nameof(tickets.MaxKeys), value => tickets.MaxKeys = value);
        reader.Texts(nameof(tickets.KeyFiles), tickets.KeyFiles);
        reader.Int(nameof(tickets.SessionCacheSize), value => tickets.SessionCacheSize = value);
    }

    private static void ReadStapling(SectionReader reader, AeronetTlsStapling stapling)
    {
        reader.Bool(nameof(stapling.Enabled), value => stapling.Enabled = value);
        reader.Texts(nameof(stapling.ResponseFiles), stapling.ResponseFiles);
        reader.Time(nameof(stapling.ResponderTimeout), value => stapling.ResponderTimeout = value);
        reader.Time(nameof(stapling.RefreshInterval), value => stapling.RefreshInterval = value);
    }

    private static void ReadTrust(SectionReader reader, AeronetTlsClientTrust trust)
    {
        reader.Texts(nameof(trust.AuthorityFiles), trust.AuthorityFiles);
        reader.Texts(nameof(trust.RevocationListFiles), trust.RevocationListFiles);
        reader.Bool(nameof(trust.RequireRevocationList), value => trust.RequireRevocationList = value);
    }

    private static void ReadLimits(SectionReader reader, AeronetTlsHandshakeLimits limits)
    {
        reader.Int(nameof(limits.MaxConcurrent), value => limits.MaxConcurrent = value);
        reader.Int(nameof(limits.RatePerSecond), value => limits.RatePerSecond = value);
        reader.Int(nameof(limits.Burst), value => limits.Burst = value);
        reader.Int(nameof(limits.PeerRatePerSecond), value => limits.PeerRatePerSecond = value);
        reader.Int(nameof(limits.PeerBurst), value => limits.PeerBurst = value);
        reader.Int(nameof(limits.IPv4PrefixLength), value => limits.IPv4PrefixLength = value);
        reader.Int(nameof(limits.IPv6PrefixLength), value => limits.IPv6PrefixLength = value);
        reader.Int(nameof(limits.PeerTableSize), value => limits.PeerTableSize = value);
    }
}
