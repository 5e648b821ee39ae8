using System;
using System.IO;
using System.Linq;
using System.Net.WebSockets;
using System.Text;
using System.Threading;
using System.Threading.Tasks;
using Aeronet.EndToEnd.Tests.Columns;
using Aeronet.TestSupport.Hosting;
using Aeronet.TestSupport.Wire;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Xunit;

namespace Aeronet.EndToEnd.Tests.Upgrades;

/// <summary>ASP.NET Core's WebSockets on the server's upgraded stream. RFC 6455.</summary>
[Trait("Rfc", "6455")]
public sealed class WebSocketTests(WebSocketTests.EchoSockets hosts) : IClassFixture<WebSocketTests.EchoSockets>
{
    [Theory]
    [BothServers(0)]
    [BothServers(1)]
    [BothServers(125)]
    [BothServers(126)]
    [BothServers(70_000)]
    [BothServers(3_000_000)]
    public async Task A_message_of_any_size_comes_back(ServerKind server, int size)
    {
        AppHost host = await hosts.OnAsync(server);
        using ClientWebSocket socket = await ConnectAsync(host);
        byte[] message = new byte[size];
        new Random(size).NextBytes(message);
        using var guard = new CancellationTokenSource(Guard.Time);
        Task sending = socket.SendAsync(message, WebSocketMessageType.Binary, true, guard.Token);
        byte[] echo = await ReceiveAsync(socket, guard.Token);
        await sending;
        Assert.True(message.AsSpan().SequenceEqual(echo));
        await socket.CloseAsync(WebSocketCloseStatus.NormalClosure, "bye", guard.Token);
        Assert.Equal(WebSocketState.Closed, socket.State);
    }

    [Theory, BothServers]
    public async Task Many_messages_keep_their_order(ServerKind server)
    {
        AppHost host = await hosts.OnAsync(server);
        using ClientWebSocket socket = await ConnectAsync(host);
        using var guard = new CancellationTokenSource(Guard.Time);
        for (int i = 0; i < 500; i++)
        {
            await socket.SendAsync(Encoding.ASCII.GetBytes($"{i}"), WebSocketMessageType.Text, true, guard.Token);
        }

        for (int i = 0; i < 500; i++)
        {
            Assert.Equal($"{i}", Encoding.ASCII.GetString(await ReceiveAsync(socket, guard.Token)));
        }
    }

    [Theory, BothServers]
    public async Task Compressed_messages_work(ServerKind server)
    {
        AppHost host = await hosts.OnAsync(server);
        using ClientWebSocket socket = await ConnectAsync(host, options => options.DangerousDeflateOptions = new WebSocketDeflateOptions());
        using var guard = new CancellationTokenSource(Guard.Time);
        byte[] message = Encoding.ASCII.GetBytes(string.Concat(Enumerable.Repeat("again and ", 5000)));
        await socket.SendAsync(message, WebSocketMessageType.Text, true, guard.Token);
        Assert.Equal(message, await ReceiveAsync(socket, guard.Token));
    }

    [Theory, BothServers]
    [Trait("Defect", "BODY-20")]
    public async Task A_frame_may_be_cut_anywhere_and_may_come_with_the_request(ServerKind server)
    {
        AppHost host = await hosts.OnAsync(server);
        const string Request = "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

        // FIN + text, masked with zeros, "hello".
        const string Frame = "\u0081\u0085\0\0\0\0hello";
        for (int cut = 0; cut <= Frame.Length; cut++)
        {
            await using RawClient client = await host.ConnectAsync();
            await client.SendCutAsync(Request + Frame, Request.Length + cut);
            string head = await client.ReadHeadAsync();
            Assert.Contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", head, StringComparison.Ordinal);
            Assert.Equal("\u0081\u0005hello", await client.ReadTextAsync(7));
        }
    }

    [Theory, BothServers]
    public async Task A_client_that_vanishes_ends_the_application(ServerKind server)
    {
        var ended = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using AppHost host = await AppHost.StartAsync(server, app =>
        {
            app.UseWebSockets();
            app.Run(async context =>
            {
                using WebSocket socket = await context.WebSockets.AcceptWebSocketAsync();
                try
                {
                    await socket.ReceiveAsync(new byte[10].AsMemory(), context.RequestAborted);
                }
                catch (Exception error) when (error is WebSocketException or OperationCanceledException)
                {
                    ended.SetResult();
                }
            });
        });
        ClientWebSocket client = await ConnectAsync(host);
        client.Abort();
        client.Dispose();
        await ended.Task.WaitAsync(Guard.Time);
    }

    [Theory, BothServers]
    public async Task A_sub_protocol_is_agreed(ServerKind server)
    {
        AppHost host = await hosts.OnAsync(server);
        using ClientWebSocket socket = await ConnectAsync(host, options => options.AddSubProtocol("first"));
        Assert.Equal("first", socket.SubProtocol);
    }

    private static async Task<ClientWebSocket> ConnectAsync(AppHost host, Action<ClientWebSocketOptions>? configure = null)
    {
        var socket = new ClientWebSocket();
        socket.Options.RemoteCertificateValidationCallback = AppHost.Trust;
        configure?.Invoke(socket.Options);
        using var guard = new CancellationTokenSource(Guard.Time);
        await socket.ConnectAsync(new UriBuilder(host.Url) { Scheme = host.Url.Scheme == "https" ? "wss" : "ws" }.Uri, guard.Token);
        return socket;
    }

    private static async Task<byte[]> ReceiveAsync(ClientWebSocket socket, CancellationToken guard)
    {
        var message = new MemoryStream();
        byte[] buffer = new byte[16_384];
        WebSocketReceiveResult received;
        do
        {
            received = await socket.ReceiveAsync(buffer, guard);
            message.Write(buffer, 0, received.Count);
        }
        while (!received.EndOfMessage);
        return message.ToArray();
    }

    /// <summary>Hosts that echo WebSocket messages.</summary>
    public sealed class EchoSockets : HostFixture
    {
        /// <inheritdoc />
        protected override void Map(WebApplication app)
        {
            app.UseWebSockets();
            app.Run(async context =>
            {
                using WebSocket socket = await context.WebSockets.AcceptWebSocketAsync(new WebSocketAcceptContext
                {
                    SubProtocol = context.WebSockets.WebSocketRequestedProtocols.FirstOrDefault(),
                    DangerousEnableCompression = true,
                });
                byte[] buffer = new byte[32_768];
                while (true)
                {
                    ValueWebSocketReceiveResult received;
                    try
                    {
                        received = await socket.ReceiveAsync(buffer.AsMemory(), CancellationToken.None);
                    }
                    catch (WebSocketException)
                    {
                        return;
                    }

                    if (received.MessageType == WebSocketMessageType.Close)
                    {
                        await socket.CloseAsync(WebSocketCloseStatus.NormalClosure, null, CancellationToken.None);
                        return;
                    }

                    await socket.SendAsync(buffer.AsMemory(0, received.Count), received.MessageType, received.EndOfMessage, CancellationToken.None);
                }
            });
        }
    }
}
