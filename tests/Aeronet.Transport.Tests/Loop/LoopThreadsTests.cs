using System;
using System.Collections.Generic;
using System.Threading;
using Aeronet.TestSupport.Kernel;
using Aeronet.Transport.Loop;
using Xunit;

namespace Aeronet.Transport.Tests.Loop;

/// <summary>The threads of a group when the system gives none, when they stand by for long, and after application code has changed them.</summary>
public sealed class LoopThreadsTests : IDisposable
{
    private static readonly TimeSpan s_guard = TimeSpan.FromSeconds(30);

    private readonly CallLoop _loop = new();
    private readonly TestLog _log = new();
    private readonly ManualClock _clock = new();
    private LoopThreads? _threads;
    private HandOffMonitor? _monitor;
    private bool _refuses; // read by whoever asks for a thread
    private int _asked;

    public void Dispose()
    {
        _loop.Post(null);
        Assert.True(_loop.Ended.Wait(s_guard));
        _monitor?.End();
        _threads!.End();
        Assert.True(SpinWait.SpinUntil(() => _threads.AliveCount == 0, s_guard));
        _loop.Dispose();
    }

    [Fact]
    public void Without_a_thread_from_the_system_the_loop_stays_and_requests_start_elsewhere_until_the_next_attempt()
    {
        LoopThreads threads = Start(applicationThreadsMax: 1);
        Volatile.Write(ref _refuses, true);
        Assert.False(TryMove(mayExceed: true));
        Assert.True(threads.IsExhausted);
        Assert.Equal(1, threads.AliveCount);
        Assert.False(TryMove(mayExceed: true));
        Assert.Equal(2, _asked); // the loop's own, and one: not for every blocked call
        Assert.Equal(["ThreadRefused"], _log.Names);

        _clock.Advance(100);
        Assert.False(threads.IsExhausted);
        Assert.False(TryMove(mayExceed: false));
        Assert.True(threads.IsExhausted);
        Assert.Equal(3, _asked);
        Assert.Equal(["ThreadRefused"], _log.Names);

        Volatile.Write(ref _refuses, false);
        _clock.Advance(100);
        Assert.True(TryMove(mayExceed: false)); // what was refused is not counted as a thread
        Assert.Equal(2, threads.AliveCount);
    }

    [Fact]
    public void The_monitor_outlives_a_refused_thread_and_moves_the_loop_when_one_is_to_be_had()
    {
        LoopThreads threads = Start(applicationThreadsMax: 8, TimeProvider.System);
        _monitor = new HandOffMonitor([_loop], threads, TimeSpan.FromMilliseconds(1), _log);
        _monitor.Start();
        Volatile.Write(ref _refuses, true);
        using SemaphoreSlim gate = new(0);
        RecordingCall blocked = new(gate.Wait);
        _loop.Post(blocked);
        Assert.True(SpinWait.SpinUntil(() => Volatile.Read(ref _asked) >= 3, s_guard));
        Volatile.Write(ref _refuses, false);
        _loop.RunCall(static () => { });
        gate.Release();
        Assert.True(SpinWait.SpinUntil(() => blocked.Calls.Count == 2, s_guard));
        Assert.Equal(["TakenOver", "ReturnedElsewhere"], blocked.Calls);
        Assert.Equal(["ThreadRefused"], _log.Names);
    }

    [Fact]
    public void Threads_that_stand_by_for_long_end_but_for_one()
    {
        LoopThreads threads = Start(applicationThreadsMax: 8, idleMsMax: 1);
        using SemaphoreSlim gate = new(0);
        List<RecordingCall> blocked = Block(gate, 4);
        Assert.Equal(5, threads.AliveCount);
        gate.Release(blocked.Count);
        Assert.True(SpinWait.SpinUntil(() => threads.AliveCount == 2, s_guard)); // the loop's and the one that stays
        Assert.All(blocked, static call => Assert.Equal(["TakenOver", "ReturnedElsewhere"], call.Calls));
        int asked = _asked;
        Assert.True(TryMove(mayExceed: false));
        Assert.Equal(asked, _asked); // it was at hand
    }

    [Fact]
    public void What_application_code_makes_of_its_thread_ends_with_the_call()
    {
        LoopThreads threads = Start(applicationThreadsMax: 1);
        Thread? changed = null;
        string? name = null;
        _loop.Post(new RecordingCall(() =>
        {
            changed = Thread.CurrentThread;
            name = changed.Name;
            changed.Name = "mine";
            changed.Priority = ThreadPriority.Lowest;
            changed.IsBackground = false;
            Assert.True(threads.TryMove(_loop, _loop.Role.Word, mayExceed: false));
        }));
        // Two threads are all there may be: the loop comes back to the first one as soon as that stands by.
        Assert.True(SpinWait.SpinUntil(() => TryMove(mayExceed: false), s_guard));
        (string? Name, ThreadPriority Priority, bool IsBackground)? found = null;
        _loop.RunCall(() => found = Thread.CurrentThread == changed ? (changed.Name, changed.Priority, changed.IsBackground) : null);
        Assert.Equal((name, ThreadPriority.Normal, true), found);
    }

    private LoopThreads Start(int applicationThreadsMax, TimeProvider? time = null, int idleMsMax = 20_000)
    {
        _threads = new LoopThreads(loopCount: 1, applicationThreadsMax, _log, time ?? _clock, StartThread, idleMsMax);
        _threads.Start(_loop);
        return _threads;
    }

    private void StartThread(ThreadStart main, string name)
    {
        Interlocked.Increment(ref _asked);
        if (Volatile.Read(ref _refuses))
        {
            throw new InsufficientMemoryException(); // Thread.Start throws its base class when the system refuses
        }
        new Thread(main) { Name = name, IsBackground = true }.Start();
    }

    // A call that gives its loop away, or tries to; returns when it has.
    private bool TryMove(bool mayExceed)
    {
        using ManualResetEventSlim done = new();
        bool moved = false;
        _loop.Post(new RecordingCall(() =>
        {
            moved = _threads!.TryMove(_loop, _loop.Role.Word, mayExceed);
            done.Set();
        }));
        Assert.True(done.Wait(s_guard));
        return moved;
    }

    // Calls that have given their loop away and wait.
    private List<RecordingCall> Block(SemaphoreSlim gate, int count)
    {
        List<RecordingCall> blocked = [];
        for (int i = 0; i < count; i++)
        {
            RecordingCall call = new(() =>
            {
                Assert.True(_threads!.TryMove(_loop, _loop.Role.Word, mayExceed: false));
                gate.Wait();
            });
            blocked.Add(call);
            _loop.Post(call);
        }
        _loop.RunCall(static () => { });
        return blocked;
    }
}
