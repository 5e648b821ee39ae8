using System;
using System.Collections.Generic;
using System.Linq;
using Aeronet.TestSupport.Kernel;
using Aeronet.Transport.Loop;
using Xunit;

namespace Aeronet.Transport.Tests.Loop;

/// <summary>The loop goes on with another thread while application code runs, at every place of a turn where it can run.</summary>
public sealed class HandOffTests
{
    /// <summary>Where the call is scheduled from.</summary>
    public static TheoryData<string> Places { get; } = ["event", "accept", "deadline", "posted", "pending", "drain"];

    [Theory]
    [MemberData(nameof(Places))]
    public void The_rest_of_the_turn_is_the_new_threads(string place)
    {
        using SimulatedLoop loop = new();
        (SimulatedPeer first, RecordingHandler firstHandler) = loop.Connect();
        (SimulatedPeer second, RecordingHandler secondHandler) = loop.Connect();
        RecordingCall call = new(() => GoOnElsewhere(loop));
        switch (place)
        {
            case "event":
                firstHandler.WhenReadable = ScheduleOnce(loop, call);
                first.Send("x");
                break;
            case "accept":
                Action<RecordingHandler> schedule = ScheduleOnce(loop, call);
                loop.Acceptor.Prepare = handler => handler.WhenReadable = schedule;
                _ = loop.Kernel.Connect(loop.Listener);
                _ = loop.Kernel.Connect(loop.Listener);
                break;
            case "deadline":
                firstHandler.WhenDeadline = ScheduleOnce(loop, call);
                firstHandler.Connection.SetDeadline(loop.Loop.NowMs + 1);
                loop.Clock.Advance(TimerWheel.TickMs * 4);
                break;
            case "posted":
                firstHandler.WhenPosted = ScheduleOnce(loop, call);
                firstHandler.Connection.Post();
                break;
            case "pending":
                firstHandler.ReceivesMax = 0;
                firstHandler.Reads = true;
                int readable = 0;
                firstHandler.WhenReadable = handler =>
                {
                    if (++readable == 2)
                    {
                        loop.Loop.Schedule(call);
                    }
                    handler.ReceivesMax = 1;
                };
                first.Send("x");
                loop.Turn();
                break;
            default:
                firstHandler.WhenDrained = ScheduleOnce(loop, call);
                loop.Loop.PostVisit(null, abort: false);
                break;
        }
        second.Send("y");
        secondHandler.Connection.Post();

        Assert.False(loop.Loop.RunTurn());

        Assert.False(loop.Loop.IsCurrent);
        Assert.Equal(["TakenOver", "ReturnedElsewhere"], call.Calls);
        loop.Loop.TakeRole();
        Assert.Equal("y", secondHandler.Received);
        Assert.Equal(1, secondHandler.CountOf("Posted"));
        if (place == "accept")
        {
            Assert.Equal(4, loop.Acceptor.Handlers.Count);
        }
        if (place == "drain")
        {
            Assert.Equal(1, secondHandler.CountOf("Drain"));
        }

        // Nobody was forgotten: each connection still hears of its bytes.
        first.Send("z");
        second.Send("z");
        loop.Turn(2);
        Assert.EndsWith("z", firstHandler.Received, StringComparison.Ordinal);
        Assert.EndsWith("z", secondHandler.Received, StringComparison.Ordinal);
    }

    [Fact]
    public void A_turn_may_lose_its_thread_more_than_once()
    {
        using SimulatedLoop loop = new();
        (SimulatedPeer first, RecordingHandler firstHandler) = loop.Connect();
        (SimulatedPeer second, RecordingHandler secondHandler) = loop.Connect();
        (SimulatedPeer third, RecordingHandler thirdHandler) = loop.Connect();
        bool? secondThreadKeptIt = null;
        RecordingCall inner = new(() => GoOnElsewhere(loop));
        RecordingCall outer = new(() => TakeOver(loop, () => secondThreadKeptIt = loop.Loop.RunTurn(mayWait: false)));
        firstHandler.WhenReadable = ScheduleOnce(loop, outer);
        secondHandler.WhenReadable = ScheduleOnce(loop, inner);
        first.Send("x");
        second.Send("y");
        third.Send("z");
        thirdHandler.Connection.Post();

        Assert.False(loop.Loop.RunTurn());

        Assert.False(secondThreadKeptIt);
        Assert.Equal(["TakenOver", "ReturnedElsewhere"], outer.Calls);
        Assert.Equal(["TakenOver", "ReturnedElsewhere"], inner.Calls);
        loop.Loop.TakeRole();
        Assert.Equal("z", thirdHandler.Received);
        Assert.Equal(1, thirdHandler.CountOf("Posted"));
    }

    [Fact]
    public void A_connection_whose_first_request_loses_the_loop_is_watched_by_the_new_thread()
    {
        using SimulatedLoop loop = new();
        RecordingCall call = new(() => GoOnElsewhere(loop));
        loop.Acceptor.Prepare = handler => handler.WhenReadable = ScheduleOnce(loop, call);
        SimulatedPeer peer = loop.Kernel.Connect(loop.Listener);
        Assert.False(loop.Loop.RunTurn());
        loop.Loop.TakeRole();
        peer.Send("later");
        loop.Turn();
        Assert.Equal("later", loop.Acceptor.Handlers[0].Received);
    }

    [Fact]
    public void Calls_run_in_order_after_the_handler_and_may_schedule_more()
    {
        using SimulatedLoop loop = new();
        (SimulatedPeer peer, RecordingHandler handler) = loop.Connect();
        List<string> order = [];
        RecordingCall third = new(() => order.Add("third"));
        RecordingCall first = new(() => order.Add("first")) { WhenReturned = () => loop.Loop.Schedule(third) };
        RecordingCall second = new(() => order.Add("second"));
        handler.WhenReadable = _ =>
        {
            loop.Loop.Schedule(first);
            loop.Loop.Schedule(second);
            order.Add("handler");
        };
        peer.Send("x");
        loop.Turn();
        Assert.Equal(["handler", "first", "second", "third"], order);
        Assert.All([first, second, third], call => Assert.Equal(["Returned"], call.Calls));
    }

    [Fact]
    public void Application_code_is_not_the_loop_and_its_blocks_are_not_taken_from_the_loops_own()
    {
        using SimulatedLoop loop = new();
        (SimulatedPeer peer, RecordingHandler handler) = loop.Connect();
        bool? wasLoop = null;
        bool? wasHere = null;
        RecordingCall call = new(() =>
        {
            wasLoop = loop.Loop.IsCurrent;
            wasHere = loop.Loop.IsApplicationHere;
            loop.Loop.Blocks.Return(loop.Loop.Blocks.Rent());
        });
        handler.WhenReadable = ScheduleOnce(loop, call);
        peer.Send("x");
        loop.Turn();
        Assert.False(wasLoop);
        Assert.True(wasHere);
        Assert.False(loop.Loop.IsApplicationHere);
    }

    [Fact]
    public void What_escapes_a_call_ends_in_OnFailed_and_not_in_the_loop()
    {
        using SimulatedLoop loop = new();
        (SimulatedPeer peer, RecordingHandler handler) = loop.Connect();
        InvalidOperationException fault = new("fault");
        RecordingCall call = new(() => throw fault);
        handler.WhenReadable = ScheduleOnce(loop, call);
        peer.Send("x");
        loop.Turn();
        Assert.Same(fault, call.Failure);
        Assert.True(loop.Loop.IsCurrent);
        Assert.Equal(1, loop.Loop.Counters.Read().HandlerFailures);
    }

    [Fact]
    public void Without_other_threads_a_hand_off_is_refused_and_outside_of_application_code_there_is_nothing_to_do()
    {
        using SimulatedLoop loop = new();
        (SimulatedPeer peer, RecordingHandler handler) = loop.Connect();
        bool? handedOff = null;
        RecordingCall call = new(() => handedOff = loop.Loop.TryHandOff(HandOffCause.Endpoint));
        handler.WhenReadable = ScheduleOnce(loop, call);
        peer.Send("x");
        loop.Turn();
        Assert.False(handedOff);
        Assert.Equal(["Returned"], call.Calls);
        Assert.True(loop.Loop.TryHandOff(HandOffCause.Endpoint));
        Assert.True(loop.Loop.IsCurrent);
    }

    private static Action<RecordingHandler> ScheduleOnce(SimulatedLoop loop, RecordingCall call)
    {
        bool isDone = false;
        return _ =>
        {
            if (!isDone)
            {
                isDone = true;
                loop.Loop.Schedule(call);
            }
        };
    }

    // What a monitor and a standby thread do, while the calling thread is inside application code.
    private static void GoOnElsewhere(SimulatedLoop loop) => TakeOver(loop, () =>
    {
        Assert.True(Enumerable.Range(0, 3).All(_ => loop.Loop.RunTurn(mayWait: false)));
        loop.Loop.LeaveRole();
    });

    private static void TakeOver(SimulatedLoop loop, Action goOn)
    {
        IApplicationCall interrupted = loop.Loop.Role.Call!;
        Assert.True(loop.Loop.Role.TryTake(loop.Loop.Role.Word));
        ForeignThread.Run(() =>
        {
            loop.Loop.TakeRole();
            interrupted.OnTakenOver();
            goOn();
        });
    }
}
