using System;
using System.Buffers;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.Text;

namespace Aeronet.Transport.Tls;

/// <summary>What the first bytes of a connection are.</summary>
internal enum ClientHelloStatus
{
    /// <summary>More bytes are needed to say.</summary>
    Incomplete,

    /// <summary>A whole ClientHello; its parts that we look at were read as far as they are well-formed.</summary>
    Complete,

    /// <summary>No handshake record.</summary>
    NotTls,

    /// <summary>An HTTP request in cleartext.</summary>
    PlainHttp,
}

/// <summary>Reads the server name and the application protocols from a ClientHello before OpenSSL sees it, so that the identity is chosen, by the application if it likes, before anything is paid for it.</summary>
/// <remarks>RFC 8446 section 4.1.2, RFC 6066 section 3, RFC 7301 section 3.1. Never throws; what is malformed is OpenSSL's to refuse, with the right alert.</remarks>
internal static class ClientHelloReader
{
    /// <summary>More than OpenSSL takes (16,384 and a header), with room for small records.</summary>
    public const int BytesMax = 20 * 1024;

    private const int RecordHeaderLength = 5;
    private const int MessageHeaderLength = 4;
    private const int RecordLengthMax = 16 * 1024;
    private const byte HandshakeRecord = 22;
    private const byte ClientHelloMessage = 1;
    private const ushort ServerNameExtension = 0;
    private const ushort ApplicationProtocolsExtension = 16;
    private const int NameLengthMax = 255;

    private static readonly SearchValues<byte> s_nameBytes = SearchValues.Create("-._0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"u8);

    // First letters of the methods that browsers, proxies and tools begin with; TLS begins with 22.
    private static readonly SearchValues<byte> s_methodBytes = SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZ"u8);

    /// <param name="bytes">All bytes from the start of the connection.</param>
    /// <param name="serverName">As sent; empty for none or what is no DNS name.</param>
    /// <param name="applicationProtocols">Where the ALPN names stand in the ClientHello: see <see cref="ReadProtocols"/>; empty for none.</param>
    public static ClientHelloStatus Read(ReadOnlySpan<byte> bytes, out string serverName, out byte[] applicationProtocols)
    {
        serverName = "";
        applicationProtocols = [];
        if (bytes.IsEmpty)
        {
            return ClientHelloStatus.Incomplete;
        }

        if (bytes[0] != HandshakeRecord)
        {
            return s_methodBytes.Contains(bytes[0]) ? IsHttp(bytes) : ClientHelloStatus.NotTls;
        }

        if (bytes.Length > 1 && bytes[1] != 3)
        {
            return ClientHelloStatus.NotTls;
        }

        if (bytes.Length < RecordHeaderLength)
        {
            return ClientHelloStatus.Incomplete;
        }

        int recordLength = BinaryPrimitives.ReadUInt16BigEndian(bytes[3..]);
        if (recordLength is 0 or > RecordLengthMax)
        {
            return ClientHelloStatus.NotTls;
        }

        // Nearly always one record holds the whole message and nothing else.
        ReadOnlySpan<byte> content = bytes[RecordHeaderLength..];
        if (content.Length >= recordLength && recordLength >= MessageHeaderLength && MessageLength(content) is var length && MessageHeaderLength + length <= recordLength)
        {
            return ReadMessage(content[..(MessageHeaderLength + length)], ref serverName, ref applicationProtocols);
        }

        return ReadFragments(bytes, ref serverName, ref applicationProtocols);
    }

    /// <summary>The names of an ALPN list as it stands on the wire.</summary>
    public static List<string> ReadProtocols(ReadOnlySpan<byte> list)
    {
        List<string> names = [];
        while (list.Length > 1 && list[0] is var length && length > 0 && length < list.Length)
        {
            names.Add(Encoding.Latin1.GetString(list.Slice(1, length)));
            list = list[(1 + length)..];
        }

        return names;
    }

    private static ClientHelloStatus IsHttp(ReadOnlySpan<byte> bytes)
    {
        int end = bytes.IndexOfAnyExcept(s_methodBytes);
        const int MethodLengthMax = 20;
        if (end < 0)
        {
            return bytes.Length <= MethodLengthMax ? ClientHelloStatus.Incomplete : ClientHelloStatus.NotTls;
        }

        return bytes[end] == ' ' ? ClientHelloStatus.PlainHttp : ClientHelloStatus.NotTls;
    }

    private static int MessageLength(ReadOnlySpan<byte> message) => (message[1] << 16) | BinaryPrimitives.ReadUInt16BigEndian(message[2..]);

    // The message is spread over records (RFC 8446 section 5.1 allows it): joined first.
    private static ClientHelloStatus ReadFragments(ReadOnlySpan<byte> bytes, ref string serverName, ref byte[] applicationProtocols)
    {
        byte[] joined = ArrayPool<byte>.Shared.Rent(bytes.Length);
        try
        {
            int length = 0;
            while (bytes.Length >= RecordHeaderLength)
            {
                int recordLength = BinaryPrimitives.ReadUInt16BigEndian(bytes[3..]);
                if (bytes[0] != HandshakeRecord || recordLength is 0 or > RecordLengthMax)
                {
                    return ClientHelloStatus.NotTls;
                }

                ReadOnlySpan<byte> content = bytes[RecordHeaderLength..];
                bool isWhole = content.Length >= recordLength;
                content = isWhole ? content[..recordLength] : content;
                content.CopyTo(joined.AsSpan(length));
                length += content.Length;
                bytes = isWhole ? bytes[(RecordHeaderLength + recordLength)..] : [];
            }

            ReadOnlySpan<byte> message = joined.AsSpan(0, length);
            if (message.Length < MessageHeaderLength || message.Length < MessageHeaderLength + MessageLength(message))
            {
                return ClientHelloStatus.Incomplete;
            }

            return ReadMessage(message[..(MessageHeaderLength + MessageLength(message))], ref serverName, ref applicationProtocols);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(joined);
        }
    }

    private static ClientHelloStatus ReadMessage(ReadOnlySpan<byte> message, ref string serverName, ref byte[] applicationProtocols)
    {
        if (message[0] != ClientHelloMessage)
        {
            return ClientHelloStatus.NotTls;
        }

        const int VersionAndRandomLength = 2 + 32;
        ReadOnlySpan<byte> rest = message[MessageHeaderLength..];
        if (rest.Length < VersionAndRandomLength)
        {
            return ClientHelloStatus.Complete;
        }

        rest = rest[VersionAndRandomLength..];
        if (!TryTake(ref rest, 1, out _) || !TryTake(ref rest, 2, out _) || !TryTake(ref rest, 1, out _) || !TryTake(ref rest, 2, out ReadOnlySpan<byte> extensions))
        {
            return ClientHelloStatus.Complete; // without extensions, or malformed
        }

        while (extensions.Length >= sizeof(ushort))
        {
            ushort type = BinaryPrimitives.ReadUInt16BigEndian(extensions);
            extensions = extensions[sizeof(ushort)..];
            if (!TryTake(ref extensions, 2, out ReadOnlySpan<byte> content))
            {
                break;
            }

            if (type == ServerNameExtension)
            {
                serverName = ReadServerName(content);
            }
            else if (type == ApplicationProtocolsExtension && TryTake(ref content, 2, out ReadOnlySpan<byte> list))
            {
                applicationProtocols = list.ToArray();
            }
        }

        return ClientHelloStatus.Complete;
    }

    private static string ReadServerName(ReadOnlySpan<byte> content)
    {
        const byte HostName = 0;
        if (!TryTake(ref content, 2, out ReadOnlySpan<byte> list) || list.IsEmpty || list[0] != HostName)
        {
            return "";
        }

        list = list[1..];
        return TryTake(ref list, 2, out ReadOnlySpan<byte> name) && name.Length is > 0 and <= NameLengthMax && !name.ContainsAnyExcept(s_nameBytes)
            ? Encoding.ASCII.GetString(name)
            : "";
    }

    /// <summary>Takes a vector with a length of one or two bytes before it.</summary>
    private static bool TryTake(ref ReadOnlySpan<byte> from, int lengthBytes, out ReadOnlySpan<byte> taken)
    {
        taken = default;
        if (from.Length < lengthBytes)
        {
            return false;
        }

        int length = lengthBytes == 1 ? from[0] : BinaryPrimitives.ReadUInt16BigEndian(from);
        if (from.Length - lengthBytes < length)
        {
            return false;
        }

        taken = from.Slice(lengthBytes, length);
        from = from[(lengthBytes + length)..];
        return true;
    }
}
