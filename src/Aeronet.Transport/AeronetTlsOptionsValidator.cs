using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Security.Authentication;
using Aeronet.Transport.Tls.Ciphers;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.Extensions.Options;

namespace Aeronet.Transport;

/// <summary>Names every TLS option that is out of range or at odds with another, with its value and range, in one go. Files are looked at when they are loaded.</summary>
internal sealed class AeronetTlsOptionsValidator : IValidateOptions<AeronetTlsOptions>
{
    private const int CountMax = 1 << 20;
    private const int RateMax = 1_000_000;

#pragma warning disable CA5397, SYSLIB0039 // Old versions are refused or allowed by name here, never chosen.
    private const SslProtocols ProtocolsAll = SslProtocols.Tls | SslProtocols.Tls11 | SslProtocols.Tls12 | SslProtocols.Tls13;
#pragma warning restore CA5397, SYSLIB0039

    public ValidateOptionsResult Validate(string? name, AeronetTlsOptions options)
    {
        var faults = new Faults();
        CheckCertificates(faults, "", options.Certificates);
        foreach ((string host, AeronetTlsName settings) in options.Sni)
        {
            CheckName(faults, host, settings);
        }

        faults.Defined("CipherPreset", options.CipherPreset);
        foreach (string suite in options.CipherSuites)
        {
            if (suite is null || !CipherSuiteNames.IsKnown(suite))
            {
                faults.Add("CipherSuites", Quote(suite), "names of cipher suites by IANA or OpenSSL, e.g. TLS_AES_128_GCM_SHA256 or ECDHE-RSA-AES128-GCM-SHA256");
            }
        }
        if (options.CipherSuites.Count > 0 && options.CipherPreset != TlsCipherPreset.Default)
        {
            faults.Add("CipherPreset", options.CipherPreset, "Default when CipherSuites names suites");
        }
        faults.Defined("KernelTls", options.KernelTls);

        AeronetTlsTickets tickets = options.Tickets;
        faults.Defined("Tickets.Keys", tickets.Keys);
        faults.Time("Tickets.KeyLifetime", tickets.KeyLifetime, TimeSpan.FromMinutes(1), TimeSpan.FromDays(30));
        faults.Range("Tickets.MaxKeys", tickets.MaxKeys, 1, 16);
        faults.Range("Tickets.SessionCacheSize", tickets.SessionCacheSize, 0, CountMax);
        if (tickets.Keys == TlsTicketKeys.Files != tickets.KeyFiles.Count > 0)
        {
            faults.Add("Tickets.KeyFiles", $"of {tickets.KeyFiles.Count} files", tickets.Keys == TlsTicketKeys.Files ? "at least one file with Tickets.Keys = Files" : "none unless Tickets.Keys is Files");
        }
        CheckFiles(faults, "Tickets.KeyFiles", tickets.KeyFiles);

        CheckFiles(faults, "Stapling.ResponseFiles", options.Stapling.ResponseFiles);
        faults.Time("Stapling.ResponderTimeout", options.Stapling.ResponderTimeout, TimeSpan.FromSeconds(1), TimeSpan.FromMinutes(5));
        faults.Time("Stapling.RefreshInterval", options.Stapling.RefreshInterval, TimeSpan.FromMinutes(1), TimeSpan.FromDays(7));

        CheckTrust(faults, "ClientTrust", options.ClientTrust);
        CheckLimits(faults, options.HandshakeLimits);
        if (options.KeyLogFile is { Length: 0 })
        {
            faults.Add("KeyLogFile", "\"\"", "null or the path of a file");
        }
        faults.Time("ReloadDelay", options.ReloadDelay, TimeSpan.Zero, TimeSpan.FromSeconds(60));
        return faults.ToResult();
    }

    private static void CheckName(Faults faults, string host, AeronetTlsName settings)
    {
        string property = $"Sni[{host}]";
        ReadOnlySpan<char> labels = host.StartsWith("*.", StringComparison.Ordinal) ? host.AsSpan(2) : host;
        if (labels.IsEmpty || labels.ContainsAnyExceptInRange('!', '~') || labels.Contains('*') || labels[0] == '.' || labels[^1] == '.')
        {
            faults.Add("Sni", Quote(host), "host names in ASCII such as a.example.com, or *.example.com");
        }
        CheckCertificates(faults, property + ".", settings.Certificates);
        if (settings.SslProtocols is { } protocols && (protocols & ~ProtocolsAll) != 0)
        {
            faults.Add(property + ".SslProtocols", protocols, "None, Tls12, Tls13 or both (Tls and Tls11 where OpenSSL still allows them)");
        }
        if (settings.ClientCertificateMode is { } mode)
        {
            faults.Defined<ClientCertificateMode>(property + ".ClientCertificateMode", mode);
        }
        if (settings.CipherPreset is { } preset)
        {
            faults.Defined(property + ".CipherPreset", preset);
        }
        CheckTrust(faults, property + ".ClientTrust", settings.ClientTrust);
    }

    private static void CheckCertificates(Faults faults, string prefix, IList<AeronetTlsCertificate> certificates)
    {
        for (int i = 0; i < certificates.Count; i++)
        {
            AeronetTlsCertificate certificate = certificates[i];
            string property = string.Create(CultureInfo.InvariantCulture, $"{prefix}Certificates[{i}]");
            bool hasFile = !string.IsNullOrEmpty(certificate.CertificateFile);
            if (hasFile == certificate.Certificate is not null)
            {
                faults.Add(property, hasFile ? "both a file and a certificate" : "empty", "CertificateFile, or Certificate, one of them");
            }
            if (!hasFile && (certificate.KeyFile is not null || certificate.Password is not null))
            {
                faults.Add(property, "a KeyFile or Password alone", "KeyFile and Password only beside CertificateFile");
            }
            if (certificate is { Chain: not null, Certificate: null })
            {
                faults.Add(property + ".Chain", "set", "null unless Certificate is set: the chain of a file comes from the file");
            }
            if (certificate.Certificate is { HasPrivateKey: false })
            {
                faults.Add(property + ".Certificate", $"{Quote(certificate.Certificate.Subject)} without a private key", "a certificate with its private key");
            }
        }
    }

    private static void CheckTrust(Faults faults, string prefix, AeronetTlsClientTrust trust)
    {
        CheckFiles(faults, prefix + ".AuthorityFiles", trust.AuthorityFiles);
        CheckFiles(faults, prefix + ".RevocationListFiles", trust.RevocationListFiles);
        if (trust.RequireRevocationList && trust.RevocationListFiles.Count == 0)
        {
            faults.Add(prefix + ".RequireRevocationList", true, "false unless RevocationListFiles names a list: every client certificate would be refused");
        }
    }

    private static void CheckLimits(Faults faults, AeronetTlsHandshakeLimits limits)
    {
        faults.Range("HandshakeLimits.MaxConcurrent", limits.MaxConcurrent, 0, CountMax);
        faults.Range("HandshakeLimits.RatePerSecond", limits.RatePerSecond, 0, RateMax);
        faults.Range("HandshakeLimits.Burst", limits.Burst, 0, RateMax);
        faults.Range("HandshakeLimits.PeerRatePerSecond", limits.PeerRatePerSecond, 0, RateMax);
        faults.Range("HandshakeLimits.PeerBurst", limits.PeerBurst, 0, RateMax);
        faults.Range("HandshakeLimits.IPv4PrefixLength", limits.IPv4PrefixLength, 8, 32);
        faults.Range("HandshakeLimits.IPv6PrefixLength", limits.IPv6PrefixLength, 16, 128);
        faults.Range("HandshakeLimits.PeerTableSize", limits.PeerTableSize, 512, CountMax);
        if (limits is { Burst: > 0, RatePerSecond: 0 })
        {
            faults.Add("HandshakeLimits.Burst", limits.Burst, "0 unless RatePerSecond is above 0");
        }
        if (limits is { PeerBurst: > 0, PeerRatePerSecond: 0 })
        {
            faults.Add("HandshakeLimits.PeerBurst", limits.PeerBurst, "0 unless PeerRatePerSecond is above 0");
        }
    }

    private static void CheckFiles(Faults faults, string property, IList<string> files)
    {
        foreach (string file in files)
        {
            if (string.IsNullOrWhiteSpace(file) || file.AsSpan().ContainsAny(Path.GetInvalidPathChars()))
            {
                faults.Add(property, Quote(file), "paths of files");
            }
        }
    }

    // Control characters must not reach a console or a log as they are.
    private static string Quote(string? text)
        => text is null ? "null" : $"\"{string.Concat(Array.ConvertAll(text.ToCharArray(), static c => c is >= ' ' and <= '~' ? c.ToString() : $"\\u{(int)c:X4}"))}\"";

    private sealed class Faults
    {
        private readonly List<string> _faults = [];

        public void Add(string property, object value, string allowed)
            => _faults.Add(string.Create(CultureInfo.InvariantCulture, $"{nameof(AeronetTlsOptions)}.{property} is {value}; allowed: {allowed}."));

        public void Range(string property, long value, long min, long max)
        {
            if (value < min || value > max)
            {
                Add(property, value, string.Create(CultureInfo.InvariantCulture, $"{min} to {max}"));
            }
        }

        public void Time(string property, TimeSpan value, TimeSpan min, TimeSpan max)
        {
            if (value < min || value > max)
            {
                Add(property, value, $"{min} to {max}");
            }
        }

        public void Defined<T>(string property, T value)
            where T : struct, Enum
        {
            if (!Enum.IsDefined(value))
            {
                Add(property, value, string.Join(", ", Enum.GetNames<T>()));
            }
        }

        public ValidateOptionsResult ToResult() => _faults.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(_faults);
    }
}
