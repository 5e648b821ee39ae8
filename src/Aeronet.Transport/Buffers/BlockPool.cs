using System;
using System.Buffers;
using System.Collections.Generic;
using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;
using System.Threading;

namespace Aeronet.Transport.Buffers;

/// <summary>A pinned block of <see cref="BlockPool.BlockSize"/> bytes: rented from and returned to one pool, once.</summary>
internal sealed class Block : IMemoryOwner<byte>
{
    internal Block(BlockPool owner, BlockSlab slab, int offset)
    {
        Owner = owner;
        Slab = slab;
        Offset = offset;
    }

    internal BlockPool Owner { get; }

    internal BlockSlab Slab { get; }

    /// <summary>True between <see cref="BlockPool.Rent"/> and <see cref="BlockPool.Return"/>.</summary>
    internal bool IsRented { get; set; }

    /// <summary>The pinned slab this block is part of.</summary>
    public byte[] Array => Slab.Bytes;

    public int Offset { get; }

    public Span<byte> Span => Slab.Bytes.AsSpan(Offset, BlockPool.BlockSize);

    public Memory<byte> Memory => MemoryMarshal.CreateFromPinnedArray(Slab.Bytes, Offset, BlockPool.BlockSize);

    /// <summary>Returns the block: for code that knows it as memory of a <see cref="MemoryPool{T}"/>.</summary>
    void IDisposable.Dispose() => Owner.Return(this);
}

/// <summary>One pinned array cut into blocks: what the pool takes from and gives back to the garbage collector.</summary>
internal sealed class BlockSlab
{
    // Uninitialised: every reader looks only at bytes that it has written or received before.
    internal byte[] Bytes { get; } = GC.AllocateUninitializedArray<byte>(BlockPool.BlocksPerSlab * BlockPool.BlockSize, pinned: true);

    /// <summary>Free blocks of this slab; valid only inside <see cref="BlockPool.Trim"/>.</summary>
    internal int FreeCount { get; set; }
}

/// <summary>Blocks of one loop: a stack without a lock for the loop's own thread, a locked one for all others.</summary>
/// <remarks>
/// Bound: after a spike the pool gives back, within two trim intervals (<see cref="TrimIntervalMs"/> each), every slab that is wholly
/// free and was not needed during the last interval, down to one slab. <see cref="Trim"/> is called by the loop while <see cref="WantsTrim"/>.
/// Every block is counted in exactly one place: rented, on the local stack, or on the shared stack.
/// </remarks>
internal sealed class BlockPool
{
    /// <summary>Bytes per block.</summary>
    public const int BlockSize = 4096;

    /// <summary>Blocks per slab: 128 KiB at once, large enough to be rare, small enough to become wholly free again.</summary>
    internal const int BlocksPerSlab = 32;

    /// <summary>Milliseconds between two trims while there is something to trim.</summary>
    internal const int TrimIntervalMs = 10_000;

    // Above it half of the local stack goes to the shared one: else blocks that other threads rent and the loop returns would pile up
    // on the loop's side while the others take slab after slab.
    private const int LocalCountMax = 8 * BlocksPerSlab;

    private const byte Poison = 0xDD;

    private readonly Stack<Block> _local = new();
    private readonly Stack<Block> _shared = new();
    private readonly Lock _sharedLock = new();
    private int _ownerThreadId; // managed id of the thread with the loop's role; 0 when no thread has it
    private int _sharedFreeCountMin; // least number of shared free blocks since the last trim; under the lock
    private int _localFreeCountMin;
    private int _slabCount; // under the lock
    private BlockMemoryPool? _memory; // made when asked for; it has no state, two would do no harm

    /// <summary>The blocks as the framework's pipes and streams rent memory. Any thread.</summary>
    public MemoryPool<byte> Memory => _memory ??= new BlockMemoryPool(this);

    /// <summary>Blocks that exist: rented and free.</summary>
    public int TotalCount => Volatile.Read(ref _slabCount) * BlocksPerSlab;

    /// <summary>Blocks rented now. Exact when no other thread is inside a call.</summary>
    public int RentedCount
    {
        get
        {
            lock (_sharedLock)
            {
                return TotalCount - _shared.Count - _local.Count;
            }
        }
    }

    /// <summary>More than the last slab is there: the loop keeps a trim scheduled.</summary>
    internal bool WantsTrim => Volatile.Read(ref _slabCount) > 1;

    /// <summary>Names the thread that uses the fast stack from now on. The caller orders this against the former owner's last call.</summary>
    internal void SetOwnerThread(int managedThreadId) => Volatile.Write(ref _ownerThreadId, managedThreadId);

    /// <summary>A block with undefined content. Any thread.</summary>
    public Block Rent()
    {
        Block block = _ownerThreadId == Environment.CurrentManagedThreadId && _local.TryPop(out Block? local) ? TakeLocal(local) : RentShared();
        Debug.Assert(!block.IsRented);
        CheckPoison(block);
        block.IsRented = true;
        return block;
    }

    /// <summary>Gives a block back; its content must not be touched any more. Any thread.</summary>
    public void Return(Block block)
    {
        Debug.Assert(block.Owner == this);
        if (!block.IsRented)
        {
            // Two owners of one block would see each other's bytes: worse than any exception.
            ThrowReturnedTwice();
        }
        block.IsRented = false;
        FillPoison(block);
        if (_ownerThreadId == Environment.CurrentManagedThreadId)
        {
            _local.Push(block);
            if (_local.Count > LocalCountMax)
            {
                MoveHalfToShared();
            }
            return;
        }
        lock (_sharedLock)
        {
            _shared.Push(block);
        }
    }

    /// <summary>Releases wholly free slabs that nobody needed since the last call, keeping one. Owner thread only.</summary>
    internal void Trim()
    {
        Debug.Assert(_ownerThreadId == Environment.CurrentManagedThreadId);
        lock (_sharedLock)
        {
            int unneeded = Math.Min(_localFreeCountMin, _local.Count) + Math.Min(_sharedFreeCountMin, _shared.Count);
            int slabsToRelease = Math.Min(unneeded / BlocksPerSlab, _slabCount - 1);
            if (slabsToRelease > 0)
            {
                Release(slabsToRelease);
            }
            _localFreeCountMin = _local.Count;
            _sharedFreeCountMin = _shared.Count;
        }
    }

    private Block TakeLocal(Block block)
    {
        _localFreeCountMin = Math.Min(_localFreeCountMin, _local.Count);
        return block;
    }

    private Block RentShared()
    {
        bool isOwner = _ownerThreadId == Environment.CurrentManagedThreadId;
        lock (_sharedLock)
        {
            if (_shared.Count == 0)
            {
                AddSlab();
            }
            Block block = _shared.Pop();
            if (isOwner)
            {
                _localFreeCountMin = 0;
                // One slab's worth at a time: the next rents need no lock, and other threads keep the rest.
                for (int i = 1; i < BlocksPerSlab && _shared.TryPop(out Block? next); i++)
                {
                    _local.Push(next);
                }
            }
            _sharedFreeCountMin = Math.Min(_sharedFreeCountMin, _shared.Count);
            return block;
        }
    }

    private void AddSlab()
    {
        Debug.Assert(_sharedLock.IsHeldByCurrentThread);
        BlockSlab slab = new();
        _slabCount++;
        for (int i = BlocksPerSlab - 1; i >= 0; i--)
        {
            Block block = new(this, slab, i * BlockSize);
            FillPoison(block);
            _shared.Push(block);
        }
    }

    private void MoveHalfToShared()
    {
        lock (_sharedLock)
        {
            for (int i = _local.Count / 2; i > 0; i--)
            {
                _shared.Push(_local.Pop());
            }
        }
        _localFreeCountMin = Math.Min(_localFreeCountMin, _local.Count);
    }

    private void Release(int slabsToRelease)
    {
        Block[] local = _local.ToArray();
        Block[] shared = _shared.ToArray();
        foreach (Block block in local)
        {
            block.Slab.FreeCount = 0;
        }
        foreach (Block block in shared)
        {
            block.Slab.FreeCount = 0;
        }
        HashSet<BlockSlab> released = [];
        CollectWhollyFree(local, slabsToRelease, released);
        CollectWhollyFree(shared, slabsToRelease, released);
        _slabCount -= released.Count;
        Refill(_local, local, released);
        Refill(_shared, shared, released);
        Debug.Assert(_slabCount >= 1);
    }

    private static void CollectWhollyFree(Block[] free, int countMax, HashSet<BlockSlab> released)
    {
        foreach (Block block in free)
        {
            if (++block.Slab.FreeCount == BlocksPerSlab && released.Count < countMax)
            {
                released.Add(block.Slab);
            }
        }
    }

    /// <summary>Puts back what stays, blocks of nearly free slabs at the bottom: they are rented last, so their slabs become wholly free.</summary>
    private static void Refill(Stack<Block> stack, Block[] free, HashSet<BlockSlab> released)
    {
        stack.Clear();
        for (int pass = 0; pass < 2; pass++)
        {
            foreach (Block block in free)
            {
                bool isNearlyFree = block.Slab.FreeCount > BlocksPerSlab / 2;
                if (isNearlyFree == (pass == 0) && !released.Contains(block.Slab))
                {
                    stack.Push(block);
                }
            }
        }
        stack.TrimExcess();
    }

    [Conditional("DEBUG")]
    private static void FillPoison(Block block) => block.Span.Fill(Poison);

    [Conditional("DEBUG")]
    private static void CheckPoison(Block block) => Debug.Assert(!block.Span.ContainsAnyExcept(Poison), "A block was written to after it had been returned.");

    [DoesNotReturn]
    private static void ThrowReturnedTwice() => throw new InvalidOperationException("A block was returned to its pool twice.");
}
