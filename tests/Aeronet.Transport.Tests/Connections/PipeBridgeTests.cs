using System;
using System.Buffers;
using System.Collections.Generic;
using System.Globalization;
using System.IO.Pipelines;
using System.Linq;
using System.Text;
using System.Threading;
using System.Threading.Tasks;
using Aeronet.Native.Libc;
using Aeronet.TestSupport.Hosting;
using Aeronet.TestSupport.Kernel;
using Aeronet.Transport.Connections;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;
using Xunit.Abstractions;

// The test's thread is the loop: what a call needs is there or it fails, nothing here could wait.
#pragma warning disable CA2012, xUnit1031

namespace Aeronet.Transport.Tests.Connections;

/// <summary>The bridge on the simulated kernel: how many system calls it makes, and what it does when they fail.</summary>
public sealed class PipeBridgeTests(ITestOutputHelper output)
{
    [Fact]
    public void Two_flushes_of_code_that_the_loop_has_called_leave_in_one_send()
    {
        using BridgeLoop loop = new();
        (SimulatedPeer peer, ConnectionContext connection) = loop.Connect();
        Task serving = ServeAsync();
        int receives = loop.Kernel.Count(KernelCall.Receive); // the first read was tried at once
        int waits = loop.Kernel.Count(KernelCall.EpollWait);
        peer.Send("ping");
        loop.Turn();
        Assert.Equal("head body", peer.Received);
        Assert.Equal(1, loop.Kernel.Count(KernelCall.Send));
        Assert.Equal(receives + 1, loop.Kernel.Count(KernelCall.Receive));
        Assert.Equal(waits + 1, loop.Kernel.Count(KernelCall.EpollWait));
        peer.Finish();
        loop.Turn();
        Assert.True(serving.IsCompletedSuccessfully);

        async Task ServeAsync()
        {
            while (true)
            {
                ReadResult result = await connection.Transport.Input.ReadAsync();
                if (result.IsCompleted)
                {
                    return;
                }
                connection.Transport.Input.AdvanceTo(result.Buffer.End);
                await connection.Transport.Output.WriteAsync("head "u8.ToArray());
                await connection.Transport.Output.WriteAsync("body"u8.ToArray());
            }
        }
    }

    [Fact]
    public void A_batch_of_messages_is_answered_in_one_send()
    {
        using BridgeLoop loop = new();
        (SimulatedPeer peer, ConnectionContext connection) = loop.Connect();
        _ = EchoAsync(connection, messageLength: 4);
        peer.Send("aaaabbbbccccdddd");
        loop.Turn();
        Assert.Equal("aaaabbbbccccdddd", peer.Received);
        Assert.Equal(1, loop.Kernel.Count(KernelCall.Send));
    }

    [Fact]
    public void A_flush_of_any_other_code_is_sent_at_once()
    {
        using BridgeLoop loop = new();
        (SimulatedPeer peer, ConnectionContext connection) = loop.Connect();
        connection.Transport.Output.Write("hello"u8);
        Assert.True(connection.Transport.Output.FlushAsync().IsCompletedSuccessfully);
        Assert.Equal("hello", peer.Received);
    }

    [Fact]
    public void What_was_flushed_leaves_when_the_code_loses_the_loop()
    {
        using BridgeLoop loop = new();
        (SimulatedPeer peer, ConnectionContext connection) = loop.Connect();
        PipeBridge bridge = ((AeronetConnectionContext)connection).Bridge;
        bridge.EnterFrame();
        connection.Transport.Output.Write("a"u8);
        _ = connection.Transport.Output.FlushAsync();
        Assert.Equal("", peer.Received);
        bridge.BreakFrame();
        bridge.OnApplicationReturned();
        Assert.Equal("a", peer.Received);
        connection.Transport.Output.Write("b"u8);
        _ = connection.Transport.Output.FlushAsync();
        Assert.Equal("ab", peer.Received); // its thread is not the loop's any more: at once
    }

    [Fact]
    public void A_handler_on_the_thread_pool_that_flushes_and_blocks_is_looked_after()
    {
        using BridgeLoop loop = new();
        (SimulatedPeer peer, ConnectionContext connection) = loop.Connect();
        PipeBridge bridge = ((AeronetConnectionContext)connection).Bridge;
        bridge.WatchFrame();
        ForeignThread.Run(() =>
        {
            bridge.EnterFrame();
            connection.Transport.Output.Write("flushed"u8);
            _ = connection.Transport.Output.FlushAsync();
        });
        loop.Turn();
        Assert.Equal("", peer.Received);
        loop.Inner.Advance(200);
        Assert.Equal("flushed", peer.Received);
        bridge.LeaveFrameOnThreadPool();
        loop.Inner.Advance(200);
        Assert.Equal(long.MaxValue, bridge.Connection.DeadlineMs);
    }

    [Fact]
    public void An_idle_connection_holds_no_block()
    {
        using BridgeLoop loop = new();
        (SimulatedPeer peer, ConnectionContext connection) = loop.Connect();
        _ = EchoAsync(connection, messageLength: 1);
        peer.Send("hello");
        loop.Turn();
        Assert.Equal("hello", peer.Received);
        Assert.Equal(0, loop.Inner.Loop.Blocks.RentedCount);
    }

    [Fact]
    public void Nothing_is_received_before_somebody_reads()
    {
        using BridgeLoop loop = new();
        (SimulatedPeer peer, ConnectionContext connection) = loop.Connect();
        peer.Send("hello");
        loop.Turn(3);
        Assert.Equal(0, loop.Kernel.Count(KernelCall.Receive));
        ValueTask<ReadResult> read = connection.Transport.Input.ReadAsync();
        loop.Turn();
        Assert.Equal("hello", Text(read));
    }

    [Fact]
    public void The_receive_size_grows_with_the_traffic_and_shrinks_again()
    {
        using BridgeLoop loop = new();
        (SimulatedPeer peer, ConnectionContext connection) = loop.Connect();
        _ = EchoAsync(connection, messageLength: 1);
        for (int i = 0; i < 6; i++)
        {
            peer.Send(new string('x', 20_000));
            loop.Turn();
        }
        int before = loop.Kernel.Count(KernelCall.Receive);
        peer.Send(new string('x', 20_000));
        loop.Turn();
        Assert.Equal(before + 1, loop.Kernel.Count(KernelCall.Receive));
        Assert.Equal(140_000, peer.ReceivedCount);
    }

    [Fact]
    [Trait("Defect", "LOOP-1")]
    public void An_upload_beyond_the_budget_lets_others_in_between_and_is_read_to_its_end()
    {
        using BridgeLoop loop = new(options => options.MaxReadPerEvent = 8192);
        (SimulatedPeer busy, ConnectionContext first) = loop.Connect();
        (SimulatedPeer other, ConnectionContext second) = loop.Connect();
        long total = 0;
        long totalWhenOtherWasServed = 0;
        _ = CountAsync();
        _ = AnswerAsync();
        busy.Send(new string('x', 100_000));
        other.Send("x");
        loop.Turn();
        Assert.InRange(totalWhenOtherWasServed, 1, 50_000);
        loop.Turn(20);
        Assert.Equal(100_000, total);

        async Task CountAsync()
        {
            ReadResult result;
            do
            {
                result = await first.Transport.Input.ReadAsync();
                total += result.Buffer.Length;
                first.Transport.Input.AdvanceTo(result.Buffer.End);
            }
            while (!result.IsCompleted);
        }

        async Task AnswerAsync()
        {
            await second.Transport.Input.ReadAsync();
            totalWhenOtherWasServed = total;
        }
    }

    [Fact]
    public void A_read_of_more_than_the_budget_completes()
    {
        using BridgeLoop loop = new(options => options.MaxReadPerEvent = 8192);
        (SimulatedPeer peer, ConnectionContext connection) = loop.Connect();
        peer.Send(new string('x', 100_000));
        loop.Turn();
        ValueTask<ReadResult> read = connection.Transport.Input.ReadAtLeastAsync(100_000);
        loop.Turn(20);
        Assert.Equal(100_000, read.Result.Buffer.Length);
    }

    [Fact]
    public void Bytes_that_do_not_fit_the_socket_follow_when_it_takes_them()
    {
        using BridgeLoop loop = new(options => options.MaxWriteBufferSize = 100);
        (SimulatedPeer peer, ConnectionContext connection) = loop.Connect();
        peer.SetSpace(30);
        connection.Transport.Output.Write(new byte[200]);
        ValueTask<FlushResult> flush = connection.Transport.Output.FlushAsync();
        Assert.Equal(30, peer.ReceivedCount);
        Assert.False(flush.IsCompleted);
        peer.SetSpace(100);
        loop.Turn();
        Assert.Equal(130, peer.ReceivedCount);
        Assert.False(flush.IsCompleted); // 70 are left: more than half of the limit
        peer.SetSpace(30);
        loop.Turn();
        Assert.True(flush.IsCompletedSuccessfully);
        peer.SetSpace(int.MaxValue);
        loop.Turn();
        Assert.Equal(200, peer.ReceivedCount);
    }

    [Fact]
    public void A_limit_of_zero_waits_for_every_byte()
    {
        using BridgeLoop loop = new(options => options.MaxWriteBufferSize = 0);
        (SimulatedPeer peer, ConnectionContext connection) = loop.Connect();
        peer.SetSpace(1);
        ValueTask<FlushResult> flush = connection.Transport.Output.WriteAsync("ab"u8.ToArray());
        Assert.False(flush.IsCompleted);
        peer.SetSpace(1);
        loop.Turn();
        Assert.True(flush.IsCompletedSuccessfully);
    }

    [Fact]
    public void A_reset_fails_the_waiting_read_and_later_flushes_and_fires_the_token()
    {
        using BridgeLoop loop = new();
        (SimulatedPeer peer, ConnectionContext connection) = loop.Connect();
        ValueTask<ReadResult> read = connection.Transport.Input.ReadAsync();
        loop.Turn();
        TaskCompletionSource closed = new();
        connection.ConnectionClosed.Register(closed.SetResult);
        peer.Reset();
        loop.Turn();
        Assert.True(read.IsFaulted);
        Assert.Throws<ConnectionResetException>(() => read.Result);
        Assert.True(closed.Task.Wait(TestSupport.Hosting.Guard.Time));
        connection.Transport.Output.Write("x"u8);
        Assert.True(connection.Transport.Output.FlushAsync().Result.IsCompleted);
        Assert.False(peer.IsClosedByServer); // until the application lets go
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_token_that_outlives_its_connections_does_not_hold_them(bool isReset)
    {
        using System.Threading.CancellationTokenSource source = new();
        WeakReference connection = ReadAndEnd(isReset, source.Token);
        for (int i = 0; i < 10 && connection.IsAlive; i++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }
        Assert.False(connection.IsAlive);
    }

    [System.Runtime.CompilerServices.MethodImpl(System.Runtime.CompilerServices.MethodImplOptions.NoInlining)] // its locals would be roots
    private static WeakReference ReadAndEnd(bool isReset, System.Threading.CancellationToken token)
    {
        using BridgeLoop loop = new();
        (SimulatedPeer peer, ConnectionContext connection) = loop.Connect();
        ValueTask<ReadResult> read = connection.Transport.Input.ReadAsync(token);
        loop.Turn();
        if (isReset)
        {
            peer.Reset();
            loop.Turn();
            Assert.Throws<ConnectionResetException>(() => read.GetAwaiter().GetResult());
        }
        else
        {
            peer.Finish();
            loop.Turn();
            Assert.True(read.GetAwaiter().GetResult().IsCompleted);
        }
        return new WeakReference(connection);
    }

    [Theory]
    [InlineData(Errno.EPIPE)]
    [InlineData(Errno.ECONNRESET)]
    [InlineData(Errno.ETIMEDOUT)]
    public void A_failing_send_ends_both_sides(object errno)
    {
        using BridgeLoop loop = new();
        (_, ConnectionContext connection) = loop.Connect();
        ValueTask<ReadResult> read = connection.Transport.Input.ReadAsync();
        loop.Turn();
        loop.Kernel.Fail(KernelCall.Send, (Errno)errno);
        ValueTask<FlushResult> flush = connection.Transport.Output.WriteAsync("x"u8.ToArray());
        Assert.True(flush.Result.IsCompleted);
        Assert.Throws<ConnectionResetException>(() => read.AsTask().GetAwaiter().GetResult());
    }

    [Fact]
    public void What_came_before_a_reset_is_read_before_it()
    {
        using BridgeLoop loop = new();
        (SimulatedPeer peer, ConnectionContext connection) = loop.Connect();
        PipeReader input = connection.Transport.Input;
        ValueTask<ReadResult> read = input.ReadAsync();
        loop.Turn();
        peer.Send("last words");
        peer.Reset();
        loop.Turn();
        ReadResult result = read.Result;
        Assert.Equal("last words", Encoding.Latin1.GetString(result.Buffer));
        input.AdvanceTo(result.Buffer.GetPosition(5));
        Assert.True(input.TryRead(out result)); // it has taken some: the rest follows
        Assert.Equal("words", Encoding.Latin1.GetString(result.Buffer));
        input.AdvanceTo(result.Buffer.Start, result.Buffer.End);
        Assert.Throws<ConnectionResetException>(() => input.TryRead(out _));
        Assert.Equal(0, loop.Inner.Loop.Blocks.RentedCount);
    }

    [Fact]
    public void A_reader_that_does_not_move_gets_the_bytes_before_a_reset_once()
    {
        using BridgeLoop loop = new();
        (SimulatedPeer peer, ConnectionContext connection) = loop.Connect();
        PipeReader input = connection.Transport.Input;
        ValueTask<ReadResult> read = input.ReadAsync();
        loop.Turn();
        peer.Send("last words");
        peer.Reset();
        loop.Turn();
        input.AdvanceTo(read.Result.Buffer.Start);
        Assert.Throws<ConnectionResetException>(() => input.TryRead(out _));
    }

    [Fact]
    public void The_answer_of_a_peer_that_has_gone_is_read_though_a_send_fails()
    {
        using BridgeLoop loop = new();
        (SimulatedPeer peer, ConnectionContext connection) = loop.Connect();
        loop.Turn();
        peer.Send("413 Content Too Large");
        loop.Kernel.Fail(KernelCall.Send, Errno.EPIPE); // before its event has been seen
        Assert.True(connection.Transport.Output.WriteAsync("more"u8.ToArray()).Result.IsCompleted);
        PipeReader input = connection.Transport.Input;
        Assert.True(input.TryRead(out ReadResult result));
        Assert.Equal("413 Content Too Large", Encoding.Latin1.GetString(result.Buffer));
        input.AdvanceTo(result.Buffer.End);
        Assert.Throws<ConnectionResetException>(() => input.TryRead(out _));
    }

    [Fact]
    public void An_end_in_order_behind_a_failed_send_is_none()
    {
        using BridgeLoop loop = new();
        (SimulatedPeer peer, ConnectionContext connection) = loop.Connect();
        loop.Turn();
        peer.Send("half an ans");
        peer.Finish(); // what the kernel makes of a reset whose error the send has taken
        loop.Kernel.Fail(KernelCall.Send, Errno.ECONNRESET);
        Assert.True(connection.Transport.Output.WriteAsync("more"u8.ToArray()).Result.IsCompleted);
        PipeReader input = connection.Transport.Input;
        Assert.True(input.TryRead(out ReadResult result));
        Assert.False(result.IsCompleted);
        input.AdvanceTo(result.Buffer.End);
        Assert.Throws<ConnectionResetException>(() => input.TryRead(out _));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_send_that_fails_while_the_reader_holds_bytes_loses_nothing(bool isMuch)
    {
        using BridgeLoop loop = new(options => options.MaxReadPerEvent = 8192);
        (SimulatedPeer peer, ConnectionContext connection) = loop.Connect();
        PipeReader input = connection.Transport.Input;
        ValueTask<ReadResult> read = input.ReadAsync();
        loop.Turn();
        peer.Send("hello");
        loop.Turn();
        ReadResult result = read.Result;
        string bye = isMuch ? new string('b', 50_000) : "bye";
        peer.Send(bye);
        peer.Reset(); // the send meets it before its event is seen
        Assert.True(connection.Transport.Output.WriteAsync("echo"u8.ToArray()).Result.IsCompleted);
        Assert.Equal("hello", Encoding.Latin1.GetString(result.Buffer));
        input.AdvanceTo(result.Buffer.End);
        string got = "";
        while (got.Length < bye.Length)
        {
            loop.Turn();
            Assert.True(input.TryRead(out result));
            got += Encoding.Latin1.GetString(result.Buffer);
            input.AdvanceTo(result.Buffer.End);
        }
        Assert.Equal(bye, got);
        loop.Turn();
        Assert.Throws<ConnectionResetException>(() => input.TryRead(out _));
    }

    [Fact]
    public void A_cancelled_result_leaves_the_bytes_before_a_reset_to_the_next()
    {
        using BridgeLoop loop = new();
        (SimulatedPeer peer, ConnectionContext connection) = loop.Connect();
        PipeReader input = connection.Transport.Input;
        ValueTask<ReadResult> read = input.ReadAsync();
        loop.Turn();
        input.CancelPendingRead();
        peer.Send("last words");
        peer.Reset();
        loop.Turn();
        Assert.True(read.Result.IsCanceled);
        Assert.True(input.TryRead(out ReadResult result));
        Assert.Equal("last words", Encoding.Latin1.GetString(result.Buffer));
        input.AdvanceTo(result.Buffer.End);
        Assert.Throws<ConnectionResetException>(() => input.TryRead(out _));
    }

    [Fact]
    public void A_reader_that_takes_little_at_a_time_costs_no_system_calls()
    {
        using BridgeLoop loop = new();
        (SimulatedPeer peer, ConnectionContext connection) = loop.Connect();
        PipeReader input = connection.Transport.Input;
        peer.Send(new string('x', 100_000));
        loop.Turn();
        Assert.True(input.TryRead(out ReadResult result));
        int unread = peer.UnreadCount;
        while (result.Buffer.Length > 100)
        {
            input.AdvanceTo(result.Buffer.GetPosition(100));
            Assert.True(input.TryRead(out result));
            Assert.Equal(unread, peer.UnreadCount);
        }
        input.AdvanceTo(result.Buffer.End);
    }

    [Fact]
    public void A_reader_that_forgets_to_examine_gets_what_comes_later_up_to_the_limit()
    {
        using BridgeLoop loop = new(options => options.MaxReadBufferSize = 10_000);
        (SimulatedPeer peer, ConnectionContext connection) = loop.Connect();
        PipeReader input = connection.Transport.Input;
        int length = 0;
        for (int i = 0; i < 40; i++)
        {
            peer.Send(new string('x', 1000));
            loop.Turn();
            Assert.True(input.TryRead(out ReadResult result));
            length = (int)result.Buffer.Length;
            input.AdvanceTo(result.Buffer.Start);
        }
        Assert.InRange(length, 10_000, 10_000 + 4096); // and the peer has to wait with the rest
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_FIN_or_reset_is_noticed_while_the_reader_looks_at_bytes(bool isReset)
    {
        using BridgeLoop loop = new();
        (SimulatedPeer peer, ConnectionContext connection) = loop.Connect();
        ValueTask<ReadResult> read = connection.Transport.Input.ReadAsync();
        loop.Turn();
        peer.Send("first");
        loop.Turn();
        ReadResult result = read.Result;
        peer.Send("second");
        if (isReset)
        {
            peer.Reset();
        }
        else
        {
            peer.Finish();
        }
        loop.Turn(2);
        Assert.True(connection.ConnectionClosed.IsCancellationRequested || connection.ConnectionClosed.WaitHandle.WaitOne(TestSupport.Hosting.Guard.Time));
        Assert.Equal("first", Encoding.Latin1.GetString(result.Buffer)); // not moved
        connection.Transport.Input.AdvanceTo(result.Buffer.End);
        Assert.True(connection.Transport.Input.TryRead(out result));
        Assert.Equal("second", Encoding.Latin1.GetString(result.Buffer));
        Assert.Equal(!isReset, result.IsCompleted);
        connection.Transport.Input.AdvanceTo(result.Buffer.End);
        if (isReset)
        {
            Assert.Throws<ConnectionResetException>(() => connection.Transport.Input.TryRead(out _));
        }
    }

    [Fact]
    public void A_failing_receive_fails_the_read()
    {
        using BridgeLoop loop = new();
        (SimulatedPeer peer, ConnectionContext connection) = loop.Connect();
        ValueTask<ReadResult> read = connection.Transport.Input.ReadAsync();
        loop.Turn();
        loop.Kernel.Fail(KernelCall.Receive, Errno.ETIMEDOUT);
        peer.Send("x");
        loop.Turn();
        Assert.Throws<ConnectionResetException>(() => read.Result);
    }

    [Fact]
    public void A_FIN_behind_bytes_is_noticed_while_nobody_reads()
    {
        using BridgeLoop loop = new();
        (SimulatedPeer peer, ConnectionContext connection) = loop.Connect();
        peer.Send("bytes");
        peer.Finish();
        loop.Turn();
        TaskCompletionSource closed = new();
        connection.ConnectionClosed.Register(closed.SetResult);
        Assert.True(closed.Task.Wait(TestSupport.Hosting.Guard.Time));
        ReadResult result = connection.Transport.Input.ReadAsync().Result;
        Assert.Equal("bytes", Encoding.Latin1.GetString(result.Buffer));
        Assert.True(result.IsCompleted);
        connection.Transport.Output.Write("answer"u8);
        Assert.False(connection.Transport.Output.FlushAsync().Result.IsCompleted);
        Assert.Equal("answer", peer.Received);
    }

    [Fact]
    public void A_FIN_behind_what_does_not_fit_while_the_reader_looks_at_bytes_is_noticed_afterwards()
    {
        using BridgeLoop loop = new();
        (SimulatedPeer peer, ConnectionContext connection) = loop.Connect();
        ValueTask<ReadResult> read = connection.Transport.Input.ReadAsync();
        loop.Turn();
        peer.Send("first");
        loop.Turn();
        ReadResult result = read.Result;
        peer.Send(new string('s', 10_000));
        peer.Finish();
        loop.Turn();
        Assert.False(connection.ConnectionClosed.IsCancellationRequested);
        Assert.Equal("first", Encoding.Latin1.GetString(result.Buffer));
        connection.Transport.Input.AdvanceTo(result.Buffer.End);
        loop.Turn(3);
        Assert.True(connection.ConnectionClosed.IsCancellationRequested || connection.ConnectionClosed.WaitHandle.WaitOne(TestSupport.Hosting.Guard.Time));
        Assert.True(connection.Transport.Input.TryRead(out result));
        Assert.Equal(10_000, result.Buffer.Length);
        Assert.True(result.IsCompleted);
    }

    [Fact]
    public void A_FIN_behind_more_than_the_budget_of_a_turn_is_noticed_while_nobody_reads()
    {
        using BridgeLoop loop = new(options => options.MaxReadPerEvent = 8192);
        (SimulatedPeer peer, ConnectionContext connection) = loop.Connect();
        peer.Send(new string('x', 100_000));
        peer.Finish();
        loop.Turn(20);
        Assert.True(connection.ConnectionClosed.WaitHandle.WaitOne(TestSupport.Hosting.Guard.Time));
        ReadResult result = connection.Transport.Input.ReadAsync().Result;
        Assert.Equal(100_000, result.Buffer.Length);
        Assert.True(result.IsCompleted);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_FIN_behind_more_than_the_budget_of_a_turn_is_noticed_when_the_reader_lets_go(bool isElsewhere)
    {
        using BridgeLoop loop = new(options => options.MaxReadPerEvent = 8192);
        (SimulatedPeer peer, ConnectionContext connection) = loop.Connect();
        ValueTask<ReadResult> read = connection.Transport.Input.ReadAsync();
        peer.Send("first");
        loop.Turn();
        ReadResult result = read.Result;
        peer.Send(new string('x', 100_000));
        peer.Finish();
        loop.Turn(2);
        SequencePosition end = result.Buffer.End;
        if (isElsewhere)
        {
            ForeignThread.Run(() => connection.Transport.Input.AdvanceTo(end));
        }
        else
        {
            connection.Transport.Input.AdvanceTo(end);
        }
        loop.Turn(20);
        Assert.True(connection.ConnectionClosed.WaitHandle.WaitOne(TestSupport.Hosting.Guard.Time));
        Assert.True(connection.Transport.Input.TryRead(out result));
        Assert.Equal(100_000, result.Buffer.Length);
        Assert.True(result.IsCompleted);
    }

    [Fact]
    public void Reading_ahead_of_the_reader_for_a_FIN_has_a_limit()
    {
        using BridgeLoop loop = new(options => options.MaxReadBufferSize = 10_000);
        (SimulatedPeer peer, ConnectionContext connection) = loop.Connect();
        peer.Send(new string('x', 100_000));
        peer.Finish();
        loop.Turn(5);
        Assert.False(connection.ConnectionClosed.IsCancellationRequested);
        long total = 0;
        ReadResult result;
        do
        {
            ValueTask<ReadResult> read = connection.Transport.Input.ReadAsync();
            loop.Turn();
            result = read.Result;
            total += result.Buffer.Length;
            connection.Transport.Input.AdvanceTo(result.Buffer.End);
        }
        while (!result.IsCompleted);
        Assert.Equal(100_000, total);
    }

    [Fact]
    public void Completing_both_sides_sends_the_rest_and_closes()
    {
        using BridgeLoop loop = new();
        (SimulatedPeer peer, ConnectionContext connection) = loop.Connect();
        peer.SetSpace(3);
        connection.Transport.Output.Write("last words"u8);
        ValueTask disposing = connection.DisposeAsync();
        loop.Turn();
        Assert.Equal("las", peer.Received);
        Assert.False(disposing.IsCompleted);
        peer.SetSpace(100);
        loop.Turn();
        Assert.Equal("last words", peer.Received);
        Assert.True(peer.IsClosedByServer);
        Assert.False(peer.SeesReset);
        Assert.True(disposing.IsCompletedSuccessfully);
        Assert.True(connection.ConnectionClosed.IsCancellationRequested);
    }

    [Fact]
    public void Closing_over_unread_bytes_finishes_first_and_drops_what_comes()
    {
        using BridgeLoop loop = new();
        (SimulatedPeer peer, ConnectionContext connection) = loop.Connect();
        peer.Send("unread");
        loop.Turn();
        connection.Transport.Output.Write("answer"u8);
        ValueTask disposing = connection.DisposeAsync();
        loop.Turn();
        Assert.True(disposing.IsCompletedSuccessfully);
        Assert.Equal("answer", peer.Received);
        Assert.True(peer.SeesEndOfStream);
        Assert.False(peer.IsClosedByServer);
        peer.Send("more");
        loop.Turn();
        Assert.False(peer.IsClosedByServer);
        peer.Finish();
        loop.Turn();
        Assert.True(peer.IsClosedByServer);
    }

    [Fact]
    public void Lingering_ends_after_a_while()
    {
        using BridgeLoop loop = new();
        (SimulatedPeer peer, ConnectionContext connection) = loop.Connect();
        peer.Send("unread");
        loop.Turn();
        _ = connection.DisposeAsync();
        loop.Turn();
        Assert.False(peer.IsClosedByServer);
        loop.Inner.Advance(1500);
        Assert.True(peer.IsClosedByServer);
    }

    [Fact]
    public void An_abort_resets_the_peer_and_fails_both_sides_with_its_reason()
    {
        using BridgeLoop loop = new();
        (SimulatedPeer peer, ConnectionContext connection) = loop.Connect();
        ValueTask<ReadResult> read = connection.Transport.Input.ReadAsync();
        loop.Turn();
        ConnectionAbortedException reason = new("enough");
        connection.Abort(reason);
        Assert.True(peer.SeesReset);
        Assert.Same(reason, Assert.Throws<ConnectionAbortedException>(() => read.AsTask().GetAwaiter().GetResult()));
        Assert.True(connection.Transport.Output.FlushAsync().Result.IsCompleted);
        loop.Turn();
        Assert.True(peer.IsClosedByServer);
    }

    [Theory]
    [InlineData(PipeScheduling.Inline)]
    [InlineData(PipeScheduling.ThreadPool)]
    public void Callbacks_and_loggers_that_throw_end_their_connection_and_nothing_else(PipeScheduling scheduling)
    {
        using BridgeLoop loop = new(options => options.PipeScheduling = scheduling, new ThrowingLogger());
        (SimulatedPeer peer, ConnectionContext connection) = loop.Connect();
        using ManualResetEventSlim told = new();
        connection.ConnectionClosed.Register(() =>
        {
            told.Set();
            throw new InvalidOperationException("a fault of the application");
        });
        connection.Transport.Input.ReadAsync().GetAwaiter().UnsafeOnCompleted(static () => throw new InvalidOperationException("another one"));
        peer.Reset();
        loop.Turn(3);
        Assert.True(told.Wait(Guard.Time));
        Assert.True(SpinWait.SpinUntil(
            () =>
            {
                loop.Turn();
                return peer.IsClosedByServer;
            },
            Guard.Time)); // the thread pool asks the loop for it
    }

    [Fact]
    public void An_end_without_a_reason_is_no_reset()
    {
        // Kestrel's word for "the client has finished, and so have we".
        using BridgeLoop loop = new();
        (SimulatedPeer peer, ConnectionContext connection) = loop.Connect();
        ValueTask<ReadResult> read = connection.Transport.Input.ReadAsync();
        connection.Abort(null!);
        loop.Turn(2);
        Assert.Throws<ConnectionAbortedException>(() => read.AsTask().GetAwaiter().GetResult());
        Assert.False(peer.SeesReset);
        Assert.True(peer.SeesEndOfStream);
        Assert.True(peer.IsClosedByServer);
    }

    [Fact]
    public void An_abort_can_end_with_FIN()
    {
        using BridgeLoop loop = new(options => options.FinOnError = true);
        (SimulatedPeer peer, ConnectionContext connection) = loop.Connect();
        connection.Abort(new ConnectionAbortedException());
        loop.Turn();
        Assert.True(peer.SeesEndOfStream);
        Assert.False(peer.SeesReset);
        Assert.True(peer.IsClosedByServer);
    }

    [Fact]
    public void The_lifetime_feature_aborts_too()
    {
        using BridgeLoop loop = new();
        (SimulatedPeer peer, ConnectionContext connection) = loop.Connect();
        connection.Features.Get<IConnectionLifetimeFeature>()!.Abort();
        loop.Turn();
        Assert.True(peer.SeesReset);
        Assert.True(peer.IsClosedByServer);
    }

    [Fact]
    [Trait("Defect", "LOOP-2")]
    public void A_failing_epoll_ctl_ends_the_connection()
    {
        using BridgeLoop loop = new();
        (SimulatedPeer peer, ConnectionContext connection) = loop.Connect();
        ValueTask<ReadResult> read = connection.Transport.Input.ReadAsync();
        loop.Turn();
        peer.SetSpace(0);
        loop.Kernel.Fail(KernelCall.EpollControl, Errno.ENOMEM);
        _ = connection.Transport.Output.WriteAsync("x"u8.ToArray());
        loop.Turn(2);
        Assert.Throws<ConnectionResetException>(() => read.Result);
    }

    [Fact]
    [Trait("Defect", "LOOP-4")]
    public void Room_that_comes_between_the_full_socket_and_the_wish_for_it_is_noticed()
    {
        using BridgeLoop loop = new();
        (SimulatedPeer peer, ConnectionContext connection) = loop.Connect();
        peer.SetSpace(0);
        loop.Kernel.Before(KernelCall.EpollControl, () => peer.SetSpace(100));
        _ = connection.Transport.Output.WriteAsync("hello"u8.ToArray());
        loop.Turn(2);
        Assert.Equal("hello", peer.Received);
    }

    [Fact]
    public void Code_that_throws_where_it_waits_aborts_its_connection_only()
    {
        using BridgeLoop loop = new();
        (SimulatedPeer peer, ConnectionContext connection) = loop.Connect();
        (SimulatedPeer other, ConnectionContext second) = loop.Connect();
        _ = EchoAsync(second, messageLength: 1);
        ValueTask<ReadResult> read = connection.Transport.Input.ReadAsync();
        read.GetAwaiter().UnsafeOnCompleted(() => throw new InvalidOperationException("application"));
        peer.Send("x");
        loop.Turn(2);
        Assert.True(peer.SeesReset);
        other.Send("y");
        loop.Turn();
        Assert.Equal("y", other.Received);
    }

    [Fact]
    public void Asynchronous_locals_end_with_the_call()
    {
        using BridgeLoop loop = new();
        (SimulatedPeer peer, ConnectionContext connection) = loop.Connect();
        System.Threading.AsyncLocal<string?> local = new();
        connection.Transport.Input.ReadAsync().GetAwaiter().UnsafeOnCompleted(() => local.Value = "leaked");
        peer.Send("x");
        loop.Turn(2);
        Assert.Null(local.Value);
    }

    [Fact]
    [Trait("Defect", "LOOP-34")]
    public void Random_faults_lose_no_byte_of_connections_that_survive_and_leave_nothing_behind()
    {
        int seed = Random.Shared.Next();
        output.WriteLine($"seed {seed.ToString(CultureInfo.InvariantCulture)}");
        Random random = new(seed);
        for (int round = 0; round < 30; round++)
        {
            using BridgeLoop loop = new(options => options.MaxWriteBufferSize = random.Next(3) * 700);
            List<(SimulatedPeer Peer, string Sent)> peers = [];
            for (int i = 0; i < 8; i++)
            {
                (SimulatedPeer peer, ConnectionContext connection) = loop.Connect();
                peers.Add((peer, ""));
                _ = EchoAndCloseAsync(connection, random.Next(1, 40));
            }
            for (int step = 0; step < 300; step++)
            {
                loop.Kernel.TransferMax = random.Next(1, 3000);
                loop.Kernel.EventsMax = random.Next(1, 5);
                int index = random.Next(peers.Count);
                (SimulatedPeer peer, string sent) = peers[index];
                switch (random.Next(12))
                {
                    case 0:
                        peer.SetSpace(random.Next(200));
                        break;
                    case 1:
                        peer.SetSpace(int.MaxValue);
                        break;
                    case 2:
                        loop.Kernel.Fail(KernelCall.Receive, Errno.EAGAIN);
                        break;
                    case 3 when random.Next(10) == 0:
                        peer.Reset();
                        peers.RemoveAt(index);
                        break;
                    default:
                        string text = new((char)('a' + random.Next(26)), random.Next(1, 400));
                        peer.Send(text);
                        peers[index] = (peer, sent + text);
                        break;
                }
                loop.Turn();
                if (peers.Count == 0)
                {
                    break;
                }
            }
            loop.Kernel.ClearFailures();
            loop.Kernel.EventsMax = int.MaxValue;
            foreach ((SimulatedPeer peer, _) in peers)
            {
                peer.SetSpace(int.MaxValue);
                peer.Touch();
                peer.Finish();
            }
            loop.Turn(2000);
            foreach ((SimulatedPeer peer, string sent) in peers)
            {
                Assert.Equal(sent, peer.Received);
                Assert.True(peer.IsClosedByServer);
            }
        }
    }

    private static async Task EchoAndCloseAsync(ConnectionContext connection, int messageLength)
    {
        try
        {
            await EchoAsync(connection, messageLength);
        }
        catch (ConnectionResetException)
        {
            // The peer's choice.
        }
        await connection.DisposeAsync();
    }

    private static async Task EchoAsync(ConnectionContext connection, int messageLength)
    {
        PipeReader input = connection.Transport.Input;
        PipeWriter writer = connection.Transport.Output;
        while (true)
        {
            ReadResult result = await input.ReadAsync();
            ReadOnlySequence<byte> left = result.Buffer;
            while (left.Length >= messageLength || (result.IsCompleted && !left.IsEmpty))
            {
                ReadOnlySequence<byte> message = left.Slice(0, Math.Min(left.Length, messageLength));
                foreach (ReadOnlyMemory<byte> piece in message)
                {
                    writer.Write(piece.Span);
                }
                left = left.Slice(message.End);
                if ((await writer.FlushAsync()).IsCompleted)
                {
                    return;
                }
            }
            input.AdvanceTo(left.Start, result.Buffer.End);
            if (result.IsCompleted)
            {
                return;
            }
        }
    }

    private static string Text(ValueTask<ReadResult> read)
    {
        Assert.True(read.IsCompleted);
        return Encoding.Latin1.GetString(read.Result.Buffer);
    }

    /// <summary>A simulated loop whose connections are handed to the test; disposing it completes them and checks that nothing is left.</summary>
    private sealed class BridgeLoop : IConnectionTaker, IDisposable
    {
        private readonly List<AeronetConnectionContext> _taken = [];
        private int _takenCount;

        public BridgeLoop(Action<AeronetTransportOptions>? configure = null, ILogger? logger = null)
        {
            Inner = new SimulatedLoop(logger, configure);
            PipeBridgeSettings settings = new(Inner.Loop.Options, logger ?? NullLogger.Instance);
            Inner.Acceptor.Instead = connection =>
            {
                AeronetConnectionContext context = new(connection, settings, this);
                context.HandOver();
                return context.Handler;
            };
        }

        public SimulatedLoop Inner { get; }

        public SimulatedKernel Kernel => Inner.Kernel;

        public void Turn(int count = 1) => Inner.Turn(count);

        public (SimulatedPeer Peer, ConnectionContext Connection) Connect()
        {
            SimulatedPeer peer = Kernel.Connect(Inner.Listener);
            int before = _taken.Count;
            Turn();
            Assert.True(SpinWait.SpinUntil(() => Volatile.Read(ref _takenCount) > before, Guard.Time)); // on the thread pool a moment later
            return (peer, _taken[^1]);
        }

        bool IConnectionTaker.TryTake(AeronetConnectionContext connection)
        {
            _taken.Add(connection);
            Volatile.Write(ref _takenCount, _taken.Count);
            return true;
        }

        public void Dispose()
        {
            foreach (AeronetConnectionContext connection in _taken)
            {
                connection.Abort(new ConnectionAbortedException("The test is over."));
                _ = connection.DisposeAsync();
            }
            Inner.Dispose();
        }
    }
}
