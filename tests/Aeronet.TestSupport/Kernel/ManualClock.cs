using System;
using System.Collections.Generic;
using System.Threading;

namespace Aeronet.TestSupport.Kernel;

/// <summary>Time that stands until a test moves it. Timers are set on any thread and fire on the one that moves it.</summary>
public sealed class ManualClock : TimeProvider
{
    private static readonly DateTimeOffset s_start = new(2030, 1, 1, 0, 0, 0, TimeSpan.Zero);

    private readonly long _startMs = 1_000_000;
    private readonly Lock _lock = new();
    private readonly List<ManualTimer> _timers = []; // under the lock, with all that is in them
    private long _nowMs = 1_000_000; // written under the lock

    /// <summary>Milliseconds since an arbitrary moment.</summary>
    public long NowMs => Volatile.Read(ref _nowMs);

    /// <summary>One timestamp per millisecond.</summary>
    public override long TimestampFrequency => 1000;

    /// <summary>Timers that are set.</summary>
    public int TimerCount
    {
        get
        {
            lock (_lock)
            {
                return _timers.FindAll(static timer => timer.DueMs is not null).Count;
            }
        }
    }

    /// <summary>How far the wall clock is from the monotonic one: a step that an administrator made.</summary>
    public TimeSpan WallClockStep { get; set; }

    /// <inheritdoc/>
    public override long GetTimestamp() => NowMs;

    /// <inheritdoc/>
    public override DateTimeOffset GetUtcNow() => s_start + TimeSpan.FromMilliseconds(NowMs - _startMs) + WallClockStep;

    /// <summary>Moves time on, from one due timer to the next.</summary>
    public void Advance(long ms)
    {
        long end = NowMs + ms;
        while (TakeNext(end) is { } next)
        {
            next.Fire();
        }
        lock (_lock)
        {
            _nowMs = end;
        }
    }

    /// <summary>Moves time on.</summary>
    public void Advance(TimeSpan time) => Advance((long)time.TotalMilliseconds);

    /// <inheritdoc/>
    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        ArgumentNullException.ThrowIfNull(callback);
        var timer = new ManualTimer(this, callback, state);
        timer.Change(dueTime, period);
        lock (_lock)
        {
            _timers.Add(timer);
        }
        return timer;
    }

    // Moves time on to the next one.
    private ManualTimer? TakeNext(long endMs)
    {
        lock (_lock)
        {
            ManualTimer? next = null;
            foreach (ManualTimer timer in _timers)
            {
                if (timer.DueMs <= endMs && (next is null || timer.DueMs < next.DueMs))
                {
                    next = timer;
                }
            }
            if (next is not null)
            {
                _nowMs = Math.Max(_nowMs, next.DueMs!.Value);
                next.SetAfterFiring(_nowMs);
            }
            return next;
        }
    }

    private sealed class ManualTimer(ManualClock clock, TimerCallback callback, object? state) : ITimer
    {
        private TimeSpan _period = Timeout.InfiniteTimeSpan;

        public long? DueMs { get; private set; }

        public void SetAfterFiring(long nowMs) => DueMs = _period > TimeSpan.Zero ? nowMs + (long)_period.TotalMilliseconds : null;

        public void Fire() => callback(state);

        // Timers of the system take whole milliseconds, too, and never fire early.
        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            lock (clock._lock)
            {
                DueMs = dueTime == Timeout.InfiniteTimeSpan ? null : clock._nowMs + (long)Math.Ceiling(dueTime.TotalMilliseconds);
                _period = period;
                return true;
            }
        }

        public void Dispose()
        {
            lock (clock._lock)
            {
                DueMs = null;
                clock._timers.Remove(this);
            }
        }

        public System.Threading.Tasks.ValueTask DisposeAsync()
        {
            Dispose();
            return default;
        }
    }
}
