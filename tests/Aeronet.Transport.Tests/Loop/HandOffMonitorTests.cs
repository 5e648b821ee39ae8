using System;
using System.Collections.Generic;
using System.Threading;
using System.Threading.Tasks;
using Aeronet.TestSupport.Kernel;
using Aeronet.Transport.Loop;
using Xunit;

namespace Aeronet.Transport.Tests.Loop;

/// <summary>The monitor and the threads, with loops that only run calls.</summary>
public sealed class HandOffMonitorTests : IDisposable
{
    private static readonly TimeSpan s_guard = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan s_handOffTime = TimeSpan.FromMilliseconds(1);

    private readonly CallLoop _loop = new();
    private readonly TestLog _log = new();
    private readonly LoopThreads _threads;
    private readonly HandOffMonitor _monitor;

    public HandOffMonitorTests()
    {
        _threads = new LoopThreads(loopCount: 1, applicationThreadsMax: 2, _log, TimeProvider.System);
        _monitor = new HandOffMonitor([_loop], _threads, s_handOffTime, _log);
        _monitor.Start();
        _threads.Start(_loop);
    }

    public void Dispose()
    {
        _loop.Post(null);
        Assert.True(_loop.Ended.Wait(s_guard));
        _monitor.End();
        _threads.End();
        Assert.True(SpinWait.SpinUntil(() => _threads.AliveCount == 0, s_guard));
        _loop.Dispose();
    }

    [Fact]
    public void A_call_that_waits_loses_the_loop_and_the_next_call_runs()
    {
        using SemaphoreSlim gate = new(0);
        RecordingCall blocked = new(gate.Wait);
        _loop.Post(blocked);
        RecordingCall next = _loop.RunCall(static () => { });
        Assert.Equal(["Returned"], next.Calls);
        gate.Release();
        AssertEndsElsewhere(blocked);
        Assert.True(SpinWait.SpinUntil(() => _loop.Counters.HandOffs(HandOffCause.Blocking) == 1, s_guard)); // counted once the loop has moved
    }

    [Fact]
    public void A_call_that_computes_loses_the_loop()
    {
        bool stop = false;
        RecordingCall computing = new(() =>
        {
            while (!Volatile.Read(ref stop))
            {
            }
        });
        _loop.Post(computing);
        _loop.RunCall(static () => { });
        Volatile.Write(ref stop, true);
        AssertEndsElsewhere(computing);
    }

    [Fact]
    public void More_calls_may_block_than_threads_are_allowed_for_voluntary_moves()
    {
        using SemaphoreSlim gate = new(0);
        List<RecordingCall> blocked = [];
        for (int i = 0; i < 5; i++)
        {
            RecordingCall call = new(gate.Wait);
            blocked.Add(call);
            _loop.Post(call);
        }
        _loop.RunCall(static () => { });
        Assert.True(_threads.IsExhausted);
        bool? voluntary = null;
        _loop.RunCall(() => voluntary = _threads.TryMove(_loop, _loop.Role.Word, mayExceed: false));
        Assert.False(voluntary);
        gate.Release(blocked.Count);
        blocked.ForEach(AssertEndsElsewhere);
        Assert.True(SpinWait.SpinUntil(() => !_threads.IsExhausted, s_guard));
    }

    [Fact]
    public void It_parks_when_nothing_happens_and_wakes_for_the_next_call()
    {
        _loop.RunCall(static () => { });
        Assert.True(SpinWait.SpinUntil(() => _monitor.IsParked, s_guard));
        AssertWatches();
    }

    [Fact]
    public async Task What_was_held_is_sent_once_under_its_number()
    {
        Assert.True(SpinWait.SpinUntil(() => _monitor.IsParked, s_guard));
        HeldRecorder held = new();
        _monitor.Held.Add(held, 7);
        Assert.Equal(7, await held.Sent.Task.WaitAsync(s_guard));
        Assert.True(SpinWait.SpinUntil(() => _monitor.IsParked, s_guard));
        Assert.Equal(1, held.Count);
    }

    [Fact]
    public async Task A_held_flush_that_fails_keeps_neither_the_others_nor_the_monitor()
    {
        HeldRecorder next = new();
        _monitor.Held.Add(new FailingFlush(), 1);
        _monitor.Held.Add(next, 2);
        Assert.Equal(2, await next.Sent.Task.WaitAsync(s_guard));
        Assert.True(SpinWait.SpinUntil(() => _monitor.IsParked, s_guard));
        Assert.Equal(["MonitorFailed"], _log.Names);
        AssertWatches();
    }

    [Fact]
    public void A_look_that_fails_is_not_the_monitors_last()
    {
        _loop.CountersFailure = new InvalidOperationException("fault");
        using SemaphoreSlim gate = new(0);
        RecordingCall blocked = new(gate.Wait);
        _loop.Post(blocked);
        Assert.True(SpinWait.SpinUntil(() => _log.Names.Length > 0, s_guard));
        _loop.CountersFailure = null;
        _loop.RunCall(static () => { });
        gate.Release();
        AssertEndsElsewhere(blocked);
        Assert.Equal(["MonitorFailed"], _log.Names); // however often it came
    }

    private void AssertWatches()
    {
        using SemaphoreSlim gate = new(0);
        RecordingCall blocked = new(gate.Wait);
        _loop.Post(blocked);
        _loop.RunCall(static () => { });
        gate.Release();
        AssertEndsElsewhere(blocked);
    }

    private static void AssertEndsElsewhere(RecordingCall call)
    {
        Assert.True(SpinWait.SpinUntil(() => call.Calls.Count == 2, s_guard));
        Assert.Equal(["TakenOver", "ReturnedElsewhere"], call.Calls);
    }

    private sealed class HeldRecorder : IHeldFlush
    {
        public TaskCompletionSource<long> Sent { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public int Count { get; private set; }

        public void SendHeld(long number)
        {
            Count++;
            Sent.TrySetResult(number);
        }
    }

    private sealed class FailingFlush : IHeldFlush
    {
        public void SendHeld(long number) => throw new InvalidOperationException("fault");
    }
}
