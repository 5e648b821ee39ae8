using System;
using System.Buffers;
using System.Diagnostics;
using System.Runtime.InteropServices;
using Aeronet.Transport.Connections;
using Aeronet.Transport.Loop;

namespace Aeronet.Transport.Buffers;

/// <summary>Bytes that a pipe's writer has written: the flushed ones may be sent, those behind them not yet. Unallocated while empty.</summary>
/// <remarks>Invariant: 0 &lt;= retried &lt;= <see cref="Flushed"/> &lt;= <see cref="Length"/>. Not thread-safe: the writer's lock guards it.</remarks>
internal struct WriteBuffer
{
    // 64 blocks are 256 KiB, more than a default socket buffer takes at once.
    private const int GatherMax = 64;

    [ThreadStatic]
    private static ReadOnlyMemory<byte>[]? t_gather;

    private Piece _tail; // being written to
    private Piece[]? _earlier; // a ring of what is full, oldest at _first; null until a second piece is needed
    private int _first;
    private int _count;
    private long _retried; // the first bytes: an attempt to send them has met a full socket

    /// <summary>All bytes written and not yet sent.</summary>
    public long Length { get; private set; }

    /// <summary>The first bytes, those that may be sent.</summary>
    public long Flushed { get; private set; }

    public readonly long Unflushed => Length - Flushed;

    public readonly bool IsAllocated => _tail.Array is not null;

    /// <summary>Writable memory at the tail, at least max(1, <paramref name="sizeHint"/>) bytes. Valid until <see cref="Flush"/>.</summary>
    public Memory<byte> GetMemory(BlockPool blocks, int sizeHint)
    {
        Reserve(blocks, sizeHint);
        return _tail.Block is not null
            ? MemoryMarshal.CreateFromPinnedArray(_tail.Array!, _tail.End, _tail.Limit - _tail.End)
            : _tail.Array.AsMemory(_tail.End, _tail.Limit - _tail.End);
    }

    /// <summary>As <see cref="GetMemory"/>.</summary>
    public Span<byte> GetSpan(BlockPool blocks, int sizeHint)
    {
        Reserve(blocks, sizeHint);
        return _tail.Array.AsSpan(_tail.End, _tail.Limit - _tail.End);
    }

    /// <summary>False: more than the memory that was given.</summary>
    public bool TryAdvance(int count)
    {
        if ((uint)count > (uint)(_tail.Limit - _tail.End))
        {
            return false;
        }
        _tail.End += count;
        Length += count;
        return true;
    }

    /// <summary>Everything written so far may be sent.</summary>
    public void Flush()
    {
        Flushed = Length;
        _tail.IsLent = false;
    }

    /// <summary>Sends until the flushed bytes are gone, the socket is full, or the connection fails; memory without bytes goes back.</summary>
    public SendOutcome Send(TransportConnection connection)
    {
        Debug.Assert(Flushed > 0);
        LoopCounters counters = connection.Loop.Counters;
        if (_retried > 0)
        {
            counters.AddFlushCycle();
            counters.NoteOutbound(Flushed);
        }
        do
        {
            IoResult sent = _count > 0 ? SendGathered(connection) : SendTail(connection);
            if (!sent.HasBytes)
            {
                counters.AddBytesLeft(Flushed - _retried);
                _retried = Flushed;
                if (sent.IsWouldBlock)
                {
                    counters.NoteOutbound(Flushed);
                    return SendOutcome.Blocked;
                }
                return SendOutcome.Failed;
            }
            Consume(connection.Loop.Blocks, sent.Bytes);
        }
        while (Flushed > 0);
        if (Length == 0 && !_tail.IsLent)
        {
            Clear(connection.Loop.Blocks);
        }
        return SendOutcome.Drained;
    }

    /// <summary>Drops everything and gives the memory back, but for what the writer holds.</summary>
    public void Drop(BlockPool blocks)
    {
        if (!_tail.IsLent)
        {
            Clear(blocks);
            return;
        }
        DropEarlier(blocks);
        _tail.Start = _tail.End;
        _retried = 0;
        Flushed = 0;
        Length = 0;
    }

    /// <summary>Drops everything and gives all memory back.</summary>
    public void Clear(BlockPool blocks)
    {
        DropEarlier(blocks);
        _tail.Release(blocks);
        this = default;
    }

    private void Reserve(BlockPool blocks, int sizeHint)
    {
        int wanted = Math.Max(1, sizeHint);
        if (_tail.Limit - _tail.End >= wanted)
        {
            _tail.IsLent = true;
            return;
        }
        if (_tail.Start == _tail.End)
        {
            _tail.Release(blocks);
        }
        else
        {
            AddEarlier(_tail);
        }
        _tail = new Piece { IsLent = true };
        if (wanted <= BlockPool.BlockSize)
        {
            Block block = blocks.Rent();
            _tail.Block = block;
            _tail.Array = block.Array;
            _tail.Start = _tail.End = block.Offset;
            _tail.Limit = block.Offset + BlockPool.BlockSize;
        }
        else
        {
            _tail.Array = ArrayPool<byte>.Shared.Rent(wanted);
            _tail.Limit = _tail.Array.Length;
        }
    }

    private void AddEarlier(in Piece piece)
    {
        _earlier ??= new Piece[4];
        if (_count == _earlier.Length)
        {
            Piece[] larger = new Piece[_earlier.Length * 2]; // stays a power of two: the ring masks
            for (int i = 0; i < _count; i++)
            {
                larger[i] = Earlier(i);
            }
            _earlier = larger;
            _first = 0;
        }
        Earlier(_count) = piece;
        _count++;
    }

    private readonly ref Piece Earlier(int index) => ref _earlier![(_first + index) & (_earlier.Length - 1)];

    private readonly IoResult SendTail(TransportConnection connection)
    {
        ReadOnlySpan<byte> bytes = _tail.Array.AsSpan(_tail.Start, (int)Flushed);
        return _retried > 0 ? connection.SendAgain(bytes, _retried) : connection.Send(bytes);
    }

    private readonly IoResult SendGathered(TransportConnection connection)
    {
        ReadOnlyMemory<byte>[] gather = t_gather ??= new ReadOnlyMemory<byte>[GatherMax];
        long left = Flushed;
        int count = 0;
        for (int i = 0; i <= _count && count < GatherMax && left > 0; i++)
        {
            ref readonly Piece piece = ref i < _count ? ref Earlier(i) : ref _tail;
            gather[count] = piece.Memory((int)Math.Min(left, piece.End - piece.Start));
            left -= gather[count++].Length;
        }
        ReadOnlySpan<ReadOnlyMemory<byte>> segments = gather.AsSpan(0, count);
        IoResult sent = _retried > 0 ? connection.SendAgain(segments, _retried) : connection.Send(segments);
        gather.AsSpan(0, count).Clear(); // keeps no array alive
        return sent;
    }

    private void Consume(BlockPool blocks, int count)
    {
        Debug.Assert(count > 0);
        Debug.Assert(count <= Flushed);
        Length -= count;
        Flushed -= count;
        _retried = Math.Max(0, _retried - count);
        while (_count > 0)
        {
            ref Piece piece = ref Earlier(0);
            int taken = Math.Min(count, piece.End - piece.Start);
            piece.Start += taken;
            count -= taken;
            if (piece.Start < piece.End)
            {
                return;
            }
            piece.Release(blocks);
            piece = default;
            _first = (_first + 1) & (_earlier!.Length - 1);
            _count--;
        }
        _tail.Start += count;
        Debug.Assert(_tail.Start <= _tail.End);
    }

    private void DropEarlier(BlockPool blocks)
    {
        for (; _count > 0; _count--)
        {
            ref Piece piece = ref Earlier(_count - 1);
            piece.Release(blocks);
            piece = default;
        }
        _first = 0;
    }

    private struct Piece
    {
        public Block? Block; // non-null: Array is the block's slab
        public byte[]? Array;
        public int Start; // written and unsent bytes are [Start, End)
        public int End;
        public int Limit;
        public bool IsLent; // the tail's: the writer holds memory of it

        public readonly ReadOnlyMemory<byte> Memory(int length) => Block is null
            ? Array.AsMemory(Start, length)
            : MemoryMarshal.CreateFromPinnedArray(Array!, Start, length);

        public readonly void Release(BlockPool blocks)
        {
            if (Block is not null)
            {
                blocks.Return(Block);
            }
            else if (Array is not null)
            {
                ArrayPool<byte>.Shared.Return(Array);
            }
        }
    }
}
