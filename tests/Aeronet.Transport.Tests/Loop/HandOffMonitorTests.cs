using System;
using System.Collections.Generic;
using System.Threading;
using System.Threading.Tasks;
using Aeronet.TestSupport.Kernel;
using Aeronet.Transport.Buffers;
using Aeronet.Transport.Loop;
using Xunit;

namespace Aeronet.Transport.Tests.Loop;

/// <summary>The monitor and the threads, with loops that only run calls.</summary>
public sealed class HandOffMonitorTests : IDisposable
{
    private static readonly TimeSpan s_guard = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan s_handOffTime = TimeSpan.FromMilliseconds(1);

    private readonly CallLoop _loop = new();
    private readonly LoopThreads _threads = new(loopCount: 1, applicationThreadsMax: 2);
    private readonly HandOffMonitor _monitor;

    public HandOffMonitorTests()
    {
        _monitor = new HandOffMonitor([_loop], _threads, s_handOffTime);
        _monitor.Start();
        _threads.Start(_loop);
    }

    public void Dispose()
    {
        _loop.Post(null);
        Assert.True(_loop.Ended.Wait(s_guard));
        _monitor.End();
        _threads.End();
        Assert.True(SpinWait.SpinUntil(() => _threads.BusyCount == 0, s_guard));
    }

    [Fact]
    public void A_call_that_waits_loses_the_loop_and_the_next_call_runs()
    {
        using SemaphoreSlim gate = new(0);
        RecordingCall blocked = new(gate.Wait);
        _loop.Post(blocked);
        Run(_loop, out RecordingCall next);
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
        Run(_loop, out _);
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
        Run(_loop, out _);
        Assert.True(_threads.IsExhausted);
        bool? voluntary = null;
        Run(_loop, () => voluntary = _threads.TryMove(_loop, _loop.Role.Word, mayExceed: false));
        Assert.False(voluntary);
        gate.Release(blocked.Count);
        blocked.ForEach(AssertEndsElsewhere);
        Assert.True(SpinWait.SpinUntil(() => !_threads.IsExhausted, s_guard));
    }

    [Fact]
    public void It_parks_when_nothing_happens_and_wakes_for_the_next_call()
    {
        Run(_loop, out _);
        Assert.True(SpinWait.SpinUntil(() => _monitor.IsParked, s_guard));
        using SemaphoreSlim gate = new(0);
        RecordingCall blocked = new(gate.Wait);
        _loop.Post(blocked);
        Run(_loop, out _);
        gate.Release();
        AssertEndsElsewhere(blocked);
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

    private static void AssertEndsElsewhere(RecordingCall call)
    {
        Assert.True(SpinWait.SpinUntil(() => call.Calls.Count == 2, s_guard));
        Assert.Equal(["TakenOver", "ReturnedElsewhere"], call.Calls);
    }

    private static void Run(CallLoop loop, out RecordingCall ran) => ran = Run(loop, static () => { });

    private static RecordingCall Run(CallLoop loop, Action action)
    {
        using ManualResetEventSlim done = new();
        RecordingCall call = new(action);
        call.WhenReturned = done.Set;
        loop.Post(call);
        Assert.True(done.Wait(s_guard));
        return call;
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

    // A loop without descriptors: runs what is posted, ends at null.
    private sealed class CallLoop : IRunnableLoop
    {
        private readonly System.Collections.Concurrent.BlockingCollection<RecordingCall?> _posted = [];

        public ManualResetEventSlim Ended { get; } = new();

        public LoopRole Role { get; } = new(new BlockPool());

        public LoopCounters Counters { get; } = new();

        public void Post(RecordingCall? call) => _posted.Add(call);

        public bool Run()
        {
            Role.Assume();
            Role.Call?.OnTakenOver();
            while (_posted.Take() is { } call)
            {
                long ticket = Role.Enter(call);
                call.Run();
                if (!Role.TryLeave(ticket))
                {
                    call.OnReturnedElsewhere();
                    return false;
                }
                call.OnReturned();
            }
            Role.Resign();
            return true;
        }

        public void OnEnded() => Ended.Set();
    }
}
