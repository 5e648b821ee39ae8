using System;
using System.Diagnostics;
using System.Numerics;
using System.Security.Cryptography;
using System.Threading;

namespace Aeronet.Transport.Tls.Admission;

/// <summary>A token bucket per network of peers, in a table that never grows. Any thread.</summary>
/// <remarks>
/// A network can stand in eight places of the table, chosen by a hash with a secret seed. When all are taken, the fullest bucket gives way: one that is full
/// says no more than one that is not there. Somebody with more networks than there are places can wear the limit per network out, never the server's own.
/// </remarks>
internal sealed class PeerBuckets
{
    private const int Ways = 8;
    private const int LockCount = 64; // power of two; more than loops that accept at once

    private readonly HandshakeRate _rate;
    private readonly Entry[] _entries;
    private readonly Lock[] _locks;
    private readonly int _setMask;
    private readonly ulong _seed0;
    private readonly ulong _seed1;

    private struct Entry
    {
        public UInt128 Network;
        public long FullAt; // nanoseconds; 0: nobody is here
    }

    /// <param name="rate">Of each network.</param>
    /// <param name="capacity">Networks that are remembered, rounded up to a power of two of at least 512; 32 bytes each.</param>
    public PeerBuckets(HandshakeRate rate, int capacity)
    {
        Debug.Assert(capacity is >= 1 and <= 1 << 20);
        _rate = rate;
        int size = (int)BitOperations.RoundUpToPowerOf2((uint)Math.Max(capacity, Ways * LockCount));
        _entries = new Entry[size];
        _setMask = (size / Ways) - 1;
        _locks = new Lock[LockCount];
        for (int i = 0; i < LockCount; i++)
        {
            _locks[i] = new Lock();
        }
        Span<byte> seed = stackalloc byte[2 * sizeof(ulong)];
        RandomNumberGenerator.Fill(seed);
        _seed0 = BitConverter.ToUInt64(seed);
        _seed1 = BitConverter.ToUInt64(seed[sizeof(ulong)..]) | 1;
    }

    /// <summary>Takes one token of the network's bucket; false when there is none.</summary>
    public bool TryTake(UInt128 network, long nowNs)
    {
        int set = SetOf(network);
        lock (_locks[set & (LockCount - 1)])
        {
            Span<Entry> places = _entries.AsSpan(set * Ways, Ways);
            int place = 0;
            for (int i = 0; i < Ways; i++)
            {
                if (places[i].FullAt != 0 && places[i].Network == network)
                {
                    if (!_rate.TryAdvance(places[i].FullAt, nowNs, out long fullAt))
                    {
                        return false;
                    }
                    places[i].FullAt = fullAt;
                    return true;
                }
                if (places[i].FullAt < places[place].FullAt)
                {
                    place = i;
                }
            }
            bool taken = _rate.TryAdvance(fullAt: 0, nowNs, out long newFullAt);
            Debug.Assert(taken); // a bucket holds one token at least
            places[place] = new Entry { Network = network, FullAt = newFullAt };
            return true;
        }
    }

    private int SetOf(UInt128 network)
    {
        // Two multiply-and-fold rounds, keyed: peers choose addresses, they must not be able to choose places.
        ulong low = Fold((ulong)network ^ _seed0, _seed1);
        ulong high = Fold((ulong)(network >> 64) ^ low, _seed1 ^ 0x9E3779B97F4A7C15);
        return (int)high & _setMask;
    }

    private static ulong Fold(ulong a, ulong b)
    {
        ulong high = Math.BigMul(a, b, out ulong low);
        return high ^ low;
    }
}
