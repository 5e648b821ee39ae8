using System;
using System.Threading;
using System.Threading.Tasks;
using Aeronet.Native.Libc;
using Aeronet.TestSupport.Hosting;
using Aeronet.TestSupport.Kernel;
using Aeronet.Transport.Listen;
using Aeronet.Transport.Loop;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Aeronet.Transport.Tests.Loop;

/// <summary>A loop without descriptors: posted work and timers, on every operating system.</summary>
public sealed class PortableKernelTests
{
    [Fact]
    public async Task Posted_work_wakes_the_sleeping_loop_and_a_stop_ends_it()
    {
        EventLoop<PortableKernel> loop = Make(TimeProvider.System);
        Task running = Task.Factory.StartNew(loop.Run, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        for (int i = 0; i < 100; i++)
        {
            Work work = new();
            Assert.True(loop.Post(work));
            await work.Ran.Task.WaitAsync(Guard.Time);
        }
        loop.PostStop();
        await running.WaitAsync(Guard.Time);
        Assert.False(loop.Post(new Work()));
    }

    [Fact]
    public void Timers_fire_without_anything_else()
    {
        ManualClock clock = new();
        EventLoop<PortableKernel> loop = Make(clock);
        loop.TakeRole();
        Timed timed = new();
        ((ILoopTimers)loop).SetDeadline(timed, loop.NowMs + 1000);
        loop.RunTurn(mayWait: false);
        Assert.False(timed.HasFired);
        clock.Advance(2000);
        loop.RunTurn(mayWait: false);
        Assert.True(timed.HasFired);
        Assert.True(loop.TryEnd());
    }

    [Fact]
    public void A_signal_before_the_wait_is_not_lost()
    {
        PortableKernel kernel = PortableKernel.Create();
        Assert.True(kernel.EventFdSignal(kernel.EventFdCreate().Value).IsOk);
        Assert.Equal(0, kernel.EpollWait(kernel.EpollCreate().Value, new EpollEventBuffer(1), timeoutMs: -1).Value);
    }

    private static EventLoop<PortableKernel> Make(TimeProvider time) =>
        new(0, PortableKernel.Create(), new AeronetTransportOptions { IOThreadCount = 1 }, NullLogger.Instance, time, new ConnectionGauge());

    private sealed class Work : IPosted
    {
        public TaskCompletionSource Ran { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public void RunPosted() => Ran.SetResult();
    }

    private sealed class Timed : ITimed
    {
        private TimerLink _timer = TimerLink.None;

        public bool HasFired { get; private set; }

        public ref TimerLink Timer => ref _timer;

        public void OnTimer(long nowMs) => HasFired = true;
    }
}
