using System;
using System.Threading.Tasks;
using Aeronet.EndToEnd.Tests.Columns;
using Aeronet.TestSupport.Hosting;
using Aeronet.TestSupport.Wire;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Xunit;

namespace Aeronet.EndToEnd.Tests.Connections;

/// <summary>A client that ends its sending direction. RFC 9112 9.6.</summary>
[Trait("Defect", "DRAIN-15"), Trait("Defect", "LOOP-17"), Trait("Rfc", "9112 9.6")]
[NeedsNoSocket]
public sealed class HalfCloseTests
{
    [Theory, BothServers]
    public async Task After_a_whole_request_the_response_is_still_due(ServerKind server)
    {
        bool answered = WantedDifferences.HalfClosedClientIsAnswered.On(server);
        var release = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using AppHost host = await AppHost.StartAsync(server, app => app.Run(async context =>
        {
            using IDisposable gone = context.RequestAborted.Register(() => release.TrySetResult());
            await release.Task;
            await context.Response.WriteAsync("answer");
        }));
        await using RawClient client = await host.ConnectAsync();
        await client.SendAsync("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        client.ShutdownSend();
        if (answered)
        {
            release.SetResult();
            Assert.Equal("answer", (await client.ReadResponseAsync()).Text);
        }

        await client.ExpectCloseAsync();
    }

    [Theory, BothServers]
    public async Task RequestAborted_fires_when_the_request_goes_on(ServerKind server)
    {
        var aborted = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using AppHost host = await AppHost.StartAsync(server, app => app.Run(async context =>
        {
            using IDisposable gone = context.RequestAborted.Register(() => aborted.TrySetResult());
            await aborted.Task.WaitAsync(Guard.Time);
        }));
        await using RawClient client = await host.ConnectAsync();
        await client.SendAsync("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        client.ShutdownSend();
        await aborted.Task.WaitAsync(Guard.Time);
    }

    [Theory]
    [BothServers("")]
    [BothServers("GET / HT")]
    [BothServers("GET / HTTP/1.1\r\nHost: a\r\n")]
    public async Task Before_the_end_of_a_head_the_connection_just_ends(ServerKind server, string part)
    {
        await using AppHost host = await AppHost.StartAsync(server, app => app.Run(_ => Task.CompletedTask));
        await using RawClient client = await host.ConnectAsync();
        await client.SendAsync(part);
        client.ShutdownSend();
        string answer = await client.ReadToEndAsync();

        // A 400 is allowed where a request had begun; silence is too.
        Assert.True(answer.Length == 0 || (part.Length > 0 && answer.StartsWith("HTTP/1.1 400", StringComparison.Ordinal)), answer);
    }

    [Theory, BothServers]
    public async Task After_the_last_response_of_a_keep_alive_connection_it_is_closed(ServerKind server)
    {
        await using AppHost host = await AppHost.StartAsync(server, app => app.Run(context => context.Response.WriteAsync("x")));
        await using RawClient client = await host.ConnectAsync();
        await client.SendAsync("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        Assert.Equal("x", (await client.ReadResponseAsync()).Text);
        client.ShutdownSend();
        await client.ExpectCloseAsync();
    }

    [Theory, AeronetOnly]
    public async Task Every_pipelined_request_before_the_end_is_read(ServerKind server)
    {
        // Wanted difference half-close: Kestrel answers none of them.
        await using AppHost host = await AppHost.StartAsync(server, app => app.Run(Echo.RespondAsync));
        await using RawClient client = await host.ConnectAsync();
        await client.SendAsync("GET /1 HTTP/1.1\r\nHost: a\r\n\r\nPOST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcGET /3 HTTP/1.1\r\nHost: a\r\n\r\n");
        client.ShutdownSend();
        foreach (string path in new[] { "/1", "/2", "/3" })
        {
            Assert.Equal(path, Echo.Of(await client.ReadResponseAsync()).Path);
        }

        await client.ExpectCloseAsync();
    }
}
