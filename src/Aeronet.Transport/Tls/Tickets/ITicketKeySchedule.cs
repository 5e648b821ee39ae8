using System;

namespace Aeronet.Transport.Tls.Tickets;

/// <summary>Says which ticket keys are in force, and for how long: drawn at random, read from files, or derived from a secret that machines share.</summary>
/// <remarks>One caller at a time: <see cref="TicketKeyRing"/> holds its lock around every call.</remarks>
internal interface ITicketKeySchedule
{
    /// <summary>How long a ticket may live: until the key that made it is no longer known, for the youngest ticket of a key.</summary>
    TimeSpan TicketLifetime { get; }

    /// <summary>The keys in force now. Those of <paramref name="previous"/> that stay are the same objects; the ring wipes the others.</summary>
    /// <param name="time">The clock.</param>
    /// <param name="previous">What was in force before; empty at first.</param>
    /// <param name="next">When to ask again, more than zero; null: only when somebody says that the source has changed.</param>
    /// <exception cref="System.IO.IOException">A file cannot be read.</exception>
    /// <exception cref="System.IO.InvalidDataException">The source holds something that is no key.</exception>
    TicketKeySet GetKeys(TimeProvider time, TicketKeySet previous, out TimeSpan? next);
}
