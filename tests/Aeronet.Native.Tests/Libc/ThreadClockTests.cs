using System;
using System.Diagnostics;
using System.IO;
using System.Threading;
using Aeronet.Native.Libc;
using Xunit;

namespace Aeronet.Native.Tests.Libc;

/// <summary>What a thread can know of another one.</summary>
public sealed class ThreadClockTests
{
    [Fact]
    public void A_thread_that_computes_uses_processor_time_and_does_not_wait()
    {
        bool stop = false;
        int id = 0;
        Thread thread = new(() =>
        {
            Volatile.Write(ref id, ThreadClock.CurrentThreadId);
            while (!Volatile.Read(ref stop))
            {
            }
        });
        thread.Start();
        Assert.True(SpinWait.SpinUntil(() => Volatile.Read(ref id) != 0, TimeSpan.FromSeconds(30)));
        long before = ThreadClock.ProcessorTimeNs(id);
        Assert.True(before >= 0);
        Assert.True(SpinWait.SpinUntil(() => ThreadClock.ProcessorTimeNs(id) > before, TimeSpan.FromSeconds(30)));
        Assert.False(ThreadClock.IsWaiting(id));
        Volatile.Write(ref stop, true);
        thread.Join();
    }

    [Fact]
    public void A_thread_that_waits_is_seen_to_wait()
    {
        using SemaphoreSlim gate = new(0);
        int id = 0;
        Thread thread = new(() =>
        {
            Volatile.Write(ref id, ThreadClock.CurrentThreadId);
            gate.Wait();
        });
        thread.Start();
        Assert.True(SpinWait.SpinUntil(() => Volatile.Read(ref id) != 0 && ThreadClock.IsWaiting(id), TimeSpan.FromSeconds(30)));
        gate.Release();
        thread.Join();
    }

    [Fact]
    public void A_thread_that_is_not_there_has_no_clock_and_does_not_wait()
    {
        const int NoThread = int.MaxValue - 7; // above the system's highest id
        Assert.Equal(-1, ThreadClock.ProcessorTimeNs(NoThread));
        Assert.False(ThreadClock.IsWaiting(NoThread));
    }

    [Fact]
    public void A_thread_whose_id_is_not_known_has_no_clock_and_does_not_wait()
    {
        Assert.Equal(-1, ThreadClock.ProcessorTimeNs(0)); // to the kernel 0 is the caller
        Assert.False(ThreadClock.IsWaiting(0));
    }

    [Fact]
    public void Its_id_is_the_one_of_the_system()
    {
        string? link = File.ResolveLinkTarget("/proc/thread-self", returnFinalTarget: false)?.FullName;
        Assert.EndsWith($"/task/{ThreadClock.CurrentThreadId}", link, StringComparison.Ordinal);
    }

    [Fact]
    public void Each_thread_has_its_own_id()
    {
        int other = 0;
        Thread thread = new(() => other = ThreadClock.CurrentThreadId);
        thread.Start();
        thread.Join();
        Assert.NotEqual(0, other);
        Assert.NotEqual(ThreadClock.CurrentThreadId, other);
        Assert.Equal(ThreadClock.CurrentThreadId, ThreadClock.CurrentThreadId);
    }

    [Fact]
    public void A_sleep_is_not_shorter_than_asked_for()
    {
        long start = Stopwatch.GetTimestamp();
        ThreadClock.Sleep(300);
        Assert.True(Stopwatch.GetElapsedTime(start) >= TimeSpan.FromMicroseconds(300));
    }
}
