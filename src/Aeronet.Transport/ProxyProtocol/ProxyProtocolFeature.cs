using System.Collections.Generic;
using System.Net;

namespace Aeronet.Transport.ProxyProtocol;

internal sealed class ProxyProtocolFeature(ProxyProtocolHeader header, EndPoint? proxy) : IProxyProtocolFeature
{
    public int Version => header.Version;

    public bool IsLocal => header.IsLocal;

    public EndPoint? Source => header.Source;

    public EndPoint? Destination => header.Destination;

    public EndPoint? Proxy => proxy;

    public IReadOnlyList<ProxyProtocolField> Fields => header.Fields;
}
