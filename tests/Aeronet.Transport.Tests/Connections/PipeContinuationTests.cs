using System;
using System.Threading;
using System.Threading.Tasks.Sources;
using Aeronet.TestSupport.Hosting;
using Aeronet.Transport.Connections;
using Xunit;

namespace Aeronet.Transport.Tests.Connections;

public sealed class PipeContinuationTests
{
    [Fact]
    public void It_is_taken_once_however_the_one_who_runs_it_and_another_thread_meet()
    {
        const int Rounds = 500_000;
        PipeContinuation continuation = new(new Side());
        int stolen = 0;
        bool isOver = false;
        Thread thief = new(() =>
        {
            while (!Volatile.Read(ref isOver))
            {
                lock (continuation)
                {
                    stolen += continuation.TryTake() ? 1 : 0;
                }
            }
        });
        thief.Start();
        int runs = 0;
        int takes = 0;
        for (int i = 0; i < Rounds; i++)
        {
            lock (continuation)
            {
                continuation.Set(_ => runs++, null, ValueTaskSourceOnCompletedFlags.None);
                takes += continuation.TryTake() ? 1 : 0;
            }
            ((IThreadPoolWorkItem)continuation).Execute(); // without the lock, as on the thread pool
        }
        Volatile.Write(ref isOver, true);
        thief.Join();
        Assert.Equal(0, stolen);
        Assert.Equal(Rounds, takes);
        Assert.Equal(Rounds, runs);
    }

    [Fact]
    public void A_token_cancels_the_wait_it_was_registered_for()
    {
        Side side = new();
        PipeContinuation continuation = new(side);
        using CancellationTokenSource source = new();
        Assert.True(Register(side, continuation, source.Token));
        source.Cancel();
        Assert.Equal(1, side.Cancellations);
    }

    [Fact]
    public void A_token_that_is_cancelled_already_is_refused_and_cancels_nothing_later()
    {
        Side side = new();
        PipeContinuation continuation = new(side);
        Assert.False(Register(side, continuation, new CancellationToken(canceled: true)));
        Assert.Equal(0, side.Cancellations);
    }

    [Fact]
    public void A_callback_that_comes_when_its_wait_has_ended_cancels_nothing()
    {
        Side side = new();
        PipeContinuation continuation = new(side);
        using CancellationTokenSource source = new();
        Thread cancelling = new(source.Cancel);
        CancellationTokenRegistration taken;
        lock (side.Lock)
        {
            Assert.True(continuation.TryRegister(source.Token));
            cancelling.Start();
            Assert.True(SpinWait.SpinUntil(() => (cancelling.ThreadState & ThreadState.WaitSleepJoin) != 0, Guard.Time)); // it waits for the lock
            taken = continuation.TakeRegistration();
        }
        taken.Dispose();
        cancelling.Join();
        Assert.Equal(0, side.Cancellations);
    }

    private static bool Register(Side side, PipeContinuation continuation, CancellationToken token)
    {
        lock (side.Lock)
        {
            return continuation.TryRegister(token);
        }
    }

    private sealed class Side : IPipeSide
    {
        public int Cancellations { get; private set; }

        public PipeBridge Bridge => throw new InvalidOperationException("Nothing here needs a connection.");

        public object Lock { get; } = new();

        public bool CancelWait()
        {
            Cancellations++;
            return false;
        }
    }
}
