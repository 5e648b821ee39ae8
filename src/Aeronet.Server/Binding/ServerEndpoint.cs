using System.Diagnostics;
using System.Net;
using Aeronet.Transport.Tls;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace Aeronet.Server.Binding;

/// <summary>One address that the server listens on, as the sessions accepted there see it.</summary>
internal sealed class ServerEndpoint
{
    public ServerEndpoint(EndPoint endPoint, string displayName, HttpProtocols protocols, long? maxConnections)
    {
        Debug.Assert(displayName.Length > 0);
        EndPoint = endPoint;
        DisplayName = displayName;
        Protocols = protocols;
        Connections = maxConnections is { } max ? new ConcurrencyLimit(max) : null;
    }

    /// <summary>What was asked for; the bound address can differ (port 0).</summary>
    public EndPoint EndPoint { get; }

    /// <summary>For messages, e.g. <c>http://127.0.0.1:5000</c>.</summary>
    public string DisplayName { get; }

    public HttpProtocols Protocols { get; }

    /// <summary>Null: cleartext.</summary>
    public TlsEndpoint? Tls { get; init; }

    /// <summary>Counts the connections of this endpoint; null: no limit. Kestrel counts per endpoint, too, not per server.</summary>
    public ConcurrencyLimit? Connections { get; }
}
