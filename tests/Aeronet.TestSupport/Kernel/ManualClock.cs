using System;
using System.Collections.Generic;
using System.Threading;

namespace Aeronet.TestSupport.Kernel;

/// <summary>Time that stands until a test moves it. Timers fire on the thread that does.</summary>
public sealed class ManualClock : TimeProvider
{
    private static readonly DateTimeOffset s_start = new(2030, 1, 1, 0, 0, 0, TimeSpan.Zero);

    private readonly long _startMs = 1_000_000;
    private readonly List<ManualTimer> _timers = [];
    private long _nowMs = 1_000_000;

    /// <summary>Milliseconds since an arbitrary moment.</summary>
    public long NowMs => _nowMs;

    /// <summary>One timestamp per millisecond.</summary>
    public override long TimestampFrequency => 1000;

    /// <summary>Timers that are set.</summary>
    public int TimerCount => _timers.FindAll(static timer => timer.DueMs is not null).Count;

    /// <summary>How far the wall clock is from the monotonic one: a step that an administrator made.</summary>
    public TimeSpan WallClockStep { get; set; }

    /// <inheritdoc/>
    public override long GetTimestamp() => _nowMs;

    /// <inheritdoc/>
    public override DateTimeOffset GetUtcNow() => s_start + TimeSpan.FromMilliseconds(_nowMs - _startMs) + WallClockStep;

    /// <summary>Moves time on, from one due timer to the next.</summary>
    public void Advance(long ms)
    {
        long end = _nowMs + ms;
        while (FindNext(end) is { } next)
        {
            _nowMs = Math.Max(_nowMs, next.DueMs!.Value);
            next.Fire();
        }
        _nowMs = end;
    }

    /// <summary>Moves time on.</summary>
    public void Advance(TimeSpan time) => Advance((long)time.TotalMilliseconds);

    /// <inheritdoc/>
    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        ArgumentNullException.ThrowIfNull(callback);
        var timer = new ManualTimer(this, callback, state);
        timer.Change(dueTime, period);
        _timers.Add(timer);
        return timer;
    }

    private ManualTimer? FindNext(long endMs)
    {
        ManualTimer? next = null;
        foreach (ManualTimer timer in _timers)
        {
            if (timer.DueMs <= endMs && (next is null || timer.DueMs < next.DueMs))
            {
                next = timer;
            }
        }
        return next;
    }

    private sealed class ManualTimer(ManualClock clock, TimerCallback callback, object? state) : ITimer
    {
        private TimeSpan _period = Timeout.InfiniteTimeSpan;

        public long? DueMs { get; private set; }

        public void Fire()
        {
            DueMs = _period > TimeSpan.Zero ? clock._nowMs + (long)_period.TotalMilliseconds : null;
            callback(state);
        }

        // Timers of the system take whole milliseconds, too, and never fire early.
        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            DueMs = dueTime == Timeout.InfiniteTimeSpan ? null : clock._nowMs + (long)Math.Ceiling(dueTime.TotalMilliseconds);
            _period = period;
            return true;
        }

        public void Dispose()
        {
            DueMs = null;
            clock._timers.Remove(this);
        }

        public System.Threading.Tasks.ValueTask DisposeAsync()
        {
            Dispose();
            return default;
        }
    }
}
