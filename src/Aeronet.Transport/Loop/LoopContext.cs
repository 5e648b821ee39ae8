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
}
