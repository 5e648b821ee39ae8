using System;
using System.Collections.Generic;
using Aeronet.Transport.Buffers;
using Xunit;

namespace Aeronet.Transport.Tests.Buffers;

public sealed class ReceiveBufferTests : IDisposable
{
    private const int Block = BlockPool.BlockSize;

    private readonly BlockPool _pool = new();
    private ReceiveBuffer _buffer;

    public ReceiveBufferTests() => _pool.SetOwnerThread(Environment.CurrentManagedThreadId);

    public void Dispose()
    {
        _buffer.Release(_pool);
        Assert.Equal(0, _pool.RentedCount);
    }

    [Fact]
    public void An_idle_buffer_holds_no_memory()
    {
        Assert.False(_buffer.IsAllocated);
        Assert.Equal(0, _buffer.Length);
        Assert.True(_buffer.Unread.IsEmpty);
        Assert.Equal(0, _pool.RentedCount);
    }

    [Theory]
    [Trait("Defect", "LOOP-22")]
    [InlineData(1)]
    [InlineData(512)]
    [InlineData(Block - 1)]
    [InlineData(Block)]
    [InlineData(Block + 1)]
    [InlineData(100_000)]
    public void A_read_is_as_long_as_asked_for_in_an_empty_buffer(int sizeHint) => Assert.Equal(sizeHint, _buffer.GetFree(_pool, sizeHint).Length);

    [Theory]
    [Trait("Defect", "LOOP-22")]
    [InlineData(0)]
    [InlineData(-1)]
    public void A_read_is_never_empty(int sizeHint) => Assert.Equal(1, _buffer.GetFree(_pool, sizeHint).Length);

    [Fact]
    [Trait("Defect", "LOOP-22")]
    public void A_read_does_not_follow_the_capacity_of_a_buffer_that_has_grown()
    {
        byte[] sent = Receive(20_000, 1000);
        Assert.Equal(1000, _buffer.GetFree(_pool, 1000).Length);
        Assert.Equal(sent, _buffer.Unread.ToArray());
        _buffer.Consume(_buffer.Length);
        Assert.Equal(1000, _buffer.GetFree(_pool, 1000).Length);
    }

    [Fact]
    [Trait("Defect", "LOOP-22")]
    public void A_read_ends_with_the_room_that_is_left()
    {
        Receive(Block - 10, Block);
        Assert.Equal(10, _buffer.GetFree(_pool, 1000).Length);
    }

    [Fact]
    public void Small_content_lives_in_one_block_of_the_pool()
    {
        Receive(Block, 512);
        Assert.Equal(1, _pool.RentedCount);
        Assert.Equal(Block, _buffer.Length);
    }

    [Fact]
    public void A_read_longer_than_a_block_takes_none()
    {
        _ = _buffer.GetFree(_pool, Block + 1);
        Assert.True(_buffer.IsAllocated);
        Assert.Equal(0, _pool.RentedCount);
    }

    [Fact]
    public void Growth_keeps_the_content_and_gives_the_block_back()
    {
        byte[] sent = Receive((3 * Block) + 17, 700);
        Assert.Equal(sent, _buffer.Unread.ToArray());
        Assert.Equal(0, _pool.RentedCount);
    }

    [Fact]
    public void A_full_buffer_is_compacted_before_it_grows()
    {
        byte[] sent = Receive(Block, Block);
        int front = _buffer.Offset;
        _buffer.Consume(1000);
        Assert.Equal(front + 1000, _buffer.Offset);
        Assert.Equal(1000, _buffer.GetFree(_pool, Block).Length);
        Assert.Equal(front, _buffer.Offset);
        Assert.Equal(sent.AsSpan(1000).ToArray(), _buffer.Unread.ToArray());
        Assert.Equal(1, _pool.RentedCount);
    }

    [Fact]
    public void A_buffer_with_room_is_not_compacted()
    {
        Receive(100, Block);
        _buffer.Consume(60);
        int offset = _buffer.Offset;
        _ = _buffer.GetFree(_pool, Block);
        Assert.Equal(offset, _buffer.Offset);
    }

    [Fact]
    public void A_buffer_that_was_read_to_its_end_starts_at_the_front_again()
    {
        Receive(Block - 1, Block);
        int front = _buffer.Offset;
        _buffer.Consume(Block - 1);
        Assert.Equal(Block, _buffer.GetFree(_pool, Block).Length);
        Assert.Equal(front, _buffer.Offset);
    }

    [Fact]
    public void The_array_holds_the_unread_bytes_at_the_offset()
    {
        byte[] sent = Receive(300, Block);
        _buffer.Consume(100);
        Assert.Equal(sent.AsSpan(100).ToArray(), _buffer.Array.AsSpan(_buffer.Offset, _buffer.Length).ToArray());
    }

    [Fact]
    public void Detached_bytes_stay_while_the_buffer_goes_on_with_the_unread_ones()
    {
        byte[] sent = Receive(300, Block);
        _buffer.Consume(200);
        byte[] before = _buffer.Array;
        int start = _buffer.Offset - 200;
        ReceiveBuffer old = _buffer.DetachConsumed(_pool, Block);
        Assert.Equal(2, _pool.RentedCount);
        Assert.Equal(sent.AsSpan(200).ToArray(), _buffer.Unread.ToArray());
        _buffer.GetFree(_pool, Block).Fill(0xEE);
        Assert.Equal(sent, before.AsSpan(start, 300).ToArray());
        old.Release(_pool);
        Assert.Equal(1, _pool.RentedCount);
    }

    [Fact]
    public void Detaching_without_unread_bytes_leaves_an_idle_buffer()
    {
        Receive(300, Block);
        _buffer.Consume(300);
        ReceiveBuffer old = _buffer.DetachConsumed(_pool, Block);
        Assert.False(_buffer.IsAllocated);
        Assert.Equal(1, _pool.RentedCount);
        old.Release(_pool);
    }

    [Theory]
    [InlineData(Block)] // exactly a block: one byte of room must remain
    [InlineData(2 * Block)]
    public void Detaching_leaves_room_behind_the_unread_bytes(int unread)
    {
        byte[] sent = Receive(unread, Block);
        ReceiveBuffer old = _buffer.DetachConsumed(_pool, 512);
        int offset = _buffer.Offset;
        Assert.False(_buffer.GetFree(_pool, 512).IsEmpty);
        Assert.Equal(offset, _buffer.Offset);
        Assert.Equal(sent, _buffer.Unread.ToArray());
        old.Release(_pool);
    }

    [Theory]
    [InlineData(10)]
    [InlineData(3 * Block)]
    public void Releasing_drops_the_content_and_can_be_repeated(int count)
    {
        Receive(count, Block);
        _buffer.Release(_pool);
        _buffer.Release(_pool);
        Assert.False(_buffer.IsAllocated);
        Assert.Equal(0, _buffer.Length);
        Assert.Equal(0, _pool.RentedCount);
        Assert.Equal(Receive(5, Block), _buffer.Unread.ToArray());
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Random_traffic_comes_out_as_it_went_in(int seed)
    {
        Random random = new(seed);
        Queue<byte> expected = [];
        for (int step = 0; step < 2000; step++)
        {
            int sizeHint = random.Next(1, 3000);
            Span<byte> free = _buffer.GetFree(_pool, sizeHint);
            Assert.InRange(free.Length, 1, sizeHint);
            int count = random.Next(free.Length + 1);
            random.NextBytes(free[..count]);
            foreach (byte b in free[..count])
            {
                expected.Enqueue(b);
            }

            _buffer.Commit(count);
            Assert.Equal(expected.Count, _buffer.Length);
            int consumed = random.Next(_buffer.Length + 1);
            foreach (byte b in _buffer.Unread[..consumed])
            {
                Assert.Equal(expected.Dequeue(), b);
            }

            _buffer.Consume(consumed);
            if (random.Next(10) == 0)
            {
                ReceiveBuffer old = _buffer.DetachConsumed(_pool, sizeHint);
                old.Release(_pool);
            }
        }

        Assert.Equal(expected.ToArray(), _buffer.Unread.ToArray());
    }

    /// <summary>Receives content in reads of at most <paramref name="sizeHint"/> bytes, consuming nothing.</summary>
    private byte[] Receive(int count, int sizeHint)
    {
        byte[] sent = new byte[count];
        new Random(count).NextBytes(sent);
        for (int at = 0; at < count;)
        {
            Span<byte> free = _buffer.GetFree(_pool, sizeHint);
            int next = Math.Min(free.Length, count - at);
            sent.AsSpan(at, next).CopyTo(free);
            _buffer.Commit(next);
            at += next;
        }

        return sent;
    }
}
