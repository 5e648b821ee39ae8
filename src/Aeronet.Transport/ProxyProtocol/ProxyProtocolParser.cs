using System;
using System.Buffers;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Numerics;
using System.Text;
using System.Text.Unicode;
using Aeronet.Transport.Connections;

namespace Aeronet.Transport.ProxyProtocol;

/// <summary>What the first bytes of a connection are.</summary>
internal enum ProxyProtocolStatus
{
    /// <summary>So far they could be a header.</summary>
    NeedMore,

    /// <summary>No header begins here.</summary>
    Absent,

    Done,

    /// <summary>A header begins here and breaks its rules.</summary>
    Malformed,

    /// <summary>A header begins here and is longer than allowed.</summary>
    TooLarge,
}

/// <summary>A header as read.</summary>
internal sealed class ProxyProtocolHeader
{
    public required int Version { get; init; }

    public bool IsLocal { get; init; }

    /// <summary>Null together with <see cref="Destination"/>.</summary>
    public EndPoint? Source { get; init; }

    public EndPoint? Destination { get; init; }

    public IReadOnlyList<ProxyProtocolField> Fields { get; init; } = [];
}

/// <summary>Reads the header of the PROXY protocol, both versions, from the first bytes of a connection. No I/O.</summary>
/// <remarks>
/// Looks at all bytes so far each time: a header is a few hundred bytes, and the checks that a trickling peer can repeat are the
/// signature and one length (version 2) or a scan for LF in at most 107 bytes (version 1).
/// </remarks>
internal static class ProxyProtocolParser
{
    /// <summary>Section 2.1: the longest line, CRLF included.</summary>
    public const int Version1SizeMax = 107;

    /// <summary>Fixed part and the largest addresses (two Unix paths).</summary>
    public const int Version2AddressesMax = FixedPart + 216;

    public const int Version2SizeMax = FixedPart + ushort.MaxValue;

    private const int FixedPart = 16;
    private const byte Checksum = 0x03; // PP2_TYPE_CRC32C

    private static readonly SearchValues<char> s_inIpv6 = SearchValues.Create("0123456789abcdefABCDEF:.");

    private static ReadOnlySpan<byte> Version1Signature => "PROXY "u8;

    private static ReadOnlySpan<byte> Version2Signature => "\r\n\r\n\0\r\nQUIT\n"u8;

    /// <param name="bytes">Everything received so far.</param>
    /// <param name="sizeMax">Most bytes of a version 2 header.</param>
    /// <param name="header">Non-null exactly with <see cref="ProxyProtocolStatus.Done"/>.</param>
    /// <param name="consumed">Bytes of the header, with <see cref="ProxyProtocolStatus.Done"/>.</param>
    public static ProxyProtocolStatus Parse(ReadOnlySpan<byte> bytes, int sizeMax, out ProxyProtocolHeader? header, out int consumed)
    {
        Debug.Assert(sizeMax is >= Version2AddressesMax and <= Version2SizeMax);
        header = null;
        consumed = 0;
        if (Begins(bytes, Version2Signature))
        {
            return bytes.Length < FixedPart ? WhileShort(bytes) : ParseVersion2(bytes, sizeMax, out header, out consumed);
        }
        if (Begins(bytes, Version1Signature))
        {
            return ParseVersion1(bytes, out header, out consumed);
        }
        return ProxyProtocolStatus.Absent;
    }

    // True also while there are too few bytes to tell.
    private static bool Begins(ReadOnlySpan<byte> bytes, ReadOnlySpan<byte> signature)
    {
        int length = Math.Min(bytes.Length, signature.Length);
        return bytes[..length].SequenceEqual(signature[..length]);
    }

    // ---- Version 1: one line of text -------------------------------------------------------------------------------

    private static ProxyProtocolStatus ParseVersion1(ReadOnlySpan<byte> bytes, out ProxyProtocolHeader? header, out int consumed)
    {
        header = null;
        consumed = 0;
        ReadOnlySpan<byte> window = bytes[..Math.Min(bytes.Length, Version1SizeMax)];
        int end = window.IndexOf((byte)'\n');
        if (end < 0)
        {
            return window.Length < Version1SizeMax ? ProxyProtocolStatus.NeedMore : ProxyProtocolStatus.TooLarge;
        }
        if (window[end - 1] != '\r' || !TryReadLine(window[Version1Signature.Length..(end - 1)], out header))
        {
            return ProxyProtocolStatus.Malformed;
        }
        consumed = end + 1;
        return ProxyProtocolStatus.Done;
    }

    private static bool TryReadLine(ReadOnlySpan<byte> line, out ProxyProtocolHeader? header)
    {
        header = null;
        if (line.SequenceEqual("UNKNOWN"u8) || line.StartsWith("UNKNOWN "u8))
        {
            header = new ProxyProtocolHeader { Version = 1 }; // whatever follows is to be ignored
            return true;
        }
        AddressFamily family;
        if (line.StartsWith("TCP4 "u8))
        {
            family = AddressFamily.InterNetwork;
        }
        else if (line.StartsWith("TCP6 "u8))
        {
            family = AddressFamily.InterNetworkV6;
        }
        else
        {
            return false;
        }

        string[] parts = Encoding.Latin1.GetString(line[5..]).Split(' ');
        if (parts.Length != 4 || !TryReadAddress(parts[0], family, out IPAddress? source) || !TryReadAddress(parts[1], family, out IPAddress? destination)
            || !TryReadPort(parts[2], out int sourcePort) || !TryReadPort(parts[3], out int destinationPort))
        {
            return false;
        }
        header = new ProxyProtocolHeader { Version = 1, Source = new IPEndPoint(source!, sourcePort), Destination = new IPEndPoint(destination!, destinationPort) };
        return true;
    }

    private static bool TryReadAddress(string text, AddressFamily family, out IPAddress? address)
    {
        // IPAddress.TryParse is lenient ("1", "0x7f.1", scopes, brackets): what is not written as it should be is refused.
        if (!IPAddress.TryParse(text, out address) || address.AddressFamily != family)
        {
            return false;
        }
        return family == AddressFamily.InterNetwork ? address.ToString() == text : !text.AsSpan().ContainsAnyExcept(s_inIpv6);
    }

    private static bool TryReadPort(string text, out int port) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out port) && !text.Contains('\0', StringComparison.Ordinal) && port <= ushort.MaxValue && (text.Length == 1 || text[0] != '0');

    // ---- Version 2: binary --------------------------------------------------------------------------------------------

    // The version and the command can be judged before the rest has come.
    private static ProxyProtocolStatus WhileShort(ReadOnlySpan<byte> bytes) =>
        bytes.Length > 12 && !IsCommand(bytes[12]) ? ProxyProtocolStatus.Malformed : ProxyProtocolStatus.NeedMore;

    private static bool IsCommand(byte versionAndCommand) => versionAndCommand is 0x20 or 0x21;

    private static ProxyProtocolStatus ParseVersion2(ReadOnlySpan<byte> bytes, int sizeMax, out ProxyProtocolHeader? header, out int consumed)
    {
        header = null;
        consumed = 0;
        if (!IsCommand(bytes[12]))
        {
            return ProxyProtocolStatus.Malformed;
        }
        int size = FixedPart + BinaryPrimitives.ReadUInt16BigEndian(bytes[14..]);
        if (size > sizeMax)
        {
            return ProxyProtocolStatus.TooLarge;
        }
        if (bytes.Length < size)
        {
            return ProxyProtocolStatus.NeedMore;
        }
        bool isLocal = bytes[12] == 0x20;
        ReadOnlySpan<byte> rest = bytes[FixedPart..size];
        if (isLocal || bytes[13] == 0)
        {
            // Section 2.2: LOCAL is to be accepted whatever the block says, family included, and UNSPEC says nothing of addresses. Fields are read where they can be.
            List<ProxyProtocolField>? some = TryReadAddresses(bytes[13], ref rest, out _, out _) && TryReadFields(bytes[..size], rest, out List<ProxyProtocolField> read) ? read : null;
            header = new ProxyProtocolHeader { Version = 2, IsLocal = isLocal, Fields = some ?? [] };
            consumed = size;
            return ProxyProtocolStatus.Done;
        }
        if (!TryReadAddresses(bytes[13], ref rest, out EndPoint? source, out EndPoint? destination) || !TryReadFields(bytes[..size], rest, out List<ProxyProtocolField> fields))
        {
            return ProxyProtocolStatus.Malformed;
        }
        header = new ProxyProtocolHeader { Version = 2, Source = source, Destination = destination, Fields = fields };
        consumed = size;
        return ProxyProtocolStatus.Done;
    }

    // Takes the addresses off rest. Section 2.2: unspecified ones and datagrams have none to tell, other values are invalid.
    private static bool TryReadAddresses(byte familyAndProtocol, ref ReadOnlySpan<byte> rest, out EndPoint? source, out EndPoint? destination)
    {
        source = null;
        destination = null;
        (int length, bool isStream) = (familyAndProtocol >> 4, familyAndProtocol & 0xF) switch
        {
            (1, <= 2 and var protocol) => (4, protocol == 1),
            (2, <= 2 and var protocol) => (16, protocol == 1),
            (3, <= 2 and var protocol) => (108, protocol == 1),
            (0, <= 2) => (0, false), // no addresses: fields may follow
            _ => (-1, false),
        };
        if (length < 0)
        {
            return false;
        }
        int size = length == 0 ? 0 : length == 108 ? 216 : (2 * length) + 4;
        if (rest.Length < size)
        {
            return false;
        }
        if (isStream && length == 108)
        {
            source = UnixEndPoint(rest[..108]);
            destination = UnixEndPoint(rest[108..216]);
        }
        else if (isStream)
        {
            source = new IPEndPoint(new IPAddress(rest[..length]), BinaryPrimitives.ReadUInt16BigEndian(rest[(2 * length)..]));
            destination = new IPEndPoint(new IPAddress(rest.Slice(length, length)), BinaryPrimitives.ReadUInt16BigEndian(rest[((2 * length) + 2)..]));
        }
        rest = rest[size..];
        return true;
    }

    // A path up to its NUL. An unnamed socket (most clients), an abstract one, and bytes that are no text, have no name that could be written here:
    // no name, but not none, which would make the proxy the client. Null on systems without such sockets.
    private static EndPoint? UnixEndPoint(ReadOnlySpan<byte> path)
    {
        if (!Socket.OSSupportsUnixDomainSockets)
        {
            return null;
        }
        int end = path.IndexOf((byte)0);
        ReadOnlySpan<byte> name = end < 0 ? path : path[..end];
        if (name.IsEmpty || !Utf8.IsValid(name))
        {
            return UnixEndPoints.Unnamed;
        }
        try
        {
            return new UnixDomainSocketEndPoint(Encoding.UTF8.GetString(name));
        }
        catch (ArgumentException)
        {
            return UnixEndPoints.Unnamed; // longer than the system's own paths may be
        }
    }

    private static bool TryReadFields(ReadOnlySpan<byte> header, ReadOnlySpan<byte> rest, out List<ProxyProtocolField> fields)
    {
        fields = [];
        bool hasChecksum = false;
        while (!rest.IsEmpty)
        {
            if (rest.Length < 3)
            {
                return false;
            }
            int length = BinaryPrimitives.ReadUInt16BigEndian(rest[1..]);
            if (rest.Length < 3 + length)
            {
                return false;
            }
            if (rest[0] == Checksum)
            {
                // One at most: each would have to be taken with itself as zero and the other not, which no sender computes.
                if (hasChecksum || !IsChecksumRight(header, valueAt: header.Length - rest.Length + 3, length))
                {
                    return false;
                }
                hasChecksum = true;
            }
            fields.Add(new ProxyProtocolField(rest[0], rest.Slice(3, length).ToArray()));
            rest = rest[(3 + length)..];
        }
        return true;
    }

    // Section 2.2.3: CRC32C over the whole header, the checksum itself taken as zero.
    private static bool IsChecksumRight(ReadOnlySpan<byte> header, int valueAt, int length)
    {
        if (length != sizeof(uint))
        {
            return false;
        }
        uint crc = uint.MaxValue;
        for (int i = 0; i < header.Length; i++)
        {
            crc = BitOperations.Crc32C(crc, i >= valueAt && i < valueAt + length ? (byte)0 : header[i]);
        }
        return ~crc == BinaryPrimitives.ReadUInt32BigEndian(header[valueAt..]);
    }
}
