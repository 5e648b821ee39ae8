using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Net;
using System.Net.Http;
using System.Net.WebSockets;
using System.Text;
using System.Threading;
using System.Threading.Tasks;
using Aeronet.EndToEnd.Tests.Columns;
using Aeronet.TestSupport.Hosting;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Xunit;
using Yarp.ReverseProxy.Configuration;

namespace Aeronet.EndToEnd.Tests.Clients;

/// <summary>YARP hosted on each server, forwarding to Kestrel and to Aeronet: bodies, streaming, upgrades and clients that go away, two servers deep.</summary>
public sealed class ReverseProxyTests
{
    [Theory]
    [BothServers(ServerKind.Kestrel)]
    [BothServers(ServerKind.Aeronet)]
    public async Task Requests_and_responses_pass_whole(ServerKind server, ServerKind behind)
    {
        await using AppHost backend = await StartBackendAsync(behind);
        await using AppHost proxy = await StartProxyAsync(server, backend);
        using HttpClient client = proxy.CreateClient();
        Assert.Equal("hello GET /plain", await client.GetStringAsync("/plain"));
        byte[] content = new byte[1_000_000];
        new Random(3).NextBytes(content);
        foreach (bool chunked in new[] { false, true })
        {
            using var request = new HttpRequestMessage(System.Net.Http.HttpMethod.Post, "/echo") { Content = new ByteArrayContent(content) };
            request.Headers.TransferEncodingChunked = chunked;
            using HttpResponseMessage response = await client.SendAsync(request);
            Assert.Equal(HttpStatusCode.OK, response.StatusCode);
            byte[] returned = await response.Content.ReadAsByteArrayAsync();
            Assert.True(content.AsSpan().SequenceEqual(returned));
        }
    }

    [Theory]
    [BothServers(ServerKind.Kestrel)]
    [BothServers(ServerKind.Aeronet)]
    public async Task A_streamed_response_arrives_piece_by_piece(ServerKind server, ServerKind behind)
    {
        await using AppHost backend = await StartBackendAsync(behind);
        await using AppHost proxy = await StartProxyAsync(server, backend);
        using HttpClient client = proxy.CreateClient();
        using HttpResponseMessage response = await client.GetAsync("/stream", HttpCompletionOption.ResponseHeadersRead);
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync());
        Assert.Equal("first", await reader.ReadLineAsync().WaitAsync(Guard.Time));
        Assert.Equal("200", await client.GetStringAsync("/release")); // the rest waits for this
        Assert.Equal("second", await reader.ReadLineAsync().WaitAsync(Guard.Time));
    }

    [Theory]
    [BothServers(ServerKind.Kestrel)]
    [BothServers(ServerKind.Aeronet)]
    public async Task A_WebSocket_is_tunnelled(ServerKind server, ServerKind behind)
    {
        await using AppHost backend = await StartBackendAsync(behind);
        await using AppHost proxy = await StartProxyAsync(server, backend);
        using var guard = new CancellationTokenSource(Guard.Time);
        using var socket = new ClientWebSocket();
        socket.Options.RemoteCertificateValidationCallback = AppHost.Trust;
        await socket.ConnectAsync(new UriBuilder(proxy.Url) { Scheme = proxy.Url.Scheme == "https" ? "wss" : "ws", Path = "/socket" }.Uri, guard.Token);
        byte[] buffer = new byte[100];
        for (int i = 0; i < 3; i++)
        {
            await socket.SendAsync(Encoding.ASCII.GetBytes($"message {i}"), WebSocketMessageType.Text, endOfMessage: true, guard.Token);
            WebSocketReceiveResult received = await socket.ReceiveAsync(buffer, guard.Token);
            Assert.Equal($"message {i}", Encoding.ASCII.GetString(buffer, 0, received.Count));
        }
        await socket.CloseAsync(WebSocketCloseStatus.NormalClosure, null, guard.Token);
    }

    [Theory]
    [BothServers(ServerKind.Kestrel)]
    [BothServers(ServerKind.Aeronet)]
    public async Task A_client_that_goes_away_ends_the_request_behind(ServerKind server, ServerKind behind)
    {
        Gate gate = new();
        await using AppHost backend = await StartBackendAsync(behind, gate);
        await using AppHost proxy = await StartProxyAsync(server, backend);
        proxy.ErrorsExpected = true;
        using (HttpClient client = proxy.CreateClient())
        using (var leaving = new CancellationTokenSource())
        {
            Task<string> asking = client.GetStringAsync("/wait", leaving.Token);
            await gate.Waiting.Task.WaitAsync(Guard.Time);
            await leaving.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => asking);
        }
        await gate.Aborted.Task.WaitAsync(Guard.Time);
    }

    private static Task<AppHost> StartProxyAsync(ServerKind server, AppHost backend) => AppHost.StartAsync(
        server,
        static app =>
        {
            app.UseWebSockets();
            app.MapReverseProxy();
        },
        builder => builder.Services.AddReverseProxy().LoadFromMemory(
            [new RouteConfig { RouteId = "all", ClusterId = "servers", Match = new RouteMatch { Path = "{**rest}" } }],
            [new ClusterConfig { ClusterId = "servers", Destinations = new Dictionary<string, DestinationConfig> { ["one"] = new() { Address = backend.Url.ToString() } } }]),
        shape: BuilderShape.Full);

    private static Task<AppHost> StartBackendAsync(ServerKind server, Gate? gate = null)
    {
        gate ??= new Gate();
        return AppHost.StartAsync(server, app =>
        {
            app.UseWebSockets();
            app.MapPost("/echo", static async context =>
            {
                context.Response.ContentLength = context.Request.ContentLength;
                await context.Request.Body.CopyToAsync(context.Response.Body);
            });
            app.MapGet("/stream", async context =>
            {
                await context.Response.WriteAsync("first\n");
                await context.Response.Body.FlushAsync();
                await gate.Released.Task;
                await context.Response.WriteAsync("second\n");
            });
            app.MapGet("/release", () =>
            {
                gate.Released.TrySetResult();
                return "200";
            });
            app.MapGet("/wait", async context =>
            {
                using CancellationTokenRegistration registration = context.RequestAborted.Register(() => gate.Aborted.TrySetResult());
                gate.Waiting.TrySetResult();
                await gate.Aborted.Task;
            });
            app.Map("/socket", static async context =>
            {
                using WebSocket socket = await context.WebSockets.AcceptWebSocketAsync();
                byte[] buffer = new byte[100];
                while (true)
                {
                    WebSocketReceiveResult received = await socket.ReceiveAsync(buffer, context.RequestAborted);
                    if (received.MessageType == WebSocketMessageType.Close)
                    {
                        await socket.CloseAsync(WebSocketCloseStatus.NormalClosure, null, context.RequestAborted);
                        return;
                    }
                    await socket.SendAsync(buffer.AsMemory(0, received.Count), received.MessageType, endOfMessage: true, context.RequestAborted);
                }
            });
            app.MapGet("/{name}", static (HttpContext context) => $"hello {context.Request.Method} {context.Request.Path}");
        });
    }

    private sealed class Gate
    {
        public TaskCompletionSource Released { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public TaskCompletionSource Waiting { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public TaskCompletionSource Aborted { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
