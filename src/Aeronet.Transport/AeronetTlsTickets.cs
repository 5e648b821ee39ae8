using System;
using System.Collections.Generic;

namespace Aeronet.Transport;

/// <summary>Where the keys of session tickets come from.</summary>
public enum TlsTicketKeys
{
    /// <summary>Drawn at random, shared by all loops and endpoints of the server, lost with it.</summary>
    Process,

    /// <summary>From <see cref="AeronetTlsTickets.KeyFiles"/>: shared by whoever reads the same files, nginx included.</summary>
    Files,

    /// <summary>Derived from the key ring of ASP.NET Core Data Protection: every machine that shares the ring (file share, Redis, database, ...) accepts the tickets of the others.</summary>
    DataProtection,
}

/// <summary>Session resumption (RFC 5077, RFC 8446 section 2.2): a client that comes back saves the costly half of the handshake.</summary>
public sealed class AeronetTlsTickets
{
    /// <summary>Lets clients resume sessions, by tickets or <see cref="SessionCacheSize"/>. Default true. With false every handshake is a full one.</summary>
    public bool Enabled { get; set; } = true;

    /// <summary>Where the keys come from. Default <see cref="TlsTicketKeys.Process"/>.</summary>
    public TlsTicketKeys Keys { get; set; }

    /// <summary>How long a key encrypts new tickets before the next one does. Default 24 hours; range 1 minute to 30 days.</summary>
    /// <remarks>Scheduled by timer, on an idle server, too. Tickets of older keys are accepted and renewed until their key is <see cref="MaxKeys"/> lifetimes old; then it is wiped. Without effect with <see cref="TlsTicketKeys.Files"/>: whoever writes the files rotates.</remarks>
    public TimeSpan KeyLifetime { get; set; } = TimeSpan.FromHours(24);

    /// <summary>Keys known at once: the one that encrypts and older ones that only decrypt. Default 3; range 1 to 16.</summary>
    public int MaxKeys { get; set; } = 3;

    /// <summary>Ticket key files in nginx's format: 80 bytes a key (<c>openssl rand 80</c>), or 48 with AES-128. The first key of the first file encrypts. Relative to the content root.</summary>
    /// <remarks>At least one with <see cref="TlsTicketKeys.Files"/>, none otherwise. Followed while the server runs; a file that cannot be used leaves the known keys in force.</remarks>
    public IList<string> KeyFiles { get; } = new List<string>();

    /// <summary>Sessions kept in memory for TLS 1.2 clients that know no tickets, per certificate. Default 0: none; range 0 to 1,048,576.</summary>
    public int SessionCacheSize { get; set; }
}
