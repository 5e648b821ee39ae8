using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.IO;
using System.Linq;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Threading;
using System.Threading.Tasks;
using Aeronet.Transport.Connections;
using Aeronet.Transport.Listen;
using Aeronet.Transport.Loop;
using Aeronet.Transport.Tests.Connections;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Aeronet.Transport.Tests.Loop;

/// <summary>Real loops on real sockets. Not in parallel with others: descriptors and threads of the process are counted.</summary>
[Collection(nameof(EventLoopGroupTests))]
[CollectionDefinition(nameof(EventLoopGroupTests), DisableParallelization = true)]
public sealed class EventLoopGroupTests
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);

    [Theory]
    [InlineData("127.0.0.1")]
    [InlineData("::1")]
    public async Task Echoes_over_TCP_on_the_port_that_port_0_became(string address)
    {
        await using Server server = new();
        BoundEndpoint endpoint = server.Group.Bind(new IPEndPoint(IPAddress.Parse(address), 0), server.Acceptor);
        Assert.NotEqual(0, ((IPEndPoint)endpoint.LocalEndPoint).Port);
        using Socket client = await Connect(endpoint.LocalEndPoint);
        Assert.Equal("hello", await Exchange(client, "hello"));
        TransportConnection accepted = server.Acceptor.Accepted.Single();
        Assert.Equal(client.LocalEndPoint, accepted.RemoteEndPoint);
        Assert.Equal(client.RemoteEndPoint, accepted.LocalEndPoint);
    }

    [Fact]
    public async Task Any_IPv6_address_takes_IPv4_connections_too()
    {
        await using Server server = new();
        BoundEndpoint endpoint = server.Group.Bind(new IPEndPoint(IPAddress.IPv6Any, 0), server.Acceptor);
        int port = ((IPEndPoint)endpoint.LocalEndPoint).Port;
        using Socket v4 = await Connect(new IPEndPoint(IPAddress.Loopback, port));
        using Socket v6 = await Connect(new IPEndPoint(IPAddress.IPv6Loopback, port));
        Assert.Equal("four", await Exchange(v4, "four"));
        Assert.Equal("six", await Exchange(v6, "six"));
        Assert.Contains(server.Acceptor.Accepted, connection => Equals(connection.LocalEndPoint, new IPEndPoint(IPAddress.Loopback.MapToIPv6(), port)));
        Assert.Contains(server.Acceptor.Accepted, connection => Equals(connection.LocalEndPoint, new IPEndPoint(IPAddress.IPv6Loopback, port)));
    }

    [Fact]
    public async Task A_megabyte_comes_back_whole_through_full_sockets()
    {
        await using Server server = new();
        BoundEndpoint endpoint = server.Group.Bind(new IPEndPoint(IPAddress.Loopback, 0), server.Acceptor);
        using Socket client = await Connect(endpoint.LocalEndPoint);
        byte[] sent = new byte[8 << 20];
        new Random(1).NextBytes(sent);
        Task sending = Task.Run(async () =>
        {
            await SendAll(client, sent);
            client.Shutdown(SocketShutdown.Send);
        });
        // Nothing is received until everything that fits has been sent: the echo meets full sockets for certain.
        MemoryStream received = new();
        byte[] buffer = new byte[64 * 1024];
        int count;
        while ((count = await client.ReceiveAsync(buffer).WaitAsync(s_patience)) > 0)
        {
            received.Write(buffer, 0, count);
        }
        await sending.WaitAsync(s_patience);
        Assert.True(sent.AsSpan().SequenceEqual(received.ToArray()));
        Assert.Equal(sent.Length, server.Group.ReadStatistics().BytesRead);
    }

    [Fact]
    public async Task A_half_closed_client_gets_its_answer()
    {
        await using Server server = new();
        BoundEndpoint endpoint = server.Group.Bind(new IPEndPoint(IPAddress.Loopback, 0), server.Acceptor);
        using Socket client = await Connect(endpoint.LocalEndPoint);
        await SendAll(client, "last"u8.ToArray());
        client.Shutdown(SocketShutdown.Send);
        Assert.Equal("last", await ReadToEnd(client));
    }

    [Fact]
    public async Task The_peer_of_an_aborted_connection_sees_a_reset()
    {
        await using Server server = new();
        server.Acceptor.OnBytes = static connection => connection.Abort();
        BoundEndpoint endpoint = server.Group.Bind(new IPEndPoint(IPAddress.Loopback, 0), server.Acceptor);
        using Socket client = await Connect(endpoint.LocalEndPoint);
        await SendAll(client, "x"u8.ToArray());
        SocketException exception = await Assert.ThrowsAsync<SocketException>(() => client.ReceiveAsync(new byte[1]).WaitAsync(s_patience));
        Assert.Equal(SocketError.ConnectionReset, exception.SocketErrorCode);
        await server.Group.WhenEmptyAsync().WaitAsync(s_patience);
    }

    [Fact]
    [Trait("Defect", "LOOP-18")]
    public async Task A_peer_that_resets_leaves_no_connection_behind()
    {
        await using Server server = new();
        BoundEndpoint endpoint = server.Group.Bind(new IPEndPoint(IPAddress.Loopback, 0), server.Acceptor);
        using Socket client = await Connect(endpoint.LocalEndPoint);
        Assert.Equal("x", await Exchange(client, "x"));
        client.LingerState = new LingerOption(true, 0);
        client.Close();
        await server.Group.WhenEmptyAsync().WaitAsync(s_patience);
        Assert.Equal(1, server.Acceptor.ClosedCount);
    }

    [Fact]
    [Trait("Defect", "HOST-22")]
    public async Task An_address_in_use_is_refused_although_loops_share_ports()
    {
        await using Server first = new();
        await using Server second = new();
        BoundEndpoint endpoint = first.Group.Bind(new IPEndPoint(IPAddress.Loopback, 0), first.Acceptor);
        int descriptors = CountDescriptors();
        Assert.Throws<AddressInUseException>(() => second.Group.Bind(endpoint.LocalEndPoint, second.Acceptor));
        Assert.Equal(descriptors, CountDescriptors());
    }

    [Fact]
    [Trait("Feature", "B17")]
    public async Task ReusePort_lets_another_server_join()
    {
        await using Server first = new(static options => options.ReusePort = true);
        await using Server second = new(static options => options.ReusePort = true);
        BoundEndpoint endpoint = first.Group.Bind(new IPEndPoint(IPAddress.Loopback, 0), first.Acceptor);
        Assert.Equal(endpoint.LocalEndPoint, second.Group.Bind(endpoint.LocalEndPoint, second.Acceptor).LocalEndPoint);
    }

    [Fact]
    public async Task An_address_that_is_not_ours_is_a_socket_error_and_leaves_nothing()
    {
        await using Server server = new();
        int descriptors = CountDescriptors();
        SocketException exception = Assert.Throws<SocketException>(() => server.Group.Bind(new IPEndPoint(IPAddress.Parse("192.0.2.1"), 0), server.Acceptor));
        Assert.Equal(SocketError.AddressNotAvailable, exception.SocketErrorCode);
        Assert.Equal(descriptors, CountDescriptors());
    }

    [Fact]
    [Trait("Defect", "LOOP-37")]
    [Trait("Feature", "B72b")]
    public async Task Connections_spread_over_the_loops()
    {
        await using Server server = new(static options => options.IOThreadCount = 3);
        BoundEndpoint endpoint = server.Group.Bind(new IPEndPoint(IPAddress.Loopback, 0), server.Acceptor);
        List<Socket> clients = [];
        for (int i = 0; i < 64; i++)
        {
            clients.Add(await Connect(endpoint.LocalEndPoint));
            Assert.Equal("x", await Exchange(clients[^1], "x"));
        }
        Assert.Equal(3, server.Acceptor.Accepted.Select(static connection => connection.Loop.Index).Distinct().Count());
        clients.ForEach(static client => client.Dispose());
    }

    [Fact]
    public async Task A_Unix_socket_is_served_by_all_loops_and_its_file_removed_at_the_end()
    {
        using TemporaryFolder folder = new();
        string path = Path.Combine(folder.Path, "s");
        await using Server server = new(static options => options.UnixSocketMode = UnixFileMode.UserRead | UnixFileMode.UserWrite);
        BoundEndpoint endpoint = server.Group.Bind(new UnixDomainSocketEndPoint(path), server.Acceptor);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(path));
        for (int i = 0; i < 8; i++)
        {
            using Socket client = await Connect(new UnixDomainSocketEndPoint(path));
            Assert.Equal("unix", await Exchange(client, "unix"));
        }
        Assert.IsType<UnixDomainSocketEndPoint>(server.Acceptor.Accepted.First().RemoteEndPoint);
        await server.Group.UnbindAsync(endpoint).WaitAsync(s_patience);
        Assert.False(File.Exists(path));
    }

    [Fact]
    public async Task An_abstract_Unix_name_is_served()
    {
        string name = "\0aeronet-" + Guid.NewGuid().ToString("N");
        await using Server server = new();
        server.Group.Bind(new UnixDomainSocketEndPoint(name), server.Acceptor);
        using Socket client = await Connect(new UnixDomainSocketEndPoint(name));
        Assert.Equal("abstract", await Exchange(client, "abstract"));
    }

    [Fact]
    [Trait("Defect", "HOST-23")]
    public async Task A_Unix_socket_file_that_exists_is_in_use_and_removed_only_if_stale_and_asked_for()
    {
        using TemporaryFolder folder = new();
        string path = Path.Combine(folder.Path, "s");
        UnixDomainSocketEndPoint endPoint = new(path);
        await using Server strict = new();
        await using Server removing = new(static options => options.RemoveStaleUnixSocket = true);
        using (Socket dead = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified))
        {
            LeaveFileBehind(dead, path);
        }
        Assert.Throws<AddressInUseException>(() => strict.Group.Bind(endPoint, strict.Acceptor));
        BoundEndpoint bound = removing.Group.Bind(endPoint, removing.Acceptor);
        // Now it is alive: not even the asking server takes it away.
        await using Server late = new(static options => options.RemoveStaleUnixSocket = true);
        Assert.Throws<AddressInUseException>(() => late.Group.Bind(endPoint, late.Acceptor));
        await removing.Group.UnbindAsync(bound).WaitAsync(s_patience);
        // An ordinary file is nobody's stale socket.
        await File.WriteAllTextAsync(path, "precious");
        Assert.Throws<AddressInUseException>(() => late.Group.Bind(endPoint, late.Acceptor));
        Assert.Equal("precious", await File.ReadAllTextAsync(path));
    }

    [Fact]
    public async Task A_file_that_took_the_place_of_our_socket_is_not_removed()
    {
        using TemporaryFolder folder = new();
        string path = Path.Combine(folder.Path, "s");
        await using Server server = new();
        BoundEndpoint endpoint = server.Group.Bind(new UnixDomainSocketEndPoint(path), server.Acceptor);
        File.Delete(path);
        await File.WriteAllTextAsync(path, "another's");
        await server.Group.UnbindAsync(endpoint).WaitAsync(s_patience);
        Assert.True(File.Exists(path));
    }

    [Fact]
    [Trait("Defect", "HOST-24")]
    [Trait("Defect", "LOOP-13")]
    public async Task An_inherited_listening_socket_is_served_and_stays_open_at_the_end()
    {
        using Socket inherited = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        inherited.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        inherited.Listen(1);
        await using Server server = new();
        BoundEndpoint endpoint = server.Group.Bind(new FileHandleEndPoint((ulong)inherited.Handle, FileHandleType.Auto), server.Acceptor);
        Assert.Equal(inherited.LocalEndPoint, endpoint.LocalEndPoint);
        using (Socket client = await Connect(endpoint.LocalEndPoint))
        {
            Assert.Equal("inherited", await Exchange(client, "inherited"));
        }
        await server.Group.UnbindAsync(endpoint).WaitAsync(s_patience);
        Assert.Equal(1, (int)inherited.GetSocketOption(SocketOptionLevel.Socket, SocketOptionName.AcceptConnection)!);
    }

    [Fact]
    public async Task A_handle_that_is_no_stream_socket_is_refused()
    {
        using Socket datagram = new(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        await using Server server = new();
        Assert.Throws<NotSupportedException>(() => server.Group.Bind(new FileHandleEndPoint((ulong)datagram.Handle, FileHandleType.Auto), server.Acceptor));
        Assert.Throws<SocketException>(() => server.Group.Bind(new FileHandleEndPoint(1_000_000, FileHandleType.Auto), server.Acceptor));
        Assert.Throws<NotSupportedException>(() => server.Group.Bind(new DnsEndPoint("localhost", 80), server.Acceptor));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task NoDelay_is_what_the_option_says_on_the_socket_feature(bool noDelay)
    {
        await using Server server = new(options => options.NoDelay = noDelay);
        BoundEndpoint endpoint = server.Group.Bind(new IPEndPoint(IPAddress.Loopback, 0), server.Acceptor);
        using Socket client = await Connect(endpoint.LocalEndPoint);
        Assert.Equal("x", await Exchange(client, "x"));
        Socket socket = server.Acceptor.Accepted.Single().Features.Get<IConnectionSocketFeature>()!.Socket;
        Assert.Equal(noDelay, socket.NoDelay);
        Assert.Equal(client.LocalEndPoint, socket.RemoteEndPoint);
        Assert.Equal("still ours", await Exchange(client, "still ours"));
        client.Dispose();
        await server.Group.WhenEmptyAsync().WaitAsync(s_patience);
        Assert.ThrowsAny<ObjectDisposedException>(() => socket.NoDelay);
    }

    [Fact]
    public async Task After_unbind_nobody_listens_and_open_connections_live_on()
    {
        await using Server server = new();
        BoundEndpoint endpoint = server.Group.Bind(new IPEndPoint(IPAddress.Loopback, 0), server.Acceptor);
        using Socket client = await Connect(endpoint.LocalEndPoint);
        Assert.Equal("before", await Exchange(client, "before"));
        await server.Group.UnbindAsync(endpoint).WaitAsync(s_patience);
        await Assert.ThrowsAsync<SocketException>(() => Connect(endpoint.LocalEndPoint));
        Assert.Equal("after", await Exchange(client, "after"));
        Assert.Same(server.Group.UnbindAsync(endpoint), server.Group.UnbindAsync(endpoint));
    }

    [Fact]
    public async Task Drain_and_abort_can_be_limited_to_one_endpoint()
    {
        await using Server server = new();
        BoundEndpoint first = server.Group.Bind(new IPEndPoint(IPAddress.Loopback, 0), server.Acceptor);
        BoundEndpoint second = server.Group.Bind(new IPEndPoint(IPAddress.Loopback, 0), server.Acceptor);
        using Socket a = await Connect(first.LocalEndPoint);
        using Socket b = await Connect(second.LocalEndPoint);
        Assert.Equal("a", await Exchange(a, "a"));
        Assert.Equal("b", await Exchange(b, "b"));
        server.Group.Drain(first);
        await server.Group.WhenEmptyAsync(first).WaitAsync(s_patience);
        Assert.Equal("", await ReadToEnd(a));
        Assert.Equal("b", await Exchange(b, "b"));
        Assert.Equal(1, server.Group.ConnectionCount);
        server.Group.Abort(second);
        await server.Group.WhenEmptyAsync().WaitAsync(s_patience);
        await Assert.ThrowsAsync<SocketException>(() => ReadToEnd(b));
    }

    [Fact]
    [Trait("Defect", "LOOP-25")]
    public async Task A_thousand_connections_leave_no_descriptor_no_thread_and_no_block()
    {
        await RunOnce(10); // what the process makes once and keeps
        int descriptors = CountDescriptors();
        await RunOnce(1000);
        Assert.Equal(descriptors, CountDescriptors());

        static async Task RunOnce(int count)
        {
            Server server = new();
            BoundEndpoint endpoint = server.Group.Bind(new IPEndPoint(IPAddress.Loopback, 0), server.Acceptor);
            List<Socket> clients = [];
            for (int i = 0; i < count; i++)
            {
                clients.Add(await Connect(endpoint.LocalEndPoint));
                await SendAll(clients[^1], "hello"u8.ToArray());
            }
            foreach (Socket client in clients)
            {
                client.Shutdown(SocketShutdown.Send);
                Assert.Equal("hello", await ReadToEnd(client));
                client.Dispose();
            }
            await server.Group.WhenEmptyAsync().WaitAsync(s_patience);
            await server.DisposeAsync();
            Assert.Equal(count, server.Acceptor.ClosedCount);
            Assert.All(server.Group.Loops, static loop => Assert.Equal(0, loop.Blocks.RentedCount));
            Assert.True(SpinWait.SpinUntil(() => server.Group.ThreadCount == 0, s_patience)); // they have left their loops and are on their way out
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(3)] // the monitor's
    public void A_group_that_gets_no_thread_for_a_loop_does_not_start_and_holds_nothing(int given)
    {
        int descriptors = CountDescriptors();
        List<Thread> threads = [];
        Assert.Throws<InvalidOperationException>(() => EventLoopGroup.Start(new AeronetTransportOptions { IOThreadCount = 3 }, NullLoggerFactory.Instance, startThread: (main, _) =>
        {
            if (threads.Count == given)
            {
                throw new InsufficientMemoryException();
            }
            threads.Add(new Thread(main));
            threads[^1].Start();
        }));
        Assert.Equal(given, threads.Count);
        Assert.All(threads, static thread => Assert.True(thread.Join(s_patience)));
        Assert.Equal(descriptors, CountDescriptors());
    }

    [Fact]
    public async Task A_stuck_connection_keeps_only_its_loop()
    {
        Server server = new(static options => options.IOThreadCount = 2);
        server.Acceptor.ClosesOnDrain = false;
        BoundEndpoint endpoint = server.Group.Bind(new IPEndPoint(IPAddress.Loopback, 0), server.Acceptor);
        using Socket client = await Connect(endpoint.LocalEndPoint);
        Assert.Equal("x", await Exchange(client, "x"));
        server.Group.Drain();
        Task stopping = server.Group.StopAsync(TimeSpan.FromMilliseconds(1));
        await stopping.WaitAsync(s_patience);
        Assert.Equal("still served", await Exchange(client, "still served"));
        client.Dispose();
        await server.DisposeAsync();
        Assert.Equal(0, server.Group.ConnectionCount);
    }

    [Fact]
    public async Task A_stopped_group_refuses_to_bind_and_holds_no_socket()
    {
        Server server = new();
        await server.DisposeAsync();
        int descriptors = CountDescriptors();
        Assert.Throws<InvalidOperationException>(() => server.Group.Bind(new IPEndPoint(IPAddress.Loopback, 0), server.Acceptor));
        Assert.Equal(descriptors, CountDescriptors());
    }

    [Fact]
    [Trait("Defect", "LOOP-13")]
    public async Task A_child_process_inherits_neither_listener_nor_connection()
    {
        await using Server server = new();
        BoundEndpoint endpoint = server.Group.Bind(new IPEndPoint(IPAddress.Loopback, 0), server.Acceptor);
        using Socket client = await Connect(endpoint.LocalEndPoint);
        Assert.Equal("x", await Exchange(client, "x"));
        using Process child = Process.Start(new ProcessStartInfo("ls", ["-l", "/proc/self/fd"]) { RedirectStandardOutput = true })!;
        string open = await child.StandardOutput.ReadToEndAsync();
        await child.WaitForExitAsync();
        Assert.DoesNotContain("socket:", open);
        Assert.DoesNotContain("eventpoll", open);
    }

    [Fact]
    [Trait("Defect", "HOST-10")]
    public async Task Two_groups_in_one_process_share_nothing()
    {
        await using Server first = new();
        await using Server second = new();
        BoundEndpoint endpoint = first.Group.Bind(new IPEndPoint(IPAddress.Loopback, 0), first.Acceptor);
        using Socket client = await Connect(endpoint.LocalEndPoint);
        Assert.Equal("x", await Exchange(client, "x"));
        Assert.Equal(1, first.Group.ReadStatistics().ConnectionsAccepted);
        Assert.Equal(default, second.Group.ReadStatistics() with { EventsProcessed = 0 });
    }

    private static async Task<Socket> Connect(EndPoint endPoint)
    {
        Socket socket = endPoint is UnixDomainSocketEndPoint
            ? new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified)
            : new Socket(endPoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            await socket.ConnectAsync(endPoint).WaitAsync(s_patience);
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private static async Task SendAll(Socket socket, byte[] bytes)
    {
        for (int sent = 0; sent < bytes.Length;)
        {
            sent += await socket.SendAsync(bytes.AsMemory(sent)).AsTask().WaitAsync(s_patience);
        }
    }

    private static async Task<string> Exchange(Socket socket, string text)
    {
        byte[] bytes = Encoding.ASCII.GetBytes(text);
        await SendAll(socket, bytes);
        for (int received = 0; received < bytes.Length;)
        {
            int count = await socket.ReceiveAsync(bytes.AsMemory(received)).AsTask().WaitAsync(s_patience);
            Assert.True(count > 0);
            received += count;
        }
        return Encoding.ASCII.GetString(bytes);
    }

    private static async Task<string> ReadToEnd(Socket socket)
    {
        MemoryStream received = new();
        byte[] buffer = new byte[4096];
        int count;
        while ((count = await socket.ReceiveAsync(buffer).WaitAsync(s_patience)) > 0)
        {
            received.Write(buffer, 0, count);
        }
        return Encoding.ASCII.GetString(received.ToArray());
    }

    /// <summary>A crashed server's socket file: bound, and closed without the file being removed.</summary>
    private static void LeaveFileBehind(Socket socket, string path)
    {
        socket.Bind(new UnixDomainSocketEndPoint(path));
        File.Move(path, path + ".kept"); // .NET removes the path it has bound when the socket is disposed
        socket.Dispose();
        File.Move(path + ".kept", path);
    }

    /// <summary>Sockets, epoll sets and eventfds of this process; what other tests forgot is finalized before.</summary>
    private static int CountDescriptors()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        return new DirectoryInfo("/proc/self/fd").EnumerateFileSystemInfos()
            .Count(static entry => entry.LinkTarget is { } target && (target.StartsWith("socket:", StringComparison.Ordinal) || target.StartsWith("anon_inode:", StringComparison.Ordinal)));
    }

    private sealed class Server : IAsyncDisposable
    {
        public Server(Action<AeronetTransportOptions>? configure = null)
        {
            AeronetTransportOptions options = new() { IOThreadCount = 2 };
            configure?.Invoke(options);
            Group = EventLoopGroup.Start(options, NullLoggerFactory.Instance);
        }

        public EchoAcceptor Acceptor { get; } = new();

        public EventLoopGroup Group { get; }

        public async ValueTask DisposeAsync()
        {
            Group.Abort();
            await Group.StopAsync(s_patience);
            Assert.Equal(0, Group.ConnectionCount);
        }
    }

    private sealed class TemporaryFolder : IDisposable
    {
        public string Path { get; } = Directory.CreateTempSubdirectory("aeronet-").FullName;

        public void Dispose() => Directory.Delete(Path, recursive: true);
    }
}
