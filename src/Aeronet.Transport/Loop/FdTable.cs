using System;
using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using Aeronet.Native.Libc;

namespace Aeronet.Transport.Loop;

/// <summary>What an epoll event is for.</summary>
internal interface IPollTarget
{
    void OnEvents(EpollEvents events);
}

/// <summary>The connections of one loop, found by the key that stands in epoll's data: slot and generation.</summary>
/// <remarks>
/// The generation of a slot changes when its connection leaves: an event that the kernel queued for it finds nothing, also when the
/// slot and the descriptor's number belong to a new connection by then. Loop thread only.
/// </remarks>
internal sealed class FdTable
{
    private const int None = -1;
    private const uint GenerationMask = 0x7FFF_FFFF; // the top bit of a key marks what is not in this table

    private Entry[] _entries = new Entry[64];
    private int _used; // slots ever used: below it each slot is either taken or in the free list
    private int _firstFree = None;

    /// <summary>Taken slots.</summary>
    public int Count { get; private set; }

    /// <summary>Upper bound of slots, for walking with <see cref="At"/>.</summary>
    public int SlotCount => _used;

    public ulong Add(IPollTarget target)
    {
        int slot = _firstFree;
        if (slot != None)
        {
            _firstFree = _entries[slot].NextFree;
        }
        else
        {
            if (_used == _entries.Length)
            {
                Array.Resize(ref _entries, _entries.Length * 2);
            }
            slot = _used++;
        }
        ref Entry entry = ref _entries[slot];
        Debug.Assert(entry.Target is null);
        entry.Target = target;
        Count++;
        return ((ulong)entry.Generation << 32) | (uint)slot;
    }

    /// <summary>The target, if it is still the one the key was made for.</summary>
    public bool TryFind(ulong key, [NotNullWhen(true)] out IPollTarget? target)
    {
        uint slot = (uint)key;
        Debug.Assert(slot < (uint)_used);
        ref Entry entry = ref _entries[slot];
        target = entry.Generation == (uint)(key >> 32) ? entry.Target : null;
        return target is not null;
    }

    public void Remove(ulong key)
    {
        int slot = (int)(uint)key;
        ref Entry entry = ref _entries[slot];
        Debug.Assert(entry.Target is not null);
        Debug.Assert(entry.Generation == (uint)(key >> 32));
        entry.Target = null;
        entry.Generation = (entry.Generation + 1) & GenerationMask;
        entry.NextFree = _firstFree;
        _firstFree = slot;
        Count--;
        Debug.Assert(Count >= 0);
    }

    /// <summary>The target in a slot, null when it is free.</summary>
    public IPollTarget? At(int slot) => _entries[slot].Target;

    private struct Entry
    {
        public IPollTarget? Target; // null exactly while the slot is in the free list
        public uint Generation;
        public int NextFree; // valid only while free
    }
}
