using System;
using System.Buffers;
using System.Diagnostics;
using Aeronet.Transport.Connections;
using Aeronet.Transport.Loop;

namespace Aeronet.Transport.Buffers;

/// <summary>What became of a <see cref="SendQueue.Send"/>.</summary>
internal enum SendOutcome
{
    /// <summary>Everything is in the kernel.</summary>
    Drained,

    /// <summary>The socket is full; ask for <see cref="TransportConnection.NotifyWhenWritable"/>.</summary>
    Blocked,

    /// <summary>The connection is dead; the queue was cleared.</summary>
    Failed,
}

/// <summary>Bytes waiting to be sent: blocks that are filled in place, blocks moved in, and memory borrowed from a writer that waits.</summary>
/// <remarks>Not thread-safe: the owner's lock guards it. The same type collects a response body before its framing is decided.</remarks>
internal sealed class SendQueue
{
    // sendmsg takes up to 1024 segments; 64 blocks are 256 KiB, more than a default socket buffer takes at once.
    private const int GatherMax = 64;

    [ThreadStatic]
    private static ReadOnlyMemory<byte>[]? t_gather;

    private Segment[] _segments = new Segment[4];
    private int _first;
    private int _count;
    private int _borrowed;
    private long _left; // the first bytes of the queue: an attempt to send them has met a full socket

    /// <summary>Bytes in the queue.</summary>
    public long Length { get; private set; }

    public bool IsEmpty => Length == 0;

    /// <summary>True while memory of a waiting writer is in the queue.</summary>
    public bool HasBorrowed => _borrowed > 0;

    /// <summary>Writable space at the tail, at least max(1, <paramref name="sizeHint"/>) bytes. Follow with <see cref="Advance"/>.</summary>
    public Memory<byte> GetMemory(BlockPool blocks, int sizeHint)
    {
        ref Segment tail = ref Tail(blocks, sizeHint);
        int start = tail.Start + tail.Length;
        return tail.Block is not null
            ? System.Runtime.InteropServices.MemoryMarshal.CreateFromPinnedArray(tail.Array!, start, tail.Limit - start)
            : tail.Array.AsMemory(start, tail.Limit - start);
    }

    /// <summary>As <see cref="GetMemory"/>, for bytes written at once.</summary>
    public Span<byte> GetSpan(BlockPool blocks, int sizeHint)
    {
        ref Segment tail = ref Tail(blocks, sizeHint);
        int start = tail.Start + tail.Length;
        return tail.Array.AsSpan(start, tail.Limit - start);
    }

    /// <summary>Has space at the tail from now on.</summary>
    public void Reserve(BlockPool blocks)
    {
        if (_count == 0)
        {
            Tail(blocks, 1);
        }
    }

    /// <summary>Gives the space at the tail back when nothing is in the queue. Its owner holds no memory of it.</summary>
    public void ReleaseIfEmpty(BlockPool blocks)
    {
        if (IsEmpty && _count > 0)
        {
            Clear(blocks);
        }
    }

    /// <summary>Space left at the tail without renting.</summary>
    public int TailFree
    {
        get
        {
            if (_count == 0)
            {
                return 0;
            }

            ref Segment tail = ref At(_count - 1);
            return tail.Array is null ? 0 : tail.Limit - tail.Start - tail.Length;
        }
    }

    public void Advance(int count)
    {
        Debug.Assert(_count > 0);
        ref Segment tail = ref At(_count - 1);
        Debug.Assert(count >= 0);
        Debug.Assert(count <= tail.Limit - tail.Start - tail.Length);
        tail.Length += count;
        Length += count;
    }

    /// <summary>Copies the bytes behind the tail.</summary>
    public void Write(BlockPool blocks, ReadOnlySpan<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            Span<byte> free = GetSpan(blocks, 1);
            int count = Math.Min(free.Length, bytes.Length);
            bytes[..count].CopyTo(free);
            Advance(count);
            bytes = bytes[count..];
        }
    }

    /// <summary>Adds the caller's memory without a copy. It must stay valid until <see cref="HasBorrowed"/> is false.</summary>
    public void Borrow(ReadOnlyMemory<byte> memory)
    {
        Debug.Assert(!memory.IsEmpty);
        ref Segment segment = ref Add();
        segment.Borrowed = memory;
        segment.Length = memory.Length;
        Length += memory.Length;
        _borrowed++;
    }

    /// <summary>Moves everything of <paramref name="other"/> behind the tail: small content is copied into free space, the rest changes owner.</summary>
    /// <param name="blocks">The loop's pool.</param>
    /// <param name="other">Left empty.</param>
    /// <param name="copyMax">Copy rather than move when the content is at most this long and fits the tail: one send instead of a gather.</param>
    /// <param name="keepTail">The tail of <paramref name="other"/> is still being written to by its owner: copy its bytes and leave it there.</param>
    public void TakeAll(BlockPool blocks, SendQueue other, int copyMax, bool keepTail)
    {
        Debug.Assert(other._left == 0); // a queue is either filled for another one or sent
        if (other.Length <= copyMax && other.Length <= TailFree)
        {
            for (int i = 0; i < other._count; i++)
            {
                Write(blocks, other.At(i).Bytes);
            }

            other.Drop(blocks, keepTail: true); // whether its owner holds memory of it or not: the next response uses it
            return;
        }

        int moved = keepTail && other._count > 0 ? other._count - 1 : other._count;
        for (int i = 0; i < moved; i++)
        {
            ref Segment from = ref other.At(i);
            if (from.Length == 0)
            {
                from.Release(blocks);
                from = default;
                continue;
            }

            Length += from.Length;
            _borrowed += from.Array is null ? 1 : 0;
            other.Length -= from.Length;
            other._borrowed -= from.Array is null ? 1 : 0;
            Add() = from;
            from = default;
        }

        other._first = (other._first + moved) & (other._segments.Length - 1);
        other._count -= moved;
        if (keepTail && other._count > 0)
        {
            Write(blocks, other.At(0).Bytes);
            other.Drop(blocks, keepTail: true);
        }
    }

    /// <summary>Sends until the queue is empty, the socket is full, or the connection fails.</summary>
    public SendOutcome Send(TransportConnection connection)
    {
        BlockPool blocks = connection.Loop.Blocks;
        if (_left > 0)
        {
            CountersOf(connection)?.AddFlushCycle();
            CountersOf(connection)?.NoteOutbound(Length);
        }

        while (Length > 0)
        {
            DropEmptyHead(blocks);
            IoResult sent = _count > 1 ? SendGathered(connection) : _left > 0 ? connection.SendAgain(At(0).Bytes, _left) : connection.Send(At(0).Bytes);
            if (sent.IsWouldBlock)
            {
                CountLeft(CountersOf(connection));
                CountersOf(connection)?.NoteOutbound(Length);
                return SendOutcome.Blocked;
            }

            if (sent.IsFailed)
            {
                CountLeft(CountersOf(connection));
                Clear(blocks);
                return SendOutcome.Failed;
            }

            Consume(blocks, sent.Bytes);
        }

        Clear(blocks);
        return SendOutcome.Drained;
    }

    /// <summary>Drops everything and gives owned memory back.</summary>
    public void Clear(BlockPool blocks)
    {
        for (int i = 0; i < _count; i++)
        {
            ref Segment segment = ref At(i);
            segment.Release(blocks);
            segment = default;
        }

        _first = 0;
        _count = 0;
        _borrowed = 0;
        _left = 0;
        Length = 0;
    }

    private static LoopCounters? CountersOf(TransportConnection connection) => connection.IsCarried ? null : connection.Loop.Counters;

    // What leaves at the first attempt is counted by the connection alone; here it would cost every response.
    private void CountLeft(LoopCounters? counters)
    {
        Debug.Assert(_left <= Length);
        counters?.AddBytesLeft(Length - _left);
        _left = Length;
    }

    private IoResult SendGathered(TransportConnection connection)
    {
        ReadOnlyMemory<byte>[] gather = t_gather ??= new ReadOnlyMemory<byte>[GatherMax];
        int count = 0;
        for (int i = 0; i < _count && count < GatherMax; i++)
        {
            ref Segment segment = ref At(i);
            if (segment.Length > 0)
            {
                gather[count++] = segment.Memory;
            }
        }

        IoResult sent = _left > 0 ? connection.SendAgain(gather.AsSpan(0, count), _left) : connection.Send(gather.AsSpan(0, count));
        gather.AsSpan(0, count).Clear(); // no reference to user memory outlives the call
        return sent;
    }

    private void Consume(BlockPool blocks, int count)
    {
        Debug.Assert(count > 0);
        Debug.Assert(count <= Length);
        Length -= count;
        _left = Math.Max(0, _left - count);
        while (count > 0)
        {
            ref Segment head = ref At(0);
            int taken = Math.Min(count, head.Length);
            head.Skip(taken);
            count -= taken;
            if (head.Length == 0 && (_count > 1 || head.Array is null))
            {
                DropHead(blocks);
            }
        }
    }

    private void DropEmptyHead(BlockPool blocks)
    {
        while (At(0).Length == 0)
        {
            DropHead(blocks);
        }
    }

    private void DropHead(BlockPool blocks)
    {
        ref Segment head = ref At(0);
        _borrowed -= head.Array is null ? 1 : 0;
        head.Release(blocks);
        head = default;
        _first = (_first + 1) & (_segments.Length - 1);
        _count--;
    }

    /// <summary>Replaces borrowed memory by copies, so that its owner may go on before the bytes are sent.</summary>
    public void CopyBorrowed()
    {
        for (int i = 0; _borrowed > 0 && i < _count; i++)
        {
            ref Segment segment = ref At(i);
            if (segment.Array is not null)
            {
                continue;
            }

            byte[] copy = ArrayPool<byte>.Shared.Rent(segment.Length);
            segment.Borrowed.Span.CopyTo(copy);
            segment = new Segment { Array = copy, Length = segment.Length, Limit = segment.Length };
            _borrowed--;
        }

        Debug.Assert(_borrowed == 0);
    }

    /// <summary>Forgets the bytes; with <paramref name="keepTail"/> the last segment stays, its written part skipped, because its owner holds memory of it.</summary>
    public void Drop(BlockPool blocks, bool keepTail)
    {
        if (!keepTail || _count == 0)
        {
            Clear(blocks);
            return;
        }

        while (_count > 1)
        {
            DropHead(blocks);
        }

        At(0).Skip(At(0).Length);
        _left = 0;
        Length = 0;
        Debug.Assert(_borrowed == 0);
    }

    private ref Segment Tail(BlockPool blocks, int sizeHint)
    {
        int wanted = Math.Max(1, sizeHint);
        if (TailFree >= wanted)
        {
            return ref At(_count - 1);
        }

        ref Segment tail = ref Add();
        if (wanted <= BlockPool.BlockSize)
        {
            tail.Block = blocks.Rent();
            tail.Array = tail.Block.Array;
            tail.Start = tail.Block.Offset;
            tail.Limit = tail.Start + BlockPool.BlockSize;
        }
        else
        {
            tail.Array = ArrayPool<byte>.Shared.Rent(wanted);
            tail.Limit = tail.Array.Length;
        }

        return ref tail;
    }

    private ref Segment At(int index) => ref _segments[(_first + index) & (_segments.Length - 1)];

    private ref Segment Add()
    {
        if (_count == _segments.Length)
        {
            Segment[] larger = new Segment[_segments.Length * 2]; // stays a power of two: At masks
            for (int i = 0; i < _count; i++)
            {
                larger[i] = At(i);
            }

            _segments = larger;
            _first = 0;
        }

        _count++;
        return ref At(_count - 1);
    }

    private struct Segment
    {
        public Block? Block;                 // non-null: Array is the block's slab
        public byte[]? Array;                // null exactly for borrowed memory
        public ReadOnlyMemory<byte> Borrowed;
        public int Start;
        public int Length;
        public int Limit;

        public readonly ReadOnlySpan<byte> Bytes => Array is null ? Borrowed.Span : Array.AsSpan(Start, Length);

        public readonly ReadOnlyMemory<byte> Memory => Array is null
            ? Borrowed
            : Block is null ? Array.AsMemory(Start, Length) : System.Runtime.InteropServices.MemoryMarshal.CreateFromPinnedArray(Array, Start, Length);

        public void Skip(int count)
        {
            Debug.Assert(count <= Length);
            if (Array is null)
            {
                Borrowed = Borrowed[count..];
            }
            else
            {
                Start += count;
            }

            Length -= count;
        }

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
