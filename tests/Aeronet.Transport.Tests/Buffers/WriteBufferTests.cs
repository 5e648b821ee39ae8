using System;
using System.Globalization;
using System.Linq;
using Aeronet.TestSupport.Kernel;
using Aeronet.Transport.Buffers;
using Aeronet.Transport.Connections;
using Xunit;
using Xunit.Abstractions;

namespace Aeronet.Transport.Tests.Buffers;

public sealed class WriteBufferTests(ITestOutputHelper output)
{
    [Fact]
    public void Unflushed_bytes_are_not_sent()
    {
        using SimulatedLoop loop = new();
        (SimulatedPeer peer, TransportConnection connection) = Connect(loop);
        WriteBuffer buffer = default;
        Write(ref buffer, loop, "flushed ");
        buffer.Flush();
        Write(ref buffer, loop, "not");
        Assert.Equal(3, buffer.Unflushed);
        Assert.Equal(SendOutcome.Drained, buffer.Send(connection));
        Assert.Equal("flushed ", peer.Received);
        Assert.Equal(3, buffer.Length);
        buffer.Flush();
        Assert.Equal(SendOutcome.Drained, buffer.Send(connection));
        Assert.Equal("flushed not", peer.Received);
        Assert.False(buffer.IsAllocated);
    }

    [Fact]
    public void Memory_that_the_writer_holds_survives_a_send()
    {
        using SimulatedLoop loop = new();
        (SimulatedPeer peer, TransportConnection connection) = Connect(loop);
        WriteBuffer buffer = default;
        Write(ref buffer, loop, "first ");
        buffer.Flush();
        Memory<byte> held = buffer.GetMemory(loop.Loop.Blocks, 10);
        Assert.Equal(SendOutcome.Drained, buffer.Send(connection));
        "second"u8.CopyTo(held.Span);
        Assert.True(buffer.TryAdvance(6));
        buffer.Flush();
        Assert.Equal(SendOutcome.Drained, buffer.Send(connection));
        Assert.Equal("first second", peer.Received);
    }

    [Fact]
    public void Many_pieces_leave_in_one_call()
    {
        using SimulatedLoop loop = new();
        (SimulatedPeer peer, TransportConnection connection) = Connect(loop);
        WriteBuffer buffer = default;
        for (int i = 0; i < 20; i++)
        {
            Write(ref buffer, loop, new string((char)('a' + i), 3000));
        }
        buffer.Flush();
        int before = loop.Kernel.Count(KernelCall.Send);
        Assert.Equal(SendOutcome.Drained, buffer.Send(connection));
        Assert.Equal(before + 1, loop.Kernel.Count(KernelCall.Send));
        Assert.Equal(string.Concat(Enumerable.Range(0, 20).Select(i => new string((char)('a' + i), 3000))), peer.Received);
    }

    [Fact]
    public void Advancing_further_than_the_memory_is_refused()
    {
        using SimulatedLoop loop = new();
        WriteBuffer buffer = default;
        Assert.False(buffer.TryAdvance(1));
        Assert.True(buffer.TryAdvance(0));
        int length = buffer.GetSpan(loop.Loop.Blocks, 100).Length;
        Assert.False(buffer.TryAdvance(length + 1));
        Assert.False(buffer.TryAdvance(-1));
        buffer.Clear(loop.Loop.Blocks);
    }

    [Fact]
    public void Dropping_keeps_what_the_writer_holds_and_clearing_nothing()
    {
        using SimulatedLoop loop = new();
        WriteBuffer buffer = default;
        for (int i = 0; i < 5; i++)
        {
            Write(ref buffer, loop, new string('x', 3000));
        }
        _ = buffer.GetMemory(loop.Loop.Blocks, 1);
        buffer.Drop(loop.Loop.Blocks);
        Assert.Equal(0, buffer.Length);
        Assert.Equal(1, loop.Loop.Blocks.RentedCount);
        Assert.True(buffer.TryAdvance(1));
        Assert.Equal(1, buffer.Length);
        buffer.Clear(loop.Loop.Blocks);
        Assert.Equal(0, loop.Loop.Blocks.RentedCount);
    }

    [Fact]
    public void A_failing_send_says_so()
    {
        using SimulatedLoop loop = new();
        (SimulatedPeer peer, TransportConnection connection) = Connect(loop);
        WriteBuffer buffer = default;
        Write(ref buffer, loop, "x");
        buffer.Flush();
        peer.SetSpace(0);
        Assert.Equal(SendOutcome.Blocked, buffer.Send(connection));
        loop.Kernel.Fail(KernelCall.Send, Native.Libc.Errno.EPIPE);
        Assert.Equal(SendOutcome.Failed, buffer.Send(connection));
        buffer.Clear(loop.Loop.Blocks);
    }

    [Fact]
    public void What_meets_a_full_socket_is_counted_as_deferred()
    {
        using SimulatedLoop loop = new();
        (SimulatedPeer peer, TransportConnection connection) = Connect(loop);
        WriteBuffer buffer = default;
        Write(ref buffer, loop, "0123456789");
        buffer.Flush();
        peer.SetSpace(4);
        Assert.Equal(SendOutcome.Blocked, buffer.Send(connection));
        peer.SetSpace(100);
        Assert.Equal(SendOutcome.Drained, buffer.Send(connection));
        Assert.Equal(4, loop.Loop.Counters.Read().BytesWrittenImmediate);
        Assert.Equal(6, loop.Loop.Counters.Read().BytesWrittenFlush);
        Assert.Equal(10, loop.Loop.Counters.Read().BytesQueued);
    }

    [Fact]
    public void Random_writes_flushes_and_short_sends_keep_the_order_and_lose_no_memory()
    {
        int seed = Random.Shared.Next();
        output.WriteLine($"seed {seed.ToString(CultureInfo.InvariantCulture)}");
        Random random = new(seed);
        using SimulatedLoop loop = new();
        (SimulatedPeer peer, TransportConnection connection) = Connect(loop);
        WriteBuffer buffer = default;
        byte[] all = new byte[2_000_000];
        random.NextBytes(all);
        int written = 0;
        while (written < all.Length)
        {
            switch (random.Next(4))
            {
                case 0:
                    buffer.Flush();
                    break;
                case 1 when buffer.Flushed > 0:
                    loop.Kernel.TransferMax = random.Next(1, 20_000);
                    peer.SetSpace(random.Next(3) == 0 ? random.Next(30_000) : int.MaxValue);
                    Assert.NotEqual(SendOutcome.Failed, buffer.Send(connection));
                    break;
                default:
                    int hint = random.Next(10) == 0 ? random.Next(20_000) : random.Next(500);
                    Span<byte> span = buffer.GetSpan(loop.Loop.Blocks, hint);
                    Assert.True(span.Length >= hint);
                    int count = Math.Min(random.Next(span.Length + 1), all.Length - written);
                    all.AsSpan(written, count).CopyTo(span);
                    Assert.True(buffer.TryAdvance(count));
                    written += count;
                    break;
            }
        }
        buffer.Flush();
        loop.Kernel.TransferMax = int.MaxValue;
        peer.SetSpace(int.MaxValue);
        if (buffer.Flushed > 0)
        {
            Assert.Equal(SendOutcome.Drained, buffer.Send(connection));
        }
        Assert.Equal(all, peer.ReceivedBytes);
        Assert.False(buffer.IsAllocated);
    }

    private static (SimulatedPeer Peer, TransportConnection Connection) Connect(SimulatedLoop loop)
    {
        (SimulatedPeer peer, RecordingHandler handler) = loop.Connect();
        return (peer, handler.Connection);
    }

    private static void Write(ref WriteBuffer buffer, SimulatedLoop loop, string text)
    {
        System.Text.Encoding.Latin1.GetBytes(text, buffer.GetSpan(loop.Loop.Blocks, text.Length));
        Assert.True(buffer.TryAdvance(text.Length));
    }
}
