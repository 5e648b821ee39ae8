using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Aeronet.Transport;
using Aeronet.Transport.Tls;
using Aeronet.Transport.Tls.Certificates;
using Aeronet.Transport.Tls.Ciphers;
using Aeronet.Transport.Tls.Revocation;
using Microsoft.Extensions.Logging;

namespace Aeronet.Server.Https;

/// <summary>Loads everything that <see cref="AeronetTlsOptions"/> name in files, and finds every fault at once.</summary>
internal sealed class TlsFiles : IDisposable
{
    private readonly AeronetTlsOptions _options;
    private readonly string _contentRoot;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly List<string> _faults = [];
    private readonly List<TlsCertificate> _loaded = [];

    private TlsFiles(AeronetTlsOptions options, string contentRoot, TimeProvider time, ILogger logger)
    {
        _options = options;
        _contentRoot = contentRoot;
        _time = time;
        _logger = logger;
    }

    /// <summary>For every endpoint.</summary>
    public IReadOnlyList<TlsCertificate> Certificates { get; private set; } = [];

    /// <summary>By server name.</summary>
    public IReadOnlyDictionary<string, SharedTlsName> Names { get; private set; } = new Dictionary<string, SharedTlsName>();

    /// <summary>For every endpoint.</summary>
    public ClientTrust ClientTrust { get; private set; } = ClientTrust.System;

    /// <param name="options">Valid.</param>
    /// <param name="contentRoot">Where relative paths begin.</param>
    /// <param name="authorities">Instead of those of the options; null: those.</param>
    /// <param name="time">For the lists of revoked certificates.</param>
    /// <param name="logger">For the lists of revoked certificates.</param>
    /// <exception cref="TlsConfigurationException">Names every property whose file or certificate cannot be used, with the reason.</exception>
    public static TlsFiles Load(AeronetTlsOptions options, string contentRoot, X509Certificate2Collection? authorities, TimeProvider time, ILogger logger)
    {
        var files = new TlsFiles(options, contentRoot, time, logger);
        files.LoadAll(authorities);
        if (files._faults.Count > 0)
        {
            files.Dispose();
            throw new TlsConfigurationException(string.Join(Environment.NewLine, files._faults));
        }
        return files;
    }

    /// <summary>Every file that the options name, absolute.</summary>
    public static IEnumerable<string> Paths(AeronetTlsOptions options, string contentRoot)
    {
        IEnumerable<AeronetTlsCertificate> certificates = options.Certificates.Concat(options.Sni.Values.SelectMany(static name => name.Certificates));
        IEnumerable<AeronetTlsClientTrust> trusts = options.Sni.Values.Select(static name => name.ClientTrust).Prepend(options.ClientTrust);
        return certificates.SelectMany(static certificate => new[] { certificate.CertificateFile, certificate.KeyFile }).OfType<string>()
            .Concat(trusts.SelectMany(static trust => trust.AuthorityFiles.Concat(trust.RevocationListFiles)))
            .Concat(options.Tickets.KeyFiles)
            .Concat(options.Stapling.ResponseFiles)
            .Select(file => Path.Combine(contentRoot, file))
            .Distinct(StringComparer.Ordinal);
    }

    /// <summary>Clears the keys that OpenSSL has got in bytes.</summary>
    public void Dispose()
    {
        foreach (TlsCertificate certificate in _loaded)
        {
            if (System.Runtime.InteropServices.MemoryMarshal.TryGetArray(certificate.PrivateKey, out ArraySegment<byte> key))
            {
                CryptographicOperations.ZeroMemory(key);
            }
        }
    }

    private void LoadAll(X509Certificate2Collection? authorities)
    {
        Certificates = LoadCertificates("Certificates", _options.Certificates);
        ClientTrust = LoadTrust("ClientTrust", _options.ClientTrust, authorities);

        var names = new Dictionary<string, SharedTlsName>(StringComparer.OrdinalIgnoreCase);
        foreach ((string host, AeronetTlsName name) in _options.Sni)
        {
            bool hasOwnTrust = name.ClientTrust.AuthorityFiles.Count > 0 || name.ClientTrust.Authorities.Count > 0
                || name.ClientTrust.RevocationListFiles.Count > 0 || name.ClientTrust.IsAccepted is not null;
            names.Add(host, new SharedTlsName
            {
                Certificates = LoadCertificates($"Sni[{host}].Certificates", name.Certificates),
                Protocols = name.SslProtocols,
                ClientCertificateMode = name.ClientCertificateMode is { } mode ? TlsIdentities.ToMode(mode) : null,
                ClientTrust = hasOwnTrust ? LoadTrust($"Sni[{host}].ClientTrust", name.ClientTrust, authorities: null) : null,
                Ciphers = name.CipherPreset is { } preset ? CipherPresets.ToPolicy(preset, []) : null,
                RequireApplicationProtocolMatch = name.RequireApplicationProtocolMatch,
            });
        }
        Names = names;
    }

    private List<TlsCertificate> LoadCertificates(string property, IList<AeronetTlsCertificate> certificates)
    {
        var loaded = new List<TlsCertificate>();
        var algorithms = new HashSet<string>(StringComparer.Ordinal);
        for (int i = 0; i < certificates.Count; i++)
        {
            try
            {
                TlsCertificate certificate = CertificateFiles.Load(certificates[i], _contentRoot);
                _loaded.Add(certificate);
                ServerCertificates.EnsureAllowed(certificate.Leaf);
                if (!algorithms.Add(certificate.Leaf.GetKeyAlgorithm()))
                {
                    throw new TlsConfigurationException($"'{certificate.Source}' has the same type of key as another certificate of the list; allowed: one of each type (RSA, ECDSA, Ed25519).");
                }
                loaded.Add(certificate);
            }
            catch (TlsConfigurationException fault)
            {
                _faults.Add($"AeronetTlsOptions.{property}[{i}]: {fault.Message}");
            }
        }
        return loaded;
    }

    private ClientTrust LoadTrust(string property, AeronetTlsClientTrust trust, X509Certificate2Collection? authorities)
    {
        X509Certificate2Collection trusted = authorities is null ? [.. trust.Authorities] : [.. authorities];
        var lists = new List<RevocationList>();
        if (authorities is null)
        {
            foreach (string file in trust.AuthorityFiles)
            {
                Try($"{property}.AuthorityFiles", () => trusted.AddRange(CertificateFiles.LoadAuthorities(Path.Combine(_contentRoot, file)).ToArray()));
            }
        }
        foreach (string file in trust.RevocationListFiles)
        {
            Try($"{property}.RevocationListFiles", () => lists.AddRange(RevocationList.LoadFile(Path.Combine(_contentRoot, file))));
        }

        RevocationLists? revocation = lists.Count > 0 ? new RevocationLists(lists, trust.RequireRevocationList, _time, _logger) : null;
        Func<X509Certificate2, X509Chain, bool>? application = trust.IsAccepted;
        return new ClientTrust
        {
            Authorities = authorities is not null || trusted.Count > 0 ? trusted : null, // an application that took the last one away trusts nobody, not everybody
            IsAccepted = (revocation, application) switch
            {
                (null, null) => null,
                (null, _) => application,
                (_, null) => (_, chain) => revocation.IsAccepted(chain),
                _ => (certificate, chain) => revocation.IsAccepted(chain) && application(certificate, chain),
            },
        };
    }

    private void Try(string property, Action load)
    {
        try
        {
            load();
        }
        catch (TlsConfigurationException fault)
        {
            _faults.Add($"AeronetTlsOptions.{property}: {fault.Message}");
        }
    }
}
