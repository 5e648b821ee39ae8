using System;
using System.Collections.Generic;
using System.Diagnostics.Metrics;
using Aeronet.Transport.Connections;
using Aeronet.Transport.Diagnostics;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Aeronet.Transport.ProxyProtocol;

/// <summary><c>UseProxyProtocol</c> of one endpoint. Its <see cref="Wrap"/> is the middleware, and how the server recognises it: on the loops the header is read without pipes (<see cref="Gate.GatedConnection"/>).</summary>
internal sealed class ProxyProtocolLayer
{
    private readonly ILogger _logger;
    private readonly Counter<long>? _connections; // null without a meter factory

    public ProxyProtocolLayer(ProxyProtocolOptions options, IServiceProvider? services)
    {
        Options = options;
        _logger = services?.GetService<ILoggerFactory>()?.CreateLogger(TransportLog.Category) ?? NullLogger.Instance;
        _connections = services?.GetService<IMeterFactory>()?.Create(TransportMetrics.MeterName)
            .CreateCounter<long>("aeronet.proxy_protocol.connections", "{connection}", "Connections that passed UseProxyProtocol, by what became of their header.");
    }

    public ProxyProtocolOptions Options { get; }

    public ConnectionDelegate Wrap(ConnectionDelegate next) => new ProxyProtocolMiddleware(next, this).OnConnectionAsync;

    /// <summary>Counts what became of a connection's header, and logs a refusal. Listeners and log providers are foreign code: what they throw comes out.</summary>
    public void Report(string connectionId, ProxyProtocolOutcome outcome)
    {
        _connections?.Add(1, new KeyValuePair<string, object?>("outcome", outcome.ToString()));
        if (!IsPassed(outcome))
        {
            TransportLog.ProxyHeaderRefused(_logger, connectionId, outcome);
        }
    }

    /// <summary>Somebody would hear of this outcome.</summary>
    public bool IsReported(ProxyProtocolOutcome outcome) => _connections is { Enabled: true } || !IsPassed(outcome);

    /// <summary>Whether a connection with this outcome goes on.</summary>
    public bool IsPassed(ProxyProtocolOutcome outcome) =>
        outcome is ProxyProtocolOutcome.Read || (!Options.IsRequired && outcome is ProxyProtocolOutcome.Untrusted or ProxyProtocolOutcome.Absent);
}
