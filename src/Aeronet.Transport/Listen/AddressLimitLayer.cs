using System;
using System.Diagnostics.Metrics;
using System.Net;
using Aeronet.Transport.Diagnostics;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Aeronet.Transport.Listen;

/// <summary><c>UseConnectionLimitPerAddress</c> of one endpoint. Its <see cref="Wrap"/> is the middleware, and how the server recognises it: on the loops it needs no pipes (<see cref="Gate.GatedConnection"/>).</summary>
internal sealed class AddressLimitLayer
{
    private readonly ILogger _logger;
    private readonly Counter<long>? _refused; // null without a meter factory

    public AddressLimitLayer(AddressLimit limit, IServiceProvider? services)
    {
        Limit = limit;
        _logger = services?.GetService<ILoggerFactory>()?.CreateLogger(TransportLog.Category) ?? NullLogger.Instance;
        _refused = services?.GetService<IMeterFactory>()?.Create(TransportMetrics.MeterName)
            .CreateCounter<long>("aeronet.address_limit.refused", "{connection}", "Connections ended by UseConnectionLimitPerAddress.");
    }

    public AddressLimit Limit { get; }

    public ConnectionDelegate Wrap(ConnectionDelegate next) => new AddressLimitMiddleware(next, this).OnConnectionAsync;

    /// <summary>Counts and logs a connection that finds no place. Listeners and log providers are foreign code: what they throw comes out.</summary>
    public void ReportRefused(string connectionId, IPAddress address)
    {
        _refused?.Add(1);
        TransportLog.RefusedByAddress(_logger, connectionId, address);
    }
}
