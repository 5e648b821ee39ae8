using System;
using System.Threading.Tasks;
using Aeronet.EndToEnd.Tests.Columns;
using Aeronet.TestSupport.Hosting;
using Aeronet.TestSupport.Wire;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Xunit;

namespace Aeronet.EndToEnd.Tests.Connections;

/// <summary>When a connection persists. RFC 9112 9.3.</summary>
[Trait("Rfc", "9112 9.3"), Trait("Defect", "DRAIN-6"), Trait("Feature", "B36"), Trait("Feature", "B38")]
[NeedsNoSocket]
public sealed class KeepAliveTests(EchoHosts hosts) : IClassFixture<EchoHosts>
{
    [Theory]
    [BothServers("HTTP/1.1", "", true, null)]
    [BothServers("HTTP/1.1", "Connection: keep-alive\r\n", true, null)]
    [BothServers("HTTP/1.1", "Connection: close\r\n", false, "close")]
    [BothServers("HTTP/1.1", "Connection: Close\r\n", false, "close")]
    [BothServers("HTTP/1.1", "Connection: keep-alive, close\r\n", false, "close")]
    [BothServers("HTTP/1.1", "Connection: close , keep-alive\r\n", false, "close")]
    [BothServers("HTTP/1.1", "Connection: x\r\nConnection: close\r\n", false, "close")]
    [BothServers("HTTP/1.1", "Connection: ,close,\r\n", false, "close")]
    [BothServers("HTTP/1.1", "Connection: closed\r\n", true, null)]
    [BothServers("HTTP/1.1", "Connection: close-x\r\n", true, null)]
    [BothServers("HTTP/1.1", "Connection: foo, bar\r\n", true, null)]
    [BothServers("HTTP/1.0", "", false, "close")]
    [BothServers("HTTP/1.0", "Connection: keep-alive\r\n", true, "keep-alive")]
    [BothServers("HTTP/1.0", "Connection: Keep-Alive\r\n", true, "keep-alive")]
    [BothServers("HTTP/1.0", "Connection: foo, keep-alive\r\n", true, "keep-alive")]
    [BothServers("HTTP/1.0", "Connection: close\r\n", false, "close")]
    [BothServers("HTTP/1.0", "Connection: keep-alive-x\r\n", false, "close")]
    public async Task The_connection_options_decide(ServerKind server, string version, string fields, bool persists, string? answer)
    {
        AppHost host = await hosts.OnAsync(server);
        await using RawClient client = await host.ConnectAsync();
        await client.SendAsync($"GET / {version}\r\nHost: a\r\n{fields}\r\n");
        RawResponse response = await client.ReadResponseAsync();
        Assert.Equal(200, response.Status);
        Assert.Equal(answer, response["Connection"]);
        if (persists)
        {
            await Expect.StillServesAsync(client);
        }
        else
        {
            await client.ExpectCloseAsync();
        }
    }

    [Theory, BothServers]
    public async Task The_application_may_end_the_connection(ServerKind server)
    {
        await using AppHost host = await AppHost.StartAsync(server, app => app.Run(context =>
        {
            context.Response.Headers.Connection = "close";
            return context.Response.WriteAsync("last");
        }));
        await using RawClient client = await host.ConnectAsync();
        await client.SendAsync("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        RawResponse response = await client.ReadResponseAsync();
        Assert.Equal(("last", "close"), (response.Text, response["Connection"]));
        await client.ExpectCloseAsync();
    }

    [Theory, BothServers]
    [Trait("Feature", "B37")]
    public async Task A_1_0_client_is_answered_in_its_version(ServerKind server)
    {
        AppHost host = await hosts.OnAsync(server);
        RawResponse response = await host.ExchangeAsync("GET / HTTP/1.0\r\n\r\n");
        Assert.Equal(WantedDifferences.Http10StatusLine.On(server), response.Version);
    }

    [Theory, BothServers]
    [Trait("Defect", "RESP-10"), Trait("Feature", "R1.7")]
    public async Task A_streamed_response_to_1_0_ends_with_the_connection(ServerKind server)
    {
        var goOn = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using AppHost host = await AppHost.StartAsync(server, app => app.Run(async context =>
        {
            await context.Response.WriteAsync("one ");
            await context.Response.Body.FlushAsync();
            await goOn.Task;
            await context.Response.WriteAsync("two");
        }));
        await using RawClient client = await host.ConnectAsync();
        await client.SendAsync("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
        string head = await client.ReadHeadAsync();
        Assert.Contains("Connection: close\r\n", head, StringComparison.Ordinal);
        Assert.DoesNotContain("Transfer-Encoding", head, StringComparison.Ordinal);
        Assert.DoesNotContain("Content-Length", head, StringComparison.Ordinal);
        Assert.Equal("one ", await client.ReadTextAsync(4));
        goOn.SetResult();
        Assert.Equal("two", await client.ReadToEndAsync());
    }

    [Theory, BothServers]
    public async Task A_hundred_requests_go_over_one_connection(ServerKind server)
    {
        await using AppHost host = await AppHost.StartAsync(server, app => app.Run(context =>
            context.Response.WriteAsync($"{context.Connection.Id} {context.Request.Path}")));
        await using RawClient client = await host.ConnectAsync();
        string? connection = null;
        for (int i = 0; i < 100; i++)
        {
            await client.SendAsync($"GET /{i} HTTP/1.1\r\nHost: a\r\n\r\n");
            string[] parts = (await client.ReadResponseAsync()).Text.Split(' ');
            connection ??= parts[0];
            Assert.Equal([connection, $"/{i}"], parts);
        }
    }
}
