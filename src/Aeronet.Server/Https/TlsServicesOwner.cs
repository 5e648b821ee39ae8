using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Net.Http;
using Aeronet.Server.Diagnostics;
using Aeronet.Transport;
using Aeronet.Transport.Tls;
using Aeronet.Transport.Tls.Admission;
using Aeronet.Transport.Tls.KeyLog;
using Aeronet.Transport.Tls.Stapling;
using Aeronet.Transport.Tls.Tickets;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.AspNetCore.DataProtection.KeyManagement;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Aeronet.Server.Https;

/// <summary>What handshakes of one run of the server use, made once and kept over every reload: ticket keys, limits, staples, key log.</summary>
internal sealed class TlsServicesOwner : IDisposable
{
    private readonly TicketKeyRing? _ticketKeys;
    private readonly KeyLogWriter? _keyLog;
    private readonly OcspStapler _stapler;

    private TlsServicesOwner(TicketKeyRing? ticketKeys, KeyLogWriter? keyLog, OcspStapler stapler, HandshakeLimiter? limiter, ITlsObserver observer)
    {
        _ticketKeys = ticketKeys;
        _keyLog = keyLog;
        _stapler = stapler;
        Services = new TlsServices
        {
            TicketKeys = ticketKeys,
            Staples = stapler,
            KeyLog = keyLog,
            Admission = limiter,
            Observer = observer,
        };
    }

    public TlsServices Services { get; }

    /// <param name="options">Valid.</param>
    /// <param name="contentRoot">Where relative paths begin.</param>
    /// <param name="isProduction">The host's environment.</param>
    /// <param name="services">Of the application: Data Protection.</param>
    /// <param name="observer">Hears of every handshake.</param>
    /// <param name="time">Clock and timers.</param>
    /// <param name="logger">For all of them.</param>
    /// <exception cref="TlsConfigurationException">Names every property that cannot be honoured, with the reason.</exception>
    public static TlsServicesOwner Create(AeronetTlsOptions options, string contentRoot, bool isProduction, IServiceProvider services, ITlsObserver observer, TimeProvider time, ILogger logger)
    {
        var faults = new List<string>();
        TicketKeyRing? ticketKeys = Try(faults, "Tickets", () => CreateTicketKeys(options.Tickets, contentRoot, services, time, logger));
        KeyLogWriter? keyLog = Try(faults, "KeyLogFile", () => CreateKeyLog(options, contentRoot, isProduction, logger));
        if (faults.Count > 0)
        {
            ticketKeys?.Dispose();
            keyLog?.Dispose();
            throw new TlsConfigurationException(string.Join(Environment.NewLine, faults));
        }
        var stapler = new OcspStapler(options.Stapling, time, logger, new SocketsHttpHandler { UseCookies = false, AllowAutoRedirect = false });
        return new TlsServicesOwner(ticketKeys, keyLog, stapler, CreateLimiter(options.HandshakeLimits), observer);
    }

    /// <summary>The certificates and files of changed settings; ticket key files are read again.</summary>
    public bool Update(AeronetTlsOptions options, string contentRoot, IEnumerable<TlsCertificate> certificates)
    {
        _stapler.Track(certificates, options.Stapling.ResponseFiles.Select(file => Path.Combine(contentRoot, file)));
        return _ticketKeys?.Refresh() ?? true;
    }

    /// <summary>Certificates that should have an OCSP response, and those that have none now.</summary>
    public (int Certificates, int WithoutStaple) StapleCounts() => _stapler.Counts();

    public void Dispose()
    {
        _ticketKeys?.Dispose();
        _keyLog?.Dispose();
        _stapler.Dispose();
    }

    private static TicketKeyRing? CreateTicketKeys(AeronetTlsTickets tickets, string contentRoot, IServiceProvider services, TimeProvider time, ILogger logger)
    {
        if (!tickets.Enabled)
        {
            return null;
        }
        return new TicketKeyRing(
            tickets.Keys switch
            {
                TlsTicketKeys.Files => new FileTicketKeys([.. tickets.KeyFiles.Select(file => Path.Combine(contentRoot, file))], TicketWindow.TicketLifetime(tickets.KeyLifetime, tickets.MaxKeys)),
                TlsTicketKeys.DataProtection => Derived(services, tickets),
                _ => new RandomTicketKeys(tickets.KeyLifetime, tickets.MaxKeys),
            },
            time,
            logger);
    }

    // Data Protection and its stores throw whatever they like: it is the configuration that cannot be used.
    private static DerivedTicketKeys Derived(IServiceProvider services, AeronetTlsTickets tickets)
    {
        DataProtectionSecrets secrets = Secrets(services);
        try
        {
            _ = secrets.GetSecrets(TimeProvider.System.GetUtcNow());
        }
#pragma warning disable CA1031 // see above
        catch (Exception failure) when (failure is not TlsConfigurationException)
#pragma warning restore CA1031
        {
            throw new TlsConfigurationException($"Keys is DataProtection, and its key ring cannot be read: {failure.Message}");
        }

        return new DerivedTicketKeys(secrets, tickets.KeyLifetime, tickets.MaxKeys);
    }

    private static DataProtectionSecrets Secrets(IServiceProvider services)
        => services.GetService<IKeyManager>() is { } keys && services.GetService<IDataProtectionProvider>() is { } provider
            ? new DataProtectionSecrets(keys, provider)
            : throw new TlsConfigurationException("Tickets.Keys is DataProtection, and the application has no Data Protection: call services.AddDataProtection() with a store that the machines share.");

    private static KeyLogWriter? CreateKeyLog(AeronetTlsOptions options, string contentRoot, bool isProduction, ILogger logger)
    {
        if (options.KeyLogFile is not { } file)
        {
            return null;
        }
        return isProduction && !options.AllowKeyLogInProduction
            ? throw new TlsConfigurationException("a key log in the environment Production needs AllowKeyLogInProduction, too.")
            : new KeyLogWriter(Path.Combine(contentRoot, file), logger);
    }

    private static HandshakeLimiter? CreateLimiter(AeronetTlsHandshakeLimits limits)
        => limits is { MaxConcurrent: 0, RatePerSecond: 0, PeerRatePerSecond: 0 }
            ? null
            : new HandshakeLimiter(new HandshakeLimits
            {
                ConcurrentMax = limits.MaxConcurrent,
                RatePerSecond = limits.RatePerSecond,
                Burst = limits.Burst,
                PeerRatePerSecond = limits.PeerRatePerSecond,
                PeerBurst = limits.PeerBurst,
                IPv4PrefixLength = limits.IPv4PrefixLength,
                IPv6PrefixLength = limits.IPv6PrefixLength,
                PeerTableSize = limits.PeerTableSize,
            });

    private static T? Try<T>(List<string> faults, string property, Func<T?> create)
        where T : class
    {
        try
        {
            return create();
        }
        catch (Exception failure) when (failure is TlsConfigurationException or IOException or InvalidDataException or UnauthorizedAccessException)
        {
            faults.Add($"AeronetTlsOptions.{property}: {failure.Message}");
            return null;
        }
    }
}
