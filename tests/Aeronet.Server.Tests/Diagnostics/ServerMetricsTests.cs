using System;
using System.Collections.Generic;
using System.Diagnostics.Metrics;
using System.Linq;
using System.Net;
using System.Threading.Tasks;
using Aeronet.Http.Semantics;
using Aeronet.Server.Diagnostics;
using Aeronet.Server.Tests.Hosting;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Aeronet.Server.Tests.Diagnostics;

public sealed class ServerMetricsTests
{
    [Fact]
    public async Task A_connection_is_counted_while_it_is_open_and_timed_when_it_ends()
    {
        await using var host = new ServerHost(handler: AddTag, urls: "http://127.0.0.1:0");
        using var recorder = new Recorder(host);
        await host.StartAsync();
        Assert.Equal("True", await ServerHost.GetAsync(host.Addresses[0]));
        await host.StopAsync();

        Assert.Equal([1, -1], recorder.Of("kestrel.active_connections").Select(static measured => measured.Value));
        Measured duration = Assert.Single(recorder.Of("kestrel.connection.duration"));
        Assert.True(duration.Value > 0);
        Assert.Equal("127.0.0.1", duration.Tags["server.address"]);
        Assert.Equal(new Uri(host.Addresses[0]).Port, duration.Tags["server.port"]);
        Assert.Equal("ipv4", duration.Tags["network.type"]);
        Assert.Equal("tcp", duration.Tags["network.transport"]);
        Assert.Equal("http", duration.Tags["network.protocol.name"]);
        Assert.Equal("1.1", duration.Tags["network.protocol.version"]);
        Assert.Equal("yes", duration.Tags["mine"]);
        Assert.False(duration.Tags.ContainsKey("error.type"));
    }

    [Fact]
    [Trait("Defect", "HOST-28")]
    public async Task The_tags_feature_is_absent_while_nobody_listens()
    {
        await using var host = new ServerHost(handler: AddTag, urls: "http://127.0.0.1:0");
        await host.StartAsync();
        Assert.Equal("False", await ServerHost.GetAsync(host.Addresses[0]));
    }

    [Fact]
    [Trait("Defect", "HOST-10")]
    public async Task Another_server_of_the_process_is_not_measured()
    {
        await using var observed = new ServerHost(urls: "http://127.0.0.1:0");
        await using var other = new ServerHost(urls: "http://127.0.0.1:0");
        using var recorder = new Recorder(observed);
        await observed.StartAsync();
        await other.StartAsync();
        await ServerHost.GetAsync(other.Addresses[0]);
        Assert.Empty(recorder.Of("kestrel.active_connections"));
    }

    [Fact]
    public async Task A_refused_request_is_counted_with_reason_and_status()
    {
        await using var host = new ServerHost(urls: "http://127.0.0.1:0");
        using var recorder = new Recorder(host);
        host.Services.GetRequiredService<IMeterFactory>();
        var metrics = new ServerMetrics(host.Services.GetRequiredService<IMeterFactory>());
        metrics.RequestRejected(new ProtocolError(431, RejectionReason.TooManyHeaders, 7, "RFC 9110 section 5.4", "Too many.", ""));
        Measured rejected = Assert.Single(recorder.Of("aeronet.requests.rejected"));
        Assert.Equal("TooManyHeaders", rejected.Tags["reason"]);
        Assert.Equal(431, rejected.Tags["status"]);
    }

    [Fact]
    public void All_known_instruments_are_there()
    {
        var names = new List<string>();
        using var listener = new MeterListener();
        listener.InstrumentPublished = (instrument, _) =>
        {
            if (instrument.Meter.Name == ServerMetrics.KestrelMeterName)
            {
                lock (names)
                {
                    names.Add(instrument.Name);
                }
            }
        };
        listener.Start();
        _ = new ServerMetrics(meterFactory: null);
        lock (names)
        {
            Assert.Superset(
                new HashSet<string> { "kestrel.active_connections", "kestrel.connection.duration", "kestrel.rejected_connections", "kestrel.queued_connections", "kestrel.queued_requests", "kestrel.upgraded_connections" },
                names.ToHashSet());
        }
    }

    private static Task AddTag(HttpContext context)
    {
        IConnectionMetricsTagsFeature? feature = context.Features.Get<IConnectionMetricsTagsFeature>();
        feature?.Tags.Add(new("mine", "yes"));
        return context.Response.WriteAsync((feature is not null).ToString());
    }

    private sealed record Measured(double Value, Dictionary<string, object?> Tags);

    /// <summary>Listens to the instruments of one host only.</summary>
    private sealed class Recorder : IDisposable
    {
        private readonly MeterListener _listener = new();
        private readonly List<(string Name, Measured Measured)> _measured = [];

        public Recorder(ServerHost host)
        {
            object scope = host.Services.GetRequiredService<IMeterFactory>();
            _listener.InstrumentPublished = (instrument, listener) =>
            {
                if (ReferenceEquals(instrument.Meter.Scope, scope))
                {
                    listener.EnableMeasurementEvents(instrument);
                }
            };
            _listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) => Add(instrument, value, tags));
            _listener.SetMeasurementEventCallback<double>((instrument, value, tags, _) => Add(instrument, value, tags));
            _listener.Start();
        }

        public Measured[] Of(string name)
        {
            lock (_measured)
            {
                return _measured.Where(entry => entry.Name == name).Select(static entry => entry.Measured).ToArray();
            }
        }

        public void Dispose() => _listener.Dispose();

        private void Add(Instrument instrument, double value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
        {
            lock (_measured)
            {
                _measured.Add((instrument.Name, new Measured(value, new Dictionary<string, object?>(tags.ToArray()))));
            }
        }
    }
}
