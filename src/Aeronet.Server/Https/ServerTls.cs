using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Linq;
using System.Threading;
using System.Threading.Tasks;
using Aeronet.Server.Binding;
using Aeronet.Server.Diagnostics;
using Aeronet.Transport;
using Aeronet.Transport.Diagnostics;
using Aeronet.Transport.Tls;
using Aeronet.Transport.Tls.Reload;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Microsoft.Extensions.Primitives;

namespace Aeronet.Server.Https;

/// <summary>TLS of one run of the server: the endpoints that have it, their settings, and every change of them. Makes nothing before the first endpoint asks.</summary>
/// <remarks>Any thread; changes come one after the other. A change is good for all endpoints, or for none.</remarks>
internal sealed class ServerTls : IDisposable
{
    private readonly IServiceProvider _services;
    private readonly TlsMetrics _metrics;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly string _contentRoot;
    private readonly bool _hasHttp2;
    private readonly Lock _gate = new();

    // Under _gate.
    private readonly Dictionary<ListenOptions, TlsEndpoint> _endpoints = [];
    private readonly List<EndpointRequest> _portable = []; // with TLS on SslStream: what a reload brings must be honoured there, too
    private string? _declined; // the first endpoint that stays with somebody else's TLS
    private AeronetTlsOptions _options;
    private TlsServicesOwner? _owner;       // Non-null once the first endpoint has asked.
    private TlsFiles? _files;               // as _owner
    private SharedTls? _shared;             // as _owner
    private FileWatch? _watch;              // as _owner, where changes are followed
    private IDisposable? _configuration;    // as _watch
    private TlsControl? _control;           // Non-null once an endpoint has TLS
    private bool _disposed;

    /// <param name="options">Valid.</param>
    /// <param name="services">Of the application.</param>
    /// <param name="metrics">Of the server.</param>
    /// <param name="time">Clock and timers.</param>
    /// <param name="loggers">For the category <c>Aeronet.Tls</c>.</param>
    /// <param name="hasHttp2">Who serves the connections has HTTP/2.</param>
    public ServerTls(AeronetTlsOptions options, IServiceProvider services, TlsMetrics metrics, TimeProvider time, ILoggerFactory loggers, bool hasHttp2 = false)
    {
        _hasHttp2 = hasHttp2;
        _options = options;
        _services = services;
        _metrics = metrics;
        _time = time;
        _logger = loggers.CreateLogger(TlsServiceLog.Category);
        Observer = metrics.Observe(options.OnHandshake, _logger, Handshakes);
        _contentRoot = services.GetService<IHostEnvironment>()?.ContentRootPath ?? AppContext.BaseDirectory;
    }

    /// <summary>Counts those of all endpoints.</summary>
    public HandshakeCounts Handshakes { get; } = new();

    /// <summary>The settings of every endpoint that has Aeronet's TLS are read and checked, before anything is bound.</summary>
    /// <exception cref="InvalidOperationException">Names every fault.</exception>
    public void AddAll(IEnumerable<EndpointRequest> requests, Func<EndpointRequest, bool> isNative)
    {
        var faults = new List<string>();
        foreach (EndpointRequest request in requests)
        {
            try
            {
                Add(request, isNative(request));
            }
            catch (TlsConfigurationException fault) when (!faults.Contains(fault.Message))
            {
                faults.Add(fault.Message);
            }
            catch (TlsConfigurationException)
            {
                // Every endpoint meets what is wrong with the server's own options: once is enough.
            }
        }
        if (faults.Count > 0)
        {
            throw new InvalidOperationException(string.Join(Environment.NewLine, faults));
        }
    }

    /// <summary>Reads the settings of an endpoint; nothing for one without TLS.</summary>
    /// <param name="request">What is to be bound.</param>
    /// <param name="isNative">Our loops will listen there, and no middleware that needs pipes stands before the protocol.</param>
    /// <exception cref="TlsConfigurationException">They, or the server's own options, cannot be used.</exception>
    public void Add(EndpointRequest request, bool isNative)
    {
        if (!request.IsHttps)
        {
            return;
        }
        if (!isNative)
        {
            EnsureHonoured(request, _options);
            _ = new PortableTlsMiddleware(static _ => Task.CompletedTask, request.Options, Observer); // its certificate can be served
            lock (_gate)
            {
                _portable.Add(request);
                Attach();
            }

            return;
        }
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            if (!_endpoints.ContainsKey(request.Options))
            {
                EnsureLoaded();
                _endpoints.Add(request.Options, new TlsEndpoint(HttpsEndpoint.Read(request.Options, _shared!)));
                TrackCertificates();
            }
        }
    }

    private void EnsureHonoured(EndpointRequest request, AeronetTlsOptions options)
    {
        List<string> names = PortableTls.FindNotHonoured(options, KestrelInternals.GetHttpsOptions(request.Options));
        if (_services.GetService<TlsControl>()?.Authorities is not null)
        {
            names.Add($"{nameof(IAeronetTls)}.{nameof(IAeronetTls.UpdateClientAuthorities)}");
        }
        if (names.Count > 0)
        {
            throw new TlsConfigurationException($"The HTTPS endpoint {request.Name} has other connection middleware beside UseHttps, or is not bound by Aeronet's loops, so its TLS is SslStream, which cannot honour {string.Join(", ", names)}.");
        }
    }

    /// <summary>Hears of every handshake, those on SslStream included.</summary>
    public ITlsObserver Observer { get; }

    /// <summary>TLS of an endpoint that was added; null: it has none, or not ours.</summary>
    public TlsEndpoint? Find(ListenOptions options)
    {
        lock (_gate)
        {
            return _endpoints.GetValueOrDefault(options);
        }
    }

    /// <summary>An endpoint goes on with other settings: its new connections get them.</summary>
    /// <exception cref="TlsConfigurationException">They cannot be used; the ones before stay.</exception>
    public void Replace(ListenOptions before, ListenOptions after)
    {
        lock (_gate)
        {
            TlsEndpoint endpoint = _endpoints[before];
            endpoint.Replace(HttpsEndpoint.Read(after, _shared!));
            _endpoints.Remove(before);
            _endpoints.Add(after, endpoint);
            TrackCertificates();
        }
    }

    /// <summary>An endpoint is gone.</summary>
    public void Remove(ListenOptions options)
    {
        lock (_gate)
        {
            _portable.RemoveAll(request => request.Options == options);
            if (_endpoints.Remove(options))
            {
                TrackCertificates();
            }
        }
    }

    /// <summary>Reads options and files again, and gives the result to every endpoint if all of it is good.</summary>
    public bool Reload()
    {
        lock (_gate)
        {
            if (_disposed)
            {
                return true;
            }
            TlsFiles? files = null;
            try
            {
                AeronetTlsOptions options = ReadOptions();
                _portable.ForEach(request => EnsureHonoured(request, options));
                if (_owner is null)
                {
                    return true; // all TLS is on SslStream: nothing of ours is to be read again
                }

                files = LoadFiles(options);
                bool areKeysGood = Use(options, files);
                files = null;
                if (areKeysGood) // otherwise the ring has said what is wrong, and goes on with the keys it had
                {
                    TlsServiceLog.TlsReloaded(_logger, _endpoints.Count);
                }

                _metrics.Reloaded(areKeysGood);
                return areKeysGood;
            }
#pragma warning disable CA1031 // Whatever broken options or files throw, the server goes on with what it has.
            catch (Exception failure)
#pragma warning restore CA1031
            {
                files?.Dispose();
                _watch?.Watch(TlsFiles.Paths(_options, _contentRoot)); // links may lead elsewhere now, and what is mended there must be seen
                Guard.Run(() =>
                {
                    TlsServiceLog.TlsReloadFailed(_logger, failure.Message, failure);
                    _metrics.Reloaded(isGood: false);
                });
                return false;
            }
        }
    }

    /// <summary>An endpoint's TLS is not ours, and would not ask authorities that are set at run time; the log says so.</summary>
    public bool RefusesAuthorities()
    {
        string? other;
        lock (_gate)
        {
            other = _portable.Count > 0 ? _portable[0].Name : _declined;
        }
        if (other is null)
        {
            return false;
        }
        var refused = new TlsConfigurationException($"{nameof(IAeronetTls)}.{nameof(IAeronetTls.UpdateClientAuthorities)} cannot be honoured: TLS of {other} is not Aeronet's. Nothing was changed.");
        Guard.Run(() => TlsServiceLog.TlsReloadFailed(_logger, refused.Message, refused));
        return true;
    }

    /// <summary>An endpoint stays with somebody else's TLS, which knows nothing of what <see cref="IAeronetTls"/> sets.</summary>
    /// <exception cref="TlsConfigurationException">That has been used already.</exception>
    public void Decline(string endpoint)
    {
        lock (_gate)
        {
            Attach();
            if (_control?.Authorities is not null)
            {
                throw new TlsConfigurationException($"TLS of {endpoint} stays with Kestrel, which cannot honour {nameof(IAeronetTls)}.{nameof(IAeronetTls.UpdateClientAuthorities)}.");
            }
            _declined ??= endpoint;
        }
    }

    public void Dispose()
    {
        lock (_gate)
        {
            _disposed = true;
            _configuration?.Dispose();
            _watch?.Dispose();
            _owner?.Dispose();
            _files?.Dispose();
            _endpoints.Clear();
        }
        _control?.Detach(this); // the container may be gone by now
    }

    private void EnsureLoaded()
    {
        Debug.Assert(_gate.IsHeldByCurrentThread);
        if (_owner is not null)
        {
            return;
        }
        TlsFiles files = LoadFiles(_options);
        try
        {
            bool isProduction = _services.GetService<IHostEnvironment>()?.IsProduction() ?? true;
            _owner = TlsServicesOwner.Create(_options, _contentRoot, isProduction, _services, Observer, _time, _logger);
        }
        catch
        {
            files.Dispose();
            throw;
        }
        _files = files;
        _shared = Share(_options, files);
        _metrics.ObserveStaples(_owner.StapleCounts);
        Attach();
        if (_options.ReloadOnChange)
        {
            _watch = new FileWatch(_time, _options.ReloadDelay, () => Reload(), _logger);
            _watch.Watch(TlsFiles.Paths(_options, _contentRoot));
            if (_services.GetService<IConfiguration>()?.GetSection(AeronetServerOptionsSetup.SectionName) is { } section)
            {
                FileWatch watch = _watch;
                _configuration = ChangeToken.OnChange(section.GetReloadToken, watch.Touch);
            }
        }
    }

    private void Attach()
    {
        _control ??= _services.GetService<TlsControl>();
        _control?.Attach(this);
    }

    // All new settings are made before the first endpoint gets its own; one that OpenSSL refuses gives the others back what they had.
    private bool Use(AeronetTlsOptions options, TlsFiles files)
    {
        Debug.Assert(_gate.IsHeldByCurrentThread);
        SharedTls shared = Share(options, files);
        List<(TlsEndpoint Endpoint, TlsSettings Settings)> changes = [.. _endpoints.Select(entry => (entry.Value, HttpsEndpoint.Read(entry.Key, shared)))];
        var done = new Stack<(TlsEndpoint Endpoint, TlsSettings Before)>();
        try
        {
            foreach ((TlsEndpoint endpoint, TlsSettings settings) in changes)
            {
                TlsSettings before = endpoint.Settings;
                endpoint.Replace(settings);
                done.Push((endpoint, before));
            }
        }
        catch
        {
            while (done.TryPop(out (TlsEndpoint Endpoint, TlsSettings Before) change))
            {
                change.Endpoint.Replace(change.Before);
            }
            throw;
        }

        _files?.Dispose();
        _files = files;
        _shared = shared;
        _options = options;
        _watch?.Watch(TlsFiles.Paths(options, _contentRoot));
        return TrackCertificates();
    }

    private bool TrackCertificates()
        => _owner!.Update(_options, _contentRoot, _endpoints.Values
            .SelectMany(static endpoint => endpoint.Settings.Names.Values.Append(endpoint.Settings.Default))
            .OfType<TlsIdentity>()
            .SelectMany(static identity => identity.Certificates)
            .ToArray());

    private TlsFiles LoadFiles(AeronetTlsOptions options) => TlsFiles.Load(options, _contentRoot, _services.GetService<TlsControl>()?.Authorities, _time, _logger);

    private SharedTls Share(AeronetTlsOptions options, TlsFiles files) => SharedTls.Create(options, _owner!.Services, files.Certificates, files.Names, files.ClientTrust) with { HasHttp2 = _hasHttp2 };

    // The factory runs what the application has configured once more, from the sections as they are now, and validates it.
    private AeronetTlsOptions ReadOptions()
    {
        if (_services.GetService<IOptionsFactory<AeronetServerOptions>>() is not { } factory)
        {
            return _options;
        }

        AeronetTlsOptions options = factory.Create(Options.DefaultName).Tls;
        // Read at the start only, as their documentation says: what depends on them was made there.
        options.Tickets.Enabled = _options.Tickets.Enabled;
        options.Tickets.SessionCacheSize = _options.Tickets.SessionCacheSize;
        options.KernelTls = _options.KernelTls;
        options.RequireApplicationProtocolMatch = _options.RequireApplicationProtocolMatch;
        return options;
    }
}
