using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading;
using Aeronet.TestSupport.Kernel;
using Aeronet.Transport.Buffers;
using Xunit;

namespace Aeronet.Transport.Tests.Buffers;

public sealed class BlockPoolTests
{
    [Fact]
    public void Blocks_are_counted_while_rented()
    {
        BlockPool pool = Owned();
        Block block = pool.Rent();
        Assert.Equal(1, pool.RentedCount);
        pool.Return(block);
        Assert.Equal(0, pool.RentedCount);
        Assert.Equal(BlockPool.BlocksPerSlab, pool.TotalCount);
    }

    [Fact]
    public void Rented_blocks_do_not_overlap()
    {
        BlockPool pool = Owned();
        List<Block> blocks = [];
        for (int i = 0; i < 100; i++)
        {
            Block block = pool.Rent();
            block.Span.Fill((byte)i);
            blocks.Add(block);
        }
        for (int i = 0; i < 100; i++)
        {
            Assert.Equal(BlockPool.BlockSize, blocks[i].Span.Length);
            Assert.Equal(-1, blocks[i].Span.IndexOfAnyExcept((byte)i));
            Assert.True(blocks[i].Memory.Span == blocks[i].Span);
        }
        blocks.ForEach(pool.Return);
    }

    [Fact]
    public void The_last_block_returned_is_the_first_rented()
    {
        BlockPool pool = Owned();
        Block block = pool.Rent();
        pool.Return(block);
        Assert.Same(block, pool.Rent());
        pool.Return(block);
    }

    [Fact]
    [Trait("Defect", "LOOP-26")]
    public void A_block_returned_twice_is_an_error()
    {
        BlockPool pool = Owned();
        Block block = pool.Rent();
        pool.Return(block);
        Assert.Throws<InvalidOperationException>(() => pool.Return(block));
        Assert.Equal(0, pool.RentedCount);
    }

#if DEBUG
    [Fact]
    [Trait("Defect", "LOOP-26")]
    public void A_returned_block_is_poisoned()
    {
        BlockPool pool = Owned();
        Block block = pool.Rent();
        block.Span.Clear();
        pool.Return(block);
        Assert.Equal(-1, block.Span.IndexOfAnyExcept((byte)0xDD));
    }
#endif

    [Fact]
    [Trait("Defect", "LOOP-27")]
    public void After_a_spike_the_pool_is_back_at_one_slab_within_two_trims()
    {
        BlockPool pool = Owned();
        List<Block> blocks = [.. Enumerable.Range(0, 1000).Select(_ => pool.Rent())];
        blocks.ForEach(pool.Return);
        Assert.True(pool.WantsTrim);
        pool.Trim();
        pool.Trim();
        Assert.Equal(BlockPool.BlocksPerSlab, pool.TotalCount);
        Assert.False(pool.WantsTrim);
        Assert.Equal(0, pool.RentedCount);
    }

    [Fact]
    public void What_was_needed_since_the_last_trim_stays()
    {
        BlockPool pool = Owned();
        for (int round = 0; round < 5; round++)
        {
            List<Block> blocks = [.. Enumerable.Range(0, 320).Select(_ => pool.Rent())];
            blocks.ForEach(pool.Return);
            pool.Trim();
        }
        Assert.Equal(320, pool.TotalCount);
    }

    [Fact]
    public void Rented_blocks_survive_a_trim()
    {
        BlockPool pool = Owned();
        List<Block> blocks = [.. Enumerable.Range(0, 1000).Select(_ => pool.Rent())];
        Block kept = blocks[500];
        kept.Span.Fill(7);
        blocks.Where(block => block != kept).ToList().ForEach(pool.Return);
        pool.Trim();
        pool.Trim();
        Assert.Equal(-1, kept.Span.IndexOfAnyExcept((byte)7));
        Assert.Equal(1, pool.RentedCount);
        Assert.InRange(pool.TotalCount, BlockPool.BlocksPerSlab, 2 * BlockPool.BlocksPerSlab);
        pool.Return(kept);
        Assert.Equal(0, pool.RentedCount);
    }

    [Fact]
    public void Blocks_rented_elsewhere_and_returned_by_the_loop_do_not_pile_up()
    {
        BlockPool pool = Owned();
        for (int round = 0; round < 200; round++)
        {
            List<Block> blocks = ForeignThread.Run(() => Enumerable.Range(0, 20).Select(_ => pool.Rent()).ToList());
            blocks.ForEach(pool.Return);
        }
        Assert.InRange(pool.TotalCount, 1, 16 * BlockPool.BlocksPerSlab);
        Assert.Equal(0, pool.RentedCount);
    }

    [Fact]
    public void Many_threads_never_share_a_block()
    {
        BlockPool pool = Owned();
        int overlaps = 0;
        Thread[] threads = [.. Enumerable.Range(1, 4).Select(number => new Thread(() =>
        {
            for (int i = 0; i < 5000; i++)
            {
                Block block = pool.Rent();
                block.Span[0] = (byte)number;
                block.Span[^1] = (byte)number;
                if (block.Span[0] != number || block.Span[^1] != number)
                {
                    Interlocked.Increment(ref overlaps);
                }
                pool.Return(block);
            }
        }))];
        Array.ForEach(threads, static thread => thread.Start());
        Array.ForEach(threads, static thread => thread.Join());
        Assert.Equal(0, overlaps);
        Assert.Equal(0, pool.RentedCount);
    }

    private static BlockPool Owned()
    {
        BlockPool pool = new();
        pool.SetOwnerThread(Environment.CurrentManagedThreadId);
        return pool;
    }
}
