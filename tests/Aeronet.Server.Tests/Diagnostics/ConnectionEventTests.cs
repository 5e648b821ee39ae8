using System;
using System.Collections.Generic;
using System.Diagnostics.Metrics;
using System.Linq;
using System.Net;
using System.Threading.Tasks;
using Aeronet.TestSupport.Hosting;
using Aeronet.TestSupport.Wire;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Xunit;

namespace Aeronet.Server.Tests.Diagnostics;

/// <summary>What a connection leaves in log and instruments, over real sockets.</summary>
public sealed class ConnectionEventTests
{
    private const string Get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

    [Fact]
    [Trait("Feature", "B130f"), Trait("Feature", "B10"), Trait("Feature", "B25")]
    public async Task The_life_of_a_connection_is_logged_with_Kestrels_ids()
    {
        await using AppHost host = await StartAsync();
        await using (RawClient client = await host.ConnectAsync())
        {
            await client.SendAsync("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
            await client.ReadResponseAsync();
            await client.ExpectCloseAsync();
        }
        await host.Logs.WaitForAsync(static entry => entry is { Category: "Aeronet.Connections", Id: 2 });
        int[] ids = host.Logs.Entries.Where(static entry => entry.Category == "Aeronet.Connections" && entry.Id is 39 or 1 or 10 or 2).Select(static entry => entry.Id).ToArray();
        Assert.Equal([39, 1, 10, 2], ids);
    }

    [Fact]
    [Trait("Defect", "PARSE-25")]
    public async Task A_client_that_speaks_HTTP_2_is_named_in_the_log()
    {
        await using AppHost host = await StartAsync();
        await using RawClient client = await host.ConnectAsync();
        await client.SendAsync("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        TestSupport.Hosting.LogEntry entry = await host.Logs.WaitForAsync(static entry => entry is { Category: "Aeronet.BadRequests", Id: 54 });
        Assert.Equal(LogLevel.Debug, entry.Level);
        await host.Logs.WaitForAsync(static entry => entry is { Category: "Aeronet.BadRequests", Id: 17 });
    }

    [Fact]
    [Trait("Feature", "B127"), Trait("Feature", "B10")]
    public async Task The_level_can_be_changed_while_the_server_runs()
    {
        using var log = new RecordingLoggerFactory();
        IConfigurationRoot levels = new ConfigurationBuilder().AddInMemoryCollection([new("LogLevel:Aeronet", "Warning")]).Build();
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders().AddProvider(log).AddConfiguration(levels);
        Microsoft.AspNetCore.Hosting.AeronetServerExtensions.UseAeronet(builder.WebHost);
        await using WebApplication app = builder.Build();
        app.Urls.Add("http://127.0.0.1:0");
        app.Run(static context => context.Response.WriteAsync("ok"));
        await app.StartAsync();
        var address = new Uri(app.Urls.Single());

        await RefuseAsync(address);
        Assert.Empty(log.Of(17));
        levels["LogLevel:Aeronet"] = "Debug";
        levels.Reload();
        await RefuseAsync(address);
        Assert.Single(log.Of(17)); // logged before the answer leaves
        await app.StopAsync();
    }

    [Fact]
    [Trait("Feature", "B130f"), Trait("Defect", "HOST-13")]
    public async Task A_rejected_connection_has_a_start_and_an_end_with_its_reason_as_on_Kestrel()
    {
        foreach (ServerKind server in (ServerKind[])[ServerKind.Kestrel, ServerKind.Aeronet])
        {
            await using AppHost host = await AppHost.StartAsync(server, static app => app.Run(static context => context.Response.WriteAsync("ok")), kestrel: static options => options.Limits.MaxConcurrentConnections = 1);
            using var meters = new MeterCapture(host.Services.GetRequiredService<IMeterFactory>());
            await using RawClient first = await host.ConnectAsync();
            await first.SendAsync(Get);
            await first.ReadResponseAsync();
            await using RawClient second = await host.ConnectAsync();
            await second.ExpectCloseAsync();
            Measurement ended = Assert.Single(await meters.WaitForAsync("kestrel.connection.duration", static all => all.Count == 1));
            Assert.Equal("max_concurrent_connections_exceeded", ended.Tags["error.type"]);
            Assert.Single(meters.Of("kestrel.rejected_connections"));
            Assert.Equal(1, meters.Of("kestrel.active_connections").Sum(static measured => measured.Value));
            Assert.Equal(0, meters.Of("kestrel.queued_connections").Sum(static measured => measured.Value));
            Assert.NotEmpty(meters.Of("kestrel.queued_connections"));
        }
    }

    [Fact]
    [Trait("Feature", "B130a"), Trait("Feature", "B130c"), Trait("Feature", "B130d"), Trait("Feature", "B130e"), Trait("Feature", "B128"), Trait("Feature", "B18")]
    public async Task The_loops_count_what_they_do_and_the_counters_only_grow()
    {
        await using AppHost host = await StartAsync();
        await using AppHost other = await StartAsync();
        Dictionary<string, long> before = Read(host);
        await using RawClient client = await host.ConnectAsync();
        for (int i = 0; i < 3; i++)
        {
            await client.SendAsync(Get);
            await client.ReadResponseAsync();
        }
        Dictionary<string, long> after = Read(host);
        Assert.Equal(1, after["aeronet.connections.accepted"] - before["aeronet.connections.accepted"]);
        Assert.Equal(3 * Get.Length, after["aeronet.bytes.read"] - before["aeronet.bytes.read"]);
        Assert.True(after["aeronet.bytes.written"] > before["aeronet.bytes.written"]);
        Assert.True(after["aeronet.events.processed"] >= before["aeronet.events.processed"] + 3);
        Assert.Equal(1, after["aeronet.loop.connections"]);
        Assert.Equal(0, Read(other)["aeronet.connections.accepted"]);
    }

    [Fact]
    [Trait("Feature", "B130b")]
    public async Task A_reset_is_counted_as_an_event_error()
    {
        await using AppHost host = await StartAsync();
        RawClient client = await host.ConnectAsync();
        await client.SendAsync(Get);
        await client.ReadResponseAsync();
        client.Reset();
        await host.Logs.WaitForAsync(static entry => entry is { Category: "Aeronet.Connections", Id: 2 });
        Assert.Equal(1, Read(host)["aeronet.events.errors"]);
    }

    private static Task<AppHost> StartAsync() => AppHost.StartAsync(ServerKind.Aeronet, static app => app.Run(static context => context.Response.WriteAsync("ok")));

    private static async Task RefuseAsync(Uri address)
    {
        await using RawClient client = await RawClient.ConnectAsync(new IPEndPoint(IPAddress.Loopback, address.Port));
        await client.SendAsync("BAD\r\n\r\n");
        Assert.Equal(400, (await client.ReadResponseAsync()).Status);
    }

    // The sum of every observable instrument of one host, over its loops.
    private static Dictionary<string, long> Read(AppHost host)
    {
        object scope = host.Services.GetRequiredService<IMeterFactory>();
        var values = new Dictionary<string, long>(StringComparer.Ordinal);
        using var listener = new MeterListener();
        listener.InstrumentPublished = (instrument, self) =>
        {
            if (instrument.IsObservable && instrument.Meter.Name == "Aeronet" && ReferenceEquals(instrument.Meter.Scope, scope))
            {
                self.EnableMeasurementEvents(instrument);
            }
        };
        listener.SetMeasurementEventCallback<long>((instrument, value, _, _) => values[instrument.Name] = values.GetValueOrDefault(instrument.Name) + value);
        listener.Start();
        listener.RecordObservableInstruments();
        return values;
    }
}
