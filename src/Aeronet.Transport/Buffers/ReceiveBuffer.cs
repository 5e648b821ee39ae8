using System;
using System.Buffers;
using System.Diagnostics;

namespace Aeronet.Transport.Buffers;

/// <summary>Contiguous received bytes of one connection: a pool block while small, a rented array when a request head outgrows it. Empty and unallocated while idle.</summary>
/// <remarks>Invariant: 0 &lt;= base &lt;= start &lt;= end &lt;= limit; unread bytes are [start, end). One owner at a time (the receive owner).</remarks>
internal struct ReceiveBuffer
{
    private Block? _block;   // Non-null exactly while the bytes live in a pool block.
    private byte[]? _array;  // Non-null exactly while allocated.
    private int _base;
    private int _limit;
    private int _start;
    private int _end;

    public readonly bool IsAllocated => _array is not null;

    public readonly int Length => _end - _start;

    public readonly ReadOnlySpan<byte> Unread => _array.AsSpan(_start, _end - _start);

    /// <summary>The array that holds the unread bytes, from <see cref="Offset"/>. Only while allocated.</summary>
    public readonly byte[] Array
    {
        get
        {
            Debug.Assert(_array is not null);
            return _array;
        }
    }

    public readonly int Offset => _start;

    /// <summary>Free space behind the unread bytes, from one byte to <paramref name="sizeHint"/>: allocates, compacts or grows as needed.</summary>
    /// <param name="blocks">The loop's pool.</param>
    /// <param name="sizeHint">Bytes to receive at once: the most that is given, also where a buffer that has grown has room for more, and the least that is allocated.</param>
    /// <remarks>Compacting moves the unread bytes to the front: bytes consumed before are gone. The caller bounds the growth by its own limits.</remarks>
    public Span<byte> GetFree(BlockPool blocks, int sizeHint)
    {
        if (_array is null)
        {
            Allocate(blocks, sizeHint);
        }
        else if (_start == _end)
        {
            _start = _end = _base;
        }
        else if (_end == _limit)
        {
            MakeRoom(blocks);
        }

        Debug.Assert(_end < _limit);
        // Not the whole room: the size of a read would follow the capacity, and one long head would make every later read of the connection long.
        return _array.AsSpan(_end, Math.Min(_limit - _end, Math.Max(1, sizeHint)));
    }

    /// <summary>What is free behind the bytes without moving them: none while unallocated.</summary>
    public readonly Span<byte> Tail => _array.AsSpan(_end, _limit - _end);

    public void Commit(int count)
    {
        Debug.Assert(count >= 0);
        Debug.Assert(count <= _limit - _end);
        _end += count;
    }

    public void Consume(int count)
    {
        Debug.Assert(count >= 0);
        Debug.Assert(count <= Length);
        _start += count;
    }

    /// <summary>Leaves the consumed bytes where they are (in the returned buffer, which the caller releases later) and goes on with an empty buffer that holds a copy of the unread bytes.</summary>
    public ReceiveBuffer DetachConsumed(BlockPool blocks, int sizeHint)
    {
        Debug.Assert(IsAllocated);
        ReceiveBuffer old = this;
        this = default;
        ReadOnlySpan<byte> unread = old.Unread;
        if (!unread.IsEmpty)
        {
            Allocate(blocks, Math.Max(sizeHint, unread.Length + 1));
            unread.CopyTo(_array.AsSpan(_end));
            _end += unread.Length;
        }

        return old;
    }

    /// <summary>Gives the memory back. Unread bytes are dropped.</summary>
    public void Release(BlockPool blocks)
    {
        if (_block is not null)
        {
            blocks.Return(_block);
        }
        else if (_array is not null)
        {
            ArrayPool<byte>.Shared.Return(_array);
        }

        this = default;
    }

    private void Allocate(BlockPool blocks, int sizeHint)
    {
        Debug.Assert(_array is null);
        if (sizeHint <= BlockPool.BlockSize)
        {
            _block = blocks.Rent();
            _array = _block.Array;
            _base = _block.Offset;
            _limit = _base + BlockPool.BlockSize;
        }
        else
        {
            _array = ArrayPool<byte>.Shared.Rent(sizeHint);
            _base = 0;
            _limit = _array.Length;
        }

        _start = _end = _base;
    }

    private void MakeRoom(BlockPool blocks)
    {
        int length = Length;
        if (_start > _base)
        {
            Unread.CopyTo(_array.AsSpan(_base));
            _start = _base;
            _end = _base + length;
            return;
        }

        byte[] larger = ArrayPool<byte>.Shared.Rent((_limit - _base) * 2);
        Unread.CopyTo(larger);
        Release(blocks);
        _array = larger;
        _limit = larger.Length;
        _end = length;
    }
}
