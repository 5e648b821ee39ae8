using System;
using System.IO;
using System.Threading.Tasks;
using Aeronet.EndToEnd.Tests.Columns;
using Aeronet.TestSupport.Hosting;
using Aeronet.TestSupport.Wire;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Xunit;

namespace Aeronet.EndToEnd.Tests.Upgrades;

/// <summary>Upgrade to a raw duplex stream. RFC 9110 7.8.</summary>
[Trait("Rfc", "9110 7.8")]
[NeedsNoSocket]
public sealed class UpgradeTests
{
    private const string Upgrade = "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n";

    [Theory]
    [BothServers("Connection: Upgrade\r\nUpgrade: echo\r\n")]
    [BothServers("Connection: keep-alive, upgrade\r\nUpgrade: echo\r\n")]
    [BothServers("Upgrade: echo\r\nconnection: UPGRADE\r\n")]
    public async Task The_stream_carries_bytes_both_ways(ServerKind server, string fields)
    {
        await using AppHost host = await StartAsync(server);
        await using RawClient client = await host.ConnectAsync();
        await client.SendAsync($"GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
        string head = await client.ReadHeadAsync();
        Assert.StartsWith("HTTP/1.1 101 Switching Protocols\r\n", head, StringComparison.Ordinal);
        Assert.Contains("Connection: Upgrade\r\n", head, StringComparison.Ordinal);
        Assert.Contains("Upgrade: echo\r\n", head, StringComparison.Ordinal);
        Assert.DoesNotContain("Content-Length", head, StringComparison.Ordinal);
        foreach (string message in new[] { "one", "GET / HTTP/1.1\r\n\r\n", "\0\u00ff" })
        {
            await client.SendAsync(message);
            Assert.Equal(message, await client.ReadTextAsync(message.Length));
        }

        client.ShutdownSend();
        await client.ExpectCloseAsync();
    }

    [Theory, BothServers]
    [Trait("Defect", "BODY-20")]
    public async Task Bytes_in_the_packet_of_the_request_are_not_lost(ServerKind server)
    {
        await using AppHost host = await StartAsync(server);
        for (int cut = 0; cut <= 6; cut++)
        {
            await using RawClient client = await host.ConnectAsync();
            await client.SendCutAsync(Upgrade + "early!", Upgrade.Length + cut);
            await client.ReadHeadAsync();
            Assert.Equal("early!", await client.ReadTextAsync(6));
        }
    }

    [Theory, BothServers]
    [Trait("Defect", "BODY-24")]
    public async Task The_body_limit_and_the_rates_do_not_count_on_an_upgraded_stream(ServerKind server)
    {
        await using AppHost host = await StartAsync(server, options =>
        {
            options.Limits.MaxRequestBodySize = 10;
            options.Limits.MinRequestBodyDataRate = new MinDataRate(100_000, TimeSpan.FromSeconds(1.1));
        });
        await using RawClient client = await host.ConnectAsync();
        await client.SendAsync(Upgrade);
        await client.ReadHeadAsync();
        string message = new('x', 100_000);
        await client.SendAsync(message);
        Assert.Equal(message, await client.ReadTextAsync(message.Length));
    }

    [Theory, BothServers]
    [Trait("Defect", "DRAIN-1")]
    public async Task An_upgraded_connection_may_be_silent_beyond_the_keep_alive_timeout(ServerKind server)
    {
        await using AppHost host = await StartAsync(server, options => options.Limits.KeepAliveTimeout = TimeSpan.FromSeconds(1));
        await using RawClient client = await host.ConnectAsync();
        await client.SendAsync(Upgrade);
        await client.ReadHeadAsync();
        await Task.Delay(TimeSpan.FromSeconds(3.2));
        await client.SendAsync("still");
        Assert.Equal("still", await client.ReadTextAsync(5));
    }

    [Theory]
    [BothServers("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: echo\r\n\r\n")]
    [BothServers("POST / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\nContent-Length: 3\r\n\r\nabc")]
    [BothServers("POST / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")]
    [Trait("Defect", "BODY-19")]
    public async Task Other_requests_are_not_upgradable_and_are_served_as_usual(ServerKind server, string request)
    {
        await using AppHost host = await AppHost.StartAsync(server, app => app.Run(async context =>
        {
            var body = new MemoryStream();
            await context.Request.Body.CopyToAsync(body);
            await context.Response.WriteAsync($"{context.Features.GetRequiredFeature<IHttpUpgradeFeature>().IsUpgradableRequest} {body.Length}");
        }));
        RawResponse response = await host.ExchangeAsync(request);
        Assert.Equal(request.Contains("abc", StringComparison.Ordinal) ? "False 3" : "False 0", response.Text);
    }

    [Theory, BothServers]
    public async Task A_1_0_request_is_not_upgradable(ServerKind server)
    {
        await using AppHost host = await AppHost.StartAsync(server, app => app.Run(context =>
            context.Response.WriteAsync($"{context.Features.GetRequiredFeature<IHttpUpgradeFeature>().IsUpgradableRequest}")));
        RawResponse response = await host.ExchangeAsync("GET / HTTP/1.0\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n");
        Assert.Equal($"{WantedDifferences.UpgradeOnHttp10.On(server)}", response.Text);
    }

    [Theory, BothServers]
    public async Task A_second_upgrade_throws(ServerKind server)
    {
        var seen = new TaskCompletionSource<Exception?>(TaskCreationOptions.RunContinuationsAsynchronously);
        await using AppHost host = await AppHost.StartAsync(server, app => app.Run(async context =>
        {
            IHttpUpgradeFeature upgrade = context.Features.GetRequiredFeature<IHttpUpgradeFeature>();
            await using Stream stream = await upgrade.UpgradeAsync();
            seen.SetResult(await Record.ExceptionAsync(upgrade.UpgradeAsync));
        }));
        await using RawClient client = await host.ConnectAsync();
        await client.SendAsync(Upgrade);
        await client.ReadHeadAsync();
        Assert.IsType<InvalidOperationException>(await seen.Task.WaitAsync(Guard.Time));
    }

    [Theory, BothServers]
    public async Task An_upgrade_after_the_start_throws(ServerKind server)
    {
        await using AppHost host = await AppHost.StartAsync(server, app => app.Run(async context =>
        {
            await context.Response.WriteAsync("started");
            await Assert.ThrowsAsync<InvalidOperationException>(context.Features.GetRequiredFeature<IHttpUpgradeFeature>().UpgradeAsync);
        }));
        Assert.Equal("started", (await host.ExchangeAsync(Upgrade)).Text);
    }

    [Theory, BothServers]
    public async Task A_request_that_could_be_upgraded_may_be_answered_as_usual(ServerKind server)
    {
        await using AppHost host = await AppHost.StartAsync(server, app => app.Run(context =>
            context.Response.WriteAsync($"{context.Features.GetRequiredFeature<IHttpUpgradeFeature>().IsUpgradableRequest}")));
        await using RawClient client = await host.ConnectAsync();
        await client.SendAsync(Upgrade);
        Assert.Equal("True", (await client.ReadResponseAsync()).Text);
    }

    [Theory, BothServers]
    public async Task The_limit_of_upgraded_connections_refuses_the_next(ServerKind server)
    {
        var refused = new TaskCompletionSource<Exception>(TaskCreationOptions.RunContinuationsAsynchronously);
        await using AppHost host = await StartAsync(server, options => options.Limits.MaxConcurrentUpgradedConnections = 1, refused);
        host.ErrorsExpected = true;
        await using RawClient first = await host.ConnectAsync();
        await first.SendAsync(Upgrade);
        await first.ReadHeadAsync();
        await first.SendAsync("a");
        Assert.Equal("a", await first.ReadTextAsync(1));
        RawResponse second = await host.ExchangeAsync(Upgrade);
        Assert.Equal(500, second.Status);
        Assert.IsType<InvalidOperationException>(await refused.Task.WaitAsync(Guard.Time));
    }

    [Theory, BothServers]
    public async Task An_upgraded_connection_leaves_the_limit_of_connections(ServerKind server)
    {
        await using AppHost host = await StartAsync(server, options => options.Limits.MaxConcurrentConnections = 1);
        await using RawClient first = await host.ConnectAsync();
        await first.SendAsync(Upgrade);
        await first.ReadHeadAsync();
        await first.SendAsync("a");
        Assert.Equal("a", await first.ReadTextAsync(1));
        await using RawClient second = await host.ConnectAsync();
        await second.SendAsync(Upgrade);
        await second.ReadHeadAsync();
        await second.SendAsync("b");
        Assert.Equal("b", await second.ReadTextAsync(1));
    }

    [Theory, BothServers]
    public async Task An_application_that_throws_after_the_upgrade_ends_the_connection(ServerKind server)
    {
        await using AppHost host = await AppHost.StartAsync(server, app => app.Run(async context =>
        {
            await context.Features.GetRequiredFeature<IHttpUpgradeFeature>().UpgradeAsync();
            throw new InvalidOperationException("after the upgrade");
        }));
        host.ErrorsExpected = true;
        await using RawClient client = await host.ConnectAsync();
        await client.SendAsync(Upgrade);
        await client.ReadHeadAsync();
        await client.ExpectCloseAsync();
    }

    private static Task<AppHost> StartAsync(ServerKind server, Action<KestrelServerOptions>? kestrel = null, TaskCompletionSource<Exception>? refused = null) =>
        AppHost.StartAsync(
            server,
            app => app.Run(async context =>
            {
                context.Response.Headers.Upgrade = "echo";
                try
                {
                    await using Stream stream = await context.Features.GetRequiredFeature<IHttpUpgradeFeature>().UpgradeAsync();
                    byte[] buffer = new byte[4096];
                    for (int read; (read = await stream.ReadAsync(buffer)) > 0;)
                    {
                        await stream.WriteAsync(buffer.AsMemory(0, read));
                    }
                }
                catch (InvalidOperationException error) when (refused is not null)
                {
                    refused.TrySetResult(error);
                    throw;
                }
            }),
            kestrel: kestrel);
}
