using System;
using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Aeronet.Server.Tunnels;

/// <summary>Where a CONNECT request wants to go: the authority form of its target, read strictly (RFC 9112 section 3.2.3).</summary>
/// <param name="Host">A name without trailing dot, or an address without brackets.</param>
/// <param name="Port">1 to 65,535.</param>
/// <param name="Address">Non-null when the host is an address.</param>
internal sealed record TunnelTarget(string Host, int Port, IPAddress? Address)
{
    private static readonly SearchValues<char> s_notInNames = SearchValues.Create(":*%@/\\ []");

    /// <summary>False: malformed, or without a usable port; nothing has been resolved.</summary>
    public static bool TryParse(string authority, [NotNullWhen(true)] out TunnelTarget? target)
    {
        target = null;
        int colon = authority.LastIndexOf(':');
        if (colon <= 0 || !TryParsePort(authority.AsSpan(colon + 1), out int port))
        {
            return false;
        }
        string host = authority[..colon];
        if (host[0] == '[')
        {
            if (host[^1] != ']' || !IPAddress.TryParse(host.AsSpan(1, host.Length - 2), out IPAddress? v6) || v6.AddressFamily != AddressFamily.InterNetworkV6)
            {
                return false;
            }
            target = new TunnelTarget(v6.ToString(), port, v6);
            return true;
        }
        host = host.EndsWith('.') ? host[..^1] : host; // the root's dot changes nothing
        if (host.Length == 0 || host.AsSpan().ContainsAny(s_notInNames))
        {
            return false;
        }
        target = new TunnelTarget(host, port, IsDottedQuad(host) && IPAddress.TryParse(host, out IPAddress? v4) ? v4 : null);
        return true;
    }

    internal static bool TryParsePort(ReadOnlySpan<char> text, out int port)
    {
        port = 0;
        return text.Length is > 0 and <= 5 && int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out port) && port is >= 1 and <= 65_535;
    }

    // "127.1" is an address for some resolvers and a name for others: here a name, so that no pattern for an address matches it.
    private static bool IsDottedQuad(string host) => host.Split('.') is { Length: 4 } parts && Array.TrueForAll(parts, static part => byte.TryParse(part, NumberStyles.None, CultureInfo.InvariantCulture, out _));
}
