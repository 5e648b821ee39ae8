using System.Buffers;

namespace Aeronet.Transport.Buffers;

/// <summary>A loop's blocks as a <see cref="MemoryPool{T}"/>: for code of the framework between our buffers and the application.</summary>
internal sealed class BlockMemoryPool(BlockPool blocks) : MemoryPool<byte>
{
    public override int MaxBufferSize => BlockPool.BlockSize;

    /// <summary>A block, or memory of the shared pool for what does not fit one. Any thread.</summary>
    public override IMemoryOwner<byte> Rent(int minBufferSize = -1) => minBufferSize <= BlockPool.BlockSize ? blocks.Rent() : Shared.Rent(minBufferSize);

    protected override void Dispose(bool disposing)
    {
        // The blocks belong to the loop.
    }
}
