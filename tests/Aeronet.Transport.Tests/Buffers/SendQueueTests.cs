using System;
using System.Collections.Generic;
using System.Linq;
using System.Text;
using Aeronet.TestSupport.Connections;
using Aeronet.Transport.Buffers;
using Xunit;

namespace Aeronet.Transport.Tests.Buffers;

public sealed class SendQueueTests : IDisposable
{
    private const int Block = BlockPool.BlockSize;

    private readonly ScriptedLoop _loop = new();
    private readonly ScriptedConnection _connection;
    private readonly SendQueue _queue = new();
    private readonly SendQueue _other = new();

    public SendQueueTests() => _connection = new ScriptedConnection(_loop);

    private BlockPool Blocks => _loop.Blocks;

    /// <summary>Nothing may be left rented, whatever the test did.</summary>
    public void Dispose()
    {
        _queue.Clear(Blocks);
        _other.Clear(Blocks);
        Assert.Equal(0, Blocks.RentedCount);
    }

    [Fact]
    public void Nothing_is_sent_from_an_empty_queue()
    {
        Assert.True(_queue.IsEmpty);
        Assert.Equal(SendOutcome.Drained, _queue.Send(_connection));
        Assert.Equal(0, _connection.SendCalls);
    }

    [Fact]
    public void Memory_that_was_asked_for_and_not_written_to_is_given_back_without_a_send()
    {
        _ = _queue.GetMemory(Blocks, 100);
        Assert.True(_queue.IsEmpty);
        Assert.Equal(SendOutcome.Drained, _queue.Send(_connection));
        Assert.Equal(0, _connection.SendCalls);
        Assert.Equal(0, Blocks.RentedCount);
    }

    [Fact]
    public void What_was_reserved_is_given_back_unless_bytes_wait()
    {
        _queue.ReleaseIfEmpty(Blocks);
        _queue.Reserve(Blocks);
        Assert.Equal(1, Blocks.RentedCount);
        _queue.ReleaseIfEmpty(Blocks);
        Assert.Equal(0, Blocks.RentedCount);
        _queue.Write(Blocks, "x"u8);
        _queue.ReleaseIfEmpty(Blocks);
        Assert.Equal(1, _queue.Length);
        Assert.Equal(SendOutcome.Drained, _queue.Send(_connection));
        Assert.Equal("x", _connection.Sent);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(Block)]
    [InlineData(Block + 1)]
    [InlineData(50_000)]
    public void The_tail_has_at_least_the_space_that_was_asked_for(int sizeHint)
    {
        Assert.True(_queue.GetMemory(Blocks, sizeHint).Length >= Math.Max(1, sizeHint));
        Assert.Equal(_queue.TailFree, _queue.GetSpan(Blocks, sizeHint).Length);
    }

    [Fact]
    public void Memory_and_span_are_the_same_bytes()
    {
        Memory<byte> memory = _queue.GetMemory(Blocks, 10);
        Assert.True(memory.Span == _queue.GetSpan(Blocks, 10));
        "0123456789"u8.CopyTo(memory.Span);
        _queue.Advance(10);
        Assert.Equal(SendOutcome.Drained, _queue.Send(_connection));
        Assert.Equal("0123456789", _connection.Sent);
    }

    [Fact]
    public void What_was_written_leaves_in_order_and_in_one_send()
    {
        string expected = "head," + Text(3 * Block, 1) + "," + Text(Block + 5, 2) + ",end";
        Write(_queue, "head,");
        Write(_queue, Text(3 * Block, 1));
        Write(_queue, ",");
        _queue.Borrow(Bytes(Text(Block + 5, 2)));
        Write(_queue, ",end");
        Assert.Equal(expected.Length, _queue.Length);
        Assert.Equal(SendOutcome.Drained, _queue.Send(_connection));
        Assert.Equal(expected, _connection.Sent);
        Assert.Equal(1, _connection.SendCalls);
        Assert.True(_queue.IsEmpty);
        Assert.Equal(0, Blocks.RentedCount);
    }

    [Fact]
    public void More_segments_than_one_call_takes_leave_in_several()
    {
        StringBuilder expected = new();
        for (int i = 0; i < 150; i++)
        {
            string part = Text(3, i);
            _queue.Borrow(Bytes(part));
            expected.Append(part);
        }

        Assert.Equal(SendOutcome.Drained, _queue.Send(_connection));
        Assert.Equal(expected.ToString(), _connection.Sent);
        Assert.Equal(3, _connection.SendCalls);
    }

    [Fact]
    public void The_socket_may_be_full_after_any_byte()
    {
        string expected = Text(23, 1) + Text(41, 2) + Text(7, 3);
        for (int room = 0; room <= expected.Length; room++)
        {
            _connection.ClearSent();
            _connection.SendRoom = room;
            Write(_queue, expected[..23]);
            _queue.Borrow(Bytes(expected[23..64]));
            Write(_queue, expected[64..]);
            Assert.Equal(room == expected.Length ? SendOutcome.Drained : SendOutcome.Blocked, _queue.Send(_connection));
            Assert.Equal(expected[..room], _connection.Sent);
            Assert.Equal(expected.Length - room, _queue.Length);
            Assert.Equal(room < 64, _queue.HasBorrowed);
            _connection.SendRoom = long.MaxValue;
            Assert.Equal(SendOutcome.Drained, _queue.Send(_connection));
            Assert.Equal(expected, _connection.Sent);
            Assert.Equal(0, Blocks.RentedCount);
        }
    }

    [Fact]
    public void A_queue_that_leaves_byte_by_byte_stays_in_order()
    {
        string expected = Text(40, 1);
        foreach (string part in expected.Chunk(4).Select(static part => new string(part)))
        {
            _queue.Borrow(Bytes(part));
        }

        _connection.SendRoom = 0;
        for (int left = expected.Length; left > 0; left--)
        {
            Assert.Equal(left, _queue.Length);
            Assert.Equal(SendOutcome.Blocked, _queue.Send(_connection));
            _connection.SendRoom = 1;
            Assert.Equal(left == 1 ? SendOutcome.Drained : SendOutcome.Blocked, _queue.Send(_connection));
        }

        Assert.Equal(expected, _connection.Sent);
    }

    [Fact]
    public void Writing_goes_on_behind_bytes_that_wait()
    {
        _connection.SendRoom = 2;
        Write(_queue, "abc");
        Assert.Equal(SendOutcome.Blocked, _queue.Send(_connection));
        Write(_queue, "def");
        _connection.SendRoom = long.MaxValue;
        Assert.Equal(SendOutcome.Drained, _queue.Send(_connection));
        Assert.Equal("abcdef", _connection.Sent);
    }

    [Fact]
    public void Blocks_that_are_sent_go_back_while_the_rest_waits()
    {
        Write(_queue, Text(4 * Block, 1));
        Assert.Equal(4, Blocks.RentedCount);
        _connection.SendRoom = (2 * Block) + 1;
        Assert.Equal(SendOutcome.Blocked, _queue.Send(_connection));
        Assert.Equal(2, Blocks.RentedCount);
    }

    [Fact]
    public void Borrowed_memory_is_free_as_soon_as_its_last_byte_is_sent()
    {
        byte[] memory = Bytes("borrowed");
        _queue.Borrow(memory);
        Write(_queue, "tail");
        _connection.SendRoom = 8;
        Assert.Equal(SendOutcome.Blocked, _queue.Send(_connection));
        Assert.False(_queue.HasBorrowed);
        Array.Clear(memory);
        _connection.SendRoom = long.MaxValue;
        Assert.Equal(SendOutcome.Drained, _queue.Send(_connection));
        Assert.Equal("borrowedtail", _connection.Sent);
    }

    [Fact]
    public void Borrowed_memory_that_was_copied_may_change_before_it_is_sent()
    {
        byte[] first = Bytes("first,");
        byte[] second = Bytes("second");
        _queue.Borrow(first);
        Write(_queue, "between,");
        _queue.Borrow(second);
        _connection.SendRoom = 3;
        Assert.Equal(SendOutcome.Blocked, _queue.Send(_connection));
        _queue.CopyBorrowed();
        Assert.False(_queue.HasBorrowed);
        Array.Clear(first);
        Array.Clear(second);
        _connection.SendRoom = long.MaxValue;
        Assert.Equal(SendOutcome.Drained, _queue.Send(_connection));
        Assert.Equal("first,between,second", _connection.Sent);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(5)]
    public void A_failed_send_clears_the_queue(int sentBefore)
    {
        Write(_queue, Text(3 * Block, 1));
        _queue.Borrow(Bytes("borrowed"));
        _connection.SendRoom = sentBefore;
        Assert.Equal(SendOutcome.Blocked, _queue.Send(_connection));
        _connection.Abort();
        Assert.Equal(SendOutcome.Failed, _queue.Send(_connection));
        Assert.True(_queue.IsEmpty);
        Assert.False(_queue.HasBorrowed);
        Assert.Equal(0, _queue.TailFree);
        Assert.Equal(0, Blocks.RentedCount);
    }

    [Fact]
    public void A_cleared_queue_can_be_used_again()
    {
        Write(_queue, "lost");
        _connection.SendRoom = 1;
        Assert.Equal(SendOutcome.Blocked, _queue.Send(_connection));
        _queue.Clear(Blocks);
        _connection.ClearSent();
        _connection.SendRoom = long.MaxValue;
        Write(_queue, "next");
        Assert.Equal(SendOutcome.Drained, _queue.Send(_connection));
        Assert.Equal("next", _connection.Sent);
    }

    [Fact]
    public void Small_content_is_taken_by_copy_into_the_free_tail()
    {
        Write(_queue, "head,");
        Write(_other, "body");
        _queue.TakeAll(Blocks, _other, copyMax: 4, keepTail: false);
        Assert.Equal(2, Blocks.RentedCount); // the other queue's block stays there: its owner's next bytes go into it
        AssertTaken("head,body");
    }

    [Fact]
    public void Content_above_the_copy_limit_changes_owner()
    {
        Write(_queue, "head,");
        Write(_other, "body!");
        _queue.TakeAll(Blocks, _other, copyMax: 4, keepTail: false);
        Assert.Equal(2, Blocks.RentedCount);
        AssertTaken("head,body!");
    }

    [Fact]
    public void Content_that_does_not_fit_the_tail_changes_owner()
    {
        string head = Text(Block - 3, 1);
        Write(_queue, head);
        Write(_other, "body");
        _queue.TakeAll(Blocks, _other, copyMax: 1000, keepTail: false);
        AssertTaken(head + "body");
    }

    [Fact]
    public void Borrowed_memory_changes_owner_and_stays_borrowed()
    {
        Write(_other, "a");
        _other.Borrow(Bytes("borrowed"));
        Write(_other, "z");
        _queue.TakeAll(Blocks, _other, copyMax: 0, keepTail: false);
        Assert.True(_queue.HasBorrowed);
        Assert.False(_other.HasBorrowed);
        AssertTaken("aborrowedz");
    }

    [Fact]
    public void Taking_from_an_empty_queue_changes_nothing()
    {
        Write(_queue, "head");
        _queue.TakeAll(Blocks, _other, copyMax: 100, keepTail: false);
        AssertTaken("head");
    }

    [Theory]
    [InlineData(100, 0)] // moved
    [InlineData(100, 1000)] // copied
    [InlineData((2 * Block) + 100, 0)] // all but the tail moved
    [InlineData((2 * Block) + 100, 100_000)]
    public void A_writer_may_go_on_in_the_memory_it_holds_while_its_bytes_are_taken(int written, int copyMax)
    {
        string content = Text(written, 1);
        Write(_queue, "head,");
        Write(_other, content);
        Memory<byte> held = _other.GetMemory(Blocks, 50);
        Bytes("before").CopyTo(held);
        _queue.TakeAll(Blocks, _other, copyMax, keepTail: true);
        Assert.True(_other.IsEmpty);
        Assert.Equal(5 + written, _queue.Length);
        Bytes("later").CopyTo(held[6..]); // the same memory, also while the taken bytes wait
        Assert.Equal(SendOutcome.Drained, _queue.Send(_connection));
        Assert.Equal("head," + content, _connection.Sent);
        _connection.ClearSent();
        _other.Advance(11);
        Assert.Equal(SendOutcome.Drained, _other.Send(_connection));
        Assert.Equal("beforelater", _connection.Sent);
    }

    [Fact]
    public void A_writer_goes_on_in_kept_memory_through_many_rounds_until_it_is_full()
    {
        StringBuilder expected = new();
        Memory<byte> held = _other.GetMemory(Blocks, Block);
        int at = 0;
        while (at < Block)
        {
            int count = Math.Min(511, Block - at);
            string part = Text(count, at);
            Bytes(part).CopyTo(held[at..]);
            _other.Advance(count);
            _queue.TakeAll(Blocks, _other, copyMax: 0, keepTail: true);
            expected.Append(part);
            at += count;
            Assert.Equal(Block - at, _other.TailFree);
        }

        AssertTaken(expected.ToString());
    }

    [Fact]
    public void Dropping_forgets_the_bytes_and_keeps_the_tail_for_its_writer()
    {
        Write(_queue, Text(2 * Block, 1));
        Write(_queue, "tail");
        Memory<byte> held = _queue.GetMemory(Blocks, 10);
        _queue.Drop(Blocks, keepTail: true);
        Assert.True(_queue.IsEmpty);
        Assert.Equal(1, Blocks.RentedCount);
        Bytes("goes on").CopyTo(held);
        _queue.Advance(7);
        Assert.Equal(SendOutcome.Drained, _queue.Send(_connection));
        Assert.Equal("goes on", _connection.Sent);
    }

    [Fact]
    public void Dropping_without_the_tail_gives_everything_back()
    {
        Write(_queue, Text(2 * Block, 1));
        _queue.Drop(Blocks, keepTail: false);
        Assert.Equal(0, Blocks.RentedCount);
        Assert.Equal(0, _queue.TailFree);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void Random_writes_takes_and_sends_come_out_in_order_and_leave_no_block(int seed)
    {
        Random random = new(seed);
        List<byte> expected = [];
        List<byte> pending = [];
        _connection.SendRoom = 0;
        for (int step = 0; step < 1000; step++)
        {
            byte[] part = new byte[random.Next(1, random.Next(2) == 0 ? 60 : 6000)];
            random.NextBytes(part);
            switch (random.Next(7))
            {
                case 0:
                    _other.Write(Blocks, part);
                    pending.AddRange(part);
                    break;
                case 1:
                    part.CopyTo(_other.GetMemory(Blocks, part.Length));
                    _other.Advance(part.Length);
                    pending.AddRange(part);
                    break;
                case 2:
                    _queue.TakeAll(Blocks, _other, random.Next(2000), keepTail: random.Next(2) == 0);
                    expected.AddRange(pending);
                    pending.Clear();
                    break;
                case 3:
                    _queue.Borrow(part);
                    expected.AddRange(part);
                    break;
                case 4:
                    _queue.Write(Blocks, part);
                    expected.AddRange(part);
                    break;
                case 5 when random.Next(10) == 0:
                    _queue.CopyBorrowed();
                    break;
                default:
                    _connection.SendRoom = random.Next(8000);
                    SendOutcome outcome = _queue.Send(_connection);
                    Assert.Equal(_queue.IsEmpty ? SendOutcome.Drained : SendOutcome.Blocked, outcome);
                    break;
            }

            Assert.Equal(pending.Count, _other.Length);
        }

        _connection.SendRoom = long.MaxValue;
        Assert.Equal(SendOutcome.Drained, _queue.Send(_connection));
        Assert.False(_queue.HasBorrowed);
        Assert.True(Encoding.Latin1.GetString([.. expected]) == _connection.Sent, "The bytes sent are not the bytes written.");
    }

    private void AssertTaken(string expected)
    {
        Assert.True(_other.IsEmpty);
        Assert.Equal(expected.Length, _queue.Length);
        Assert.Equal(SendOutcome.Drained, _queue.Send(_connection));
        Assert.Equal(expected, _connection.Sent);
    }

    private void Write(SendQueue queue, string text) => queue.Write(Blocks, Bytes(text));

    private static byte[] Bytes(string text) => Encoding.Latin1.GetBytes(text);

    private static string Text(int length, int seed)
    {
        Random random = new(seed);
        return string.Create(length, random, static (span, random) =>
        {
            for (int i = 0; i < span.Length; i++)
            {
                span[i] = (char)random.Next('a', 'z' + 1);
            }
        });
    }
}
