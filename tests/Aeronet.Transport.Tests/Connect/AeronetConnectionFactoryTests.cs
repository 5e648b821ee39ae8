using System;
using System.IO;
using System.IO.Pipelines;
using System.Net;
using System.Net.Http;
using System.Net.Sockets;
using System.Threading;
using System.Threading.Tasks;
using Aeronet.TestSupport.Hosting;
using Aeronet.TestSupport.Wire;
using Aeronet.Transport.Connect;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Xunit;

namespace Aeronet.Transport.Tests.Connect;

public sealed class AeronetConnectionFactoryTests
{
    [Theory]
    [InlineData(TransportBackend.Epoll, "127.0.0.1")]
    [InlineData(TransportBackend.Epoll, "::1")]
    [InlineData(TransportBackend.Sockets, "127.0.0.1")]
    [InlineData(TransportBackend.Sockets, "::1")]
    public async Task Connects_over_TCP(TransportBackend backend, string address)
    {
        using Socket listener = Listen(new IPEndPoint(IPAddress.Parse(address), 0));
        await using AeronetConnectionFactory factory = Factory(backend);
        await using ConnectionContext connection = await ConnectAsync(factory, listener.LocalEndPoint!);
        using Socket server = await listener.AcceptAsync().WaitAsync(Guard.Time);
        Assert.Equal(listener.LocalEndPoint, connection.RemoteEndPoint);
        Assert.Equal(server.RemoteEndPoint, connection.LocalEndPoint);
        await AssertTalksAsync(connection, server);
    }

    [Theory]
    [InlineData(TransportBackend.Epoll)]
    [InlineData(TransportBackend.Sockets)]
    public async Task Connects_to_Unix_domain_sockets(TransportBackend backend)
    {
        string path = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());
        using Socket listener = Listen(new UnixDomainSocketEndPoint(path));
        await using AeronetConnectionFactory factory = Factory(backend);
        await using ConnectionContext connection = await ConnectAsync(factory, new UnixDomainSocketEndPoint(path));
        using Socket server = await listener.AcceptAsync().WaitAsync(Guard.Time);
        Assert.Equal(path, connection.RemoteEndPoint!.ToString());
        await AssertTalksAsync(connection, server);
        File.Delete(path);
    }

    [Theory]
    [InlineData(TransportBackend.Epoll)]
    [InlineData(TransportBackend.Sockets)]
    public async Task Tries_the_addresses_of_a_name(TransportBackend backend)
    {
        using Socket listener = Listen(new IPEndPoint(IPAddress.Loopback, 0)); // localhost may be ::1 first, where nobody listens
        await using AeronetConnectionFactory factory = Factory(backend);
        await using ConnectionContext connection = await ConnectAsync(factory, new DnsEndPoint("localhost", ((IPEndPoint)listener.LocalEndPoint!).Port));
        using Socket server = await listener.AcceptAsync().WaitAsync(Guard.Time);
        await AssertTalksAsync(connection, server);
    }

    [Theory]
    [InlineData(TransportBackend.Epoll)]
    [InlineData(TransportBackend.Sockets)]
    public async Task A_peer_that_speaks_first_is_heard(TransportBackend backend)
    {
        using Socket listener = Listen(new IPEndPoint(IPAddress.Loopback, 0));
        await using AeronetConnectionFactory factory = Factory(backend);
        for (int i = 0; i < 20; i++)
        {
            Task<Socket> accepting = listener.AcceptAsync();
            Task speaking = accepting.ContinueWith(static accepted => accepted.Result.Send("banner"u8), TaskScheduler.Default);
            await using ConnectionContext connection = await ConnectAsync(factory, listener.LocalEndPoint!);
            ReadResult result = await connection.Transport.Input.ReadAtLeastAsync(6).AsTask().WaitAsync(Guard.Time);
            Assert.Equal(6, result.Buffer.Length);
            await speaking.WaitAsync(Guard.Time);
            (await accepting).Dispose();
        }
    }

    [Theory]
    [InlineData(TransportBackend.Epoll)]
    [InlineData(TransportBackend.Sockets)]
    public async Task A_refusal_is_a_SocketException(TransportBackend backend)
    {
        EndPoint free;
        using (Socket listener = Listen(new IPEndPoint(IPAddress.Loopback, 0)))
        {
            free = listener.LocalEndPoint!;
        }
        await using AeronetConnectionFactory factory = Factory(backend);
        SocketException refused = await Assert.ThrowsAsync<SocketException>(() => ConnectAsync(factory, free));
        Assert.Equal(SocketError.ConnectionRefused, refused.SocketErrorCode);
        SocketException absent = await Assert.ThrowsAsync<SocketException>(() => ConnectAsync(factory, new UnixDomainSocketEndPoint("/tmp/no-such-socket-of-ours")));
        Assert.Equal(SocketError.AddressNotAvailable, absent.SocketErrorCode);
    }

    [Theory]
    [InlineData(TransportBackend.Epoll)]
    [InlineData(TransportBackend.Sockets)]
    public async Task A_token_ends_an_attempt(TransportBackend backend)
    {
        // A listener whose queue is full answers no further SYN.
        using Socket listener = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen(0);
        await using AeronetConnectionFactory factory = Factory(backend);
        using CancellationTokenSource source = new();
        Task<ConnectionContext>[] attempts = new Task<ConnectionContext>[8];
        for (int i = 0; i < attempts.Length; i++)
        {
            attempts[i] = factory.ConnectAsync(listener.LocalEndPoint!, source.Token).AsTask();
        }
        await attempts[0].WaitAsync(Guard.Time);
        await source.CancelAsync();
        int cancelled = 0;
        foreach (Task<ConnectionContext> attempt in attempts)
        {
            try
            {
                await (await attempt.WaitAsync(Guard.Time)).DisposeAsync();
            }
            catch (OperationCanceledException exception)
            {
                Assert.Equal(source.Token, exception.CancellationToken);
                cancelled++;
            }
        }
        Assert.InRange(cancelled, 1, attempts.Length - 1);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await factory.ConnectAsync(listener.LocalEndPoint!, source.Token));
    }

    [Theory]
    [InlineData(TransportBackend.Epoll)]
    [InlineData(TransportBackend.Sockets)]
    public async Task Other_endpoints_and_a_disposed_factory_are_refused(TransportBackend backend)
    {
        AeronetConnectionFactory factory = Factory(backend);
        await Assert.ThrowsAsync<NotSupportedException>(async () => await factory.ConnectAsync(new NamedPipeEndPoint("x")));
        await factory.DisposeAsync();
        await factory.DisposeAsync();
        await Assert.ThrowsAsync<ObjectDisposedException>(async () => await factory.ConnectAsync(new IPEndPoint(IPAddress.Loopback, 1)));
    }

    [Theory]
    [InlineData(TransportBackend.Epoll, PipeScheduling.Inline)]
    [InlineData(TransportBackend.Epoll, PipeScheduling.ThreadPool)]
    [InlineData(TransportBackend.Sockets, PipeScheduling.Inline)]
    public async Task HttpClient_works_on_it(TransportBackend backend, PipeScheduling scheduling)
    {
        byte[] content = new byte[700_000];
        Random.Shared.NextBytes(content);
        await using AppHost host = await AppHost.StartAsync(ServerKind.KestrelOnAeronet, app => Microsoft.AspNetCore.Builder.RunExtensions.Run(app, async context =>
            await context.Request.Body.CopyToAsync(context.Response.Body)));
        await using AeronetConnectionFactory factory = Factory(backend, scheduling);
        using HttpClient client = host.CreateClient(handler => handler.ConnectCallback = async (context, cancellationToken) =>
            new ConnectionStream(await factory.ConnectAsync(context.DnsEndPoint, cancellationToken)));
        for (int i = 0; i < 5; i++)
        {
            using HttpResponseMessage response = await client.PostAsync(new Uri("/", UriKind.Relative), new ByteArrayContent(content));
            Assert.Equal(content, await response.Content.ReadAsByteArrayAsync());
        }
    }

    [Theory]
    [InlineData(TransportBackend.Epoll)]
    [InlineData(TransportBackend.Sockets)]
    public async Task Exceptions_of_HttpClient_on_it_say_who_has_cancelled(TransportBackend backend)
    {
        using Socket listener = Listen(new IPEndPoint(IPAddress.Loopback, 0));
        await using AeronetConnectionFactory factory = Factory(backend);
        using HttpMessageInvoker client = new(new SocketsHttpHandler
        {
            ConnectCallback = async (context, cancellationToken) => new ConnectionStream(await factory.ConnectAsync(listener.LocalEndPoint!, cancellationToken)),
        });
        using CancellationTokenSource caller = new();
        Task<HttpResponseMessage> unanswered = client.SendAsync(new HttpRequestMessage(HttpMethod.Get, "http://a/"), caller.Token);
        using (Socket server = await listener.AcceptAsync().WaitAsync(Guard.Time))
        {
            Assert.NotEqual(0, await server.ReceiveAsync(new byte[1000]).WaitAsync(Guard.Time));
            await caller.CancelAsync();
            Assert.Equal(caller.Token, (await Assert.ThrowsAsync<TaskCanceledException>(() => unanswered.WaitAsync(Guard.Time))).CancellationToken);
        }
        Task<HttpResponseMessage> answered = client.SendAsync(new HttpRequestMessage(HttpMethod.Get, "http://a/"), CancellationToken.None);
        using (Socket server = await listener.AcceptAsync().WaitAsync(Guard.Time))
        {
            await server.SendAsync("HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n"u8.ToArray());
            HttpResponseMessage response = await answered.WaitAsync(Guard.Time);
            Stream content = await response.Content.ReadAsStreamAsync();
            Task<int> reading = content.ReadAsync(new byte[10]).AsTask();
            response.Dispose(); // too much is left to drain: it ends the connection
            await Assert.ThrowsAnyAsync<IOException>(() => reading.WaitAsync(Guard.Time)); // nobody has cancelled
        }
    }

    [Fact]
    public async Task A_stream_that_is_disposed_of_says_so()
    {
        using Socket listener = Listen(new IPEndPoint(IPAddress.Loopback, 0));
        await using AeronetConnectionFactory factory = Factory(TransportBackend.Epoll);
        ConnectionStream stream = new(await ConnectAsync(factory, listener.LocalEndPoint!));
        await stream.DisposeAsync();
        await Assert.ThrowsAsync<ObjectDisposedException>(() => stream.ReadAsync(new byte[1], 0, 1));
        await Assert.ThrowsAsync<ObjectDisposedException>(() => stream.WriteAsync(new byte[1], 0, 1));
        Assert.Throws<ObjectDisposedException>(() => stream.Read(new byte[1], 0, 1));
    }

    private static async Task AssertTalksAsync(ConnectionContext connection, Socket server)
    {
        await connection.Transport.Output.WriteAsync("ping"u8.ToArray());
        Assert.Equal(4, await server.ReceiveAsync(new byte[10]).WaitAsync(Guard.Time));
        await server.SendAsync("pong!"u8.ToArray());
        ReadResult result = await connection.Transport.Input.ReadAtLeastAsync(5).AsTask().WaitAsync(Guard.Time);
        Assert.Equal(5, result.Buffer.Length);
        connection.Transport.Input.AdvanceTo(result.Buffer.End);
        server.Shutdown(SocketShutdown.Both);
        Assert.True((await connection.Transport.Input.ReadAsync().AsTask().WaitAsync(Guard.Time)).IsCompleted);
    }

    private static Socket Listen(EndPoint endPoint)
    {
        Socket listener = new(endPoint.AddressFamily, SocketType.Stream, endPoint is IPEndPoint ? ProtocolType.Tcp : ProtocolType.Unspecified);
        listener.Bind(endPoint);
        listener.Listen();
        return listener;
    }

    private static Task<ConnectionContext> ConnectAsync(AeronetConnectionFactory factory, EndPoint endPoint) => factory.ConnectAsync(endPoint).AsTask().WaitAsync(Guard.Time);

    private static AeronetConnectionFactory Factory(TransportBackend backend, PipeScheduling scheduling = PipeScheduling.Inline) =>
        new(Options.Create(new AeronetTransportOptions { Backend = backend, IOThreadCount = 1, PipeScheduling = scheduling }), NullLoggerFactory.Instance);
}
