using System;
using System.Collections.Generic;
using Aeronet.Transport.Loop;
using Xunit;

namespace Aeronet.Transport.Tests.Loop;

public sealed class TimerWheelTests
{
    private const long Start = 5_000_003;

    [Theory]
    [InlineData(1)]
    [InlineData(63)]
    [InlineData(64)]
    [InlineData(65)]
    [InlineData(4_095)]
    [InlineData(4_096)]
    [InlineData(130_000)]
    [InlineData(262_144)]
    [InlineData(3_600_000)]
    [InlineData(20_000_000)]
    public void A_deadline_fires_not_early_and_late_by_a_tick_at_most(long delayMs)
    {
        TimerWheel wheel = new(Start);
        Entry entry = new();
        wheel.SetDeadline(entry, Start + delayMs);
        long now = Start;
        while (entry.FiredAt < 0)
        {
            int wait = wheel.DelayMs(now);
            Assert.True(wait >= 0);
            now += wait;
            FireAll(wheel, now);
            Assert.True(now <= Start + delayMs + TimerWheel.TickMs);
        }
        Assert.InRange(entry.FiredAt, Start + delayMs, Start + delayMs + TimerWheel.TickMs);
    }

    [Fact]
    public void A_deadline_in_the_past_fires_within_a_tick()
    {
        TimerWheel wheel = new(Start);
        Entry entry = new();
        wheel.SetDeadline(entry, Start - 1000);
        Assert.InRange(wheel.DelayMs(Start), 0, TimerWheel.TickMs);
        FireAll(wheel, Start + TimerWheel.TickMs);
        Assert.Equal(Start + TimerWheel.TickMs, entry.FiredAt);
    }

    [Fact]
    public void A_deadline_fires_once_and_is_none_afterwards()
    {
        TimerWheel wheel = new(Start);
        Entry entry = new();
        wheel.SetDeadline(entry, Start + 100);
        FireAll(wheel, Start + 200);
        FireAll(wheel, Start + 100_000);
        Assert.Equal(1, entry.FiredCount);
        Assert.Equal(long.MaxValue, entry.Timer.DeadlineMs);
        Assert.Equal(-1, wheel.DelayMs(Start + 100_000));
    }

    [Fact]
    [Trait("Defect", "LOOP-30")]
    public void Moving_a_deadline_later_only_stores_it()
    {
        TimerWheel wheel = new(Start);
        Entry entry = new();
        wheel.SetDeadline(entry, Start + 1000);
        long scheduled = entry.Timer.ScheduledTick;
        wheel.SetDeadline(entry, Start + 50_000);
        Assert.Equal(scheduled, entry.Timer.ScheduledTick);
        FireAll(wheel, Start + 2000);
        Assert.Equal(0, entry.FiredCount);
        FireAll(wheel, Start + 50_064);
        Assert.Equal(1, entry.FiredCount);
    }

    [Fact]
    public void Moving_a_deadline_earlier_links_it_anew()
    {
        TimerWheel wheel = new(Start);
        Entry entry = new();
        wheel.SetDeadline(entry, Start + 50_000);
        wheel.SetDeadline(entry, Start + 1000);
        FireAll(wheel, Start + 1064);
        Assert.Equal(1, entry.FiredCount);
    }

    [Fact]
    public void Another_thread_is_told_when_the_wheel_would_look_too_late()
    {
        TimerWheel wheel = new(Start);
        Entry entry = new();
        Assert.False(TimerWheel.TrySetDeadline(ref entry.Timer, Start + 5000));
        wheel.Reschedule(entry);
        Assert.True(TimerWheel.TrySetDeadline(ref entry.Timer, Start + 9000));
        Assert.False(TimerWheel.TrySetDeadline(ref entry.Timer, Start + 1000));
        Assert.True(TimerWheel.TrySetDeadline(ref entry.Timer, long.MaxValue));
        FireAll(wheel, Start + 100_000);
        Assert.Equal(0, entry.FiredCount);
    }

    [Fact]
    public void A_cancelled_entry_does_not_fire_and_leaves_an_empty_wheel()
    {
        TimerWheel wheel = new(Start);
        Entry entry = new();
        wheel.SetDeadline(entry, Start + 1000);
        wheel.Cancel(entry);
        Assert.Equal(-1, wheel.DelayMs(Start));
        FireAll(wheel, Start + 10_000);
        Assert.Equal(0, entry.FiredCount);
    }

    [Fact]
    public void An_entry_may_cancel_others_that_are_due_at_the_same_time()
    {
        TimerWheel wheel = new(Start);
        Entry first = new();
        Entry second = new();
        wheel.SetDeadline(first, Start + 100);
        wheel.SetDeadline(second, Start + 100);
        Assert.True(wheel.TryTakeExpired(Start + 500, out ITimed? taken));
        Entry other = taken == first ? second : first;
        wheel.Cancel(other);
        Assert.False(wheel.TryTakeExpired(Start + 500, out _));
    }

    [Fact]
    [Trait("Defect", "LOOP-30")]
    public void A_tick_touches_only_what_is_due()
    {
        TimerWheel wheel = new(Start);
        List<Entry> idle = [];
        for (int i = 0; i < 10_000; i++)
        {
            Entry entry = new();
            idle.Add(entry);
            wheel.SetDeadline(entry, Start + 130_000);
        }
        Entry due = new();
        wheel.SetDeadline(due, Start + 100);
        idle.ForEach(static entry => entry.Touches = 0);
        FireAll(wheel, Start + 2000);
        Assert.Equal(1, due.FiredCount);
        Assert.All(idle, static entry => Assert.Equal(0, entry.Touches));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Random_deadlines_fire_as_a_sorted_list_would(int seed)
    {
        Random random = new(seed);
        long now = Start;
        TimerWheel wheel = new(now);
        Dictionary<Entry, long> expected = [];
        List<Entry> all = [];
        for (int i = 0; i < 300; i++)
        {
            all.Add(new Entry());
        }
        for (int step = 0; step < 20_000; step++)
        {
            Entry entry = all[random.Next(all.Count)];
            switch (random.Next(10))
            {
                case < 5:
                    long deadline = now + (long)Math.Pow(10, random.NextDouble() * 7);
                    wheel.SetDeadline(entry, deadline);
                    expected[entry] = deadline;
                    break;
                case 5:
                    wheel.Cancel(entry);
                    expected.Remove(entry);
                    break;
                case 6:
                    wheel.SetDeadline(entry, long.MaxValue);
                    expected.Remove(entry);
                    break;
                default:
                    now += (long)Math.Pow(10, random.NextDouble() * 6);
                    while (wheel.TryTakeExpired(now, out ITimed? timed))
                    {
                        Entry fired = (Entry)timed;
                        Assert.True(expected.Remove(fired, out long due), $"seed {seed}, step {step}: fired without a deadline");
                        Assert.True(due <= now, $"seed {seed}, step {step}: {due - now} ms early");
                    }
                    foreach ((Entry _, long due) in expected)
                    {
                        Assert.True(due + TimerWheel.TickMs > now, $"seed {seed}, step {step}: {now - due} ms late");
                    }
                    break;
            }
        }
    }

    private static void FireAll(TimerWheel wheel, long now)
    {
        while (wheel.TryTakeExpired(now, out ITimed? timed))
        {
            timed.OnTimer(now);
        }
    }

    private sealed class Entry : ITimed
    {
        private TimerLink _timer = TimerLink.None;

        public long FiredAt { get; private set; } = -1;

        public int FiredCount { get; private set; }

        public int Touches { get; set; }

        public ref TimerLink Timer
        {
            get
            {
                Touches++;
                return ref _timer;
            }
        }

        public void OnTimer(long nowMs)
        {
            FiredAt = nowMs;
            FiredCount++;
        }
    }
}
