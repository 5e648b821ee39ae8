using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Threading;

namespace Aeronet.Transport.Listen;

/// <summary>Counts open connections per remote address and refuses those above a limit. Any thread.</summary>
/// <remarks>One entry per address with an open connection, so peers cannot grow it beyond the connections they hold. Sixteen locks: an accept and a close take one each.</remarks>
internal sealed class AddressLimit
{
    private const int ShardCount = 16;

    private readonly int _max;
    private readonly UInt128 _ipv6Mask;
    private readonly Shard[] _shards = new Shard[ShardCount];

    public AddressLimit(int max, int ipv6PrefixLength)
    {
        Debug.Assert(max > 0);
        Debug.Assert(ipv6PrefixLength is >= 1 and <= 128);
        _max = max;
        _ipv6Mask = UInt128.MaxValue << (128 - ipv6PrefixLength);
        for (int i = 0; i < ShardCount; i++)
        {
            _shards[i] = new Shard();
        }
    }

    /// <summary>The key under which an address is counted: IPv4 whole (also when written as IPv6), IPv6 by its prefix.</summary>
    public UInt128 KeyOf(IPAddress address)
    {
        Span<byte> bytes = stackalloc byte[16];
        if (address.AddressFamily == AddressFamily.InterNetwork)
        {
            address = address.MapToIPv6();
        }
        bool written = address.TryWriteBytes(bytes, out int length);
        Debug.Assert(written && length == 16);
        return KeyOf(BinaryPrimitives.ReadUInt128BigEndian(bytes));
    }

    /// <summary>The same for an address as a number, IPv4 as <c>::ffff:a.b.c.d</c>.</summary>
    public UInt128 KeyOf(UInt128 address) => address >> 32 == 0xFFFF ? address : address & _ipv6Mask;

    /// <summary>Takes a place; false when the address has all of its own.</summary>
    public bool TryEnter(UInt128 key)
    {
        Shard shard = ShardOf(key);
        lock (shard.Lock)
        {
            ref int count = ref CollectionsMarshal.GetValueRefOrAddDefault(shard.Counts, key, out _);
            if (count >= _max)
            {
                return false;
            }
            count++;
            return true;
        }
    }

    /// <summary>Gives back a place taken with <see cref="TryEnter"/>, once.</summary>
    public void Exit(UInt128 key)
    {
        Shard shard = ShardOf(key);
        lock (shard.Lock)
        {
            ref int count = ref CollectionsMarshal.GetValueRefOrNullRef(shard.Counts, key);
            Debug.Assert(count > 0);
            if (--count == 0)
            {
                shard.Counts.Remove(key);
            }
        }
    }

    /// <summary>Addresses that have a connection now.</summary>
    public int AddressCount
    {
        get
        {
            int total = 0;
            foreach (Shard shard in _shards)
            {
                lock (shard.Lock)
                {
                    total += shard.Counts.Count;
                }
            }
            return total;
        }
    }

    private Shard ShardOf(UInt128 key) => _shards[key.GetHashCode() & (ShardCount - 1)];

    private sealed class Shard
    {
        public readonly Lock Lock = new();
        public readonly Dictionary<UInt128, int> Counts = [];
    }
}
