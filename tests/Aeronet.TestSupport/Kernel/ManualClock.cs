using System;

namespace Aeronet.TestSupport.Kernel;

/// <summary>Time that stands until a test moves it.</summary>
public sealed class ManualClock : TimeProvider
{
    private long _nowMs = 1_000_000;

    /// <summary>Milliseconds since an arbitrary moment.</summary>
    public long NowMs => _nowMs;

    /// <summary>One timestamp per millisecond.</summary>
    public override long TimestampFrequency => 1000;

    /// <inheritdoc/>
    public override long GetTimestamp() => _nowMs;

    /// <summary>Moves time on.</summary>
    public void Advance(long ms) => _nowMs += ms;
}
