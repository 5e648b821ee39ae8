using System;

namespace Aeronet.Transport.Tls.Tickets;

/// <summary>How the lifetime of tickets follows from the window in which their keys decrypt.</summary>
internal static class TicketWindow
{
    /// <summary>RFC 8446 section 4.6.1: clients must not use a ticket for longer.</summary>
    public static readonly TimeSpan TicketLifetimeMax = TimeSpan.FromDays(7);

    /// <summary>A ticket made in the last moment of its key can be read for the rest of the window: no longer promise than that.</summary>
    public static TimeSpan TicketLifetime(TimeSpan keyLifetime, int maxKeys)
    {
        TimeSpan readable = keyLifetime * Math.Max(1, maxKeys - 1);
        return readable < TicketLifetimeMax ? readable : TicketLifetimeMax;
    }
}
