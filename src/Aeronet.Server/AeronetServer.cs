using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.Threading;
using System.Threading.Tasks;
using Aeronet.Server.Binding;
using Aeronet.Server.Diagnostics;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Aeronet.Server;

/// <summary>The server. Applications do not use it directly: <c>builder.WebHost.UseAeronet()</c> registers it.</summary>
/// <remarks>All members may be called from any thread. After <see cref="StopAsync"/> the server can be started again; it keeps the ports that it was given.</remarks>
internal sealed class AeronetServer : IServer
{
    private readonly ServerServices _services;
    private readonly ServerAddresses _addresses = new();
    private readonly Lock _gate = new();

    // Under _gate.
    private Task? _starting;        // Non-null exactly while StartAsync runs.
    private ServerRun? _run;        // Non-null from a successful start until its stop is complete.
    private ServerRun? _lastRun;    // The one before, once stopped: a restart goes back to its endpoints.
    private bool _disposed;

    /// <summary>Used by dependency injection.</summary>
    /// <param name="kestrelOptions">What the application configured for Kestrel; honoured.</param>
    /// <param name="options">Aeronet's own settings.</param>
    /// <param name="loggerFactory">Takes the log.</param>
    /// <param name="meterFactory">Makes the meters; null uses meters outside of any container.</param>
    /// <param name="diagnosticSource">Takes the event of refused requests; may be null.</param>
    /// <param name="transports">What is registered beside our own loops; may be null.</param>
    /// <param name="socketOptions">Settings of the framework's sockets, where these are used; may be null.</param>
    public AeronetServer(
        IOptions<KestrelServerOptions> kestrelOptions,
        IOptions<AeronetServerOptions> options,
        ILoggerFactory loggerFactory,
        IMeterFactory? meterFactory = null,
        DiagnosticSource? diagnosticSource = null,
        IEnumerable<IConnectionListenerFactory>? transports = null,
        IOptions<SocketTransportOptions>? socketOptions = null)
    {
        ArgumentNullException.ThrowIfNull(kestrelOptions);
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(loggerFactory);
        _services = new ServerServices(
            kestrelOptions, options, loggerFactory, meterFactory, diagnosticSource, new ServerLog(loggerFactory), new ServerMetrics(meterFactory), new TlsMetrics(meterFactory), transports ?? [], socketOptions?.Value ?? new SocketTransportOptions());
        Features = new FeatureCollection();
        Features.Set<IServerAddressesFeature>(_addresses);
    }

    /// <summary>Has <see cref="IServerAddressesFeature"/>: settable before the start, the bound addresses after it.</summary>
    public IFeatureCollection Features { get; }

    /// <summary>Starts the loops and listens on every configured endpoint. A failure leaves nothing bound.</summary>
    /// <typeparam name="TContext">The application's context type.</typeparam>
    /// <param name="application">The application to serve.</param>
    /// <param name="cancellationToken">Ends the start before it begins.</param>
    /// <exception cref="InvalidOperationException">The server runs already, or a setting is invalid or asks for something that is not available; the message names all of them.</exception>
    /// <exception cref="OptionsValidationException">Invalid <see cref="AeronetServerOptions"/>.</exception>
    /// <exception cref="System.IO.IOException">An address is in use or cannot be bound.</exception>
    public async Task StartAsync<TContext>(IHttpApplication<TContext> application, CancellationToken cancellationToken)
        where TContext : notnull
    {
        ArgumentNullException.ThrowIfNull(application);
        cancellationToken.ThrowIfCancellationRequested();

        var starting = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        ServerRun? lastRun;
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            if (_starting is not null || _run is not null)
            {
                throw new InvalidOperationException("Server has already started.");
            }
            _starting = starting.Task;
            lastRun = _lastRun;
        }

        ServerRun? run = null;
        try
        {
            run = await ServerRun.StartAsync(application, _services, _addresses, lastRun).ConfigureAwait(false);
        }
        finally
        {
            lock (_gate)
            {
                _run = run;
                _starting = null;
            }
            starting.SetResult();
        }
    }

    /// <summary>Stops listening, closes idle connections, lets running requests finish with <c>Connection: close</c>, and aborts what is left when <paramref name="cancellationToken"/> fires.</summary>
    /// <remarks>Several calls join one stop; the token that fires first ends the patience of all. Timers and the date go on while requests finish.</remarks>
    /// <param name="cancellationToken">The end of patience. Cancelled already: everything is aborted at once.</param>
    /// <returns>Completes when the server has stopped.</returns>
    public async Task StopAsync(CancellationToken cancellationToken)
    {
        ServerRun? run;
        while (true)
        {
            Task? starting;
            lock (_gate)
            {
                run = _run;
                starting = _starting;
            }
            if (run is not null)
            {
                break;
            }
            if (starting is null)
            {
                return;
            }
            await starting.ConfigureAwait(false);
        }

        await run.StopAsync(cancellationToken).ConfigureAwait(false);
        lock (_gate)
        {
            if (_run == run)
            {
                _lastRun = run;
                _run = null;
            }
        }
    }

    /// <summary>Stops at once: what <see cref="StopAsync"/> does with a cancelled token. The server cannot be started again.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            _disposed = true;
        }
        StopAsync(new CancellationToken(canceled: true)).GetAwaiter().GetResult();
    }
}
