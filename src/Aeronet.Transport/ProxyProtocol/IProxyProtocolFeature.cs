using System;
using System.Collections.Generic;
using System.Net;

namespace Aeronet.Transport.ProxyProtocol;

/// <summary>What the proxy in front said about this connection: on the connection's features, and through them on every request's.</summary>
public interface IProxyProtocolFeature
{
    /// <summary>1 or 2.</summary>
    int Version { get; }

    /// <summary>The proxy speaks for itself (command LOCAL of version 2, as for health checks): the addresses are those of the connection.</summary>
    bool IsLocal { get; }

    /// <summary>The client as the proxy sees it; null when it did not say (LOCAL, UNKNOWN, or a kind of address that is not known here).</summary>
    EndPoint? Source { get; }

    /// <summary>Where the client connected to; null when the proxy did not say.</summary>
    EndPoint? Destination { get; }

    /// <summary>The proxy: the peer of the connection itself.</summary>
    EndPoint? Proxy { get; }

    /// <summary>The further fields of a version 2 header, in order; empty for version 1.</summary>
    IReadOnlyList<ProxyProtocolField> Fields { get; }
}

/// <summary>One type-length-value field of a version 2 header (section 2.2).</summary>
public sealed class ProxyProtocolField
{
    /// <param name="type">See <see cref="Type"/>.</param>
    /// <param name="value">See <see cref="Value"/>.</param>
    public ProxyProtocolField(byte type, ReadOnlyMemory<byte> value)
    {
        Type = type;
        Value = value;
    }

    /// <summary>E.g. 0x01 ALPN, 0x02 authority, 0x05 unique id, 0x20 TLS, 0xEA AWS, 0xEE Azure.</summary>
    public byte Type { get; }

    /// <summary>The bytes as received, 0 to 65,535.</summary>
    public ReadOnlyMemory<byte> Value { get; }
}
