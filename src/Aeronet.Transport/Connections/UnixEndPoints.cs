using System.Net;
using System.Net.Sockets;

namespace Aeronet.Transport.Connections;

/// <summary>Unix domain socket addresses that are no paths.</summary>
internal static class UnixEndPoints
{
    /// <summary>A socket without a name, as that of most clients.</summary>
    public static readonly EndPoint Unnamed = new UnixDomainSocketEndPoint("/").Create(new SocketAddress(AddressFamily.Unix, sizeof(ushort)));
}
