using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Net;
using System.Text;
using Aeronet.Native.Libc;
using Aeronet.TestSupport.Kernel;
using Aeronet.Transport.Connections;
using Microsoft.Win32.SafeHandles;
using Xunit;

namespace Aeronet.Transport.Tests.Connections;

public sealed class SocketConnectionTests
{
    [Fact]
    [Trait("Defect", "LOOP-17")]
    public void Bytes_and_FIN_in_one_event_are_read_to_the_end()
    {
        using SimulatedLoop loop = new();
        (SimulatedPeer peer, RecordingHandler handler) = loop.Connect();
        peer.Send("GET / HTTP/1.1");
        peer.Finish();
        loop.Turn();
        Assert.Equal("GET / HTTP/1.1", handler.Received);
        Assert.True(handler.HasSeenEndOfStream);
        Assert.Contains("ReadablePeerClosed", handler.Calls);
        Assert.DoesNotContain("Reset", handler.Calls);
    }

    [Fact]
    [Trait("Defect", "LOOP-17")]
    public void FIN_that_came_before_the_accept_is_told_after_registration()
    {
        using SimulatedLoop loop = new();
        SimulatedPeer peer = loop.Kernel.Connect(loop.Listener);
        peer.Send("bye");
        peer.Finish();
        loop.Turn(2);
        RecordingHandler handler = loop.Acceptor.Handlers[0];
        Assert.Equal("bye", handler.Received);
        Assert.True(handler.HasSeenEndOfStream);
    }

    [Fact]
    [Trait("Defect", "LOOP-18")]
    public void A_reset_reaches_a_protocol_that_is_not_reading_once_and_does_not_spin()
    {
        using SimulatedLoop loop = new();
        (SimulatedPeer peer, RecordingHandler handler) = loop.Connect();
        handler.Reads = false;
        handler.WhenReset = null; // busy: closes later
        handler.Calls.Clear();
        peer.Reset();
        loop.Turn(3);
        peer.Touch();
        loop.Turn(3);
        Assert.Equal(["Reset"], handler.Calls);
        handler.Connection.Close();
    }

    [Fact]
    public void A_peer_that_sends_and_hangs_up_at_once_is_read_before_the_reset_is_told()
    {
        using SimulatedLoop loop = new(isTcp: false);
        (SimulatedPeer peer, RecordingHandler handler) = loop.Connect();
        handler.Calls.Clear();
        peer.Send("last words");
        loop.Kernel.InjectEvent(EpollEvents.In | EpollEvents.ReadHangUp | EpollEvents.HangUp, loop.Kernel.DataOf(peer));
        loop.Turn();
        Assert.Equal("last words", handler.Received);
        Assert.Equal(["ReadablePeerClosed", "Reset", "Closed"], handler.Calls);
    }

    [Theory]
    [InlineData(Errno.EINVAL, IoError.FileNotSendable)]
    [InlineData(Errno.ENOSYS, IoError.FileNotSendable)]
    [InlineData(Errno.EOPNOTSUPP, IoError.FileNotSendable)]
    [InlineData(Errno.EPERM, IoError.FileNotSendable)]
    [InlineData(Errno.EPIPE, IoError.ConnectionReset)]
    [InlineData(Errno.ETIMEDOUT, IoError.NetworkFailure)]
    [InlineData(Errno.EIO, IoError.FileNotSendable)]
    [Trait("Feature", "B73b")]
    public void A_file_that_the_kernel_cannot_send_is_not_the_end_of_the_connection(object errno, object expected)
    {
        using SimulatedLoop loop = new();
        (SimulatedPeer peer, RecordingHandler handler) = loop.Connect();
        string path = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());
        File.WriteAllText(path, "content");
        try
        {
            using SafeFileHandle file = File.OpenHandle(path);
            Assert.True(handler.Connection.SendsFiles);
            loop.Kernel.Fail(KernelCall.SendFile, (Errno)errno);
            Assert.Equal((IoError)expected, handler.Connection.SendFile(file, 0, 7).Error);
            Assert.Equal(4, handler.Connection.SendFile(file, 3, 100).Bytes);
            Assert.True(handler.Connection.SendFile(file, 7, 100).IsEndOfStream);
            Assert.Equal("tent", peer.Received);
            loop.Kernel.Fail(KernelCall.SendFile, Errno.EAGAIN);
            Assert.True(handler.Connection.SendFile(file, 0, 7).IsWouldBlock);
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Theory]
    [InlineData(Errno.ECONNRESET, IoError.ConnectionReset)]
    [InlineData(Errno.EPIPE, IoError.ConnectionReset)]
    [InlineData(Errno.ETIMEDOUT, IoError.NetworkFailure)]
    [InlineData(Errno.EHOSTUNREACH, IoError.NetworkFailure)]
    [InlineData(Errno.EFAULT, IoError.Other)]
    public void Errors_are_told_by_what_a_protocol_cares_for(object errno, object expected)
    {
        using SimulatedLoop loop = new();
        (SimulatedPeer _, RecordingHandler handler) = loop.Connect();
        loop.Kernel.Fail(KernelCall.Receive, (Errno)errno);
        Assert.Equal((IoError)expected, handler.Connection.Receive(new byte[1]).Error);
        loop.Kernel.Fail(KernelCall.Send, (Errno)errno);
        Assert.Equal((IoError)expected, handler.Connection.Send("x"u8).Error);
    }

    [Fact]
    [Trait("Defect", "LOOP-36")]
    public void A_receive_that_would_block_is_followed_by_a_new_edge()
    {
        using SimulatedLoop loop = new();
        (SimulatedPeer peer, RecordingHandler handler) = loop.Connect();
        loop.Kernel.Fail(KernelCall.Receive, Errno.EAGAIN);
        peer.Send("x");
        loop.Turn(2);
        Assert.Equal("x", handler.Received);
    }

    [Fact]
    public void Short_reads_and_writes_lose_nothing()
    {
        using SimulatedLoop loop = new();
        (SimulatedPeer peer, RecordingHandler handler) = loop.Connect();
        loop.Kernel.TransferMax = 3;
        handler.BufferSize = 3;
        peer.Send("abcdefgh");
        loop.Turn();
        Assert.Equal("abcdefgh", handler.Received);
        ReadOnlyMemory<byte>[] segments = [Encoding.ASCII.GetBytes("12"), Encoding.ASCII.GetBytes("345")];
        Assert.Equal(3, handler.Connection.Send(segments).Bytes);
        Assert.Equal("123", peer.Received);
    }

    [Fact]
    public void OnWritable_comes_once_the_full_socket_has_room()
    {
        using SimulatedLoop loop = new();
        (SimulatedPeer peer, RecordingHandler handler) = loop.Connect();
        peer.SetSpace(2);
        Assert.Equal(2, handler.Connection.Send("abcd"u8).Bytes);
        Assert.True(handler.Connection.Send("cd"u8).IsWouldBlock);
        handler.Connection.NotifyWhenWritable();
        loop.Turn();
        Assert.DoesNotContain("Writable", handler.Calls);
        peer.SetSpace(10);
        loop.Turn();
        Assert.Equal(1, handler.CountOf("Writable"));
        loop.Turn(3);
        Assert.Equal(1, handler.CountOf("Writable"));
    }

    [Fact]
    [Trait("Defect", "LOOP-4")]
    public void Room_that_appears_between_the_full_send_and_the_request_is_not_lost()
    {
        using SimulatedLoop loop = new();
        (SimulatedPeer peer, RecordingHandler handler) = loop.Connect();
        peer.SetSpace(0);
        Assert.True(handler.Connection.Send("x"u8).IsWouldBlock);
        loop.Kernel.Before(KernelCall.EpollControl, () => peer.SetSpace(10));
        handler.Connection.NotifyWhenWritable();
        loop.Turn();
        Assert.Equal(1, handler.CountOf("Writable"));
    }

    [Fact]
    [Trait("Defect", "LOOP-4")]
    public void An_edge_that_the_loop_ignored_is_repeated_when_another_thread_asks_for_it()
    {
        using SimulatedLoop loop = new();
        (SimulatedPeer peer, RecordingHandler handler) = loop.Connect();
        // EPOLLOUT is registered from an earlier episode.
        peer.SetSpace(0);
        Assert.True(handler.Connection.Send("x"u8).IsWouldBlock);
        handler.Connection.NotifyWhenWritable();
        peer.SetSpace(1);
        loop.Turn();
        Assert.Equal(1, handler.CountOf("Writable"));
        // A foreign thread meets the full socket; room appears and its edge is handled before the thread has said that it waits.
        peer.SetSpace(0);
        Assert.True(ForeignThread.Run(() => handler.Connection.Send("y"u8)).IsWouldBlock);
        peer.SetSpace(1);
        loop.Turn();
        Assert.Equal(1, handler.CountOf("Writable"));
        ForeignThread.Run(handler.Connection.NotifyWhenWritable);
        loop.Turn();
        Assert.Equal(2, handler.CountOf("Writable"));
    }

    [Fact]
    public void Room_asked_for_before_the_registration_is_told_after_it()
    {
        using SimulatedLoop loop = new();
        SimulatedPeer peer = loop.Kernel.Connect(loop.Listener);
        peer.SetSpace(0);
        loop.Acceptor.Prepare = static handler => handler.WhenReadable = static h =>
        {
            h.WhenReadable = null;
            Assert.True(h.Connection.Send("x"u8).IsWouldBlock);
            h.Connection.NotifyWhenWritable();
        };
        loop.Turn();
        Assert.True(loop.Kernel.InterestOf(peer).HasFlag(EpollEvents.Out));
        peer.SetSpace(1);
        loop.Turn();
        Assert.Equal(1, loop.Acceptor.Handlers[0].CountOf("Writable"));
    }

    [Fact]
    public void Room_asked_for_while_the_registration_runs_is_told()
    {
        using SimulatedLoop loop = new();
        SimulatedPeer peer = loop.Kernel.Connect(loop.Listener);
        peer.SetSpace(0);
        // Just before the loop's EPOLL_CTL_ADD, another thread finds the socket full.
        loop.Kernel.Before(KernelCall.EpollControl, () =>
            ForeignThread.Run(() =>
            {
                TransportConnection connection = loop.Acceptor.Handlers[0].Connection;
                Assert.True(connection.Send("x"u8).IsWouldBlock);
                connection.NotifyWhenWritable();
            }));
        loop.Turn();
        peer.SetSpace(1);
        loop.Turn();
        Assert.Equal(1, loop.Acceptor.Handlers[0].CountOf("Writable"));
    }

    [Fact]
    [Trait("Defect", "LOOP-2")]
    public void A_failed_change_of_interest_ends_the_connection_and_is_counted()
    {
        using SimulatedLoop loop = new();
        (SimulatedPeer peer, RecordingHandler handler) = loop.Connect();
        peer.SetSpace(0);
        Assert.True(handler.Connection.Send("x"u8).IsWouldBlock);
        loop.Kernel.Fail(KernelCall.EpollControl, Errno.ENOMEM);
        handler.Connection.NotifyWhenWritable();
        Assert.DoesNotContain("Reset", handler.Calls); // not inside the caller's own call
        loop.Turn();
        Assert.Equal(["Reset", "Closed"], handler.Calls[^2..]);
        Assert.Equal(1, loop.Loop.Counters.Read().ModFailures);
        Assert.Equal(1, loop.Loop.Counters.Read().WritesDeferred);
    }

    [Fact]
    [Trait("Defect", "LOOP-2")]
    public void A_failed_registration_ends_the_connection()
    {
        using SimulatedLoop loop = new();
        loop.Kernel.Fail(KernelCall.EpollControl, Errno.ENOSPC);
        loop.Kernel.Connect(loop.Listener);
        loop.Turn();
        Assert.Equal(["Readable", "Reset", "Closed"], loop.Acceptor.Handlers[0].Calls);
    }

    [Fact]
    public void Nobody_is_told_of_room_that_nobody_waits_for()
    {
        using SimulatedLoop loop = new();
        (SimulatedPeer peer, RecordingHandler handler) = loop.Connect();
        handler.Connection.NotifyWhenWritable();
        loop.Turn();
        Assert.Equal(1, handler.CountOf("Writable"));
        peer.Send("x"); // this edge carries EPOLLOUT too
        loop.Turn();
        Assert.Equal(1, handler.CountOf("Writable"));
    }

    [Fact]
    public void Abort_resets_TCP_and_keeps_the_descriptor_until_close()
    {
        using SimulatedLoop loop = new();
        (SimulatedPeer peer, RecordingHandler handler) = loop.Connect();
        handler.Connection.Abort();
        Assert.True(peer.SeesReset);
        Assert.False(peer.IsClosedByServer);
        Assert.True(handler.Connection.Send("x"u8).IsFailed);
        loop.Turn();
        Assert.Equal(["Reset", "Closed"], handler.Calls[^2..]);
        Assert.True(peer.IsClosedByServer);
    }

    [Fact]
    public void Abort_of_a_Unix_connection_shuts_it_down()
    {
        using SimulatedLoop loop = new(isTcp: false);
        (SimulatedPeer peer, RecordingHandler handler) = loop.Connect();
        handler.Connection.Abort();
        Assert.Equal(0, loop.Kernel.Count(KernelCall.Disconnect));
        Assert.True(peer.SeesEndOfStream);
        handler.Connection.Close();
    }

    [Fact]
    public void Shutting_down_the_sending_side_leaves_the_receiving_side_open()
    {
        using SimulatedLoop loop = new();
        (SimulatedPeer peer, RecordingHandler handler) = loop.Connect();
        handler.Connection.ShutdownSend();
        peer.Send("still here");
        loop.Turn();
        Assert.True(peer.SeesEndOfStream);
        Assert.Equal("still here", handler.Received);
    }

    [Theory]
    [InlineData("readable")]
    [InlineData("writable")]
    [InlineData("deadline")]
    [InlineData("posted")]
    [InlineData("drain")]
    [InlineData("pending")]
    public void An_exception_that_escapes_a_protocol_ends_its_connection_and_nothing_else(string where)
    {
        using SimulatedLoop loop = new();
        (SimulatedPeer peer, RecordingHandler handler) = loop.Connect();
        (SimulatedPeer neighbour, RecordingHandler other) = loop.Connect();
        handler.WhenReset = static handler => handler.Connection.Close(); // only the handler knows when no other thread is inside a call
        Action<RecordingHandler> fail = static _ => throw new InvalidOperationException("boom");
        switch (where)
        {
            case "readable":
                handler.WhenReadable = fail;
                peer.Send("x");
                break;
            case "writable":
                handler.WhenWritable = fail;
                handler.Connection.NotifyWhenWritable();
                break;
            case "deadline":
                handler.WhenDeadline = fail;
                handler.Connection.SetDeadline(loop.Loop.NowMs + 1);
                loop.Clock.Advance(200);
                break;
            case "posted":
                handler.WhenPosted = fail;
                handler.Connection.Post();
                break;
            case "drain":
                handler.WhenDrained = fail;
                loop.Loop.PostVisit(null, abort: false);
                break;
            default:
                handler.Connection.RequeueReadable();
                handler.WhenReadable = fail;
                break;
        }
        neighbour.Send("y");
        loop.Turn(3);
        Assert.True(peer.SeesReset);
        Assert.True(peer.IsClosedByServer);
        Assert.Equal("Closed", handler.Calls[^1]);
        Assert.Equal("y", other.Received);
        Assert.Equal(1, loop.Loop.Counters.Read().HandlerFailures);
    }

    [Fact]
    public void An_exception_from_OnClosed_leaves_no_connection_behind()
    {
        using SimulatedLoop loop = new();
        (SimulatedPeer _, RecordingHandler handler) = loop.Connect();
        handler.WhenClosed = static _ => throw new InvalidOperationException("boom");
        handler.Connection.Close();
        Assert.Equal(0, loop.GroupConnections.Count);
        Assert.Equal(0, loop.Loop.Counters.Read().Connections);
    }

    [Fact]
    public void The_deadline_is_a_store_from_any_thread_and_fires_on_the_loop()
    {
        using SimulatedLoop loop = new();
        (SimulatedPeer _, RecordingHandler handler) = loop.Connect();
        TransportConnection connection = handler.Connection;
        long deadline = loop.Loop.NowMs + 500;
        ForeignThread.Run(() => connection.SetDeadline(deadline));
        Assert.Equal(deadline, connection.DeadlineMs);
        loop.Advance(400);
        Assert.DoesNotContain("Deadline", handler.Calls);
        loop.Advance(300);
        Assert.Equal(1, handler.CountOf("Deadline"));
    }

    [Fact]
    public void A_deadline_dies_with_its_connection()
    {
        using SimulatedLoop loop = new();
        (SimulatedPeer _, RecordingHandler handler) = loop.Connect();
        handler.Connection.SetDeadline(loop.Loop.NowMs + 500);
        handler.Connection.Close();
        loop.Advance(2000);
        Assert.DoesNotContain("Deadline", handler.Calls);
    }

    [Fact]
    public void The_peers_address_is_known_also_after_it_is_gone()
    {
        using SimulatedLoop loop = new();
        IPEndPoint from = new(IPAddress.Parse("2001:db8::7"), 1234);
        SimulatedPeer peer = loop.Kernel.Connect(loop.Listener, from);
        loop.Turn();
        TransportConnection connection = loop.Acceptor.Handlers[0].Connection;
        peer.Reset();
        loop.Turn();
        Assert.Equal(from, connection.RemoteEndPoint);
        Assert.Equal(loop.Endpoint.LocalEndPoint, connection.LocalEndPoint);
    }

    [Fact]
    public void Bytes_are_counted_on_the_loop_and_from_other_threads()
    {
        using SimulatedLoop loop = new();
        (SimulatedPeer peer, RecordingHandler handler) = loop.Connect();
        peer.Send("12345");
        loop.Turn();
        handler.Connection.Send("abc"u8);
        _ = ForeignThread.Run(() => handler.Connection.Send("defg"u8));
        Assert.Equal(5, loop.Loop.Counters.Read().BytesRead);
        Assert.Equal(7, loop.Loop.Counters.Read().BytesWritten);
    }

    [Fact]
    [Trait("Defect", "LOOP-34")]
    public void The_counters_follow_the_connections()
    {
        using SimulatedLoop loop = new();
        List<RecordingHandler> handlers = [.. Enumerable.Range(0, 5).Select(_ => loop.Connect().Handler)];
        Assert.Equal(5, loop.Endpoint.ConnectionCount);
        Assert.Equal(5, loop.Loop.Counters.Read().ConnectionsAccepted);
        handlers[0].Connection.Close();
        handlers[1].Connection.Close();
        Assert.Equal(3, loop.Endpoint.ConnectionCount);
        Assert.Equal(3, loop.GroupConnections.Count);
        Assert.Equal(3, loop.Loop.Counters.Read().Connections);
    }

    [Fact]
    public void Connection_ids_are_13_characters_and_differ()
    {
        using SimulatedLoop loop = new();
        (SimulatedPeer _, RecordingHandler first) = loop.Connect();
        (SimulatedPeer _, RecordingHandler second) = loop.Connect();
        Assert.Equal(13, first.Connection.ConnectionId.Length);
        Assert.NotEqual(first.Connection.ConnectionId, second.Connection.ConnectionId);
        Assert.Same(first.Connection.ConnectionId, first.Connection.ConnectionId);
    }
}
