using System;
using System.Collections.Generic;
using System.Diagnostics.Metrics;
using System.Linq;
using System.Threading.Tasks;
using Aeronet.EndToEnd.Tests.Columns;
using Aeronet.TestSupport.Hosting;
using Aeronet.TestSupport.Wire;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.DependencyInjection;
using Xunit;
using Measurement = Aeronet.TestSupport.Hosting.Measurement;

namespace Aeronet.EndToEnd.Tests.Diagnostics;

/// <summary>The instruments that dashboards use, under Kestrel's names.</summary>
[Trait("Feature", "B130f")]
[NeedsNoSocket]
public sealed class MetricsTests
{
    private const string Duration = "kestrel.connection.duration";
    private const string Get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

    [Theory, BothServers]
    public async Task Connections_are_counted_up_and_down(ServerKind server)
    {
        (AppHost host, MeterCapture meters) = await StartAsync(server);
        await using AppHost running = host;
        using MeterCapture capture = meters;
        await using (RawClient client = await host.ConnectAsync())
        {
            await client.SendAsync(Get);
            await client.ReadResponseAsync();
            Assert.Equal(1, capture.Of("kestrel.active_connections").Sum(one => one.Value));
        }

        await capture.WaitForAsync("kestrel.active_connections", all => all.Count == 2 && all.Sum(one => one.Value) == 0);
        Measurement first = capture.Of("kestrel.active_connections")[0];
        Assert.Equal("127.0.0.1", first.Tags["server.address"]);
        Assert.Equal(host.EndPoint.Port, first.Tags["server.port"]);
        Assert.Equal("tcp", first.Tags["network.transport"]);
        Assert.Equal("ipv4", first.Tags["network.type"]);
    }

    [Theory]
    [BothServers(Get, null)]
    [BothServers("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", null)]
    [BothServers("BAD\r\n\r\n", "invalid_request_line")]
    [BothServers("GET / HTTP/1.1\r\nHost: a\r\nFoo : x\r\n\r\n", "invalid_request_headers")]
    [BothServers("GET / HTTP/2.0\r\nHost: a\r\n\r\n", "invalid_http_version")]
    [Trait("Defect", "DRAIN-22")]
    public async Task The_end_of_a_connection_is_recorded_with_its_reason(ServerKind server, string request, string? error)
    {
        (AppHost host, MeterCapture meters) = await StartAsync(server);
        await using AppHost running = host;
        using MeterCapture capture = meters;
        await host.ExchangeAsync(request);
        Measurement measured = (await capture.WaitForAsync(Duration, all => all.Count == 1))[0];
        Assert.Equal(error, measured.Tags.GetValueOrDefault("error.type"));
        Assert.InRange(measured.Value, 0, 60);
        if (error is null)
        {
            Assert.Equal("http", measured.Tags["network.protocol.name"]);
            Assert.Equal("1.1", measured.Tags["network.protocol.version"]);
        }
    }

    [Theory, BothServers]
    public async Task A_rejected_connection_is_counted(ServerKind server)
    {
        (AppHost host, MeterCapture meters) = await StartAsync(server);
        await using AppHost running = host;
        using MeterCapture capture = meters;
        await using RawClient first = await host.ConnectAsync();
        await first.SendAsync(Get);
        await first.ReadResponseAsync();
        await using RawClient second = await host.ConnectAsync();
        await second.SendAsync(Get);
        await second.ReadResponseAsync();
        await Expect.NoConnectionAsync(host);
        await capture.WaitForAsync("kestrel.rejected_connections", all => all.Count == 1 && all[0].Value == 1);
    }

    [Theory, BothServers]
    public async Task An_upgraded_connection_is_counted_while_it_lasts(ServerKind server)
    {
        (AppHost host, MeterCapture meters) = await StartAsync(server);
        await using AppHost running = host;
        using MeterCapture capture = meters;
        await using (RawClient client = await host.ConnectAsync())
        {
            await client.SendAsync("GET /upgrade HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n");
            await client.ReadHeadAsync();
            await capture.WaitForAsync("kestrel.upgraded_connections", all => all.Sum(one => one.Value) == 1);
        }

        await capture.WaitForAsync("kestrel.upgraded_connections", all => all.Count == 2 && all.Sum(one => one.Value) == 0);
    }

    [Theory]
    [BothServers(true)]
    [BothServers(false)]
    [Trait("Defect", "HOST-28")]
    public async Task The_tags_feature_is_there_only_when_somebody_measures(ServerKind server, bool measured)
    {
        await using AppHost host = await AppHost.StartAsync(server, app => app.Run(context =>
        {
            IConnectionMetricsTagsFeature? tags = context.Features.Get<IConnectionMetricsTagsFeature>();
            tags?.Tags.Add(new("own", "value"));
            return context.Response.WriteAsync($"{tags is not null}");
        }));
        using MeterCapture? capture = measured ? new MeterCapture(host.Services.GetRequiredService<IMeterFactory>(), Duration) : null;
        Assert.Equal($"{measured}", (await host.ExchangeAsync(Get)).Text);
        if (capture is not null)
        {
            Assert.Equal("value", (await capture.WaitForAsync(Duration, all => all.Count == 1))[0].Tags["own"]);
        }
    }

    [Theory, BothServers]
    public async Task Hosting_measures_requests_on_any_server(ServerKind server)
    {
        (AppHost host, MeterCapture meters) = await StartAsync(server, "http.server.request.duration", "http.server.active_requests");
        await using AppHost running = host;
        using MeterCapture capture = meters;
        await host.ExchangeAsync(Get);
        Measurement measured = (await capture.WaitForAsync("http.server.request.duration", all => all.Count == 1))[0];
        Assert.Equal(200, measured.Tags["http.response.status_code"]);
        Assert.Equal("1.1", measured.Tags["network.protocol.version"]);
    }

    private static async Task<(AppHost Host, MeterCapture Meters)> StartAsync(ServerKind server, params string[] instruments)
    {
        AppHost host = await AppHost.StartAsync(
            server,
            app => app.Run(async context =>
            {
                if (context.Request.Path == "/upgrade")
                {
                    await using System.IO.Stream stream = await context.Features.GetRequiredFeature<IHttpUpgradeFeature>().UpgradeAsync();
                    await stream.CopyToAsync(System.IO.Stream.Null);
                }
                else
                {
                    await context.Response.WriteAsync("x");
                }
            }),
            kestrel: options => options.Limits.MaxConcurrentConnections = 2);
        string[] wanted = instruments.Length > 0 ? instruments : [Duration, "kestrel.active_connections", "kestrel.rejected_connections", "kestrel.upgraded_connections"];
        return (host, new MeterCapture(host.Services.GetRequiredService<IMeterFactory>(), wanted));
    }
}
