using System;
using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using System.Numerics;
using System.Threading;

namespace Aeronet.Transport.Loop;

/// <summary>Something with a deadline: the links of the wheel's list are in the object itself.</summary>
internal interface ITimed
{
    ref TimerLink Timer { get; }

    /// <summary>The deadline has passed; it is <see cref="long.MaxValue"/> again.</summary>
    void OnTimer(long nowMs);
}

/// <summary>A deadline and its place in the wheel.</summary>
internal struct TimerLink
{
    private const byte Unlinked = byte.MaxValue;

    internal ITimed? Next;
    internal ITimed? Previous;
    internal long DeadlineMs; // any thread writes it; long.MaxValue: none
    internal long ScheduledTick; // the loop writes it: when the wheel looks at this entry, long.MaxValue while not linked
    internal byte Level;
    internal byte Slot;

    public static TimerLink None => new() { DeadlineMs = long.MaxValue, ScheduledTick = long.MaxValue, Level = Unlinked };

    public readonly bool IsLinked => Level != Unlinked;

    internal void MarkUnlinked()
    {
        Next = null;
        Previous = null;
        Level = Unlinked;
        Volatile.Write(ref ScheduledTick, long.MaxValue);
    }
}

/// <summary>Deadlines of one loop: four levels of 64 slots, a tick of 64 ms, a bit per slot in use.</summary>
/// <remarks>
/// An entry stands in the wheel at or before its deadline. A deadline that moves later is only stored; when the wheel reaches the old
/// place it looks at the stored value and links the entry anew. So a keep-alive connection that sets its deadline per request is touched
/// by the wheel a few times per timeout, and a tick costs what is due in it, however many entries wait.
/// Loop thread only, except <see cref="TrySetDeadline"/>.
/// </remarks>
internal sealed class TimerWheel
{
    /// <summary>Milliseconds per tick: deadlines are seconds, and 16 wake-ups per second are the most that timers can cause.</summary>
    public const int TickMs = 64;

    private const int SlotBits = 6;
    private const int SlotsPerLevel = 1 << SlotBits;
    private const int SlotMask = SlotsPerLevel - 1;
    private const int LevelCount = 4; // 64^4 ticks of 64 ms are 12 days; later deadlines are looked at again then
    private const long HorizonTicks = 1L << (SlotBits * LevelCount);
    private const byte ExpiringLevel = LevelCount;

    private readonly ITimed?[] _heads = new ITimed?[(LevelCount * SlotsPerLevel) + 1]; // the last one: entries taken out of their slot, not yet judged
    private readonly ulong[] _occupied = new ulong[LevelCount];
    private long _elapsedTick;

    public TimerWheel(long nowMs) => _elapsedTick = nowMs / TickMs;

    /// <summary>Stores a deadline. False: the wheel would look too late, the loop must call <see cref="Reschedule"/>. Any thread.</summary>
    public static bool TrySetDeadline(ref TimerLink link, long deadlineMs)
    {
        Volatile.Write(ref link.DeadlineMs, deadlineMs);
        // Pairs with the barrier in Insert: either we see the new place, or the wheel sees the new deadline.
        Interlocked.MemoryBarrier();
        return TickOf(deadlineMs) >= Volatile.Read(ref link.ScheduledTick);
    }

    /// <summary>Stores a deadline and links the entry where needed.</summary>
    public void SetDeadline(ITimed timed, long deadlineMs)
    {
        ref TimerLink link = ref timed.Timer;
        Volatile.Write(ref link.DeadlineMs, deadlineMs);
        if (TickOf(deadlineMs) < link.ScheduledTick)
        {
            Reschedule(timed);
        }
    }

    /// <summary>Links the entry at its stored deadline if it is not looked at before.</summary>
    public void Reschedule(ITimed timed)
    {
        ref TimerLink link = ref timed.Timer;
        long deadlineMs = Volatile.Read(ref link.DeadlineMs);
        if (TickOf(deadlineMs) >= link.ScheduledTick)
        {
            return;
        }
        Unlink(timed);
        Insert(timed, deadlineMs);
    }

    /// <summary>Takes the entry out; it may be linked again later.</summary>
    public void Cancel(ITimed timed)
    {
        Volatile.Write(ref timed.Timer.DeadlineMs, long.MaxValue);
        Unlink(timed);
    }

    /// <summary>The next entry whose deadline has passed, taken out of the wheel.</summary>
    public bool TryTakeExpired(long nowMs, [NotNullWhen(true)] out ITimed? timed)
    {
        long nowTick = nowMs / TickMs;
        while (true)
        {
            while (_heads[^1] is { } candidate)
            {
                Unlink(candidate);
                Interlocked.MemoryBarrier(); // see TrySetDeadline: it sees that the entry is out, or we see its deadline
                if (TryExpire(candidate, nowMs))
                {
                    timed = candidate;
                    return true;
                }
            }
            if (!TryFindNext(out int level, out int slot, out long tick) || tick > nowTick)
            {
                _elapsedTick = Math.Max(_elapsedTick, nowTick);
                timed = null;
                return false;
            }
            Debug.Assert(tick >= _elapsedTick);
            _elapsedTick = tick;
            MoveToExpiring(level, slot);
        }
    }

    /// <summary>Milliseconds until the wheel has something to look at, 0 when it has now, -1 when it is empty.</summary>
    public int DelayMs(long nowMs)
    {
        if (_heads[^1] is not null)
        {
            return 0;
        }
        if (!TryFindNext(out _, out _, out long tick))
        {
            return -1;
        }
        return (int)Math.Clamp((tick * TickMs) - nowMs, 0, int.MaxValue);
    }

    private bool TryExpire(ITimed timed, long nowMs)
    {
        ref TimerLink link = ref timed.Timer;
        while (true)
        {
            long deadlineMs = Volatile.Read(ref link.DeadlineMs);
            if (deadlineMs > nowMs)
            {
                if (deadlineMs != long.MaxValue)
                {
                    Insert(timed, deadlineMs);
                }
                return false;
            }
            // Another thread may set a new deadline at this moment: that one counts.
            if (Interlocked.CompareExchange(ref link.DeadlineMs, long.MaxValue, deadlineMs) == deadlineMs)
            {
                return true;
            }
        }
    }

    private void Insert(ITimed timed, long deadlineMs)
    {
        ref TimerLink link = ref timed.Timer;
        while (true)
        {
            Debug.Assert(!link.IsLinked);
            Debug.Assert(deadlineMs != long.MaxValue);
            // One tick ahead at least: the current one has been looked at. Not beyond the horizon: the entry is looked at there again.
            long tick = Math.Clamp(TickOf(deadlineMs), _elapsedTick + 1, _elapsedTick + HorizonTicks - 1);
            Link(timed, tick);
            Interlocked.MemoryBarrier(); // see TrySetDeadline
            deadlineMs = Volatile.Read(ref link.DeadlineMs);
            if (TickOf(deadlineMs) >= tick || tick == _elapsedTick + 1)
            {
                return;
            }
            Unlink(timed);
        }
    }

    private void Link(ITimed timed, long tick)
    {
        // The level is where the tick's digits, to base 64, first differ from those of the present.
        ulong difference = (ulong)(tick ^ _elapsedTick) | SlotMask;
        int level = Math.Min((63 - BitOperations.LeadingZeroCount(difference)) / SlotBits, LevelCount - 1);
        int slot = (int)(tick >> (level * SlotBits)) & SlotMask;
        ref TimerLink link = ref timed.Timer;
        link.Level = (byte)level;
        link.Slot = (byte)slot;
        Volatile.Write(ref link.ScheduledTick, tick);
        Push(ref _heads[(level * SlotsPerLevel) + slot], timed, ref link);
        _occupied[level] |= 1UL << slot;
    }

    private static void Push(ref ITimed? head, ITimed timed, ref TimerLink link)
    {
        link.Next = head;
        link.Previous = null;
        if (head is not null)
        {
            head.Timer.Previous = timed;
        }
        head = timed;
    }

    private void Unlink(ITimed timed)
    {
        ref TimerLink link = ref timed.Timer;
        if (!link.IsLinked)
        {
            return;
        }
        int index = (link.Level * SlotsPerLevel) + link.Slot;
        if (link.Previous is not null)
        {
            link.Previous.Timer.Next = link.Next;
        }
        else
        {
            Debug.Assert(_heads[index] == timed);
            _heads[index] = link.Next;
            if (link.Next is null && link.Level < LevelCount)
            {
                _occupied[link.Level] &= ~(1UL << link.Slot);
            }
        }
        if (link.Next is not null)
        {
            link.Next.Timer.Previous = link.Previous;
        }
        link.MarkUnlinked();
    }

    private void MoveToExpiring(int level, int slot)
    {
        Debug.Assert(_heads[^1] is null);
        int index = (level * SlotsPerLevel) + slot;
        ITimed? entry = _heads[index];
        _heads[^1] = entry;
        _heads[index] = null;
        _occupied[level] &= ~(1UL << slot);
        while (entry is not null)
        {
            ref TimerLink link = ref entry.Timer;
            link.Level = ExpiringLevel;
            link.Slot = 0;
            entry = link.Next;
        }
    }

    /// <summary>The slot that comes next: one of the lowest level in use, for each level starts where the one below ends.</summary>
    private bool TryFindNext(out int level, out int slot, out long tick)
    {
        for (level = 0; level < LevelCount; level++)
        {
            ulong occupied = _occupied[level];
            if (occupied == 0)
            {
                continue;
            }
            int shift = level * SlotBits;
            int present = (int)(_elapsedTick >> shift) & SlotMask;
            slot = (BitOperations.TrailingZeroCount(BitOperations.RotateRight(occupied, present)) + present) & SlotMask;
            long levelStart = _elapsedTick >> (shift + SlotBits) << (shift + SlotBits);
            tick = levelStart + ((long)slot << shift);
            if (tick <= _elapsedTick)
            {
                tick += 1L << (shift + SlotBits); // the highest level goes round
            }
            return true;
        }
        slot = 0;
        tick = 0;
        return false;
    }

    /// <summary>The first tick at which the deadline has passed: late by less than a tick, never early.</summary>
    private static long TickOf(long deadlineMs) => deadlineMs == long.MaxValue ? long.MaxValue : (deadlineMs / TickMs) + (deadlineMs % TickMs > 0 ? 1 : 0);
}
