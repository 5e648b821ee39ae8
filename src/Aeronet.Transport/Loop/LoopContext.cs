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

    /// <summary>Runs application code right after the handler that calls this has returned, in the order of the calls. Loop thread only.</summary>
    public abstract void Schedule(IApplicationCall call);

    /// <summary>True on the loop's thread inside an <see cref="IApplicationCall"/>, as long as no other thread has become the loop.</summary>
    public abstract bool IsApplicationHere { get; }

    /// <summary>Lets another thread become the loop now, because the application code that runs here is about to block or known to be slow. True: it has happened, or this thread was not the loop's anyway. False: no thread is left for it.</summary>
    public abstract bool TryHandOff(HandOffCause cause);

    /// <summary>As many threads as allowed are inside application code that lost its loop: more of it should start on the thread pool. Any thread.</summary>
    public virtual bool IsOutOfThreads => false;

    /// <summary>Where flushed bytes may be held for a moment; null where nobody would send them.</summary>
    public virtual HeldFlushes? HeldFlushes => null;

    /// <summary>Monotonic milliseconds, read once per loop turn; other threads may see a value one turn old (while the loop sleeps: older; they use <see cref="ReadClockMs"/>).</summary>
    public abstract long NowMs { get; }

    /// <summary>Reads the clock. Any thread.</summary>
    public abstract long ReadClockMs();
}
