using System;
using System.Buffers;
using System.Globalization;
using System.IO;
using System.IO.Pipelines;
using System.Linq;
using System.Text;
using System.Threading;
using System.Threading.Tasks;
using Aeronet.TestSupport.Hosting;
using Xunit;
using Xunit.Abstractions;

#pragma warning disable CA2012 // calls are kept to look at them before they complete

namespace Aeronet.Transport.Tests.Connections;

/// <summary>The contract of <see cref="PipeReader"/> and <see cref="PipeWriter"/>, on the framework's pipe and on our connections: one expectation for all.</summary>
public sealed class PipeContractTests(ITestOutputHelper output)
{
    public static TheoryData<PipeKind> Kinds => [PipeKind.Pipe, PipeKind.BridgeInline, PipeKind.BridgeThreadPool, PipeKind.BridgeHandOff];

    // Reading.

    [Theory, MemberData(nameof(Kinds))]
    public async Task A_read_gives_what_has_come_and_leaves_what_is_not_consumed(PipeKind kind)
    {
        await using PipePair pair = await PipePair.MakeAsync(kind);
        await pair.FeedAsync("hello world"u8.ToArray());
        ReadResult result = await ReadAsync(pair.Reader.ReadAtLeastAsync(11));
        Assert.Equal("hello world", Text(result));
        Assert.False(result.IsCompleted);
        Assert.False(result.IsCanceled);
        pair.Reader.AdvanceTo(result.Buffer.GetPosition(6));
        Assert.Equal("world", Text(await ReadAsync(pair.Reader.ReadAsync())));
    }

    [Theory, MemberData(nameof(Kinds))]
    public async Task A_read_completes_at_once_while_something_is_unexamined(PipeKind kind)
    {
        await using PipePair pair = await PipePair.MakeAsync(kind);
        await pair.FeedAsync("ab"u8.ToArray());
        ReadResult result = await ReadAsync(pair.Reader.ReadAtLeastAsync(2));
        pair.Reader.AdvanceTo(result.Buffer.Start, result.Buffer.GetPosition(1));
        ValueTask<ReadResult> again = pair.Reader.ReadAsync();
        Assert.True(again.IsCompleted);
        Assert.Equal("ab", Text(await again));
    }

    [Theory, MemberData(nameof(Kinds))]
    public async Task After_everything_was_examined_a_read_waits_for_more_and_gives_all(PipeKind kind)
    {
        await using PipePair pair = await PipePair.MakeAsync(kind);
        await pair.FeedAsync("ab"u8.ToArray());
        ReadResult result = await ReadAsync(pair.Reader.ReadAtLeastAsync(2));
        pair.Reader.AdvanceTo(result.Buffer.Start, result.Buffer.End);
        Assert.False(pair.Reader.TryRead(out _));
        ValueTask<ReadResult> again = pair.Reader.ReadAsync();
        Assert.False(again.IsCompleted);
        await pair.FeedAsync("c"u8.ToArray());
        Assert.Equal("abc", Text(await ReadAsync(again)));
    }

    [Theory, MemberData(nameof(Kinds))]
    public async Task Cancelling_completes_the_waiting_read_and_the_reader_goes_on(PipeKind kind)
    {
        await using PipePair pair = await PipePair.MakeAsync(kind);
        ValueTask<ReadResult> waiting = pair.Reader.ReadAsync();
        await Task.Run(pair.Reader.CancelPendingRead);
        ReadResult result = await ReadAsync(waiting);
        Assert.True(result.IsCanceled);
        Assert.True(result.Buffer.IsEmpty);
        pair.Reader.AdvanceTo(result.Buffer.End);
        await pair.FeedAsync("x"u8.ToArray());
        result = await ReadAsync(pair.Reader.ReadAsync());
        Assert.False(result.IsCanceled);
        Assert.Equal("x", Text(result));
    }

    [Theory, MemberData(nameof(Kinds))]
    public async Task Cancelling_without_a_read_cancels_the_next_one_once(PipeKind kind)
    {
        await using PipePair pair = await PipePair.MakeAsync(kind);
        pair.Reader.CancelPendingRead();
        pair.Reader.CancelPendingRead();
        ReadResult result = await ReadAsync(pair.Reader.ReadAsync());
        Assert.True(result.IsCanceled);
        Assert.False(pair.Reader.TryRead(out _)); // a cancelled read need not be ended
        await pair.FeedAsync("x"u8.ToArray());
        Assert.Equal("x", Text(await ReadAsync(pair.Reader.ReadAsync())));
    }

    [Theory, MemberData(nameof(Kinds))]
    public async Task A_token_ends_the_waiting_read_with_an_exception_and_the_reader_goes_on(PipeKind kind)
    {
        await using PipePair pair = await PipePair.MakeAsync(kind);
        using CancellationTokenSource source = new();
        ValueTask<ReadResult> waiting = pair.Reader.ReadAsync(source.Token);
        await source.CancelAsync();
        OperationCanceledException exception = await Assert.ThrowsAnyAsync<OperationCanceledException>(() => ReadAsync(waiting));
        Assert.Equal(source.Token, exception.CancellationToken);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => ReadAsync(pair.Reader.ReadAsync(source.Token)));
        await pair.FeedAsync("x"u8.ToArray());
        Assert.Equal("x", Text(await ReadAsync(pair.Reader.ReadAsync())));
    }

    [Theory, MemberData(nameof(Kinds))]
    public async Task The_end_comes_with_or_behind_the_last_bytes_and_stays(PipeKind kind)
    {
        await using PipePair pair = await PipePair.MakeAsync(kind);
        await pair.FeedAsync("last"u8.ToArray());
        await pair.FinishAsync();
        StringBuilder text = new();
        ReadResult result;
        do
        {
            result = await ReadAsync(pair.Reader.ReadAsync());
            text.Append(Text(result));
            pair.Reader.AdvanceTo(result.Buffer.End);
        }
        while (!result.IsCompleted);
        Assert.Equal("last", text.ToString());
        result = await ReadAsync(pair.Reader.ReadAsync());
        Assert.True(result.IsCompleted);
        Assert.True(result.Buffer.IsEmpty);
        pair.Reader.AdvanceTo(result.Buffer.End);
        Assert.True(pair.Reader.TryRead(out result));
        Assert.True(result.IsCompleted);
    }

    [Theory, MemberData(nameof(Kinds))]
    public async Task At_the_end_unread_bytes_stay_readable(PipeKind kind)
    {
        await using PipePair pair = await PipePair.MakeAsync(kind);
        await pair.FeedAsync("rest"u8.ToArray());
        await pair.FinishAsync();
        ReadResult result = await ReadAsync(pair.Reader.ReadAtLeastAsync(5));
        Assert.True(result.IsCompleted);
        pair.Reader.AdvanceTo(result.Buffer.Start, result.Buffer.End);
        ValueTask<ReadResult> again = pair.Reader.ReadAsync();
        Assert.True(again.IsCompleted);
        Assert.Equal("rest", Text(await again));
    }

    [Theory, MemberData(nameof(Kinds))]
    public async Task A_completed_reader_refuses_everything(PipeKind kind)
    {
        await using PipePair pair = await PipePair.MakeAsync(kind);
        pair.Reader.Complete();
        pair.Reader.Complete(new InvalidOperationException("again"));
        await Assert.ThrowsAsync<InvalidOperationException>(() => ReadAsync(pair.Reader.ReadAsync()));
        Assert.Throws<InvalidOperationException>(() => pair.Reader.TryRead(out _));
        Assert.Throws<InvalidOperationException>(() => pair.Reader.AdvanceTo(default));
        pair.Reader.CancelPendingRead();
    }

    [Theory, MemberData(nameof(Kinds))]
    public async Task A_reader_can_be_completed_in_the_middle_of_a_read(PipeKind kind)
    {
        await using PipePair pair = await PipePair.MakeAsync(kind);
        await pair.FeedAsync("x"u8.ToArray());
        await ReadAsync(pair.Reader.ReadAsync());
        pair.Reader.Complete();
        Assert.Throws<InvalidOperationException>(() => pair.Reader.AdvanceTo(default));
    }

    [Theory, MemberData(nameof(Kinds))]
    public async Task AdvanceTo_without_a_read_is_refused(PipeKind kind)
    {
        await using PipePair pair = await PipePair.MakeAsync(kind);
        Assert.Throws<InvalidOperationException>(() => pair.Reader.AdvanceTo(default));
        await pair.FeedAsync("x"u8.ToArray());
        ReadResult result = await ReadAsync(pair.Reader.ReadAsync());
        pair.Reader.AdvanceTo(result.Buffer.Start);
        Assert.Throws<InvalidOperationException>(() => pair.Reader.AdvanceTo(default));
    }

    [Theory, MemberData(nameof(Kinds))]
    public async Task Positions_out_of_order_are_refused(PipeKind kind)
    {
        await using PipePair pair = await PipePair.MakeAsync(kind);
        await pair.FeedAsync("abc"u8.ToArray());
        ReadResult result = await ReadAsync(pair.Reader.ReadAtLeastAsync(3));
        Assert.Throws<InvalidOperationException>(() => pair.Reader.AdvanceTo(result.Buffer.End, result.Buffer.Start));
        pair.Reader.AdvanceTo(result.Buffer.Start, result.Buffer.GetPosition(2));
        ReadResult again = await ReadAsync(pair.Reader.ReadAsync());
        pair.Reader.AdvanceTo(again.Buffer.Start, again.Buffer.GetPosition(1)); // less than before is taken back
        again = await ReadAsync(pair.Reader.ReadAsync());
        Assert.Equal("abc", Text(again));
    }

    [Theory, MemberData(nameof(Kinds))]
    public async Task A_second_read_before_AdvanceTo_is_refused(PipeKind kind)
    {
        await using PipePair pair = await PipePair.MakeAsync(kind);
        await pair.FeedAsync("x"u8.ToArray());
        await ReadAsync(pair.Reader.ReadAsync());
        await Assert.ThrowsAsync<InvalidOperationException>(() => ReadAsync(pair.Reader.ReadAsync()));
    }

    [Theory, MemberData(nameof(Kinds))]
    public async Task Concurrent_reads_are_refused(PipeKind kind)
    {
        await using PipePair pair = await PipePair.MakeAsync(kind);
        Task first = ReadAsync(pair.Reader.ReadAsync());
        await Assert.ThrowsAsync<InvalidOperationException>(() => ReadAsync(pair.Reader.ReadAsync()));
        pair.Reader.CancelPendingRead();
        await Task.WhenAny(first).WaitAsync(Guard.Time);
    }

    [Theory, MemberData(nameof(Kinds))]
    public async Task ReadAtLeast_waits_for_enough_and_takes_less_at_the_end(PipeKind kind)
    {
        await using PipePair pair = await PipePair.MakeAsync(kind);
        byte[] bytes = new byte[100_000];
        Random.Shared.NextBytes(bytes);
        ValueTask<ReadResult> waiting = pair.Reader.ReadAtLeastAsync(bytes.Length);
        foreach (byte[] piece in bytes.Chunk(9_999))
        {
            Assert.False(waiting.IsCompleted);
            await pair.FeedAsync(piece);
        }
        ReadResult result = await ReadAsync(waiting);
        Assert.Equal(bytes, result.Buffer.ToArray());
        pair.Reader.AdvanceTo(result.Buffer.End);
        waiting = pair.Reader.ReadAtLeastAsync(10);
        await pair.FeedAsync("abc"u8.ToArray());
        await pair.FinishAsync();
        result = await ReadAsync(waiting);
        Assert.True(result.IsCompleted);
        Assert.Equal("abc", Text(result));
    }

    [Theory, MemberData(nameof(Kinds))]
    public async Task TryRead_gives_what_is_there(PipeKind kind)
    {
        await using PipePair pair = await PipePair.MakeAsync(kind);
        Assert.False(pair.Reader.TryRead(out _));
        await pair.FeedAsync("abc"u8.ToArray());
        ReadResult result = await ReadAsync(pair.Reader.ReadAtLeastAsync(3));
        pair.Reader.AdvanceTo(result.Buffer.GetPosition(1));
        Assert.True(pair.Reader.TryRead(out result));
        Assert.Equal("bc", Text(result));
    }

    [Theory, MemberData(nameof(Kinds))]
    public async Task A_reader_that_only_tries_gets_everything(PipeKind kind)
    {
        await using PipePair pair = await PipePair.MakeAsync(kind);
        byte[] bytes = new byte[300_000];
        Random.Shared.NextBytes(bytes);
        Task feeding = Task.Run(async () =>
        {
            await pair.FeedAsync(bytes);
            await pair.FinishAsync();
        });
        var got = new MemoryStream();
        bool ended = false;
        await Task.Run(() => SpinWait.SpinUntil(
            () =>
            {
                if (pair.Reader.TryRead(out ReadResult result))
                {
                    got.Write(result.Buffer.ToArray());
                    pair.Reader.AdvanceTo(result.Buffer.End);
                    ended = result.IsCompleted;
                }
                return ended;
            },
            Guard.Time));
        Assert.True(ended);
        Assert.Equal(bytes, got.ToArray());
        await feeding;
    }

    [Theory, MemberData(nameof(Kinds))]
    public async Task A_zero_byte_read_of_the_stream_waits_for_bytes_and_takes_none(PipeKind kind)
    {
        await using PipePair pair = await PipePair.MakeAsync(kind);
        Stream stream = pair.Reader.AsStream(leaveOpen: true);
        ValueTask<int> waiting = stream.ReadAsync(Memory<byte>.Empty);
        Assert.False(waiting.IsCompleted);
        await pair.FeedAsync("abc"u8.ToArray());
        Assert.Equal(0, await waiting.AsTask().WaitAsync(Guard.Time));
        Assert.Equal(0, await stream.ReadAsync(Memory<byte>.Empty).AsTask().WaitAsync(Guard.Time));
        byte[] got = new byte[3];
        await stream.ReadExactlyAsync(got).AsTask().WaitAsync(Guard.Time);
        Assert.Equal("abc"u8.ToArray(), got);
    }

    [Theory, MemberData(nameof(Kinds))]
    public async Task CopyTo_copies_to_the_end(PipeKind kind)
    {
        await using PipePair pair = await PipePair.MakeAsync(kind);
        byte[] bytes = new byte[500_000];
        Random.Shared.NextBytes(bytes);
        var copy = new MemoryStream();
        Task copying = pair.Reader.CopyToAsync(copy);
        await pair.FeedAsync(bytes);
        await pair.FinishAsync();
        await copying.WaitAsync(Guard.Time);
        Assert.Equal(bytes, copy.ToArray());
    }

    [Theory, MemberData(nameof(Kinds))]
    public async Task A_reader_that_examines_nothing_gets_what_comes_later(PipeKind kind)
    {
        await using PipePair pair = await PipePair.MakeAsync(kind);
        await pair.FeedAsync("ab"u8.ToArray());
        ReadResult result = await ReadAsync(pair.Reader.ReadAtLeastAsync(2));
        await pair.FeedAsync("c"u8.ToArray());
        for (long start = Environment.TickCount64; result.Buffer.Length < 3; result = await ReadAsync(pair.Reader.ReadAsync()))
        {
            Assert.True(Environment.TickCount64 - start < Guard.Time.TotalMilliseconds);
            pair.Reader.AdvanceTo(result.Buffer.Start);
        }
        Assert.Equal("abc", Text(result));
    }

    [Theory, MemberData(nameof(Kinds))]
    public async Task Advancing_after_a_look_that_found_nothing_is_no_error(PipeKind kind)
    {
        await using PipePair pair = await PipePair.MakeAsync(kind);
        Assert.False(pair.Reader.TryRead(out ReadResult nothing));
        pair.Reader.AdvanceTo(nothing.Buffer.Start);
        Assert.Throws<InvalidOperationException>(() => pair.Reader.AdvanceTo(nothing.Buffer.Start));
        await pair.FeedAsync("a"u8.ToArray());
        Assert.Equal("a", Text(await ReadAsync(pair.Reader.ReadAsync())));
    }

    // Writing.

    [Theory, MemberData(nameof(Kinds))]
    public async Task Flushed_bytes_arrive_in_order(PipeKind kind)
    {
        await using PipePair pair = await PipePair.MakeAsync(kind);
        pair.Writer.Write("one "u8);
        pair.Writer.Write("two "u8);
        FlushResult result = await FlushAsync(pair.Writer.FlushAsync());
        Assert.False(result.IsCanceled);
        Assert.False(result.IsCompleted);
        await pair.Writer.WriteAsync("three"u8.ToArray());
        Assert.Equal("one two three"u8.ToArray(), await pair.TakeAsync(13).WaitAsync(Guard.Time));
    }

    [Theory, MemberData(nameof(Kinds))]
    public async Task A_token_that_is_cancelled_already_keeps_the_bytes_out(PipeKind kind)
    {
        await using PipePair pair = await PipePair.MakeAsync(kind);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => FlushAsync(pair.Writer.WriteAsync("twice"u8.ToArray(), new CancellationToken(canceled: true))));
        byte[] large = new byte[20_000]; // more than a block
        Random.Shared.NextBytes(large);
        await FlushAsync(pair.Writer.WriteAsync(large));
        Assert.Equal(large, await pair.TakeAsync(large.Length).WaitAsync(Guard.Time));
    }

    [Theory, MemberData(nameof(Kinds))]
    public async Task Unflushed_bytes_are_counted(PipeKind kind)
    {
        await using PipePair pair = await PipePair.MakeAsync(kind);
        Assert.True(pair.Writer.CanGetUnflushedBytes);
        Assert.Equal(0, pair.Writer.UnflushedBytes);
        pair.Writer.Write(new byte[5000]);
        Assert.Equal(5000, pair.Writer.UnflushedBytes);
        await FlushAsync(pair.Writer.FlushAsync());
        Assert.Equal(0, pair.Writer.UnflushedBytes);
    }

    [Theory, MemberData(nameof(Kinds))]
    public async Task Memory_is_as_large_as_asked_and_what_is_not_advanced_is_not_written(PipeKind kind)
    {
        await using PipePair pair = await PipePair.MakeAsync(kind);
        foreach (int size in (int[])[0, 1, 4095, 4096, 4097, 70_000])
        {
            Memory<byte> memory = pair.Writer.GetMemory(size);
            Assert.True(memory.Length >= Math.Max(1, size));
            memory.Span[0] = (byte)'a';
            pair.Writer.Advance(1);
            Span<byte> span = pair.Writer.GetSpan(size);
            Assert.True(span.Length >= Math.Max(1, size));
            span[0] = (byte)'b';
            pair.Writer.Advance(1);
            pair.Writer.GetSpan(size)[0] = (byte)'c';
            pair.Writer.Advance(0);
        }
        await FlushAsync(pair.Writer.FlushAsync());
        Assert.Equal("abababababab"u8.ToArray(), await pair.TakeAsync(12).WaitAsync(Guard.Time));
        Assert.Throws<ArgumentOutOfRangeException>(() => pair.Writer.GetMemory(-1));
        Assert.Throws<ArgumentOutOfRangeException>(() => pair.Writer.GetSpan(-1));
    }

    [Theory, MemberData(nameof(Kinds))]
    public async Task Advancing_beyond_the_memory_is_refused(PipeKind kind)
    {
        await using PipePair pair = await PipePair.MakeAsync(kind);
        int length = pair.Writer.GetMemory(10).Length;
        Assert.Throws<ArgumentOutOfRangeException>(() => pair.Writer.Advance(length + 1));
        Assert.Throws<ArgumentOutOfRangeException>(() => pair.Writer.Advance(-1));
    }

    [Theory, MemberData(nameof(Kinds))]
    public async Task A_flush_waits_while_nobody_takes_and_goes_on_when_somebody_does(PipeKind kind)
    {
        await using PipePair pair = await PipePair.MakeAsync(kind);
        (ValueTask<FlushResult> waiting, long written) = await FillAsync(pair);
        Task<FlushResult> flush = waiting.AsTask();
        byte[] taken = await pair.TakeAsync((int)written).WaitAsync(Guard.Time);
        Assert.Equal(written, taken.Length);
        Assert.Equal(default, await flush.WaitAsync(Guard.Time));
    }

    [Theory, MemberData(nameof(Kinds))]
    public async Task Cancelling_completes_the_waiting_flush_and_loses_nothing(PipeKind kind)
    {
        await using PipePair pair = await PipePair.MakeAsync(kind);
        (ValueTask<FlushResult> waiting, long written) = await FillAsync(pair);
        await Task.Run(pair.Writer.CancelPendingFlush);
        Assert.True((await FlushAsync(waiting)).IsCanceled);
        Assert.Equal(written, (await pair.TakeAsync((int)written).WaitAsync(Guard.Time)).Length);
    }

    [Theory, MemberData(nameof(Kinds))]
    public async Task Cancelling_without_a_flush_cancels_the_next_one_once(PipeKind kind)
    {
        await using PipePair pair = await PipePair.MakeAsync(kind);
        pair.Writer.CancelPendingFlush();
        pair.Writer.Write("a"u8);
        Assert.True((await FlushAsync(pair.Writer.FlushAsync())).IsCanceled);
        Assert.False((await FlushAsync(pair.Writer.FlushAsync())).IsCanceled);
        Assert.Equal("a"u8.ToArray(), await pair.TakeAsync(1).WaitAsync(Guard.Time));
    }

    [Theory, MemberData(nameof(Kinds))]
    public async Task A_token_ends_the_waiting_flush_with_an_exception(PipeKind kind)
    {
        await using PipePair pair = await PipePair.MakeAsync(kind);
        using CancellationTokenSource source = new();
        (ValueTask<FlushResult> waiting, long written) = await FillAsync(pair, source.Token);
        await source.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => FlushAsync(waiting));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => FlushAsync(pair.Writer.FlushAsync(source.Token)));
        Assert.Equal(written, (await pair.TakeAsync((int)written).WaitAsync(Guard.Time)).Length);
    }

    [Theory, MemberData(nameof(Kinds))]
    public async Task A_waiting_flush_completes_when_nobody_takes_any_more(PipeKind kind)
    {
        await using PipePair pair = await PipePair.MakeAsync(kind);
        (ValueTask<FlushResult> waiting, _) = await FillAsync(pair);
        Task<FlushResult> flush = waiting.AsTask();
        await pair.StopTakingAsync();
        Assert.True((await flush.WaitAsync(Guard.Time)).IsCompleted);
        pair.Writer.Write(new byte[10]); // dropped, but allowed
        Assert.True((await FlushAsync(pair.Writer.FlushAsync())).IsCompleted);
    }

    [Theory, MemberData(nameof(Kinds))]
    public async Task A_completed_writer_refuses_to_give_memory(PipeKind kind)
    {
        await using PipePair pair = await PipePair.MakeAsync(kind);
        pair.Writer.Complete();
        pair.Writer.Complete(new InvalidOperationException("again"));
        Assert.Throws<InvalidOperationException>(() => pair.Writer.GetMemory(1));
        Assert.Throws<InvalidOperationException>(() => pair.Writer.GetSpan(1));
        await Assert.ThrowsAsync<InvalidOperationException>(() => FlushAsync(pair.Writer.WriteAsync("x"u8.ToArray())));
        pair.Writer.CancelPendingFlush();
    }

    [Theory, MemberData(nameof(Kinds))]
    public async Task Completing_the_writer_flushes_and_then_ends(PipeKind kind)
    {
        await using PipePair pair = await PipePair.MakeAsync(kind);
        pair.Writer.Write("last words"u8);
        pair.Writer.Complete();
        Assert.Equal("last words"u8.ToArray(), await pair.TakeAsync(100).WaitAsync(Guard.Time));
    }

    [Theory, MemberData(nameof(Kinds))]
    public async Task Completing_the_writer_with_an_exception_is_an_error_for_the_other_end(PipeKind kind)
    {
        await using PipePair pair = await PipePair.MakeAsync(kind);
        pair.Writer.Complete(new InvalidDataException("broken"));
        await Assert.ThrowsAnyAsync<Exception>(() => pair.TakeAsync(1).WaitAsync(Guard.Time));
    }

    // Both.

    [Theory, MemberData(nameof(Kinds))]
    public async Task Random_traffic_in_both_directions_arrives_unchanged(PipeKind kind)
    {
        int seed = Random.Shared.Next();
        output.WriteLine($"seed {seed.ToString(CultureInfo.InvariantCulture)}");
        Random random = new(seed);
        byte[] bytes = new byte[1_000_000];
        random.NextBytes(bytes);
        await using PipePair pair = await PipePair.MakeAsync(kind);
        Task<byte[]> taking = pair.TakeAsync(bytes.Length);
        Task feeding = Task.Run(async () =>
        {
            Random cuts = new(seed);
            for (int at = 0; at < bytes.Length;)
            {
                int count = Math.Min(cuts.Next(1, 20_000), bytes.Length - at);
                await pair.FeedAsync(bytes.AsMemory(at, count));
                at += count;
            }
            await pair.FinishAsync();
        });
        // An echo that consumes, examines, writes and flushes by chance.
        while (true)
        {
            ReadResult result = await ReadAsync(random.Next(3) == 0 ? pair.Reader.ReadAtLeastAsync(random.Next(1, 30_000)) : pair.Reader.ReadAsync());
            ReadOnlySequence<byte> consumed = result.IsCompleted ? result.Buffer : result.Buffer.Slice(0, random.NextInt64(result.Buffer.Length + 1));
            foreach (ReadOnlyMemory<byte> piece in consumed)
            {
                pair.Writer.Write(piece.Span);
            }
            bool isLast = result.IsCompleted;
            pair.Reader.AdvanceTo(consumed.End, random.Next(2) == 0 ? result.Buffer.End : consumed.End);
            if (isLast || random.Next(3) == 0)
            {
                await FlushAsync(pair.Writer.FlushAsync());
            }
            if (isLast)
            {
                break;
            }
        }
        await feeding.WaitAsync(Guard.Time);
        Assert.Equal(bytes, await taking.WaitAsync(Guard.Time));
    }

    private static Task<ReadResult> ReadAsync(ValueTask<ReadResult> read) => read.AsTask().WaitAsync(Guard.Time);

    private static Task<FlushResult> FlushAsync(ValueTask<FlushResult> flush) => flush.AsTask().WaitAsync(Guard.Time);

    private static string Text(ReadResult result) => Encoding.Latin1.GetString(result.Buffer);

    /// <summary>Writes until a flush waits; a socket takes some hundred kilobytes before.</summary>
    private static async Task<(ValueTask<FlushResult> Waiting, long Written)> FillAsync(PipePair pair, CancellationToken cancellationToken = default)
    {
        const int Most = 64 << 20;
        for (long written = 0; written < Most;)
        {
            pair.Writer.Write(new byte[32 * 1024]);
            written += 32 * 1024;
            ValueTask<FlushResult> flush = pair.Writer.FlushAsync(cancellationToken);
            if (!flush.IsCompleted)
            {
                return (flush, written);
            }
            await flush;
        }
        throw new InvalidOperationException("No flush waits.");
    }
}
