using Aeronet.Transport.Buffers;

namespace Aeronet.Transport.Loop;

/// <summary>What a protocol may ask of the loop it runs on.</summary>
internal abstract class LoopContext
{
    protected LoopContext(int index, BlockPool blocks)
    {
        Index = index;
        Blocks = blocks;
    }

    /// <summary>Number of this loop in its group, from 0: the key of per-loop state.</summary>
    public int Index { get; }

    /// <summary>Blocks of this loop. Any thread may rent and return; the loop's own thread does so without a lock.</summary>
    public BlockPool Blocks { get; }

    /// <summary>What this loop counts.</summary>
    public LoopCounters Counters { get; } = new();

    /// <summary>True on the thread that has the loop's role now.</summary>
    public abstract bool IsCurrent { get; }

    /// <summary>Monotonic milliseconds, read once per loop turn; other threads may see a value one turn old (while the loop sleeps: older; they use <see cref="ReadClockMs"/>).</summary>
    public abstract long NowMs { get; }

    /// <summary>Reads the clock. Any thread.</summary>
    public abstract long ReadClockMs();

    /// <summary>Runs application code right after the handler that is running now has returned, in the order of the calls. Loop thread only.</summary>
    public abstract void Schedule(IApplicationCall call);

    /// <summary>The calling thread is inside <see cref="IApplicationCall.Run"/> and still has the loop's role.</summary>
    public abstract bool IsApplicationHere { get; }

    /// <summary>Gives the loop's role to a standby thread now; from inside <see cref="IApplicationCall.Run"/> only. False: no thread is to be had.</summary>
    public abstract bool TryHandOff();
}
