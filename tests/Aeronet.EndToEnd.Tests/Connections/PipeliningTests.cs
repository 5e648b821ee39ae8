using System.Linq;
using System.Text;
using System.Threading;
using System.Threading.Tasks;
using Aeronet.EndToEnd.Tests.Columns;
using Aeronet.TestSupport.Hosting;
using Aeronet.TestSupport.Wire;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Xunit;

namespace Aeronet.EndToEnd.Tests.Connections;

/// <summary>Several requests in flight on one connection. RFC 9112 9.3.2.</summary>
[Trait("Rfc", "9112 9.3.2"), Trait("Feature", "B35")]
[NeedsNoSocket]
public sealed class PipeliningTests(EchoHosts hosts) : IClassFixture<EchoHosts>
{
    [Theory]
    [BothServers(2)]
    [BothServers(16)]
    [BothServers(500)]
    public async Task Responses_come_in_the_order_of_the_requests(ServerKind server, int count)
    {
        AppHost host = await hosts.OnAsync(server);
        await using RawClient client = await host.ConnectAsync();
        Task sending = client.SendAsync(string.Concat(Enumerable.Range(0, count).Select(i => $"GET /{i} HTTP/1.1\r\nHost: a\r\n\r\n")));
        for (int i = 0; i < count; i++)
        {
            Assert.Equal($"/{i}", Echo.Of(await client.ReadResponseAsync()).Path);
        }

        await sending;
    }

    [Theory, BothServers]
    public async Task Bodies_by_length_by_chunks_and_none_may_follow_each_other(ServerKind server)
    {
        AppHost host = await hosts.OnAsync(server);
        await using RawClient client = await host.ConnectAsync();
        await client.SendAsync(
            "POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc" +
            "POST /2 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nde\r\n0\r\nT: x\r\n\r\n" +
            "GET /3 HTTP/1.1\r\nHost: a\r\n\r\n" +
            "\r\nPOST /4 HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nf");
        foreach ((string path, string body) in new[] { ("/1", "abc"), ("/2", "de"), ("/3", ""), ("/4", "f") })
        {
            Echo echo = Echo.Of(await client.ReadResponseAsync());
            Assert.Equal((path, body), (echo.Path, echo.Body));
        }
    }

    [Theory, BothServers]
    [Trait("Feature", "B1")]
    public async Task Two_applications_never_run_at_once_on_one_connection(ServerKind server)
    {
        int running = 0, most = 0;
        await using AppHost host = await AppHost.StartAsync(server, app => app.Run(async context =>
        {
            int now = Interlocked.Increment(ref running);
            most = int.Max(most, now);
            await Task.Yield();
            await context.Response.WriteAsync("x");
            await Task.Yield();
            Interlocked.Decrement(ref running);
        }));
        await using RawClient client = await host.ConnectAsync();
        await client.SendAsync(string.Concat(Enumerable.Repeat("GET / HTTP/1.1\r\nHost: a\r\n\r\n", 50)));
        for (int i = 0; i < 50; i++)
        {
            Assert.Equal("x", (await client.ReadResponseAsync()).Text);
        }

        Assert.Equal(1, most);
    }

    [Theory, BothServers]
    public async Task A_refused_request_is_answered_after_those_before_it(ServerKind server)
    {
        AppHost host = await hosts.OnAsync(server);
        await using RawClient client = await host.ConnectAsync();
        await client.SendAsync("GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\nBAD\r\n\r\nGET /3 HTTP/1.1\r\nHost: a\r\n\r\n");
        Assert.Equal("/1", Echo.Of(await client.ReadResponseAsync()).Path);
        Assert.Equal("/2", Echo.Of(await client.ReadResponseAsync()).Path);
        await Expect.RefusedAsync(client, 400);
    }

    [Theory, BothServers]
    [Trait("Rfc", "9112 9.6")]
    public async Task Nothing_after_a_request_with_close_is_answered(ServerKind server)
    {
        AppHost host = await hosts.OnAsync(server);
        await using RawClient client = await host.ConnectAsync();
        await client.SendAsync("GET /1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
        Assert.Equal("/1", Echo.Of(await client.ReadResponseAsync()).Path);
        await client.ExpectCloseAsync();
    }

    [Theory, BothServers]
    [Trait("Defect", "LOOP-3")]
    public async Task Large_responses_to_pipelined_requests_reach_a_slow_reader(ServerKind server)
    {
        byte[] big = Encoding.ASCII.GetBytes(new string('x', 1_500_000));
        await using AppHost host = await AppHost.StartAsync(server, app => app.Run(async context =>
        {
            context.Response.ContentLength = big.Length;
            await context.Response.Body.WriteAsync(big);
        }));
        await using RawClient client = await host.ConnectAsync(receiveBuffer: 8192);
        await client.SendAsync(string.Concat(Enumerable.Repeat("GET / HTTP/1.1\r\nHost: a\r\n\r\n", 4)));
        for (int i = 0; i < 4; i++)
        {
            RawResponse response = await client.ReadResponseAsync();
            Assert.Equal(big, response.Body);
        }

        await client.SendAsync("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        Assert.Equal(big, (await client.ReadResponseAsync()).Body);
    }
}
