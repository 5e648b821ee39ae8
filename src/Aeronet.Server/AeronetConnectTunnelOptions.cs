using System;
using System.Collections.Generic;
using System.Threading;

namespace Aeronet.Server;

/// <summary>Tunnels for the CONNECT method (RFC 9110 section 9.3.6), HTTP/1.1 and 1.0: the server as a forward proxy for TCP.</summary>
/// <remarks>
/// Off by default: CONNECT then reaches the application, as on Kestrel. On, every CONNECT request is answered by the server, before the
/// application's middleware, and nothing is allowed that <see cref="Allow"/> does not name. Section <c>Aeronet:ConnectTunnels</c>.
/// </remarks>
public sealed class AeronetConnectTunnelOptions
{
    /// <summary>Answers CONNECT requests. Default false.</summary>
    public bool Enabled { get; set; }

    /// <summary>Targets that clients may reach. Default none: every request gets 403. Values of the configuration section replace the list.</summary>
    /// <remarks>
    /// <c>host:port</c>, where the host is a name, an address (IPv6 in brackets), <c>*.example.com</c> for all names below it, or <c>*</c>, and
    /// the port a number from 1 to 65,535 or <c>*</c>. A lone <c>*</c> allows everything, the server's own host and its network included. Names are compared without regard to
    /// case, as the client wrote them: what a name resolves to is not checked.
    /// </remarks>
    public IList<string> Allow { get; } = new List<string>();

    /// <summary>How long resolving and connecting may take before the client gets 504. Default 10 seconds; range 1 millisecond to 10 minutes.</summary>
    public TimeSpan ConnectTimeout { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>How long a tunnel may stand without a byte in either direction before it is closed. Default 5 minutes; range 1 millisecond to 1 day, or <see cref="Timeout.InfiniteTimeSpan"/>.</summary>
    public TimeSpan IdleTimeout { get; set; } = TimeSpan.FromMinutes(5);

    /// <summary>Tunnels open at once; above it a request gets 503. Default 1,024; range 1 to 2,147,483,647, or null for no limit. They count as upgraded connections, too (<c>KestrelServerLimits.MaxConcurrentUpgradedConnections</c>).</summary>
    public int? MaxConcurrentTunnels { get; set; } = 1024;
}
