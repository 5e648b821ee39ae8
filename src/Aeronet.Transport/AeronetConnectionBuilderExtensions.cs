using System;
using Aeronet.Transport.Listen;
using Aeronet.Transport.ProxyProtocol;
using Microsoft.AspNetCore.Connections;

namespace Microsoft.AspNetCore.Hosting;

/// <summary>Connection middleware of Aeronet, for the endpoints of Aeronet and of Kestrel (<c>ListenOptions</c> is a connection builder).</summary>
public static class AeronetConnectionBuilderExtensions
{
    /// <summary>Reads the header of the PROXY protocol, version 1 or 2, at the front of each connection, and makes the client it names the remote endpoint.</summary>
    /// <remarks>
    /// Put it before <c>UseHttps</c>: the header comes in the clear. Bytes that are no header, break its rules, or do not come in time end the
    /// connection (see the options); each connection is counted by outcome in <c>aeronet.proxy_protocol.connections</c>. What else the proxy said is
    /// in <see cref="IProxyProtocolFeature"/>. As the first of an endpoint that Aeronet's loops listen on it needs no pipes, and <c>UseHttps</c> behind it is
    /// Aeronet's own TLS; connections that wait for their header are bounded by <c>MaxConcurrentConnections</c> among themselves.
    /// </remarks>
    /// <typeparam name="TBuilder">The builder's type.</typeparam>
    /// <param name="builder">The endpoint, e.g. <c>ListenOptions</c>.</param>
    /// <param name="configure">Sets the options; at least the trusted networks.</param>
    /// <returns>The same builder.</returns>
    /// <exception cref="ArgumentException">A setting is out of range, or no network is trusted.</exception>
    public static TBuilder UseProxyProtocol<TBuilder>(this TBuilder builder, Action<ProxyProtocolOptions> configure)
        where TBuilder : IConnectionBuilder
    {
        ArgumentNullException.ThrowIfNull(builder);
        ArgumentNullException.ThrowIfNull(configure);
        ProxyProtocolOptions options = new();
        configure(options);
        options.Validate();
        builder.Use(new ProxyProtocolLayer(options, builder.ApplicationServices).Wrap);
        return builder;
    }

    /// <summary>Ends a new connection at once when its remote address has as many open already. Behind <see cref="UseProxyProtocol"/> the client's address counts.</summary>
    /// <remarks>Connections without an IP address (Unix domain sockets) are not counted. All connections of the endpoint are counted together; refused ones are counted in <c>aeronet.address_limit.refused</c>. In front of <see cref="UseProxyProtocol"/> it counts the proxies, and the endpoint needs pipes then.</remarks>
    /// <typeparam name="TBuilder">The builder's type.</typeparam>
    /// <param name="builder">The endpoint, e.g. <c>ListenOptions</c>.</param>
    /// <param name="maxPerAddress">Open connections per address; range 1 to 2,147,483,647.</param>
    /// <param name="ipv6PrefixLength">Leading bits of an IPv6 address that make it one client; range 1 to 128. Default 64: what one customer usually has.</param>
    /// <returns>The same builder.</returns>
    /// <exception cref="ArgumentOutOfRangeException">A number is out of range.</exception>
    public static TBuilder UseConnectionLimitPerAddress<TBuilder>(this TBuilder builder, int maxPerAddress, int ipv6PrefixLength = 64)
        where TBuilder : IConnectionBuilder
    {
        ArgumentNullException.ThrowIfNull(builder);
        ArgumentOutOfRangeException.ThrowIfLessThan(maxPerAddress, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(ipv6PrefixLength, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(ipv6PrefixLength, 128);
        builder.Use(new AddressLimitLayer(new AddressLimit(maxPerAddress, ipv6PrefixLength), builder.ApplicationServices).Wrap);
        return builder;
    }
}
