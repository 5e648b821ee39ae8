using System.Threading;
using System.Threading.Tasks;
using Aeronet.TestSupport.Hosting;
using Aeronet.Transport.Listen;
using Aeronet.Transport.Loop;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Aeronet.Transport.Tests.Loop;

public sealed class PostedWorkTests
{
    [Fact]
    public void It_does_not_end_over_what_it_has_accepted()
    {
        PostedWork<PortableKernel> posted = new(PortableKernel.Create(), 0);
        Counter counter = new();
        Assert.True(posted.TryEnqueue(counter));
        Assert.False(posted.TryEnd());
        posted.BeginRound();
        Assert.True(posted.TryRunNext());
        Assert.Equal(1, counter.Runs);
        Assert.True(posted.TryEnd());
        Assert.False(posted.TryEnqueue(counter));
    }

    [Fact]
    public void A_round_that_another_thread_has_to_finish_is_work_too()
    {
        PostedWork<PortableKernel> posted = new(PortableKernel.Create(), 0);
        Counter counter = new();
        posted.TryEnqueue(counter);
        posted.TryEnqueue(counter);
        posted.BeginRound();
        Assert.True(posted.TryRunNext());
        Assert.False(posted.TryEnd());
        Assert.True(posted.TryRunNext());
        Assert.True(posted.TryEnd());
    }

    [Fact]
    public async Task A_loop_that_ends_has_run_all_that_it_has_accepted()
    {
        AeronetTransportOptions options = new() { IOThreadCount = 1 };
        for (int round = 0; round < 2000; round++)
        {
            EventLoop<PortableKernel> loop = new(0, PortableKernel.Create(), options, NullLogger.Instance, System.TimeProvider.System, new ConnectionGauge());
            Counter counter = new();
            Task running = Task.Run(loop.Run);
            int accepted = 0;
            loop.PostStop();
            while (loop.Post(counter))
            {
                accepted++;
                Thread.Yield();
            }
            await running.WaitAsync(Guard.Time);
            Assert.Equal(accepted, counter.Runs);
        }
    }

    private sealed class Counter : IPosted
    {
        public int Runs { get; private set; }

        public void RunPosted() => Runs++;
    }
}
