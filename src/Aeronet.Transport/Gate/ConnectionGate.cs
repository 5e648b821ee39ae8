using System;
using System.Collections.Generic;
using Aeronet.Transport.Listen;
using Aeronet.Transport.ProxyProtocol;
using Microsoft.AspNetCore.Connections;

namespace Aeronet.Transport.Gate;

/// <summary>What stands at the front of an endpoint, before TLS and HTTP, and needs no pipes: who the client is, and how many connections it may have.</summary>
/// <param name="Proxy">Null: the peer is the client.</param>
/// <param name="Limit">Null: as many as it likes.</param>
internal sealed record ConnectionGate(ProxyProtocolLayer? Proxy, AddressLimitLayer? Limit)
{
    /// <summary>The gate that the first of an endpoint's middleware are, in this order; null: none of them.</summary>
    /// <param name="middleware">The endpoint's.</param>
    /// <param name="length">How many of them it stands for.</param>
    public static ConnectionGate? Find(IReadOnlyList<Func<ConnectionDelegate, ConnectionDelegate>> middleware, out int length)
    {
        length = 0;
        ProxyProtocolLayer? proxy = At(middleware, length)?.Target as ProxyProtocolLayer;
        length += proxy is null ? 0 : 1;
        AddressLimitLayer? limit = At(middleware, length)?.Target as AddressLimitLayer;
        length += limit is null ? 0 : 1;
        return length == 0 ? null : new ConnectionGate(proxy, limit);
    }

    private static Func<ConnectionDelegate, ConnectionDelegate>? At(IReadOnlyList<Func<ConnectionDelegate, ConnectionDelegate>> middleware, int index) => index < middleware.Count ? middleware[index] : null;
}
