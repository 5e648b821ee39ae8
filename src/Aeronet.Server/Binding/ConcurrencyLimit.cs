using System.Diagnostics;
using System.Threading;

namespace Aeronet.Server.Binding;

/// <summary>A bounded count of things alive at once. Any thread.</summary>
internal sealed class ConcurrencyLimit
{
    private readonly long _max;
    private long _count; // Interlocked; 0 <= _count <= _max

    public ConcurrencyLimit(long max)
    {
        Debug.Assert(max > 0);
        _max = max;
    }

    public long Count => Interlocked.Read(ref _count);

    /// <summary>Takes one place; false when all are taken.</summary>
    public bool TryEnter()
    {
        long count = Interlocked.Read(ref _count);
        while (count < _max)
        {
            long seen = Interlocked.CompareExchange(ref _count, count + 1, count);
            if (seen == count)
            {
                return true;
            }
            count = seen;
        }
        return false;
    }

    /// <summary>Gives back a place taken with <see cref="TryEnter"/>, once.</summary>
    public void Exit()
    {
        long left = Interlocked.Decrement(ref _count);
        Debug.Assert(left >= 0);
    }
}
