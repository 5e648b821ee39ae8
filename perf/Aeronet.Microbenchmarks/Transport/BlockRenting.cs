using System;
using System.Buffers;
using Aeronet.Transport.Buffers;
using BenchmarkDotNet.Attributes;

namespace Aeronet.Microbenchmarks.Transport;

/// <summary>Four kilobytes for a moment: what a readiness event pays for not holding a buffer while idle.</summary>
[MemoryDiagnoser]
public class BlockRenting
{
    private readonly BlockPool _pool = new();
    private readonly ArrayPool<byte> _arrays = ArrayPool<byte>.Shared;

    [GlobalSetup]
    public void Setup() => _pool.SetOwnerThread(Environment.CurrentManagedThreadId); // as the loop does: the path without a lock

    [Benchmark]
    public int Aeronet()
    {
        Block block = _pool.Rent();
        int offset = block.Offset;
        _pool.Return(block);
        return offset;
    }

    [Benchmark(Baseline = true)]
    public int ArrayPoolShared()
    {
        byte[] array = _arrays.Rent(BlockPool.BlockSize);
        _arrays.Return(array);
        return array.Length;
    }
}
