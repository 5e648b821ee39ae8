using System;
using System.Diagnostics.Metrics;
using System.Globalization;
using System.IO;
using System.IO.Pipelines;
using System.Linq;
using System.Net;
using System.Net.Http;
using System.Net.Sockets;
using System.Text;
using System.Threading.Tasks;
using Aeronet.EndToEnd.Tests.Columns;
using Aeronet.Server;
using Aeronet.TestSupport.Hosting;
using Aeronet.TestSupport.Wire;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Aeronet.EndToEnd.Tests.Tunnels;

/// <summary>CONNECT answered by the server. RFC 9110 9.3.6.</summary>
[Trait("Rfc", "9110 9.3.6")]
public sealed class ConnectTunnelTests
{
    [Theory, AeronetOnly]
    public async Task Bytes_go_both_ways_and_both_ends_are_relayed(ServerKind server)
    {
        using Target target = new();
        await using AppHost host = await StartAsync(server, target.Authority);
        await using RawClient client = await host.ConnectAsync();
        await client.SendAsync($"CONNECT {target.Authority} HTTP/1.1\r\nHost: {target.Authority}\r\n\r\nearly"); // bytes behind the head belong to the tunnel
        RawResponse answer = await ReadHeadAsync(client);
        Assert.Equal(200, answer.Status);
        Assert.Equal("Connection Established", answer.Reason);
        Assert.Null(answer["Content-Length"]);
        Assert.Null(answer["Transfer-Encoding"]);
        Assert.Null(answer["Connection"]);

        using Socket peer = await target.AcceptAsync();
        Assert.Equal("early", await ReceiveAsync(peer, 5));
        await peer.SendAsync("answer"u8.ToArray());
        Assert.Equal("answer", await client.ReadTextAsync(6));

        // The target ends first: the client sees it, and may still send; behind middleware with pipes of its own nothing can end alone.
        peer.Shutdown(SocketShutdown.Send);
        await client.ExpectCloseAsync();
        if (server == ServerKind.AeronetMiddleware)
        {
            Assert.Equal(0, await peer.ReceiveAsync(new byte[1]).WaitAsync(Guard.Time));
            return;
        }
        await client.SendAsync("late");
        Assert.Equal("late", await ReceiveAsync(peer, 4));
        client.ShutdownSend();
        Assert.Equal(0, await peer.ReceiveAsync(new byte[1]).WaitAsync(Guard.Time));
    }

    [Theory, AeronetOnly]
    public async Task A_client_that_ends_its_side_still_gets_the_answer(ServerKind server)
    {
        using Target target = new();
        await using AppHost host = await StartAsync(server, target.Authority);
        (RawClient client, Socket peer) = await OpenAsync(host, target);
        await using (client)
        using (peer)
        {
            await client.SendAsync("question");
            client.ShutdownSend();
            Assert.Equal("question", await ReceiveAsync(peer, 8));
            Assert.Equal(0, await peer.ReceiveAsync(new byte[1]).WaitAsync(Guard.Time));
            await peer.SendAsync("answer"u8.ToArray());
            peer.Shutdown(SocketShutdown.Both);
            Assert.Equal("answer", await client.ReadToEndAsync());
        }
    }

    [Theory, AeronetOnly]
    public async Task A_slow_receiver_holds_up_the_sender_and_nothing_is_lost(ServerKind server)
    {
        const int Bytes = 8 * 1024 * 1024; // more than all socket buffers on the way
        using Target target = new();
        await using AppHost host = await StartAsync(server, target.Authority);
        (RawClient client, Socket peer) = await OpenAsync(host, target);
        await using (client)
        using (peer)
        {
            byte[] content = new byte[Bytes];
            new Random(7).NextBytes(content);
            foreach (bool toTarget in new[] { true, false })
            {
                Task sending = toTarget ? client.SendAsync(content) : SendAllAsync(peer, content);
                Assert.False(sending.IsCompleted && toTarget && peer.Available == Bytes);
                byte[] received = new byte[Bytes];
                int count = 0;
                if (toTarget)
                {
                    while (count < Bytes)
                    {
                        count += await peer.ReceiveAsync(received.AsMemory(count)).AsTask().WaitAsync(Guard.Time);
                    }
                }
                else
                {
                    received = Encoding.Latin1.GetBytes(await client.ReadTextAsync(Bytes));
                }
                await sending.WaitAsync(Guard.Time);
                Assert.True(content.AsSpan().SequenceEqual(received));
            }
        }
    }

    [Theory, AeronetOnly]
    public async Task A_reset_on_one_side_resets_the_other(ServerKind server)
    {
        using Target target = new();
        await using AppHost host = await StartAsync(server, target.Authority);
        (RawClient client, Socket peer) = await OpenAsync(host, target);
        using (peer)
        {
            client.Reset();
            await Assert.ThrowsAsync<SocketException>(async () => await peer.ReceiveAsync(new byte[1]).WaitAsync(Guard.Time));
        }
        (client, peer) = await OpenAsync(host, target);
        await using (client)
        {
            peer.Close(timeout: 0);
            await Assert.ThrowsAsync<IOException>(client.ReadToEndAsync);
        }
        const int ApplicationAborted = 34;
        Assert.DoesNotContain(host.Logs.Entries, static entry => entry.Id == ApplicationAborted); // the application has done nothing
    }

    [Theory, AeronetOnly]
    public async Task A_client_that_goes_in_the_middle_of_a_download_gives_its_place_back(ServerKind server)
    {
        using Target target = new();
        await using AppHost host = await StartAsync(server, target.Authority, static tunnels => tunnels.MaxConcurrentTunnels = 1);
        (RawClient client, Socket peer) = await OpenAsync(host, target);
        using (peer)
        {
            await peer.SendAsync("some"u8.ToArray());
            Assert.Equal("some", await client.ReadTextAsync(4));
            await client.DisposeAsync(); // nothing unread: FIN first, which looks like a half close, and a reset only for what comes then
            byte[] more = new byte[16 * 1024];
            await Assert.ThrowsAsync<SocketException>(async () =>
            {
                while (true)
                {
                    await peer.SendAsync(more).WaitAsync(Guard.Time);
                }
            });
        }
        await host.Logs.WaitForAsync(static entry => entry.Id == 3022);
    }

    [Theory]
    [InlineData(ServerKind.Aeronet)]
    [InlineData(ServerKind.AeronetThreadPool)]
    [InlineData(ServerKind.AeronetSockets)]
    public async Task The_end_of_the_target_does_not_overtake_what_middleware_still_holds(ServerKind server)
    {
        using Target target = new();
        await using AppHost host = await StartAsync(server, target.Authority, kestrel: static kestrel => kestrel.Listen(IPAddress.Loopback, 0, static listen => listen.Use(static next => async connection =>
        {
            IDuplexPipe own = connection.Transport;
            Pipe towardsClient = new();
            connection.Transport = new DuplexPipe(own.Input, towardsClient.Writer);
            Task pumping = PumpAsync(towardsClient.Reader, own.Output);
            await next(connection);
            await towardsClient.Writer.CompleteAsync();
            await pumping;
        })));
        (RawClient client, Socket peer) = await OpenAsync(host, target);
        await using (client)
        using (peer)
        {
            await peer.SendAsync("the answer"u8.ToArray());
            peer.Shutdown(SocketShutdown.Send);
            Assert.Equal("the answer", await client.ReadToEndAsync());
        }
    }

    private static async Task PumpAsync(PipeReader from, PipeWriter to)
    {
        ReadResult read;
        do
        {
            read = await from.ReadAsync();
            for (int i = 0; i < 1000; i++)
            {
                await Task.Yield(); // slow
            }
            foreach (ReadOnlyMemory<byte> piece in read.Buffer)
            {
                await to.WriteAsync(piece);
            }
            from.AdvanceTo(read.Buffer.End);
        }
        while (!read.IsCompleted);
    }

    private sealed record DuplexPipe(PipeReader Input, PipeWriter Output) : IDuplexPipe;

    [Theory]
    [AeronetOnly("127.0.0.1:1", 403)]
    [AeronetOnly("not-allowed.example:443", 403)]
    [AeronetOnly("does-not-exist.invalid:443", 502)]
    [AeronetOnly("allowed.invalid", 400)]
    [AeronetOnly("allowed.invalid:0", 400)]
    [AeronetOnly("allowed.invalid:70000", 400)]
    [AeronetOnly("allowed.invalid:", 400)]
    public async Task Other_targets_are_refused(ServerKind server, string authority, int status)
    {
        await using AppHost host = await StartAsync(server, "*.invalid:*");
        RawResponse response = await host.ExchangeAsync($"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n");
        Assert.Equal(status, response.Status);
    }

    [Theory, AeronetOnly]
    public async Task A_target_that_refuses_the_connection_is_a_502_and_what_follows_is_no_request(ServerKind server)
    {
        string authority;
        using (Target gone = new())
        {
            authority = gone.Authority;
        }
        await using AppHost host = await StartAsync(server, "127.0.0.1:*");
        foreach (string refused in new[] { authority, "not-allowed.example:443" })
        {
            await using RawClient client = await host.ConnectAsync();
            await client.SendAsync($"CONNECT {refused} HTTP/1.1\r\nHost: {refused}\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"); // sent without waiting for the tunnel
            RawResponse response = await client.ReadResponseAsync();
            Assert.Equal(refused == authority ? 502 : 403, response.Status);
            Assert.Equal("close", response["Connection"]);
            await client.ExpectCloseAsync();
        }
    }

    [Theory, AeronetOnly]
    public async Task Content_in_the_request_is_refused(ServerKind server)
    {
        await using AppHost host = await StartAsync(server, "*");
        Assert.Equal(400, (await host.ExchangeAsync("CONNECT 127.0.0.1:9 HTTP/1.1\r\nHost: 127.0.0.1:9\r\nContent-Length: 3\r\n\r\nabc")).Status);
    }

    [Theory, AeronetOnly]
    public async Task An_idle_tunnel_is_closed(ServerKind server)
    {
        using Target target = new();
        await using AppHost host = await StartAsync(server, target.Authority, static tunnels => tunnels.IdleTimeout = TimeSpan.FromMilliseconds(50));
        (RawClient client, Socket peer) = await OpenAsync(host, target);
        await using (client)
        using (peer)
        {
            await client.ExpectCloseAsync();
            await Assert.ThrowsAsync<SocketException>(async () => await peer.ReceiveAsync(new byte[1]).WaitAsync(Guard.Time));
        }
    }

    [Theory, AeronetOnly]
    public async Task Above_the_limit_a_request_is_refused_until_a_tunnel_ends(ServerKind server)
    {
        using Target target = new();
        await using AppHost host = await StartAsync(server, target.Authority, static tunnels => tunnels.MaxConcurrentTunnels = 1);
        (RawClient client, Socket peer) = await OpenAsync(host, target);
        Assert.Equal(503, (await host.ExchangeAsync($"CONNECT {target.Authority} HTTP/1.1\r\nHost: {target.Authority}\r\n\r\n")).Status);
        peer.Dispose();
        client.ShutdownSend();
        await client.ExpectCloseAsync();
        await client.DisposeAsync();
        await host.Logs.WaitForAsync(static entry => entry.Id == 3022);
        RawResponse again;
        do
        {
            await using RawClient next = await host.ConnectAsync();
            await next.SendAsync($"CONNECT {target.Authority} HTTP/1.1\r\nHost: {target.Authority}\r\n\r\n");
            again = await ReadHeadAsync(next);
        }
        while (again.Status == 503); // the place is given back right behind the log entry
        Assert.Equal(200, again.Status);
    }

    [Theory, AeronetOnly]
    public async Task Tunnels_and_refusals_are_counted(ServerKind server)
    {
        using Target target = new();
        await using AppHost host = await StartAsync(server, target.Authority);
        using var meters = new MeterCapture(host.Services.GetRequiredService<IMeterFactory>(), "aeronet.tunnels.active", "aeronet.tunnels.requests", "aeronet.tunnels.ended");
        (RawClient client, Socket peer) = await OpenAsync(host, target);
        await host.Logs.WaitForAsync(static entry => entry.Id == 3021); // the client may have its answer before it is counted
        Assert.Equal(1, meters.Of("aeronet.tunnels.active").Sum(static measurement => measurement.Value));
        Assert.Equal(403, (await host.ExchangeAsync("CONNECT no.example:1 HTTP/1.1\r\nHost: no.example:1\r\n\r\n")).Status);
        peer.Shutdown(SocketShutdown.Both);
        client.ShutdownSend();
        await client.ExpectCloseAsync();
        await host.Logs.WaitForAsync(static entry => entry.Id == 3022 && entry.Message.Contains("Completed", StringComparison.Ordinal));
        peer.Dispose();
        await client.DisposeAsync();
        Assert.Equal(0, meters.Of("aeronet.tunnels.active").Sum(static measurement => measurement.Value));
        Assert.Equal(2, meters.Of("aeronet.tunnels.requests").Sum(static measurement => measurement.Value));
        Assert.Equal(1, meters.Of("aeronet.tunnels.ended").Sum(static measurement => measurement.Value));
    }

    [Theory, BothServers]
    public async Task Without_tunnels_CONNECT_reaches_the_application(ServerKind server)
    {
        await using AppHost host = await AppHost.StartAsync(server, static app => app.Run(static context =>
        {
            context.Response.StatusCode = 405;
            return Task.CompletedTask;
        }));
        Assert.Equal(405, (await host.ExchangeAsync("CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n")).Status);
    }

    [Theory, AeronetOnly]
    public async Task HttpClient_reaches_a_server_behind_it(ServerKind server)
    {
        using Target target = new();
        await using AppHost host = await StartAsync(server, target.Authority);
        using HttpClient client = host.CreateClient(handler =>
        {
            handler.UseProxy = true;
            handler.Proxy = new WebProxy(host.Url);
        });
        // TLS through the tunnel is enough of a proof: the client's hello arrives at the target.
        Task<HttpResponseMessage> asking = client.GetAsync(new Uri($"https://{target.Authority}/"));
        using (Socket peer = await target.AcceptAsync())
        {
            byte[] hello = new byte[6];
            int count = 0;
            while (count < hello.Length)
            {
                count += await peer.ReceiveAsync(hello.AsMemory(count)).AsTask().WaitAsync(Guard.Time);
            }
            Assert.Equal((0x16, 0x01), (hello[0], hello[5])); // handshake, ClientHello
        }
        await Assert.ThrowsAnyAsync<HttpRequestException>(() => asking);
    }

    private static Task<AppHost> StartAsync(ServerKind server, string allow, Action<AeronetConnectTunnelOptions>? configure = null, Action<KestrelServerOptions>? kestrel = null) => AppHost.StartAsync(
        server,
        static app => app.Run(static context => context.Response.WriteAsync("application")),
        builder => builder.Services.Configure<AeronetServerOptions>(options =>
        {
            options.ConnectTunnels.Enabled = true;
            options.ConnectTunnels.Allow.Add(allow);
            configure?.Invoke(options.ConnectTunnels);
        }),
        kestrel,
        listen: kestrel is null);

    private static async Task<(RawClient Client, Socket Peer)> OpenAsync(AppHost host, Target target)
    {
        RawClient client = await host.ConnectAsync();
        await client.SendAsync($"CONNECT {target.Authority} HTTP/1.1\r\nHost: {target.Authority}\r\n\r\n");
        Assert.Equal(200, (await ReadHeadAsync(client)).Status);
        return (client, await target.AcceptAsync());
    }

    // The head only: what follows is the tunnel's.
    private static async Task<RawResponse> ReadHeadAsync(RawClient client) => await client.ReadResponseAsync(head: true);

    private static async Task<string> ReceiveAsync(Socket socket, int count)
    {
        byte[] buffer = new byte[count];
        int received = 0;
        while (received < count)
        {
            int now = await socket.ReceiveAsync(buffer.AsMemory(received)).AsTask().WaitAsync(Guard.Time);
            Assert.NotEqual(0, now);
            received += now;
        }
        return Encoding.ASCII.GetString(buffer);
    }

    private static async Task SendAllAsync(Socket socket, byte[] bytes)
    {
        for (int sent = 0; sent < bytes.Length;)
        {
            sent += await socket.SendAsync(bytes.AsMemory(sent)).AsTask().WaitAsync(Guard.Time);
        }
    }

    private sealed class Target : IDisposable
    {
        private readonly Socket _listener = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);

        public Target()
        {
            _listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
            _listener.Listen();
        }

        public string Authority => string.Create(CultureInfo.InvariantCulture, $"127.0.0.1:{((IPEndPoint)_listener.LocalEndPoint!).Port}");

        public Task<Socket> AcceptAsync() => _listener.AcceptAsync().WaitAsync(Guard.Time);

        public void Dispose() => _listener.Dispose();
    }
}
