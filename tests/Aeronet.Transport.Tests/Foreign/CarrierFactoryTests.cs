using System;
using System.Buffers;
using System.IO.Pipelines;
using System.Net;
using System.Net.Sockets;
using System.Threading.Tasks;
using Aeronet.TestSupport.Hosting;
using Aeronet.Transport.Connections;
using Aeronet.Transport.Foreign;
using Aeronet.Transport.Loop;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Aeronet.Transport.Tests.Foreign;

/// <summary>Connections of a server's own loops as pipes, on loopback: what the server must be able to rely on.</summary>
public sealed class CarrierFactoryTests : IAsyncDisposable
{
    private readonly EventLoopGroup _group = EventLoopGroup.Start(new AeronetTransportOptions { IOThreadCount = 2 }, NullLoggerFactory.Instance);
    private IConnectionListener? _listener;

    public async ValueTask DisposeAsync()
    {
        await _listener!.DisposeAsync();
        await _group.WhenEmptyAsync().WaitAsync(Guard.Time);
        await _group.StopAsync(Guard.Time);
    }

    [Fact]
    public async Task Its_connections_are_not_counted_but_their_bytes_are()
    {
        (ConnectionContext connection, Socket client) = await ConnectAsync();
        await client.SendAsync("ping"u8.ToArray());
        ReadResult read = await connection.Transport.Input.ReadAsync();
        connection.Transport.Input.AdvanceTo(read.Buffer.End);
        await connection.Transport.Output.WriteAsync("pong"u8.ToArray());
        await ReceiveAsync(client, 4);
        Assert.Equal(0, _group.ConnectionCount);
        Assert.False(_group.WhenEmptyAsync().IsCompleted); // but the loops wait for it
        TransportStatistics statistics = _group.ReadStatistics();
        Assert.Equal((0, 0, 4, 4), (statistics.Connections, statistics.ConnectionsAccepted, statistics.BytesRead, statistics.BytesWritten));
        client.Dispose();
        await connection.DisposeAsync();
        await _group.WhenEmptyAsync().WaitAsync(Guard.Time);
        Assert.Equal(0, _group.ReadStatistics().Connections);
    }

    [Fact]
    public async Task A_flush_completes_when_the_kernel_has_the_bytes()
    {
        (ConnectionContext connection, Socket client) = await ConnectAsync();
        byte[] much = new byte[16 * 1024 * 1024]; // more than two socket buffers hold
        ValueTask<FlushResult> flush = connection.Transport.Output.WriteAsync(much);
        Assert.False(flush.IsCompleted);
        await ReceiveAsync(client, much.Length);
        Assert.False((await flush).IsCompleted);
        client.Dispose();
        await connection.DisposeAsync();
    }

    [Fact]
    public async Task A_flush_by_code_that_the_loop_calls_is_sent_at_once_too()
    {
        (ConnectionContext connection, Socket client) = await ConnectAsync();
        TaskCompletionSource<long> sent = new(TaskCreationOptions.RunContinuationsAsynchronously);
        Task reader = Task.Run(async () =>
        {
            ReadResult read = await connection.Transport.Input.ReadAsync().ConfigureAwait(false); // goes on on the loop
            connection.Transport.Input.AdvanceTo(read.Buffer.End);
            Task writing = connection.Transport.Output.WriteAsync("in a frame"u8.ToArray()).AsTask();
            sent.SetResult(_group.ReadStatistics().BytesWritten);
            await writing;
        });
        await client.SendAsync("go"u8.ToArray());
        Assert.Equal(10, await sent.Task.WaitAsync(Guard.Time));
        await reader;
        client.Dispose();
        await connection.DisposeAsync();
    }

    [Fact]
    public async Task A_flush_outside_of_the_loop_is_not_held_back()
    {
        (ConnectionContext connection, Socket client) = await ConnectAsync();
        await Task.Run(async () => await connection.Transport.Output.WriteAsync("now"u8.ToArray())); // no read waits
        Assert.Equal(3, _group.ReadStatistics().BytesWritten);
        await ReceiveAsync(client, 3);
        client.Dispose();
        await connection.DisposeAsync();
    }

    [Fact]
    public async Task One_direction_can_be_ended_alone()
    {
        (ConnectionContext connection, Socket client) = await ConnectAsync();
        await connection.Transport.Output.WriteAsync("last"u8.ToArray());
        ((AeronetConnectionContext)connection).Bridge.ShutdownSend();
        await ReceiveAsync(client, 4);
        Assert.Equal(0, await client.ReceiveAsync(new byte[1]).WaitAsync(Guard.Time));
        await client.SendAsync("more"u8.ToArray());
        ReadResult read = await connection.Transport.Input.ReadAsync();
        Assert.Equal("more"u8.ToArray(), read.Buffer.ToArray());
        connection.Transport.Input.AdvanceTo(read.Buffer.End);
        client.Dispose();
        await connection.DisposeAsync();
    }

    [Fact]
    public async Task Its_listener_ends_without_the_loops()
    {
        (ConnectionContext connection, Socket client) = await ConnectAsync();
        await _listener!.DisposeAsync();
        await client.SendAsync("still"u8.ToArray());
        ReadResult read = await connection.Transport.Input.ReadAsync();
        Assert.Equal(5, read.Buffer.Length);
        connection.Transport.Input.AdvanceTo(read.Buffer.End);
        client.Dispose();
        await connection.DisposeAsync();
    }

    [Fact]
    public async Task An_address_in_use_leaves_nothing_bound()
    {
        CarrierFactory factory = new(_group, isInline: true, NullLogger.Instance);
        _listener = await factory.BindAsync(new IPEndPoint(IPAddress.Loopback, 0), addressLimit: null);
        await Assert.ThrowsAsync<AddressInUseException>(() => factory.BindAsync(_listener.EndPoint, addressLimit: null));
    }

    private async Task<(ConnectionContext Connection, Socket Client)> ConnectAsync()
    {
        _listener = await new CarrierFactory(_group, isInline: true, NullLogger.Instance).BindAsync(new IPEndPoint(IPAddress.Loopback, 0), addressLimit: null);
        Socket client = new(SocketType.Stream, ProtocolType.Tcp);
        await client.ConnectAsync(_listener.EndPoint);
        ConnectionContext? connection = await _listener.AcceptAsync().AsTask().WaitAsync(Guard.Time);
        Assert.NotNull(connection);
        await Task.Yield(); // the accept may have completed on the loop
        return (connection, client);
    }

    private static async Task ReceiveAsync(Socket client, int count)
    {
        byte[] buffer = new byte[64 * 1024];
        for (int received; count > 0; count -= received)
        {
            received = await client.ReceiveAsync(buffer).WaitAsync(Guard.Time);
            Assert.NotEqual(0, received);
        }
    }
}
