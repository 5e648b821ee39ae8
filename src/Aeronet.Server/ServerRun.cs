using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.Linq;
using System.Threading;
using System.Threading.Tasks;
using Aeronet.Server.Binding;
using Aeronet.Server.Diagnostics;
using Aeronet.Server.Exchange;
using Aeronet.Server.Https;
using Aeronet.Server.Sessions;
using Aeronet.Transport.Diagnostics;
using Aeronet.Transport.Foreign;
using Aeronet.Transport.Loop;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Server.Kestrel;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Microsoft.Extensions.Primitives;

namespace Aeronet.Server;

/// <summary>What the server was given by dependency injection, the same for every run.</summary>
internal sealed record ServerServices(
    IOptions<KestrelServerOptions> KestrelOptions,
    IOptions<AeronetServerOptions> Options,
    ILoggerFactory LoggerFactory,
    IMeterFactory? MeterFactory,
    DiagnosticSource? DiagnosticSource,
    ServerLog Log,
    ServerMetrics Metrics,
    TlsMetrics TlsMetrics,
    IEnumerable<IConnectionListenerFactory> Transports,
    SocketTransportOptions SocketOptions);

/// <summary>The server from one start to its stop: loops, endpoints, and the watch on the configuration.</summary>
internal sealed class ServerRun
{
    private static readonly TimeSpan s_abortGrace = TimeSpan.FromSeconds(1); // as Kestrel: connections that are aborted get this long to end

    private readonly ServerServices _services;
    private readonly EventLoopGroup _group;
    private readonly EndpointBinder _binder;
    private readonly ServerTls _tls;
    private readonly ServerAddresses _addresses;
    private readonly KestrelConfigurationLoader? _watched; // Non-null when configuration changes are followed.
    private readonly TaskCompletionSource _patienceOver = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Lock _gate = new();

    // Under _gate.
    private Task _lastChange = Task.CompletedTask; // Changes of the endpoints run one after the other; the stop is the last.
    private Task? _stopped; // Non-null once a stop was asked for.

    // Inside a change, or before the first.
    private IDisposable? _changeRegistration;

    private ServerRun(ServerServices services, EventLoopGroup group, EndpointBinder binder, ServerTls tls, ServerAddresses addresses, KestrelConfigurationLoader? watched)
    {
        _services = services;
        _group = group;
        _binder = binder;
        _tls = tls;
        _addresses = addresses;
        _watched = watched;
    }

    /// <summary>What this run listened on last, dynamic ports resolved. Only after the stop.</summary>
    private List<EndpointRequest> LastRequests { get; set; } = [];

    /// <summary>What it had published then.</summary>
    private string[] LastAddresses { get; set; } = [];

    public static async Task<ServerRun> StartAsync<TContext>(IHttpApplication<TContext> application, ServerServices services, ServerAddresses addresses, ServerRun? lastRun)
        where TContext : notnull
    {
        KestrelServerOptions kestrel = services.KestrelOptions.Value;
        AeronetServerOptions options = services.Options.Value;
        GeneralLog log = services.Log.General;
        KestrelLimits.ThrowIfInconsistent(kestrel.Limits);
        if (UnusedSettings.Find(kestrel, options) is { Count: > 0 } unused)
        {
            log.SettingsNotHonoured(string.Join(", ", unused));
        }

        // Taken before the configuration is read: a change in between fires it.
        KestrelConfigurationLoader? loader = kestrel.ConfigurationLoader;
        bool followsChanges = loader is not null && KestrelInternals.GetReloadOnChange(loader) && !(addresses.PreferHostingUrls && addresses.Count > 0);
        IChangeToken? change = followsChanges ? KestrelInternals.GetReloadToken(loader!) : null;

        var transports = new ForeignTransports(services.Transports, services.SocketOptions, options.Transport, services.LoggerFactory);
        string[] asked = addresses.ToArray();
        bool isRestart = lastRun is not null && asked.SequenceEqual(lastRun.LastAddresses);
        List<EndpointRequest> requests = isRestart ? lastRun!.LastRequests : EndpointPlanner.Plan(kestrel, addresses, log, transports);

        ServerSettings settings = ServerSettings.Create(kestrel, options, services.Log, services.Metrics, TimeProvider.System, services.DiagnosticSource);
        AppRunner runner = AppRunner.Create(application, settings);
        EventLoopGroup group = EventLoopGroup.Start(options.Transport, services.LoggerFactory, services.MeterFactory);
        ExchangePool[] pools = group.Loops.Select(_ => new ExchangePool(runner)).ToArray();
        ILogger transportLogger = services.LoggerFactory.CreateLogger(TransportLog.Category);
        var tls = new ServerTls(options.Tls, kestrel.ApplicationServices, services.TlsMetrics, TimeProvider.System, services.LoggerFactory);
        var carriers = new CarrierFactory(group, options.ApplicationMode == ApplicationMode.Inline, transportLogger);
        var binder = new EndpointBinder(group, endpoint => HttpAcceptor.Create(settings, endpoint, pools, transportLogger), transports, carriers, tls, addresses, settings);
        transports.ReportOptionsWithoutEffect(group.Backend);
        addresses.BeginRun();
        try
        {
            binder.PrepareTls(requests);
            foreach (EndpointRequest request in requests)
            {
                await binder.BindAsync(request).ConfigureAwait(false);
            }
        }
        catch
        {
            await binder.RollBackAsync().ConfigureAwait(false);
            group.Abort(); // A client may have connected to an endpoint that was bound before the failure.
            await group.StopAsync(s_abortGrace).ConfigureAwait(false);
            tls.Dispose();
            addresses.EndRun(asked);
            throw;
        }

        log.ServerStarted(group.Loops.Count, settings.ApplicationMode, binder.Count);
        var run = new ServerRun(services, group, binder, tls, addresses, followsChanges ? loader : null);
        run.Watch(change);
        if (isRestart && followsChanges)
        {
            // The configuration may have changed while the server was stopped.
            await run.OnConfigurationChanged().ConfigureAwait(false);
        }
        return run;
    }

    /// <summary>Asks for the stop, or joins the one that is under way; completes when it is done.</summary>
    public async Task StopAsync(CancellationToken cancellationToken)
    {
        Task stopped;
        lock (_gate)
        {
            stopped = _stopped ??= RunAfterAsync(_lastChange, StopCoreAsync);
        }
        using (cancellationToken.UnsafeRegister(static patienceOver => ((TaskCompletionSource)patienceOver!).TrySetResult(), _patienceOver))
        {
            await stopped.ConfigureAwait(false);
        }
    }

    private async Task StopCoreAsync()
    {
        _changeRegistration?.Dispose();
        _services.Log.General.ServerStopping(_group.ConnectionCount);
        LastRequests = _binder.Requests;
        LastAddresses = _addresses.ToArray();
        _addresses.EndRun();
        await _binder.UnbindAllAsync().ConfigureAwait(false);
        _group.Drain();

        Task empty = _group.WhenEmptyAsync();
        await Task.WhenAny(empty, _patienceOver.Task).ConfigureAwait(false);
        if (!empty.IsCompleted)
        {
            _services.Log.Connections.NotAllConnectionsClosedGracefully();
            _group.Abort();
            await empty.WaitAsync(s_abortGrace).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (!empty.IsCompleted)
            {
                _services.Log.Connections.NotAllConnectionsAborted();
            }
        }

        // Loops without connections end at once. One with a connection that application code holds on to ends when that returns; nobody waits for it.
        await _group.StopAsync(empty.IsCompleted ? s_abortGrace : TimeSpan.Zero).ConfigureAwait(false);
        _tls.Dispose();
    }

    private void Watch(IChangeToken? change)
        => _changeRegistration = change?.RegisterChangeCallback(static run => ((ServerRun)run!).OnConfigurationChanged(), this);

    private Task OnConfigurationChanged()
    {
        lock (_gate)
        {
            // A change that comes with the stop is not applied.
            return _stopped ?? (_lastChange = RunAfterAsync(_lastChange, ApplyConfigurationChangeAsync));
        }
    }

    // Never under the caller's lock, and never on the thread that changes the configuration.
    private static async Task RunAfterAsync(Task before, Func<Task> change)
    {
        await before.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ForceYielding);
        await change().ConfigureAwait(false);
    }

    private async Task ApplyConfigurationChangeAsync()
    {
        Debug.Assert(_watched is not null);
        IChangeToken? next = KestrelInternals.GetReloadToken(_watched);
        try
        {
            EndpointPlanner.EnableHttps(_watched.Options);
            KestrelInternals.Reload(_watched);
            await _binder.ReplaceConfiguredAsync(KestrelInternals.GetConfigurationBackedListenOptions(_watched.Options).ToArray()).ConfigureAwait(false);
        }
#pragma warning disable CA1031 // Whatever a broken configuration throws, the server goes on with what it has.
        catch (Exception failure)
#pragma warning restore CA1031
        {
            _services.Log.General.ConfigurationReloadFailed(failure);
        }
        _changeRegistration?.Dispose();
        Watch(next);
    }
}
