using System;
using System.Buffers;
using Aeronet.Transport.Buffers;
using Xunit;

namespace Aeronet.Transport.Tests.Buffers;

public sealed class BlockMemoryPoolTests
{
    [Fact]
    public void Rents_blocks_of_the_loop_and_takes_them_back()
    {
        BlockPool blocks = new();
        MemoryPool<byte> pool = blocks.Memory;
        Assert.Same(pool, blocks.Memory);
        Assert.Equal(BlockPool.BlockSize, pool.MaxBufferSize);
        IMemoryOwner<byte> first = pool.Rent();
        IMemoryOwner<byte> second = pool.Rent(BlockPool.BlockSize);
        Assert.Equal(2, blocks.RentedCount);
        Assert.Equal(BlockPool.BlockSize, first.Memory.Length);
        first.Dispose();
        second.Dispose();
        Assert.Equal(0, blocks.RentedCount);
        Assert.Throws<InvalidOperationException>(first.Dispose); // two owners of one block would be worse
    }

    [Fact]
    public void What_does_not_fit_a_block_comes_from_elsewhere()
    {
        BlockPool blocks = new();
        using IMemoryOwner<byte> large = blocks.Memory.Rent(BlockPool.BlockSize + 1);
        Assert.True(large.Memory.Length > BlockPool.BlockSize);
        Assert.Equal(0, blocks.RentedCount);
    }
}
