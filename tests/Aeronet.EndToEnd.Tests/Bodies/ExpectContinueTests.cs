using System;
using System.Threading.Tasks;
using Aeronet.EndToEnd.Tests.Columns;
using Aeronet.TestSupport.Hosting;
using Aeronet.TestSupport.Wire;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Xunit;

namespace Aeronet.EndToEnd.Tests.Bodies;

/// <summary>Expect: 100-continue. RFC 9110 10.1.1.</summary>
[Trait("Rfc", "9110 10.1.1"), Trait("Defect", "BODY-13"), Trait("Feature", "B101")]
[NeedsNoSocket]
public sealed class ExpectContinueTests(EchoHosts hosts) : IClassFixture<EchoHosts>
{
    [Theory]
    [BothServers("100-continue")]
    [BothServers("100-Continue")]
    public async Task One_100_is_sent_when_the_application_reads(ServerKind server, string expectation)
    {
        AppHost host = await hosts.OnAsync(server);
        await using RawClient client = await host.ConnectAsync();
        await client.SendAsync($"POST / HTTP/1.1\r\nHost: a\r\nExpect: {expectation}\r\nContent-Length: 6\r\n\r\n");
        Assert.Equal("HTTP/1.1 100 Continue\r\n", await client.ReadHeadAsync());
        await client.SendAsync("abc");
        await client.SendAsync("def");
        Assert.Equal("abcdef", Echo.Of(await client.ReadResponseAsync()).Body);
        await Expect.StillServesAsync(client);
    }

    [Theory, BothServers]
    public async Task A_chunked_body_is_asked_for_too(ServerKind server)
    {
        AppHost host = await hosts.OnAsync(server);
        await using RawClient client = await host.ConnectAsync();
        await client.SendAsync("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n");
        Assert.Equal("HTTP/1.1 100 Continue\r\n", await client.ReadHeadAsync());
        await client.SendAsync("3\r\nabc\r\n0\r\n\r\n");
        Assert.Equal("abc", Echo.Of(await client.ReadResponseAsync()).Body);
    }

    [Theory, BothServers]
    public async Task None_is_sent_when_the_application_does_not_read(ServerKind server)
    {
        await using AppHost host = await AppHost.StartAsync(server, app => app.Run(context => context.Response.WriteAsync("no need")));
        await using RawClient client = await host.ConnectAsync();
        await client.SendAsync("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 6\r\n\r\n");
        RawResponse response = await client.ReadResponseAsync();
        Assert.Equal((200, "no need"), (response.Status, response.Text));
    }

    [Theory, BothServers]
    public async Task None_is_sent_after_the_response_has_started(ServerKind server)
    {
        await using AppHost host = await AppHost.StartAsync(server, app => app.Run(async context =>
        {
            await context.Response.StartAsync();
            await context.Response.Body.FlushAsync();
            await context.Request.Body.ReadExactlyAsync(new byte[3]);
            await context.Response.WriteAsync("done");
        }));
        await using RawClient client = await host.ConnectAsync();
        await client.SendAsync("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
        Assert.StartsWith("HTTP/1.1 200 OK", await client.ReadHeadAsync(), StringComparison.Ordinal);
        await client.SendAsync("abc");
        Assert.Equal("4\r\ndone\r\n0\r\n\r\n", await client.ReadTextAsync(14));
    }

    [Theory]
    [BothServers("HTTP/1.0", "Content-Length: 3")]
    [BothServers("HTTP/1.1", "Content-Length: 0")]
    public async Task None_is_sent_on_1_0_or_without_a_body(ServerKind server, string version, string framing)
    {
        AppHost host = await hosts.OnAsync(server);
        await using RawClient client = await host.ConnectAsync();
        await client.SendAsync($"POST / {version}\r\nHost: a\r\nExpect: 100-continue\r\n{framing}\r\n\r\n{(framing.EndsWith('3') ? "abc" : "")}");
        Assert.Equal(200, (await client.ReadResponseAsync()).Status);
    }

    [Theory, BothServers]
    public async Task None_is_sent_when_the_body_is_there_already(ServerKind server)
    {
        AppHost host = await hosts.OnAsync(server);
        Echo echo = Echo.Of(await host.ExchangeAsync("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc"));
        Assert.Equal("abc", echo.Body);
    }

    [Theory, BothServers]
    public async Task An_unknown_expectation_is_left_to_the_application(ServerKind server)
    {
        AppHost host = await hosts.OnAsync(server);
        Echo echo = Echo.Of(await host.ExchangeAsync("GET / HTTP/1.1\r\nHost: a\r\nExpect: something-else\r\n\r\n"));
        Assert.Equal(["something-else"], echo.Headers["Expect"]);
    }
}
