using System.Net;
using System.Threading;
using System.Threading.Tasks;
using Aeronet.Transport.Connections;
using Aeronet.Transport.Foreign;

namespace Aeronet.Transport.Listen;

/// <summary>An endpoint that the loops of one group listen on, with the number of its open connections.</summary>
internal sealed class BoundEndpoint
{
    internal BoundEndpoint(ListenSockets sockets, IConnectionAcceptor acceptor)
        : this(sockets.LocalEndPoint, sockets.IsTcp, acceptor) => Sockets = sockets;

    /// <summary>Of a foreign listener.</summary>
    internal BoundEndpoint(EndPoint localEndPoint, IConnectionAcceptor acceptor)
        : this(localEndPoint, isTcp: localEndPoint is IPEndPoint, acceptor)
    {
    }

    /// <summary>Without listening sockets: for outgoing connections, and for tests that script the kernel.</summary>
    internal BoundEndpoint(EndPoint localEndPoint, bool isTcp, IConnectionAcceptor acceptor)
    {
        LocalEndPoint = localEndPoint;
        IsTcp = isTcp;
        Acceptor = acceptor;
    }

    /// <summary>Where it really listens: port 0 is resolved.</summary>
    public EndPoint LocalEndPoint { get; }

    /// <summary>Open connections accepted here. Any thread.</summary>
    public int ConnectionCount => Connections.Count;

    internal bool IsTcp { get; }

    /// <summary>Stands for a connection that we make, not for something that listens.</summary>
    internal bool IsOutgoing { get; init; }

    /// <summary>Its connections carry those of a foreign listener on the same loops, which are the ones that count.</summary>
    internal bool IsCarrier { get; init; }

    internal IConnectionAcceptor Acceptor { get; }

    internal ConnectionGauge Connections { get; } = new();

    /// <summary>How many connections a remote address may have; null: no limit. May be shared by endpoints.</summary>
    internal AddressLimit? AddressLimit { get; init; }

    /// <summary>Our own listening sockets; null exactly when <see cref="Foreign"/> is set, except in tests.</summary>
    internal ListenSockets? Sockets { get; }

    /// <summary>Somebody else's listener.</summary>
    internal ForeignListener? Foreign { get; set; }

    /// <summary>Set by the first <c>UnbindAsync</c>; under the group's lock.</summary>
    internal Task? Unbinding { get; set; }
}
