using System;
using System.Collections.Generic;
using System.IO;
using System.IO.Pipelines;
using System.Linq;
using System.Net;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using System.Threading;
using System.Threading.Tasks;
using Aeronet.TestSupport.Hosting;
using Aeronet.Transport.Loop;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Xunit;

namespace Aeronet.Transport.Tests;

public sealed class AeronetTransportFactoryTests
{
    [Theory]
    [InlineData(TransportBackend.Epoll, "127.0.0.1", "127.0.0.1")]
    [InlineData(TransportBackend.Epoll, "::1", "::1")]
    [InlineData(TransportBackend.Epoll, "::", "127.0.0.1")]
    [InlineData(TransportBackend.Epoll, "::", "::1")]
    [InlineData(TransportBackend.Epoll, "0.0.0.0", "127.0.0.1")]
    [InlineData(TransportBackend.Sockets, "127.0.0.1", "127.0.0.1")]
    [InlineData(TransportBackend.Sockets, "::1", "::1")]
    [InlineData(TransportBackend.Sockets, "::", "127.0.0.1")]
    [InlineData(TransportBackend.Sockets, "0.0.0.0", "127.0.0.1")]
    public async Task Listens_on_IP_endpoints_with_a_free_port(TransportBackend backend, string listen, string connect)
    {
        await using IConnectionListener listener = await Factory(options => options.Backend = backend).BindAsync(new IPEndPoint(IPAddress.Parse(listen), 0));
        int port = ((IPEndPoint)listener.EndPoint).Port;
        Assert.NotEqual(0, port);
        using Socket client = await ConnectAsync(new IPEndPoint(IPAddress.Parse(connect), port));
        await using ConnectionContext connection = await AcceptAsync(listener);
        await AssertEchoesAsync(client, connection);
        Assert.Equal(port, ((IPEndPoint)connection.LocalEndPoint!).Port);
        Assert.Equal(((IPEndPoint)client.LocalEndPoint!).Port, ((IPEndPoint)connection.RemoteEndPoint!).Port);
    }

    [Theory]
    [InlineData(TransportBackend.Epoll)]
    [InlineData(TransportBackend.Sockets)]
    public async Task Listens_on_Unix_domain_sockets(TransportBackend backend)
    {
        string path = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());
        await using (IConnectionListener listener = await Factory(options => options.Backend = backend).BindAsync(new UnixDomainSocketEndPoint(path)))
        {
            using Socket client = await ConnectAsync(new UnixDomainSocketEndPoint(path));
            await using ConnectionContext connection = await AcceptAsync(listener);
            await AssertEchoesAsync(client, connection);
        }
        Assert.False(File.Exists(path));
    }

    [Theory]
    [InlineData(TransportBackend.Epoll)]
    [InlineData(TransportBackend.Sockets)]
    public async Task Listens_on_inherited_handles(TransportBackend backend)
    {
        using Socket inherited = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        inherited.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        FileHandleEndPoint handle = new((ulong)inherited.Handle, FileHandleType.Tcp);
        await using IConnectionListener listener = await Factory(options => options.Backend = backend).BindAsync(handle);
        using Socket client = await ConnectAsync(inherited.LocalEndPoint!);
        await using ConnectionContext connection = await AcceptAsync(listener);
        await AssertEchoesAsync(client, connection);
    }

    [Fact]
    public void Declines_what_it_cannot_bind()
    {
        AeronetTransportFactory factory = Factory();
        Assert.True(factory.CanBind(new IPEndPoint(IPAddress.Any, 80)));
        Assert.True(factory.CanBind(new UnixDomainSocketEndPoint("/tmp/x")));
        Assert.True(factory.CanBind(new FileHandleEndPoint(3, FileHandleType.Auto)));
        Assert.True(factory.CanBind(new FileHandleEndPoint(3, FileHandleType.Tcp)));
        Assert.False(factory.CanBind(new FileHandleEndPoint(3, FileHandleType.Pipe)));
        Assert.False(factory.CanBind(new DnsEndPoint("localhost", 80)));
        Assert.False(factory.CanBind(new NamedPipeEndPoint("pipe")));
    }

    [Fact]
    public async Task With_the_portable_backend_the_options_hold_and_those_that_cannot_are_named_once()
    {
        LogCapture logs = new();
        AeronetTransportFactory factory = Factory(
            options =>
            {
                options.Backend = TransportBackend.Sockets;
                options.ReusePort = true;
                options.UnixSocketMode = UnixFileMode.UserRead;
                options.FinOnError = true;
                options.CreateBoundListenSocket = static endPoint => SocketTransportOptions.CreateDefaultBoundListenSocket(new IPEndPoint(IPAddress.Loopback, ((IPEndPoint)endPoint).Port));
            },
            logs);
        Assert.True(factory.CanBind(new IPEndPoint(IPAddress.Any, 0))); // declined, it would go to sockets that know nothing of our options
        for (int i = 0; i < 2; i++)
        {
            await using IConnectionListener listener = await factory.BindAsync(new IPEndPoint(IPAddress.Any, 0));
            Assert.Equal(IPAddress.Loopback, ((IPEndPoint)listener.EndPoint).Address);
        }
        Assert.EndsWith("Sockets: ReusePort, UnixSocketMode, FinOnError.", Assert.Single(logs.Entries, static entry => entry.Id == 1005).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(TransportBackend.Epoll)]
    [InlineData(TransportBackend.Sockets)]
    public async Task Options_that_come_without_a_host_are_validated_too(TransportBackend backend)
    {
        AeronetTransportFactory factory = Factory(options =>
        {
            options.Backend = backend;
            options.Backlog = 0;
        });
        OptionsValidationException wrong = await Assert.ThrowsAsync<OptionsValidationException>(async () => await factory.BindAsync(new IPEndPoint(IPAddress.Loopback, 0)));
        Assert.Contains("Backlog is 0", wrong.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(TransportBackend.Epoll)]
    [InlineData(TransportBackend.Sockets)]
    public async Task What_cannot_be_bound_is_refused(TransportBackend backend)
    {
        AeronetTransportFactory factory = Factory(options => options.Backend = backend);
        await using IConnectionListener first = await factory.BindAsync(new IPEndPoint(IPAddress.Loopback, 0));
        await Assert.ThrowsAsync<AddressInUseException>(async () => await factory.BindAsync(first.EndPoint));
        await Assert.ThrowsAsync<NotSupportedException>(async () => await factory.BindAsync(new DnsEndPoint("localhost", 80)));
    }

    [Fact]
    public async Task An_address_in_use_is_refused_and_its_loops_end()
    {
        LogCapture logs = new();
        await using IConnectionListener first = await Factory().BindAsync(new IPEndPoint(IPAddress.Loopback, 0));
        AeronetTransportFactory second = Factory(logs: logs);
        await Assert.ThrowsAsync<AddressInUseException>(async () => await second.BindAsync(first.EndPoint));
        await logs.WaitForAsync(static entry => entry.Id == 1001); // LoopsEnded
    }

    [Fact]
    public async Task Endpoints_share_the_loops_which_end_with_the_last_connection()
    {
        LogCapture logs = new();
        AeronetTransportFactory factory = Factory(logs: logs);
        IConnectionListener first = await factory.BindAsync(new IPEndPoint(IPAddress.Loopback, 0));
        IConnectionListener second = await factory.BindAsync(new IPEndPoint(IPAddress.Loopback, 0));
        Assert.Single(logs.Entries, static entry => entry.Id == 1000); // LoopsStarted
        using Socket client = await ConnectAsync(second.EndPoint);
        ConnectionContext connection = await AcceptAsync(second);
        await first.DisposeAsync();
        await second.DisposeAsync();
        Assert.DoesNotContain(logs.Entries, static entry => entry.Id == 1001);
        await AssertEchoesAsync(client, connection); // it outlives its listener
        await connection.DisposeAsync();
        await logs.WaitForAsync(static entry => entry.Id == 1001);
        await using IConnectionListener third = await factory.BindAsync(new IPEndPoint(IPAddress.Loopback, 0)); // and may begin again
        using Socket again = await ConnectAsync(third.EndPoint);
        await using ConnectionContext served = await AcceptAsync(third);
        await AssertEchoesAsync(again, served);
    }

    [Theory]
    [InlineData(TransportBackend.Epoll)]
    [InlineData(TransportBackend.Sockets)]
    public async Task Unbinding_refuses_new_connections_and_leaves_those_there_are(TransportBackend backend)
    {
        await using IConnectionListener listener = await Factory(options => options.Backend = backend).BindAsync(new IPEndPoint(IPAddress.Loopback, 0));
        using Socket client = await ConnectAsync(listener.EndPoint);
        await using ConnectionContext connection = await AcceptAsync(listener);
        Task<ConnectionContext?> waiting = listener.AcceptAsync().AsTask();
        await listener.UnbindAsync().AsTask().WaitAsync(Guard.Time);
        Assert.Null(await waiting.WaitAsync(Guard.Time));
        SocketException refused = await Assert.ThrowsAsync<SocketException>(() => ConnectAsync(listener.EndPoint));
        Assert.Equal(SocketError.ConnectionRefused, refused.SocketErrorCode);
        await AssertEchoesAsync(client, connection);
    }

    [Fact]
    public async Task Unbinding_refuses_new_connections_and_gives_null_behind_those_accepted_before()
    {
        await using IConnectionListener listener = await Factory().BindAsync(new IPEndPoint(IPAddress.Loopback, 0));
        Task<ConnectionContext?> waiting = listener.AcceptAsync().AsTask();
        using Socket first = await ConnectAsync(listener.EndPoint);
        await using ConnectionContext? taken = await waiting.WaitAsync(Guard.Time);
        using Socket second = await ConnectAsync(listener.EndPoint);
        using CancellationTokenSource cancelled = new();
        await cancelled.CancelAsync();
        await listener.UnbindAsync(cancelled.Token).AsTask().WaitAsync(Guard.Time); // the token is not looked at
        await listener.UnbindAsync().AsTask().WaitAsync(Guard.Time);
        await using ConnectionContext other = await AcceptAsync(listener);
        await AssertEchoesAsync(first, taken!);
        await AssertEchoesAsync(second, other);
        Assert.Null(await listener.AcceptAsync().AsTask().WaitAsync(Guard.Time));
        SocketException refused = await Assert.ThrowsAsync<SocketException>(() => ConnectAsync(listener.EndPoint));
        Assert.Equal(SocketError.ConnectionRefused, refused.SocketErrorCode);
    }

    [Fact]
    public async Task A_waiting_accept_can_be_cancelled_and_the_next_one_works()
    {
        await using IConnectionListener listener = await Factory().BindAsync(new IPEndPoint(IPAddress.Loopback, 0));
        using CancellationTokenSource source = new();
        Task waiting = listener.AcceptAsync(source.Token).AsTask();
        await source.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting.WaitAsync(Guard.Time));
        using Socket client = await ConnectAsync(listener.EndPoint);
        await using ConnectionContext connection = await AcceptAsync(listener);
    }

    [Fact]
    public async Task Connections_that_nobody_takes_are_ended_with_the_listener_and_above_the_limit_at_once()
    {
        LogCapture logs = new();
        IConnectionListener listener = await Factory(options => options.Backlog = 1, logs).BindAsync(new IPEndPoint(IPAddress.Loopback, 0));
        using Socket kept = await ConnectAsync(listener.EndPoint);
        await Assert.ThrowsAsync<SocketException>(async () =>
        {
            using Socket refused = await ConnectAsync(listener.EndPoint);
            await refused.ReceiveAsync(new byte[1]).WaitAsync(Guard.Time);
        });
        await logs.WaitForAsync(static entry => entry.Id == 1025);
        await listener.DisposeAsync().AsTask().WaitAsync(Guard.Time);
        await Assert.ThrowsAsync<SocketException>(async () => await kept.ReceiveAsync(new byte[1]).WaitAsync(Guard.Time));
    }

    [Fact]
    public async Task A_connection_has_what_Kestrels_own_transport_gives()
    {
        await using IConnectionListener listener = await Factory().BindAsync(new IPEndPoint(IPAddress.Loopback, 0));
        using Socket client = await ConnectAsync(listener.EndPoint);
        ConnectionContext connection = await AcceptAsync(listener);
        IFeatureCollection features = connection.Features;
        Assert.Equal(13, connection.ConnectionId.Length);
        Assert.Equal(connection.ConnectionId, features.Get<IConnectionIdFeature>()!.ConnectionId);
        connection.ConnectionId = "mine";
        Assert.Equal("mine", features.Get<IConnectionIdFeature>()!.ConnectionId);
        connection.Items["key"] = "value";
        Assert.Equal("value", features.Get<IConnectionItemsFeature>()!.Items["key"]);
        Assert.Equal(4096, features.Get<IMemoryPoolFeature>()!.MemoryPool.MaxBufferSize);
        Assert.Equal(connection.ConnectionClosed, features.Get<IConnectionLifetimeFeature>()!.ConnectionClosed);
        Assert.Equal(connection.LocalEndPoint, features.Get<IConnectionEndPointFeature>()!.LocalEndPoint);
        Assert.Equal(client.LocalEndPoint, connection.RemoteEndPoint);
        Assert.NotNull(features.Get<IConnectionHeartbeatFeature>());

        Socket socket = features.Get<IConnectionSocketFeature>()!.Socket;
        Assert.Equal(client.LocalEndPoint, socket.RemoteEndPoint);
        Assert.Equal(1, (int)socket.GetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.NoDelay)!);

        IDuplexPipe original = connection.Transport;
        Assert.Same(original, features.Get<IConnectionTransportFeature>()!.Transport);
        IDuplexPipe replacement = new Replacement(original);
        features.Get<IConnectionTransportFeature>()!.Transport = replacement;
        Assert.Same(replacement, connection.Transport);
        connection.Transport = original;

        TaskCompletionSource requested = new(TaskCreationOptions.RunContinuationsAsynchronously);
        features.Get<IConnectionLifetimeNotificationFeature>()!.ConnectionClosedRequested.Register(requested.SetResult);
        features.Get<IConnectionLifetimeNotificationFeature>()!.RequestClose();
        await requested.Task.WaitAsync(Guard.Time);

        TaskCompletionSource completed = new(TaskCreationOptions.RunContinuationsAsynchronously);
        features.Get<IConnectionCompleteFeature>()!.OnCompleted(static state =>
        {
            ((TaskCompletionSource)state).SetResult();
            return Task.CompletedTask;
        }, completed);
        await connection.DisposeAsync().AsTask().WaitAsync(Guard.Time);
        await connection.DisposeAsync().AsTask().WaitAsync(Guard.Time);
        Assert.True(connection.ConnectionClosed.IsCancellationRequested);
        await completed.Task.WaitAsync(Guard.Time);
        Assert.Equal(0, await client.ReceiveAsync(new byte[1]).WaitAsync(Guard.Time));
    }

    [Fact]
    public async Task The_closed_token_fires_when_the_peer_finishes_and_the_answer_can_still_be_sent()
    {
        await using IConnectionListener listener = await Factory().BindAsync(new IPEndPoint(IPAddress.Loopback, 0));
        using Socket client = await ConnectAsync(listener.EndPoint);
        await using ConnectionContext connection = await AcceptAsync(listener);
        TaskCompletionSource closed = new(TaskCreationOptions.RunContinuationsAsynchronously);
        connection.ConnectionClosed.Register(closed.SetResult);
        await client.SendAsync("question"u8.ToArray());
        client.Shutdown(SocketShutdown.Send);
        await closed.Task.WaitAsync(Guard.Time);
        ReadResult result = await connection.Transport.Input.ReadAtLeastAsync(9).AsTask().WaitAsync(Guard.Time);
        Assert.True(result.IsCompleted);
        Assert.Equal(8, result.Buffer.Length);
        await connection.Transport.Output.WriteAsync("answer"u8.ToArray());
        byte[] answer = new byte[6];
        Assert.Equal(6, await client.ReceiveAsync(answer).WaitAsync(Guard.Time));
    }

    [Theory]
    [InlineData(PipeScheduling.Inline, false)]
    [InlineData(PipeScheduling.ThreadPool, true)]
    public async Task Code_that_waits_goes_on_where_the_option_says(PipeScheduling scheduling, bool isThreadPool)
    {
        await using IConnectionListener listener = await Factory(options => options.PipeScheduling = scheduling).BindAsync(new IPEndPoint(IPAddress.Loopback, 0));
        using Socket client = await ConnectAsync(listener.EndPoint);
        await using ConnectionContext connection = await AcceptAsync(listener);
        TaskCompletionSource<bool> where = new(TaskCreationOptions.RunContinuationsAsynchronously);
#pragma warning disable CA2012 // the continuation is what is looked at
        ValueTaskAwaiter<ReadResult> read = connection.Transport.Input.ReadAsync().GetAwaiter();
#pragma warning restore CA2012
        read.UnsafeOnCompleted(() => where.SetResult(Thread.CurrentThread.IsThreadPoolThread));
        await client.SendAsync("x"u8.ToArray());
        Assert.Equal(isThreadPool, await where.Task.WaitAsync(Guard.Time));
    }

    [Theory]
    [InlineData(PipeScheduling.Inline)]
    [InlineData(PipeScheduling.ThreadPool)]
    public async Task An_abort_is_never_taken_for_the_peer_s_end(PipeScheduling scheduling)
    {
        // On Unix sockets the hang-up that an abort causes looks like the peer's FIN: half an answer would look whole.
        string path = Path.Combine(Path.GetTempPath(), "aeronet-" + Guid.NewGuid().ToString("N"));
        await using IConnectionListener listener = await Factory(options => options.PipeScheduling = scheduling).BindAsync(new UnixDomainSocketEndPoint(path));
        for (int i = 0; i < 200; i++)
        {
            using Socket client = await ConnectAsync(listener.EndPoint);
            await using ConnectionContext connection = await AcceptAsync(listener);
            Task<ReadResult> read = connection.Transport.Input.ReadAsync().AsTask();
            ConnectionAbortedException reason = new("enough");
            connection.Abort(reason);
            Assert.Same(reason, await Assert.ThrowsAsync<ConnectionAbortedException>(() => read.WaitAsync(Guard.Time)));
        }
    }

    [Fact]
    public async Task The_application_may_make_the_listening_socket()
    {
        List<EndPoint> asked = [];
        ServiceCollection services = new();
        services.Configure<SocketTransportOptions>(sockets =>
        {
            sockets.Backlog = 1_000_000; // Kestrel takes it, and the kernel cuts it
            sockets.CreateBoundListenSocket = endPoint =>
            {
                asked.Add(endPoint);
                return SocketTransportOptions.CreateDefaultBoundListenSocket(endPoint);
            };
        });
        services.AddAeronetTransport(static options => options.IOThreadCount = 2);
        await using ServiceProvider provider = services.BuildServiceProvider();
        AeronetTransportFactory factory = provider.GetServices<IConnectionListenerFactory>().OfType<AeronetTransportFactory>().Single();
        IConnectionListener listener = await factory.BindAsync(new IPEndPoint(IPAddress.Loopback, 0));
        IPEndPoint bound = Assert.IsType<IPEndPoint>(listener.EndPoint);
        Assert.Equal([new IPEndPoint(IPAddress.Loopback, 0)], asked);
        await Assert.ThrowsAsync<AddressInUseException>(() => factory.BindAsync(bound).AsTask());
        using (Socket client = await ConnectAsync(bound))
        {
            await using ConnectionContext connection = await AcceptAsync(listener);
        }
        await listener.DisposeAsync();
        await Assert.ThrowsAsync<SocketException>(() => ConnectAsync(bound)); // closed with the listener
    }

    [Fact]
    public async Task Features_that_are_made_after_the_end_know_of_it()
    {
        await using IConnectionListener listener = await Factory().BindAsync(new IPEndPoint(IPAddress.Loopback, 0));
        using Socket client = await ConnectAsync(listener.EndPoint);
        ConnectionContext connection = await AcceptAsync(listener);
        await connection.DisposeAsync();
        Assert.True(connection.ConnectionClosed.IsCancellationRequested);
        Assert.Throws<InvalidOperationException>(() => connection.Features.Get<IConnectionCompleteFeature>()!.OnCompleted(static _ => Task.CompletedTask, new object()));
        Assert.Throws<ObjectDisposedException>(() => connection.Features.Get<IConnectionSocketFeature>()!.Socket);
    }

    [Fact]
    [Trait("Defect", "LOOP-9")]
    public async Task Ten_thousand_connections_in_waves_leave_nothing_behind()
    {
        const int Waves = 10;
        int perWave = 1000; // each has two descriptors in this process
        SharedLoops loops = new(Options.Create(new AeronetTransportOptions { IOThreadCount = 2 }), NullLoggerFactory.Instance);
        EventLoopGroup group = loops.Acquire();
        AeronetTransportFactory factory = new(Options.Create(group.Options), NullLoggerFactory.Instance, loops);
        await using IConnectionListener listener = await factory.BindAsync(new IPEndPoint(IPAddress.Loopback, 0));
        Task serving = ServeAsync(listener);
        for (int wave = 0; wave < Waves; wave++)
        {
            for (int left = perWave; left > 0; left -= 250)
            {
                Socket[] clients = new Socket[Math.Min(left, 250)];
                for (int i = 0; i < clients.Length; i++)
                {
                    clients[i] = await ConnectAsync(listener.EndPoint);
                }
                foreach (Socket client in clients)
                {
                    await client.SendAsync("ping"u8.ToArray());
                }
                foreach (Socket client in clients)
                {
                    Assert.Equal(4, await client.ReceiveAsync(new byte[10]).WaitAsync(Guard.Time));
                    client.Dispose();
                }
            }
            await group.WhenEmptyAsync().WaitAsync(Guard.Time);
            foreach (LoopContext loop in group.Loops)
            {
                Assert.True(SpinWait.SpinUntil(() => loop.Blocks.RentedCount == 0, Guard.Time));
            }
        }
        await listener.UnbindAsync();
        await serving.WaitAsync(Guard.Time);
        await loops.ReleaseAsync();
    }

    [Fact]
    public async Task A_storm_of_resets_leaves_nothing_behind_and_is_not_logged_above_Debug()
    {
        LogCapture logs = new();
        using LoggerFactory loggers = new([logs], new LoggerFilterOptions { MinLevel = LogLevel.Trace });
        SharedLoops loops = new(Options.Create(new AeronetTransportOptions { IOThreadCount = 2 }), loggers);
        EventLoopGroup group = loops.Acquire();
        AeronetTransportFactory factory = new(Options.Create(group.Options), loggers, loops);
        await using IConnectionListener listener = await factory.BindAsync(new IPEndPoint(IPAddress.Loopback, 0));
        Task serving = ServeAsync(listener);
        await Parallel.ForAsync(0, 16, async (index, cancellationToken) =>
        {
            Random random = new(index);
            for (int i = 0; i < 60; i++)
            {
                using Socket client = await ConnectAsync(listener.EndPoint);
                byte[] bytes = new byte[random.Next(1, 100_000)];
                bool resets = random.Next(2) == 0;
                Task sending = client.SendAsync(bytes, cancellationToken).AsTask();
                if (resets)
                {
                    for (int yields = random.Next(20); yields > 0; yields--)
                    {
                        await Task.Yield();
                    }
                    client.Close(0);
                    await sending.ContinueWith(static sent => sent.Exception, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default); // fails or not
                    continue;
                }
                for (int left = bytes.Length; left > 0;)
                {
                    int got = await client.ReceiveAsync(bytes, cancellationToken).AsTask().WaitAsync(Guard.Time, cancellationToken);
                    Assert.True(got > 0);
                    left -= got;
                }
                await sending;
            }
        });
        await group.WhenEmptyAsync().WaitAsync(Guard.Time);
        foreach (LoopContext loop in group.Loops)
        {
            Assert.True(SpinWait.SpinUntil(() => loop.Blocks.RentedCount == 0, Guard.Time));
        }
        await listener.UnbindAsync();
        await serving.WaitAsync(Guard.Time);
        await loops.ReleaseAsync();
        Assert.DoesNotContain(logs.Entries, static entry => entry.Level > LogLevel.Debug);
    }

    /// <summary>Takes connections as Kestrel does, and echoes on each.</summary>
    private static async Task ServeAsync(IConnectionListener listener)
    {
        while (await listener.AcceptAsync() is { } connection)
        {
            ThreadPool.UnsafeQueueUserWorkItem(static connection => _ = EchoAsync(connection), connection, preferLocal: false);
        }
    }

    private static async Task EchoAsync(ConnectionContext connection)
    {
        try
        {
            while (true)
            {
                ReadResult result = await connection.Transport.Input.ReadAsync();
                foreach (ReadOnlyMemory<byte> piece in result.Buffer)
                {
                    await connection.Transport.Output.WriteAsync(piece);
                }
                connection.Transport.Input.AdvanceTo(result.Buffer.End);
                if (result.IsCompleted)
                {
                    break;
                }
            }
        }
        catch (ConnectionResetException)
        {
            // The peer's choice.
        }
        finally
        {
            await connection.DisposeAsync();
        }
    }

    private static async Task AssertEchoesAsync(Socket client, ConnectionContext connection)
    {
        await client.SendAsync("ping"u8.ToArray());
        ReadResult result = await connection.Transport.Input.ReadAtLeastAsync(4).AsTask().WaitAsync(Guard.Time);
        Assert.Equal(4, result.Buffer.Length);
        connection.Transport.Input.AdvanceTo(result.Buffer.End);
        await connection.Transport.Output.WriteAsync("pong"u8.ToArray());
        Assert.Equal(4, await client.ReceiveAsync(new byte[10]).WaitAsync(Guard.Time));
    }

    private static async Task<ConnectionContext> AcceptAsync(IConnectionListener listener)
    {
        ConnectionContext? connection = await listener.AcceptAsync().AsTask().WaitAsync(Guard.Time);
        await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding); // away from the loop's thread
        return connection!;
    }

    private static async Task<Socket> ConnectAsync(EndPoint endPoint)
    {
        Socket client = new(endPoint.AddressFamily, SocketType.Stream, endPoint is IPEndPoint ? ProtocolType.Tcp : ProtocolType.Unspecified);
        try
        {
            await client.ConnectAsync(endPoint);
            return client;
        }
        catch
        {
            client.Dispose();
            throw;
        }
    }

    private static AeronetTransportFactory Factory(Action<AeronetTransportOptions>? configure = null, LogCapture? logs = null)
    {
        AeronetTransportOptions options = new() { IOThreadCount = 1 };
        configure?.Invoke(options);
        ILoggerFactory loggers = logs is null ? NullLoggerFactory.Instance : new LoggerFactory([logs], new LoggerFilterOptions { MinLevel = LogLevel.Debug });
        return new AeronetTransportFactory(Options.Create(options), loggers);
    }

    private sealed record Replacement(IDuplexPipe Original) : IDuplexPipe
    {
        public PipeReader Input => Original.Input;

        public PipeWriter Output => Original.Output;
    }
}
