using System;
using System.Threading;

namespace Aeronet.Server;

/// <summary>Limits and time-outs for which <c>KestrelServerLimits</c> has no word.</summary>
public sealed class AeronetServerLimits
{
    /// <summary>Requests served on one connection; the last one is answered with <c>Connection: close</c>. Default null: no limit. Range 1 to 2,147,483,647.</summary>
    public int? MaxRequestsPerConnection { get; set; }

    /// <summary>Open connections of one remote IP address, over all endpoints; a further one is closed before anything else is done for it. Default null: no limit. Range 1 to 2,147,483,647.</summary>
    /// <remarks>
    /// Connections without an IP address (Unix domain sockets) are not counted. Behind a proxy every client has the proxy's address: there
    /// <c>UseProxyProtocol</c> with <c>UseConnectionLimitPerAddress</c> counts the clients themselves. Refused connections are counted in <c>aeronet.connections.refused_by_address</c>.
    /// </remarks>
    public int? MaxConnectionsPerAddress { get; set; }

    /// <summary>Leading bits of an IPv6 address that count as one address for <see cref="MaxConnectionsPerAddress"/>. Default 64, what one customer usually has; range 1 to 128.</summary>
    public int IPv6AddressPrefixLength { get; set; } = 64;

    /// <summary>Most bytes of response content that are copied, behind the head or to what else waits to be sent. Default 8,192; range 0 to 1,048,576.</summary>
    /// <remarks>
    /// A single larger write is lent to the socket without a copy, and completes when the kernel has taken it. A response of unknown length that may
    /// still become complete before the application returns for the first time is copied up to one send whatever its size, so that it can carry <c>Content-Length</c>.
    /// </remarks>
    public int InlineBodyThreshold { get; set; } = 8 * 1024;

    /// <summary>How long a request may run on after its client has closed its sending side, before <c>HttpContext.RequestAborted</c> fires. Default 1 second; range 0 to <see cref="Timeout.InfiniteTimeSpan"/>.</summary>
    /// <remarks>Read only with <see cref="HalfClosedClients.Answer"/>. A half-closed client and one that went away look the same on the wire: this bounds the work done for the second kind.</remarks>
    public TimeSpan HalfCloseGracePeriod { get; set; } = TimeSpan.FromSeconds(1);

    /// <summary>How long the server goes on receiving, and dropping, what a client still sends after a response that closes the connection. Default 2 seconds; range 0 to 60 seconds, 0 closes at once.</summary>
    /// <remarks>Closing with unread bytes makes the kernel send a reset that can destroy the response on its way. RFC 9112 section 9.6.</remarks>
    public TimeSpan LingerTimeout { get; set; } = TimeSpan.FromSeconds(2);

    /// <summary>Most bytes that are dropped in the way of <see cref="LingerTimeout"/>. Default 1,048,576; range 0 to 1,073,741,824.</summary>
    public long LingerBytes { get; set; } = 1024 * 1024;

    /// <summary>How long the rest of a request body that the application left unread is received and dropped so that the connection can serve the next request. Default 5 seconds, as Kestrel's fixed value; range 0 to 60 seconds, 0 closes instead.</summary>
    public TimeSpan BodyDrainTimeout { get; set; } = TimeSpan.FromSeconds(5);
}
