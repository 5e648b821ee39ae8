using System;
using System.IO;
using System.Linq;
using System.Net;
using System.Net.Http;
using System.Threading;
using System.Threading.Tasks;
using Aeronet.EndToEnd.Tests.Columns;
using Aeronet.TestSupport.Connections;
using Aeronet.TestSupport.Hosting;
using Aeronet.TestSupport.Wire;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Aeronet.EndToEnd.Tests.Connections;

/// <summary>An <c>IConnectionListenerFactory</c> that the application registers carries the endpoints that it takes, on every server.</summary>
public sealed class ForeignTransportTests
{
    private static readonly IPEndPoint s_endPoint = new(IPAddress.Parse("192.0.2.1"), 80); // no interface has it: a socket could not be bound
    private const string Get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

    [Theory, BothServers]
    public async Task Requests_bodies_and_pipelined_batches(ServerKind server)
    {
        InMemoryTransport transport = new();
        await using AppHost host = await StartAsync(server, transport, static async context =>
        {
            using var body = new MemoryStream();
            await context.Request.Body.CopyToAsync(body);
            await context.Response.WriteAsync($"{context.Request.Path} {body.Length}");
        });
        await using RawClient client = RawClient.Over(transport.Connect(s_endPoint));
        await client.SendAsync("GET /one HTTP/1.1\r\nHost: a\r\n\r\n");
        Assert.Equal("/one 0", (await client.ReadResponseAsync()).Text);
        await client.SendByteByByteAsync("POST /two HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
        Assert.Equal("/two 3", (await client.ReadResponseAsync()).Text);
        string large = new('x', 2_000_000);
        Task sending = client.SendAsync($"POST /three HTTP/1.1\r\nHost: a\r\nContent-Length: {large.Length}\r\n\r\n{large}");
        Assert.Equal("/three 2000000", (await client.ReadResponseAsync()).Text);
        await sending;
        await client.SendAsync(string.Concat(Enumerable.Range(0, 100).Select(static i => $"GET /{i} HTTP/1.1\r\nHost: a\r\n\r\n")));
        for (int i = 0; i < 100; i++)
        {
            Assert.Equal($"/{i} 0", (await client.ReadResponseAsync()).Text);
        }
        await client.SendAsync("GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        Assert.Equal("/last 0", (await client.ReadResponseAsync()).Text);
        await client.ExpectCloseAsync();
    }

    [Theory, BothServers]
    public async Task A_large_response_waits_for_its_reader_and_is_whole(ServerKind server)
    {
        InMemoryTransport transport = new();
        await using AppHost host = await StartAsync(server, transport, static async context =>
        {
            byte[] piece = new byte[100_000];
            for (int i = 0; i < 50; i++)
            {
                Array.Fill(piece, (byte)('a' + (i % 26)));
                await context.Response.Body.WriteAsync(piece);
            }
        });
        await using RawClient client = RawClient.Over(transport.Connect(s_endPoint));
        await client.SendAsync(Get);
        RawResponse response = await client.ReadResponseAsync();
        Assert.Equal(5_000_000, response.Body.Length);
        Assert.Equal((byte)('a' + (49 % 26)), response.Body[^1]);
    }

    [Theory, BothServers]
    public async Task HttpClient_works_through_it(ServerKind server)
    {
        InMemoryTransport transport = new();
        await using AppHost host = await StartAsync(server, transport, static context => context.Response.WriteAsync("served"));
        using var handler = new SocketsHttpHandler { ConnectCallback = (_, _) => ValueTask.FromResult<Stream>(transport.Connect(s_endPoint)) };
        using var client = new HttpClient(handler) { BaseAddress = new Uri("http://in.memory"), Timeout = Guard.Time };
        string[] answers = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => client.GetStringAsync("/")));
        Assert.All(answers, static answer => Assert.Equal("served", answer));
    }

    [Theory, BothServers]
    public async Task The_client_that_leaves_aborts_its_request(ServerKind server)
    {
        InMemoryTransport transport = new();
        var started = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var aborted = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using AppHost host = await StartAsync(server, transport, async context =>
        {
            using CancellationTokenRegistration registration = context.RequestAborted.Register(() => aborted.TrySetResult());
            started.SetResult();
            await aborted.Task;
        });
        await using (RawClient client = RawClient.Over(transport.Connect(s_endPoint)))
        {
            await client.SendAsync(Get);
            await started.Task.WaitAsync(Guard.Time);
        }
        await aborted.Task.WaitAsync(Guard.Time);
    }

    [Theory, BothServers]
    public async Task A_stop_finishes_what_runs_and_closes_the_rest(ServerKind server)
    {
        InMemoryTransport transport = new();
        var started = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var finish = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        AppHost host = await StartAsync(server, transport, async context =>
        {
            started.SetResult();
            await finish.Task;
            await context.Response.WriteAsync("done");
        });
        await using RawClient idle = RawClient.Over(transport.Connect(s_endPoint));
        await using RawClient busy = RawClient.Over(transport.Connect(s_endPoint));
        await busy.SendAsync(Get);
        await started.Task.WaitAsync(Guard.Time);
        Task stopping = host.StopAsync();
        await idle.ExpectCloseAsync();
        finish.SetResult();
        Assert.Equal("done", (await busy.ReadResponseAsync()).Text);
        await busy.ExpectCloseAsync();
        await stopping;
        Assert.Throws<IOException>(() => transport.Connect(s_endPoint));
        await host.DisposeAsync();
    }

    [Theory, BothServers]
    public async Task An_endpoint_that_it_declines_is_a_socket(ServerKind server)
    {
        InMemoryTransport transport = new(static endPoint => endPoint.Equals(s_endPoint));
        await using AppHost host = await AppHost.StartAsync(
            server,
            static app => app.Run(static context => context.Response.WriteAsync(context.Features.Get<IConnectionSocketFeature>() is null ? "pipes" : "socket")),
            builder => builder.Services.AddSingleton<IConnectionListenerFactory>(transport),
            static kestrel =>
            {
                kestrel.Listen(IPAddress.Loopback, 0);
                kestrel.Listen(s_endPoint);
            },
            listen: false);
        Assert.Equal("socket", (await host.ExchangeAsync(Get)).Text);
        await using RawClient client = RawClient.Over(transport.Connect(s_endPoint));
        await client.SendAsync(Get);
        Assert.Equal("pipes", (await client.ReadResponseAsync()).Text);
    }

    [Theory, BothServers]
    public async Task An_address_in_use_there_fails_the_start(ServerKind server)
    {
        InMemoryTransport transport = new();
        await using AppHost first = await StartAsync(server, transport, static _ => Task.CompletedTask);
        await Assert.ThrowsAsync<IOException>(() => StartAsync(server, transport, static _ => Task.CompletedTask));
    }

    private static Task<AppHost> StartAsync(ServerKind server, InMemoryTransport transport, RequestDelegate application) => AppHost.StartAsync(
        server,
        app => app.Run(application),
        builder => builder.Services.AddSingleton<IConnectionListenerFactory>(transport),
        static kestrel => kestrel.Listen(s_endPoint),
        listen: false);
}
