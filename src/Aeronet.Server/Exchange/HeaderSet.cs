using System.Diagnostics;
using System.Numerics;
using System.Threading;
using Aeronet.Http.Semantics;

namespace Aeronet.Server.Exchange;

/// <summary>A set of known field names as 128 bits, walked in the order of <see cref="KnownHeader"/>.</summary>
internal struct HeaderSet
{
    /// <summary>Most names the set can hold; the enumeration must stay below it.</summary>
    public const int Capacity = 128;

    private ulong _low;
    private ulong _high;

    public readonly bool IsEmpty => (_low | _high) == 0;

    public readonly int Count => BitOperations.PopCount(_low) + BitOperations.PopCount(_high);

    public readonly bool Contains(KnownHeader header)
    {
        Debug.Assert((int)header < Capacity);
        int bit = (int)header;
        return ((bit < 64 ? _low : _high) & (1UL << bit)) != 0; // a shift counts modulo 64
    }

    public void Add(KnownHeader header)
    {
        Debug.Assert(header != KnownHeader.Unknown);
        Debug.Assert((int)header < Capacity);
        int bit = (int)header;
        if (bit < 64)
        {
            _low |= 1UL << bit;
        }
        else
        {
            _high |= 1UL << bit;
        }
    }

    public void Remove(KnownHeader header)
    {
        Debug.Assert((int)header < Capacity);
        int bit = (int)header;
        if (bit < 64)
        {
            _low &= ~(1UL << bit);
        }
        else
        {
            _high &= ~(1UL << bit);
        }
    }

    /// <summary><see cref="Contains"/> while another thread may call <see cref="RemoveShared"/>: what that thread wrote before is visible when the answer is false.</summary>
    public bool ContainsShared(KnownHeader header)
    {
        int bit = (int)header;
        return (Volatile.Read(ref bit < 64 ? ref _low : ref _high) & (1UL << bit)) != 0;
    }

    public void RemoveShared(KnownHeader header)
    {
        int bit = (int)header;
        Interlocked.And(ref bit < 64 ? ref _low : ref _high, ~(1UL << bit));
    }

    public readonly HeaderSet Without(in HeaderSet other) => new() { _low = _low & ~other._low, _high = _high & ~other._high };

    /// <summary>The first member at or after <paramref name="from"/>, or -1.</summary>
    public readonly int Next(int from)
    {
        Debug.Assert(from >= 0);
        if (from < 64)
        {
            ulong low = _low & (ulong.MaxValue << from);
            if (low != 0)
            {
                return BitOperations.TrailingZeroCount(low);
            }

            from = 64;
        }

        if (from < Capacity)
        {
            ulong high = _high & (ulong.MaxValue << from);
            if (high != 0)
            {
                return 64 + BitOperations.TrailingZeroCount(high);
            }
        }

        return -1;
    }
}
