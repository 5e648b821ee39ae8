using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading.Tasks;
using Aeronet.Native.Libc;
using Aeronet.TestSupport.Kernel;
using Aeronet.Transport.Loop;
using Xunit;

namespace Aeronet.Transport.Tests.Loop;

/// <summary>Turns of a loop on the simulated kernel.</summary>
public sealed class EventLoopTests
{
    [Fact]
    public void Bytes_that_came_with_the_connection_are_read_before_epoll_hears_of_it()
    {
        using SimulatedLoop loop = new();
        SimulatedPeer peer = loop.Kernel.Connect(loop.Listener);
        peer.Send("GET");
        loop.Kernel.Before(KernelCall.Receive, () => Assert.False(loop.Kernel.IsRegistered(peer)));
        loop.Turn();
        Assert.Equal("GET", loop.Acceptor.Handlers[0].Received);
        Assert.True(loop.Kernel.IsRegistered(peer));
    }

    [Fact]
    public void A_connection_that_is_served_and_closed_at_once_costs_no_epoll_ctl()
    {
        using SimulatedLoop loop = new();
        loop.Acceptor.Prepare = static handler => handler.WhenReadable = static h => h.Connection.Close();
        int before = loop.Kernel.Count(KernelCall.EpollControl);
        loop.Kernel.Connect(loop.Listener).Send("GET");
        loop.Turn();
        Assert.Equal(before, loop.Kernel.Count(KernelCall.EpollControl));
        Assert.Equal(0, loop.GroupConnections.Count);
    }

    [Fact]
    [Trait("Defect", "LOOP-1")]
    public void A_handler_that_stopped_for_fairness_is_called_again_without_new_bytes()
    {
        using SimulatedLoop loop = new();
        (SimulatedPeer peer, RecordingHandler handler) = loop.Connect();
        handler.BufferSize = 10;
        handler.ReceivesMax = 2;
        peer.Send(new string('x', 95));
        loop.Turn(6);
        Assert.Equal(95, handler.Received.Length);
    }

    [Fact]
    public void A_requeued_connection_lets_others_have_their_turn()
    {
        using SimulatedLoop loop = new();
        (SimulatedPeer greedy, RecordingHandler first) = loop.Connect();
        (SimulatedPeer modest, RecordingHandler second) = loop.Connect();
        first.BufferSize = 1;
        first.ReceivesMax = 1;
        greedy.Send("aaaaaaaa");
        loop.Turn();
        modest.Send("b");
        loop.Turn();
        Assert.Equal("b", second.Received);
        Assert.True(first.Received.Length < 8);
        loop.Turn(10);
        Assert.Equal("aaaaaaaa", first.Received);
    }

    [Fact]
    public void The_wait_is_not_entered_while_a_connection_is_requeued()
    {
        using SimulatedLoop loop = new();
        (SimulatedPeer peer, RecordingHandler handler) = loop.Connect();
        handler.BufferSize = 1;
        handler.ReceivesMax = 1;
        peer.Send("ab");
        loop.Turn();
        loop.Turn();
        Assert.Equal(0, loop.Kernel.LastTimeoutMs);
    }

    [Fact]
    [Trait("Defect", "LOOP-21")]
    public void An_idle_loop_waits_without_end_and_one_with_a_deadline_until_then()
    {
        using SimulatedLoop loop = new();
        (SimulatedPeer _, RecordingHandler handler) = loop.Connect();
        loop.Turn();
        Assert.Equal(-1, loop.Kernel.LastTimeoutMs);
        handler.Connection.SetDeadline(handler.Connection.Loop.NowMs + 3000);
        loop.Turn();
        Assert.InRange(loop.Kernel.LastTimeoutMs, 3000 - TimerWheel.TickMs, 3000 + TimerWheel.TickMs);
    }

    [Fact]
    [Trait("Defect", "LOOP-23")]
    public void A_deadline_that_meets_readiness_in_one_turn_wins()
    {
        using SimulatedLoop loop = new();
        (SimulatedPeer peer, RecordingHandler handler) = loop.Connect();
        handler.Calls.Clear();
        handler.Connection.SetDeadline(handler.Connection.Loop.NowMs + 100);
        peer.Send("late");
        loop.Clock.Advance(500);
        loop.Turn();
        Assert.Equal(["Deadline", "Readable"], handler.Calls);
    }

    [Fact]
    [Trait("Defect", "LOOP-5")]
    [Trait("Defect", "LOOP-8")]
    public void An_event_for_a_connection_that_an_earlier_event_closed_is_dropped()
    {
        using SimulatedLoop loop = new();
        (SimulatedPeer first, RecordingHandler firstHandler) = loop.Connect();
        (SimulatedPeer second, RecordingHandler secondHandler) = loop.Connect();
        firstHandler.WhenReadable = _ => CloseIfOpen(secondHandler);
        secondHandler.WhenReadable = _ => CloseIfOpen(firstHandler);
        firstHandler.Calls.Clear();
        secondHandler.Calls.Clear();
        first.Send("1");
        second.Send("2");
        loop.Turn();
        Assert.Equal(1, firstHandler.CountOf("Readable") + secondHandler.CountOf("Readable"));
        Assert.Equal(1, firstHandler.CountOf("Closed") + secondHandler.CountOf("Closed"));
        Assert.Equal(1, loop.Loop.Counters.Read().StaleEvents);
    }

    [Fact]
    [Trait("Defect", "LOOP-7")]
    public void An_old_event_does_not_reach_the_connection_that_got_the_same_descriptor()
    {
        using SimulatedLoop loop = new();
        (SimulatedPeer first, RecordingHandler firstHandler) = loop.Connect();
        ulong staleKey = loop.Kernel.DataOf(first);
        int descriptor = first.Descriptor;
        firstHandler.Connection.Close();
        (SimulatedPeer second, RecordingHandler secondHandler) = loop.Connect();
        Assert.Equal(descriptor, second.Descriptor);
        secondHandler.Calls.Clear();
        loop.Kernel.InjectEvent(EpollEvents.In | EpollEvents.Error, staleKey);
        loop.Turn();
        Assert.Empty(secondHandler.Calls);
        Assert.Equal(1, loop.Loop.Counters.Read().StaleEvents);
    }

    [Fact]
    [Trait("Defect", "LOOP-6")]
    public void Work_posted_for_a_closed_connection_does_not_reach_its_successor()
    {
        using SimulatedLoop loop = new();
        (SimulatedPeer first, RecordingHandler firstHandler) = loop.Connect();
        firstHandler.Connection.Post();
        firstHandler.Connection.Close();
        firstHandler.Calls.Clear();
        SimulatedPeer second = loop.Kernel.Connect(loop.Listener);
        loop.Turn(2);
        Assert.Equal(first.Descriptor, second.Descriptor);
        Assert.Empty(firstHandler.Calls);
        Assert.DoesNotContain("Posted", loop.Acceptor.Handlers[1].Calls);
    }

    [Fact]
    public void Several_posts_are_one_call()
    {
        using SimulatedLoop loop = new();
        (SimulatedPeer _, RecordingHandler handler) = loop.Connect();
        handler.Connection.Post();
        handler.Connection.Post();
        loop.Turn();
        Assert.Equal(1, handler.CountOf("Posted"));
        handler.Connection.Post();
        loop.Turn();
        Assert.Equal(2, handler.CountOf("Posted"));
    }

    [Fact]
    public void A_loop_that_is_awake_is_not_woken()
    {
        using SimulatedLoop loop = new();
        (SimulatedPeer _, RecordingHandler handler) = loop.Connect();
        int before = loop.Kernel.Count(KernelCall.EventFdSignal);
        handler.Connection.Post();
        Assert.Equal(before, loop.Kernel.Count(KernelCall.EventFdSignal));
    }

    [Fact]
    public void A_sleeping_loop_is_woken_once_for_a_batch()
    {
        using SimulatedLoop loop = new();
        (SimulatedPeer _, RecordingHandler first) = loop.Connect();
        (SimulatedPeer _, RecordingHandler second) = loop.Connect();
        int before = loop.Kernel.Count(KernelCall.EventFdSignal);
        loop.Kernel.Before(KernelCall.EpollWait, () =>
        {
            // The loop has announced its sleep: what a foreign thread posts now must wake it.
            ForeignThread.Run(first.Connection.Post);
            ForeignThread.Run(second.Connection.Post);
        });
        loop.Turn();
        Assert.Equal(before + 1, loop.Kernel.Count(KernelCall.EventFdSignal));
        Assert.Equal(1, first.CountOf("Posted"));
        Assert.Equal(1, second.CountOf("Posted"));
    }

    [Fact]
    public void Work_posted_before_the_sleep_prevents_it()
    {
        using SimulatedLoop loop = new();
        (SimulatedPeer _, RecordingHandler handler) = loop.Connect();
        loop.Turn();
        Assert.Equal(-1, loop.Kernel.LastTimeoutMs);
        ForeignThread.Run(handler.Connection.Post);
        loop.Turn();
        Assert.Equal(0, loop.Kernel.LastTimeoutMs);
    }

    [Fact]
    public void The_event_buffer_doubles_when_a_batch_fills_it()
    {
        using SimulatedLoop loop = new();
        List<SimulatedPeer> peers = [];
        for (int i = 0; i < 200; i++)
        {
            peers.Add(loop.Connect().Peer);
        }
        peers.ForEach(static peer => peer.Send("x"));
        loop.Turn();
        Assert.Equal(64, loop.Acceptor.Handlers.Count(static handler => handler.Received == "x"));
        loop.Turn();
        Assert.Equal(64 + 128, loop.Acceptor.Handlers.Count(static handler => handler.Received == "x"));
        loop.Turn();
        Assert.Equal(200, loop.Acceptor.Handlers.Count(static handler => handler.Received == "x"));
    }

    [Fact]
    public void Another_thread_can_go_on_with_a_half_done_batch()
    {
        using SimulatedLoop loop = new();
        (SimulatedPeer first, RecordingHandler firstHandler) = loop.Connect();
        (SimulatedPeer second, RecordingHandler secondHandler) = loop.Connect();
        bool isTaken = false;
        Action<RecordingHandler> takeOver = _ =>
        {
            if (!isTaken)
            {
                isTaken = true;
                // As if this call were stuck in the application: the role goes to another thread, which runs what is left of the turn.
                loop.Loop.LeaveRole();
                ForeignThread.Run(() =>
                {
                    loop.Loop.TakeRole();
                    loop.Loop.RunTurn(mayWait: false);
                    loop.Loop.LeaveRole();
                });
                Assert.False(loop.Loop.IsCurrent);
                loop.Loop.TakeRole();
            }
        };
        firstHandler.WhenReadable = takeOver;
        secondHandler.WhenReadable = takeOver;
        first.Send("1");
        second.Send("2");
        loop.Turn();
        Assert.Equal("1", firstHandler.Received);
        Assert.Equal("2", secondHandler.Received);
    }

    [Fact]
    public void A_call_that_is_scheduled_when_the_loop_stops_is_run_and_nothing_is_waited_for_behind_it()
    {
        using SimulatedLoop loop = new();
        _ = loop.Loop.RemoveListenerAsync(loop.Endpoint);
        loop.Loop.PostStop();
        loop.Turn(2);
        Assert.True(loop.Loop.IsFinished);
        RecordingCall call = new(static () => { });
        loop.Loop.Schedule(call); // as when its connection closes while another thread takes the loop over
        Assert.False(loop.Loop.IsFinished);
        loop.Turn();
        Assert.Equal(["Returned"], call.Calls);
        Assert.Equal(0, loop.Kernel.LastTimeoutMs);
        Assert.True(loop.Loop.IsFinished);
    }

    [Fact]
    public void Drain_reaches_each_connection_once_and_abort_closes_them()
    {
        using SimulatedLoop loop = new();
        (SimulatedPeer _, RecordingHandler handler) = loop.Connect();
        loop.Loop.PostVisit(null, abort: false);
        loop.Loop.PostVisit(loop.Endpoint, abort: false);
        loop.Turn(2);
        Assert.Equal(1, handler.CountOf("Drain"));
        loop.Loop.PostVisit(null, abort: true);
        loop.Turn();
        Assert.Equal(["Abort", "Closed"], handler.Calls[^2..]);
    }

    [Fact]
    public void Visits_of_many_connections_take_several_turns()
    {
        using SimulatedLoop loop = new(configure: static options => options.AcceptBatchSize = 4096);
        for (int i = 0; i < 2500; i++)
        {
            loop.Kernel.Connect(loop.Listener);
        }
        loop.Turn();
        Assert.Equal(2500, loop.GroupConnections.Count);
        loop.Loop.PostVisit(null, abort: false);
        loop.Turn();
        Assert.Equal(1024, loop.Acceptor.Handlers.Count(static handler => handler.CountOf("Drain") == 1));
        loop.Turn(2);
        Assert.All(loop.Acceptor.Handlers, static handler => Assert.Equal(1, handler.CountOf("Drain")));
    }

    [Fact]
    public void A_stopping_loop_ends_with_its_last_connection()
    {
        using SimulatedLoop loop = new();
        (SimulatedPeer _, RecordingHandler handler) = loop.Connect();
        Task removed = loop.Loop.RemoveListenerAsync(loop.Endpoint);
        loop.Loop.PostStop();
        loop.Turn();
        Assert.True(removed.IsCompleted);
        Assert.False(loop.Loop.IsFinished);
        handler.Connection.Close();
        Assert.True(loop.Loop.IsFinished);
    }

    [Fact]
    public void An_ended_loop_refuses_work_without_touching_its_closed_descriptors()
    {
        SimulatedLoop loop = new();
        (SimulatedPeer _, RecordingHandler handler) = loop.Connect();
        handler.Connection.Close();
        loop.Dispose();
        int before = loop.Kernel.Count(KernelCall.EventFdSignal);
        handler.Connection.Post();
        Assert.Equal(before, loop.Kernel.Count(KernelCall.EventFdSignal));
        Assert.True(loop.Loop.RemoveListenerAsync(loop.Endpoint).IsCompletedSuccessfully);
    }

    [Fact]
    public void A_failing_wait_is_not_survived_silently()
    {
        using SimulatedLoop loop = new();
        loop.Kernel.Fail(KernelCall.EpollWait, Errno.EBADF);
        Assert.Throws<InvalidOperationException>(() => loop.Turn());
    }

    private static void CloseIfOpen(RecordingHandler handler)
    {
        if (handler.CountOf("Closed") == 0)
        {
            handler.Connection.Close();
        }
    }
}
