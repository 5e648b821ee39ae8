using System;
using System.Collections.Generic;
using System.Diagnostics;

namespace Aeronet.Transport.Tls.Tickets;

/// <summary>Ticket keys of one process: a key encrypts for one lifetime, then only decrypts, and is gone when it is <c>maxKeys</c> lifetimes old.</summary>
/// <remarks>Measured on the monotonic clock, so a step of the wall clock neither renews nor revives a key.</remarks>
internal sealed class RandomTicketKeys : ITicketKeySchedule
{
    private readonly TimeSpan _keyLifetime;
    private readonly int _maxKeys;
    private readonly List<(TicketKey Key, long Born)> _keys = []; // newest first; Born in timestamps of the clock

    /// <param name="keyLifetime">How long a key encrypts.</param>
    /// <param name="maxKeys">Keys known at once: the one that encrypts and older ones.</param>
    public RandomTicketKeys(TimeSpan keyLifetime, int maxKeys)
    {
        Debug.Assert(keyLifetime > TimeSpan.Zero);
        Debug.Assert(maxKeys >= 1);
        _keyLifetime = keyLifetime;
        _maxKeys = maxKeys;
    }

    public TimeSpan TicketLifetime => TicketWindow.TicketLifetime(_keyLifetime, _maxKeys);

    public TicketKeySet GetKeys(TimeProvider time, TicketKeySet previous, out TimeSpan? next)
    {
        long now = time.GetTimestamp();
        _keys.RemoveAll(entry => time.GetElapsedTime(entry.Born, now) >= _keyLifetime * _maxKeys);
        if (_keys.Count == 0 || time.GetElapsedTime(_keys[0].Born, now) >= _keyLifetime)
        {
            _keys.Insert(0, (TicketKey.CreateRandom(), now));
        }
        Debug.Assert(_keys.Count <= _maxKeys);

        // The next change is the birth of a key or the death of the oldest, whichever comes first.
        TimeSpan untilBirth = _keyLifetime - time.GetElapsedTime(_keys[0].Born, now);
        TimeSpan untilDeath = (_keyLifetime * _maxKeys) - time.GetElapsedTime(_keys[^1].Born, now);
        next = untilBirth < untilDeath ? untilBirth : untilDeath;
        Debug.Assert(next > TimeSpan.Zero);
        return new TicketKeySet(_keys[0].Key, _keys.ConvertAll(static entry => entry.Key).ToArray());
    }
}
