using System;
using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using System.Net;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;

namespace Aeronet.Native.Libc;

/// <summary>A <c>struct sockaddr_storage</c> and how much of it is used.</summary>
internal struct SockAddr
{
    internal const int Size = 128;
    internal const ushort Unspecified = 0; // AF_UNSPEC
    internal const ushort Unix = 1; // AF_UNIX
    internal const ushort InterNetwork = 2; // AF_INET
    internal const ushort InterNetworkV6 = 10; // AF_INET6

    private Storage _bytes;

    /// <summary>Bytes in use.</summary>
    public int Length;

    /// <summary>The kernel's number of the address family.</summary>
    public readonly ushort Family => Length >= sizeof(ushort) ? MemoryMarshal.Read<ushort>(_bytes[..sizeof(ushort)]) : Unspecified;

    /// <summary>The bytes in use, in the kernel's layout.</summary>
    [UnscopedRef]
    public readonly ReadOnlySpan<byte> Bytes => ((ReadOnlySpan<byte>)_bytes)[..Length];

    /// <summary>The file of a Unix address; null for abstract and unnamed ones and for other families.</summary>
    public readonly string? UnixPath
    {
        get
        {
            if (Family != Unix || Length <= sizeof(ushort) || Bytes[sizeof(ushort)] == 0)
            {
                return null;
            }
            ReadOnlySpan<byte> path = Bytes[sizeof(ushort)..];
            int end = path.IndexOf((byte)0);
            return Encoding.UTF8.GetString(end < 0 ? path : path[..end]);
        }
    }

    internal ref byte Start
    {
        [UnscopedRef]
        get => ref _bytes[0];
    }

    /// <summary>From an IP or Unix endpoint: .NET serialises endpoints in the system's own layout.</summary>
    public static SockAddr From(EndPoint endPoint)
    {
        SocketAddress address = endPoint.Serialize();
        SockAddr result = default;
        Debug.Assert(address.Size <= Size);
        address.Buffer.Span[..address.Size].CopyTo(result._bytes);
        result.Length = address.Size;
        return result;
    }

    /// <summary>As an endpoint; null for a family that is neither IP nor Unix.</summary>
    public readonly EndPoint? ToEndPoint()
    {
        switch (Family)
        {
            case InterNetwork:
                return s_ipv4.Create(ToSocketAddress(AddressFamily.InterNetwork));
            case InterNetworkV6:
                return s_ipv6.Create(ToSocketAddress(AddressFamily.InterNetworkV6));
            case Unix:
                return s_unix.Create(ToSocketAddress(AddressFamily.Unix));
            default:
                return null;
        }
    }

    private static readonly IPEndPoint s_ipv4 = new(IPAddress.Any, 0);
    private static readonly IPEndPoint s_ipv6 = new(IPAddress.IPv6Any, 0);
    private static readonly UnixDomainSocketEndPoint s_unix = new("/");

    private readonly SocketAddress ToSocketAddress(AddressFamily family)
    {
        SocketAddress address = new(family, Math.Max(Length, sizeof(ushort)));
        ReadOnlySpan<byte> used = _bytes;
        used[..Length].CopyTo(address.Buffer.Span);
        return address;
    }

    [InlineArray(Size)]
    private struct Storage
    {
        private byte _first;
    }
}
