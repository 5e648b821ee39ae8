using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.Net;
using System.Net.Sockets;
using Aeronet.Http.Semantics;
using Aeronet.Server.Tunnels;
using Aeronet.Transport.Connections;
using Microsoft.AspNetCore.Connections.Features;

namespace Aeronet.Server.Diagnostics;

/// <summary>The connection instruments that Kestrel's dashboards read, under their known names, and Aeronet's own.</summary>
/// <remarks>While nobody listens a connection costs a few flag checks and no allocation.</remarks>
internal sealed class ServerMetrics
{
    public const string KestrelMeterName = "Microsoft.AspNetCore.Server.Kestrel";
    public const string AeronetMeterName = "Aeronet";

    // The buckets that the OpenTelemetry conventions give for kestrel.connection.duration.
    private static readonly InstrumentAdvice<double> s_connectionBuckets = new() { HistogramBucketBoundaries = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300] };

    private readonly UpDownCounter<long> _activeConnections;
    private readonly Histogram<double> _connectionDuration;
    private readonly Counter<long> _rejectedConnections;
    private readonly UpDownCounter<long> _queuedConnections;
    private readonly UpDownCounter<long> _upgradedConnections;
    private readonly Counter<long> _rejectedRequests;
    private readonly UpDownCounter<long> _movedEndpoints;
    private readonly Counter<long> _tunnelRequests;
    private readonly UpDownCounter<long> _activeTunnels;
    private readonly Counter<long> _endedTunnels;

    public ServerMetrics(IMeterFactory? meterFactory)
    {
        Meter kestrel = meterFactory?.Create(KestrelMeterName) ?? new Meter(KestrelMeterName);
        Meter aeronet = meterFactory?.Create(AeronetMeterName) ?? new Meter(AeronetMeterName);

        _activeConnections = kestrel.CreateUpDownCounter<long>("kestrel.active_connections", "{connection}", "Connections that are open.");
        _connectionDuration = kestrel.CreateHistogram("kestrel.connection.duration", "s", "How long connections were open.", tags: null, s_connectionBuckets);
        _rejectedConnections = kestrel.CreateCounter<long>("kestrel.rejected_connections", "{connection}", "Connections refused by the limit of concurrent connections.");
        _queuedConnections = kestrel.CreateUpDownCounter<long>("kestrel.queued_connections", "{connection}", "Connections that are accepted and wait to be started.");
        kestrel.CreateUpDownCounter<long>("kestrel.queued_requests", "{request}", "Requests that are received and wait to be started."); // there for dashboards: on HTTP/1.1 Kestrel never counts it either
        _upgradedConnections = kestrel.CreateUpDownCounter<long>("kestrel.upgraded_connections", "{connection}", "HTTP/1.1 connections that were upgraded and are open.");
        _movedEndpoints = aeronet.CreateUpDownCounter<long>("aeronet.endpoints.moved", "{endpoint}", "Endpoints that leave their loop's thread at once because their calls kept it.");
        _rejectedRequests = aeronet.CreateCounter<long>("aeronet.requests.rejected", "{request}", "Requests refused by the server, by reason and status.");
        _tunnelRequests = aeronet.CreateCounter<long>("aeronet.tunnels.requests", "{request}", "CONNECT requests answered by the server, by outcome.");
        _activeTunnels = aeronet.CreateUpDownCounter<long>("aeronet.tunnels.active", "{tunnel}", "Tunnels that are open.");
        _endedTunnels = aeronet.CreateCounter<long>("aeronet.tunnels.ended", "{tunnel}", "Tunnels that have ended, by how.");
    }

    /// <summary>Counts a connection that begins. Null when nobody listens; otherwise hand it to the other calls for this connection.</summary>
    public ConnectionMetrics? ConnectionStart(TransportConnection connection)
        => _activeConnections.Enabled || _connectionDuration.Enabled || _upgradedConnections.Enabled || _queuedConnections.Enabled ? ConnectionStartObserved(connection) : null;

    /// <summary>Counts the end of a connection.</summary>
    /// <param name="metrics">What <see cref="ConnectionStart"/> returned.</param>
    /// <param name="errorType">The value of the tag <c>error.type</c> (see <see cref="ConnectionErrors"/>); null when the connection ended in order.</param>
    public void ConnectionStop(ConnectionMetrics? metrics, string? errorType)
    {
        if (metrics is not null)
        {
            ConnectionStopObserved(metrics, errorType);
        }
    }

    /// <summary>Counts a connection that is refused by the limit of concurrent connections, its start and its end included.</summary>
    public void ConnectionRejected(TransportConnection connection)
    {
        ConnectionStop(ConnectionStart(connection), ConnectionErrors.MaxConcurrentConnectionsExceeded);
        if (_rejectedConnections.Enabled)
        {
            _rejectedConnections.Add(1, AddressTags(connection));
        }
    }

    public void UpgradeStart(ConnectionMetrics? metrics)
    {
        if (metrics is not null && _upgradedConnections.Enabled)
        {
            metrics.CountedAsUpgraded = true;
            _upgradedConnections.Add(1, metrics.AddressTags);
        }
    }

    public void UpgradeStop(ConnectionMetrics? metrics)
    {
        if (metrics is { CountedAsUpgraded: true })
        {
            metrics.CountedAsUpgraded = false;
            _upgradedConnections.Add(-1, metrics.AddressTags);
        }
    }

    /// <summary>Counts an endpoint that leaves the loops' threads (1) or returns (-1).</summary>
    public void EndpointsMoved(int change) => _movedEndpoints.Add(change);

    /// <summary>Counts a request that the server refused.</summary>
    public void RequestRejected(in ProtocolError error)
    {
        if (_rejectedRequests.Enabled)
        {
            _rejectedRequests.Add(1, new KeyValuePair<string, object?>("reason", error.Reason.ToString()), new KeyValuePair<string, object?>("status", error.Status));
        }
    }

    /// <summary>Counts a CONNECT request that the server has answered.</summary>
    public void TunnelRequest(TunnelOutcome outcome) => _tunnelRequests.Add(1, new KeyValuePair<string, object?>("outcome", outcome.ToString()));

    public void TunnelStarted() => _activeTunnels.Add(1);

    public void TunnelEnded(TunnelEnd end)
    {
        _activeTunnels.Add(-1);
        _endedTunnels.Add(1, new KeyValuePair<string, object?>("end", end.ToString()));
    }

    private ConnectionMetrics ConnectionStartObserved(TransportConnection connection)
    {
        var metrics = new ConnectionMetrics(AddressTags(connection), _connectionDuration.Enabled, _activeConnections.Enabled);
        if (_queuedConnections.Enabled)
        {
            // The loop that accepts a connection starts it at once: the queue of Kestrel's dashboards is there, and always empty.
            _queuedConnections.Add(1, metrics.AddressTags);
            _queuedConnections.Add(-1, metrics.AddressTags);
        }
        if (metrics.CountedAsActive)
        {
            _activeConnections.Add(1, metrics.AddressTags);
        }
        if (metrics.StartTimestamp != 0)
        {
            // The feature is there only while its tags go somewhere: applications take its absence as "nobody listens".
            connection.Features.Set<IConnectionMetricsTagsFeature>(metrics);
        }
        return metrics;
    }

    private void ConnectionStopObserved(ConnectionMetrics metrics, string? errorType)
    {
        UpgradeStop(metrics);
        if (metrics.CountedAsActive)
        {
            _activeConnections.Add(-1, metrics.AddressTags);
        }
        if (metrics.StartTimestamp != 0)
        {
            var tags = new TagList(metrics.AddressTags)
            {
                { "network.protocol.name", "http" },
                { "network.protocol.version", "1.1" },
            };
            if (errorType is not null)
            {
                tags.Add("error.type", errorType);
            }
            foreach (KeyValuePair<string, object?> tag in metrics.ApplicationTags)
            {
                tags.Add(tag);
            }
            _connectionDuration.Record(Stopwatch.GetElapsedTime(metrics.StartTimestamp).TotalSeconds, in tags);
        }
    }

    internal static KeyValuePair<string, object?>[] AddressTags(TransportConnection connection) => connection.ListenEndPoint switch
    {
        IPEndPoint ip =>
        [
            new("server.address", ip.Address.ToString()),
            new("server.port", ip.Port),
            new("network.type", ip.Address.AddressFamily == AddressFamily.InterNetwork ? "ipv4" : "ipv6"),
            new("network.transport", "tcp"),
        ],
        UnixDomainSocketEndPoint unix => [new("server.address", unix.ToString()), new("network.transport", "unix")],
        { } other => [new("server.address", other.ToString())],
        null => [],
    };
}

/// <summary>What is remembered of a connection while somebody listens to the instruments.</summary>
internal sealed class ConnectionMetrics : IConnectionMetricsTagsFeature
{
    private List<KeyValuePair<string, object?>>? _applicationTags;

    public ConnectionMetrics(KeyValuePair<string, object?>[] addressTags, bool measuresDuration, bool countedAsActive)
    {
        AddressTags = addressTags;
        StartTimestamp = measuresDuration ? Stopwatch.GetTimestamp() : 0;
        CountedAsActive = countedAsActive;
    }

    public KeyValuePair<string, object?>[] AddressTags { get; }

    /// <summary>0 when nobody listened to the duration when the connection began.</summary>
    public long StartTimestamp { get; }

    /// <summary>Whether the start was counted: the stop is counted then and only then, so that the sum never drifts.</summary>
    public bool CountedAsActive { get; }

    public bool CountedAsUpgraded { get; set; }

    public IReadOnlyList<KeyValuePair<string, object?>> ApplicationTags => (IReadOnlyList<KeyValuePair<string, object?>>?)_applicationTags ?? [];

    ICollection<KeyValuePair<string, object?>> IConnectionMetricsTagsFeature.Tags => _applicationTags ??= [];
}
