using System;
using System.Buffers;

namespace Aeronet.Http.Semantics;

/// <summary>Host [ ":" port ] of RFC 9112 section 3.2 and RFC 3986 section 3.2.2, narrowed to what Kestrel accepts.</summary>
/// <remarks>
/// A registered name may not hold pct-encoded bytes or <c>* + , ; =</c>: no name that resolves needs them, and they make the same
/// Host mean different things to different readers. A colon needs digits after it. Zone ids and IPvFuture are refused.
/// </remarks>
internal static class HostSyntax
{
    private static readonly SearchValues<byte> s_nameBytes = SearchValues.Create(
        "!$&'()-.0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz~"u8);

    /// <summary>Whether the value may stand in a Host field. The empty value may, RFC 9110 section 7.2.</summary>
    public static bool IsValid(ReadOnlySpan<byte> value) => value.IsEmpty || IsAuthority(value, out _);

    /// <summary>Host with an optional port, not empty, no user information. <paramref name="port"/> is -1 when there is none.</summary>
    public static bool IsAuthority(ReadOnlySpan<byte> value, out int port)
    {
        port = -1;
        int hostLength = HostLength(value);
        if (hostLength <= 0)
        {
            return false;
        }

        return hostLength == value.Length || TryParsePort(value[hostLength..], out port);
    }

    /// <summary>Same host, compared without case, and same port, where a missing port means the scheme's own.</summary>
    public static bool AreEqual(ReadOnlySpan<byte> left, ReadOnlySpan<byte> right, int defaultPort)
    {
        if (!IsAuthority(left, out int leftPort) || !IsAuthority(right, out int rightPort))
        {
            return false;
        }

        return (leftPort < 0 ? defaultPort : leftPort) == (rightPort < 0 ? defaultPort : rightPort)
            && System.Text.Ascii.EqualsIgnoreCase(left[..HostLength(left)], right[..HostLength(right)]);
    }

    /// <summary>The host of an authority without port and without the dot at the end of an absolute name; empty for none.</summary>
    public static ReadOnlySpan<byte> NameOf(ReadOnlySpan<byte> authority)
    {
        ReadOnlySpan<byte> host = authority[..Math.Max(HostLength(authority), 0)];
        return host.EndsWith("."u8) ? host[..^1] : host;
    }

    // Length of the host part, 0 if there is none, -1 if a byte is not allowed.
    private static int HostLength(ReadOnlySpan<byte> value)
    {
        if (value.IsEmpty)
        {
            return 0;
        }

        if (value[0] == (byte)'[')
        {
            int close = value.IndexOf((byte)']');
            return close > 0 && IsIPv6(value[1..close]) ? close + 1 : -1;
        }

        int end = value.IndexOfAnyExcept(s_nameBytes);
        if (end < 0)
        {
            return value.Length;
        }

        return value[end] == (byte)':' ? end : -1;
    }

    private static bool TryParsePort(ReadOnlySpan<byte> colonAndDigits, out int port)
    {
        port = -1;
        // Leading zeros are legal, RFC 3986 section 3.2.3, but more than a few only serve to confuse.
        if (colonAndDigits.Length is < 2 or > 6 || colonAndDigits[0] != (byte)':')
        {
            return false;
        }

        int value = 0;
        foreach (byte digit in colonAndDigits[1..])
        {
            if (!char.IsAsciiDigit((char)digit))
            {
                return false;
            }

            value = (value * 10) + digit - '0';
        }

        if (value > 65535)
        {
            return false;
        }

        port = value;
        return true;
    }

    /// <summary>IPv6address of RFC 3986 section 3.2.2: eight groups, or fewer with one "::", the last two maybe as IPv4.</summary>
    private static bool IsIPv6(ReadOnlySpan<byte> text)
    {
        int groups = 0;
        bool compressed = false;
        int at = 0;
        if (text.StartsWith("::"u8))
        {
            compressed = true;
            at = 2;
        }

        while (at < text.Length)
        {
            int digits = 0;
            while (at + digits < text.Length && char.IsAsciiHexDigit((char)text[at + digits]))
            {
                digits++;
            }

            if (at + digits < text.Length && text[at + digits] == (byte)'.')
            {
                groups += 2;
                return IsIPv4(text[at..]) && (compressed ? groups <= 7 : groups == 8);
            }

            if (digits is 0 or > 4)
            {
                return false;
            }

            groups++;
            at += digits;
            if (at == text.Length)
            {
                break;
            }

            if (text[at] != (byte)':')
            {
                return false;
            }

            at++;
            if (at < text.Length && text[at] == (byte)':')
            {
                if (compressed)
                {
                    return false;
                }

                compressed = true;
                at++;
            }
            else if (at == text.Length)
            {
                return false;
            }
        }

        return compressed ? groups <= 7 : groups == 8;
    }

    private static bool IsIPv4(ReadOnlySpan<byte> text)
    {
        int octets = 0;
        int at = 0;
        while (true)
        {
            int value = 0;
            int digits = 0;
            while (at < text.Length && char.IsAsciiDigit((char)text[at]) && digits < 4)
            {
                value = (value * 10) + text[at++] - '0';
                digits++;
            }

            if (digits is 0 or > 3 || value > 255)
            {
                return false;
            }

            octets++;
            if (at == text.Length)
            {
                return octets == 4;
            }

            if (octets == 4 || text[at++] != (byte)'.')
            {
                return false;
            }
        }
    }
}
