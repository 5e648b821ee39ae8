using System;
using System.Collections.Generic;
using System.Net;

namespace Aeronet.Transport.ProxyProtocol;

/// <summary>Settings of <c>UseProxyProtocol</c>. Checked when the endpoint is built: a fault stops the start.</summary>
/// <remarks>The protocol: "The PROXY protocol, versions 1 &amp; 2", HAProxy Technologies.</remarks>
public sealed class ProxyProtocolOptions
{
    /// <summary>Networks whose peers may say who the client is. Default none, and none is a fault: a client that could write the header itself could claim any address.</summary>
    /// <remarks>Everybody is <c>0.0.0.0/0</c> and <c>::/0</c>. Peers on Unix domain sockets and other transports without addresses are always trusted: who may connect there is the file system's decision.</remarks>
    public IList<IPNetwork> TrustedNetworks { get; } = new List<IPNetwork>();

    /// <summary>Ends connections that do not begin with a header, and connections of peers outside of <see cref="TrustedNetworks"/>. Default true.</summary>
    /// <remarks>With false both go on as they are; a header of a peer that is not trusted is never read and reaches the protocol behind, which will refuse it.</remarks>
    public bool IsRequired { get; set; } = true;

    /// <summary>How long the header may take to arrive; then the connection is ended, required or not. Default 5 seconds; range 1 millisecond to 10 minutes.</summary>
    public TimeSpan Timeout { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>Most bytes of a version 2 header, its TLVs included; a larger one ends the connection. Default 4,096; range 232 (the largest addresses) to 65,551.</summary>
    public int MaxHeaderSize { get; set; } = 4096;

    /// <exception cref="ArgumentException">What is wrong, all of it.</exception>
    internal void Validate()
    {
        List<string> faults = [];
        if (TrustedNetworks.Count == 0)
        {
            faults.Add($"{nameof(TrustedNetworks)} is empty; name the networks of the proxies.");
        }
        if (Timeout < TimeSpan.FromMilliseconds(1) || Timeout > TimeSpan.FromMinutes(10))
        {
            faults.Add($"{nameof(Timeout)} is {Timeout}; allowed: 00:00:00.0010000 to 00:10:00.");
        }
        if (MaxHeaderSize is < ProxyProtocolParser.Version2AddressesMax or > ProxyProtocolParser.Version2SizeMax)
        {
            faults.Add(string.Create(System.Globalization.CultureInfo.InvariantCulture,
                $"{nameof(MaxHeaderSize)} is {MaxHeaderSize}; allowed: {ProxyProtocolParser.Version2AddressesMax} to {ProxyProtocolParser.Version2SizeMax}."));
        }
        if (faults.Count > 0)
        {
            throw new ArgumentException($"{nameof(ProxyProtocolOptions)}: {string.Join(" ", faults)}");
        }
    }

    internal bool IsTrusted(EndPoint? peer)
    {
        if (peer is not IPEndPoint { Address: var address })
        {
            return true;
        }
        if (address.IsIPv4MappedToIPv6)
        {
            address = address.MapToIPv4(); // a dual-mode socket writes IPv4 peers this way
        }
        foreach (IPNetwork network in TrustedNetworks)
        {
            if (network.Contains(address))
            {
                return true;
            }
        }
        return false;
    }
}
