using System;
using System.Diagnostics;

namespace Aeronet.Transport.Tls.Tickets;

/// <summary>The ticket keys in force at one moment. Immutable, so readers need no lock.</summary>
internal sealed class TicketKeySet
{
    public static readonly TicketKeySet Empty = new(current: null, []);

    /// <param name="current">The key that encrypts; null: no tickets are issued. One of <paramref name="keys"/>.</param>
    /// <param name="keys">All keys that decrypt.</param>
    public TicketKeySet(TicketKey? current, TicketKey[] keys)
    {
        Debug.Assert(current is null || Array.IndexOf(keys, current) >= 0);
        Current = current;
        Keys = keys;
    }

    public TicketKey? Current { get; }

    public TicketKey[] Keys { get; }

    public bool Contains(TicketKey key) => Array.IndexOf(Keys, key) >= 0;

    /// <summary>Key by name; null when it is unknown (no longer known).</summary>
    public TicketKey? Find(ReadOnlySpan<byte> name)
    {
        foreach (TicketKey key in Keys)
        {
            if (key.Name.SequenceEqual(name))
            {
                return key;
            }
        }
        return null;
    }
}
