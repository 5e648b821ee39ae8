using System;
using System.Buffers.Binary;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Aeronet.Native.Libc;
using Aeronet.Transport.Listen;

namespace Aeronet.Transport.Connections;

/// <summary>The peer's IP address in 24 bytes, kept from accept on: getpeername no longer knows it once the peer is gone.</summary>
internal readonly struct PeerAddress
{
    // struct sockaddr_in: family 2, port 2, address 4. struct sockaddr_in6: family 2, port 2, flow 4, address 16, scope 4.
    private const int PortOffset = 2;
    private const int Ipv4Offset = 4;
    private const int Ipv4Length = 4;
    private const int Ipv6Offset = 8;
    private const int Ipv6Length = 16;
    private const int ScopeOffset = 24;

    private readonly ulong _low;
    private readonly ulong _high;
    private readonly uint _scope;
    private readonly ushort _port;
    private readonly ushort _family;

    private PeerAddress(in SockAddr address)
    {
        ReadOnlySpan<byte> bytes = address.Bytes;
        _family = address.Family;
        _port = BinaryPrimitives.ReadUInt16BigEndian(bytes[PortOffset..]);
        if (_family == SockAddr.InterNetwork)
        {
            _low = MemoryMarshal.Read<uint>(bytes[Ipv4Offset..]);
        }
        else
        {
            _low = MemoryMarshal.Read<ulong>(bytes[Ipv6Offset..]);
            _high = MemoryMarshal.Read<ulong>(bytes[(Ipv6Offset + sizeof(ulong))..]);
            _scope = MemoryMarshal.Read<uint>(bytes[ScopeOffset..]);
        }
    }

    /// <summary>Unix peers have no address that is worth keeping: they are nearly always unnamed.</summary>
    public static PeerAddress From(in SockAddr address)
    {
        bool isIp = (address.Family == SockAddr.InterNetwork && address.Length >= Ipv4Offset + Ipv4Length)
            || (address.Family == SockAddr.InterNetworkV6 && address.Length >= ScopeOffset + sizeof(uint));
        return isIp ? new PeerAddress(address) : default;
    }

    /// <summary>The network that the peer belongs to, IPv4 in its IPv6-mapped form (RFC 4291 section 2.5.5.2): a dual-mode listener sees the same peer either way.</summary>
    /// <param name="ipv4PrefixLength">Bits of an IPv4 address that count, 0 to 32.</param>
    /// <param name="ipv6PrefixLength">Bits of an IPv6 address that count, 0 to 128.</param>
    /// <param name="network">The address with all other bits cleared.</param>
    /// <returns>False when it is no IP address.</returns>
    public bool TryGetNetwork(int ipv4PrefixLength, int ipv6PrefixLength, out UInt128 network)
    {
        Debug.Assert(ipv4PrefixLength is >= 0 and <= 32);
        Debug.Assert(ipv6PrefixLength is >= 0 and <= 128);
        const ulong mappedPrefix = 0xFFFFul << 32;
        switch (_family)
        {
            case SockAddr.InterNetwork:
                network = new UInt128(0, mappedPrefix | BinaryPrimitives.ReverseEndianness((uint)_low));
                break;
            case SockAddr.InterNetworkV6:
                network = new UInt128(BinaryPrimitives.ReverseEndianness(_low), BinaryPrimitives.ReverseEndianness(_high));
                break;
            default:
                network = default;
                return false;
        }
        bool isIpv4 = network >> 32 == 0xFFFF;
        int ignoredBits = isIpv4 ? 32 - ipv4PrefixLength : 128 - ipv6PrefixLength;
        network = ignoredBits == 128 ? 0 : network >> ignoredBits << ignoredBits;
        return true;
    }

    /// <summary>The address as a number, IPv4 as <c>::ffff:a.b.c.d</c>. False when it is no IP address.</summary>
    public bool TryGetNumber(out UInt128 number)
    {
        Span<byte> bytes = stackalloc byte[Ipv6Length];
        if (_family == SockAddr.InterNetwork)
        {
            bytes[10] = 0xFF;
            bytes[11] = 0xFF;
            MemoryMarshal.Write(bytes[12..], (uint)_low);
        }
        else
        {
            MemoryMarshal.Write(bytes, _low);
            MemoryMarshal.Write(bytes[sizeof(ulong)..], _high);
        }
        number = BinaryPrimitives.ReadUInt128BigEndian(bytes);
        return _family != 0;
    }

    /// <summary>Gives back the place that the connection took in its endpoint's limit per address, if there is one.</summary>
    public void ExitLimit(BoundEndpoint endpoint)
    {
        if (endpoint.AddressLimit is { } limit && TryGetNumber(out UInt128 number))
        {
            limit.Exit(limit.KeyOf(number));
        }
    }

    /// <summary>Null when it is no IP address.</summary>
    public IPEndPoint? ToEndPoint()
    {
        Span<byte> bytes = stackalloc byte[Ipv6Length];
        MemoryMarshal.Write(bytes, _low);
        MemoryMarshal.Write(bytes[sizeof(ulong)..], _high);
        return _family switch
        {
            SockAddr.InterNetwork => new IPEndPoint(new IPAddress(bytes[..Ipv4Length]), _port),
            SockAddr.InterNetworkV6 => new IPEndPoint(new IPAddress(bytes, _scope), _port),
            _ => null,
        };
    }
}
