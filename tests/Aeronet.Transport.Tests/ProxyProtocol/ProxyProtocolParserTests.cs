using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.Linq;
using System.Net;
using System.Net.Sockets;
using System.Numerics;
using System.Text;
using Aeronet.Transport.ProxyProtocol;
using Xunit;

namespace Aeronet.Transport.Tests.ProxyProtocol;

/// <summary>HAProxy's "The PROXY protocol, versions 1 and 2", section 2.</summary>
public sealed class ProxyProtocolParserTests
{
    private const int SizeMax = 4096;
    private static readonly byte[] s_signature = "\r\n\r\n\0\r\nQUIT\n"u8.ToArray();

    public static TheoryData<string, string?, string?> Lines => new()
    {
        { "PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n", "192.0.2.1:56324", "198.51.100.2:443" },
        { "PROXY TCP4 255.255.255.255 0.0.0.0 65535 0\r\n", "255.255.255.255:65535", "0.0.0.0:0" },
        { "PROXY TCP6 2001:db8::1 2001:DB8::2 1 2\r\n", "[2001:db8::1]:1", "[2001:db8::2]:2" },
        { "PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n", "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535", "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535" },
        { "PROXY UNKNOWN\r\n", null, null },
        { "PROXY UNKNOWN ffff:: whatever 1 2\r\n", null, null },
    };

    [Theory]
    [MemberData(nameof(Lines))]
    public void Version_1_is_read(string line, string? source, string? destination)
    {
        ProxyProtocolHeader header = Read(Encoding.ASCII.GetBytes(line));
        Assert.Equal(1, header.Version);
        Assert.Equal(source, header.Source?.ToString());
        Assert.Equal(destination, header.Destination?.ToString());
        Assert.Empty(header.Fields);
    }

    [Theory]
    [InlineData("PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\n")]
    [InlineData("PROXY \r\n")]
    [InlineData("PROXY TCP5 192.0.2.1 198.51.100.2 1 2\r\n")]
    [InlineData("PROXY tcp4 192.0.2.1 198.51.100.2 1 2\r\n")]
    [InlineData("PROXY UNKNOWNX\r\n")]
    [InlineData("PROXY TCP4 192.0.2.1 198.51.100.2 1\r\n")]
    [InlineData("PROXY TCP4 192.0.2.1 198.51.100.2 1 2 3\r\n")]
    [InlineData("PROXY TCP4  192.0.2.1 198.51.100.2 1 2\r\n")]
    [InlineData("PROXY TCP4 192.0.2.1 198.51.100.2 1 2 \r\n")]
    [InlineData("PROXY TCP4 192.0.2.1 198.51.100.2 01 2\r\n")]
    [InlineData("PROXY TCP4 192.0.2.1 198.51.100.2 65536 2\r\n")]
    [InlineData("PROXY TCP4 192.0.2.1 198.51.100.2 80\0 443\0\0\r\n")]
    [InlineData("PROXY TCP4 192.0.2.1 198.51.100.2 -1 2\r\n")]
    [InlineData("PROXY TCP4 192.0.2 198.51.100.2 1 2\r\n")]
    [InlineData("PROXY TCP4 192.0.2.01 198.51.100.2 1 2\r\n")]
    [InlineData("PROXY TCP4 0x7f.1 198.51.100.2 1 2\r\n")]
    [InlineData("PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n")]
    [InlineData("PROXY TCP6 192.0.2.1 198.51.100.2 1 2\r\n")]
    [InlineData("PROXY TCP6 fe80::1%1 2001:db8::2 1 2\r\n")]
    [InlineData("PROXY TCP6 [::1] ::1 1 2\r\n")]
    public void A_line_that_breaks_the_rules_is_malformed(string line) => Assert.Equal(ProxyProtocolStatus.Malformed, Status(Encoding.Latin1.GetBytes(line)));

    [Fact]
    public void A_line_without_an_end_is_too_large_at_107_bytes()
    {
        string line = "PROXY UNKNOWN " + new string('x', 200);
        Assert.Equal(ProxyProtocolStatus.NeedMore, Status(Encoding.ASCII.GetBytes(line[..106])));
        Assert.Equal(ProxyProtocolStatus.TooLarge, Status(Encoding.ASCII.GetBytes(line[..107])));
        Assert.Equal(ProxyProtocolStatus.Done, Status(Encoding.ASCII.GetBytes(line[..105] + "\r\n")));
        Assert.Equal(ProxyProtocolStatus.TooLarge, Status(Encoding.ASCII.GetBytes(line[..106] + "\r\n")));
    }

    [Theory]
    [InlineData("GET / HTTP/1.1\r\n")]
    [InlineData("POST / HTTP/1.1\r\n")]
    [InlineData("PROXYTCP4")]
    [InlineData("proxy TCP4 ")]
    [InlineData("\r\n\r\nGET /")]
    [InlineData("\u0016\u0003\u0001")]
    public void Another_protocol_is_told_at_the_first_byte_that_differs(string text)
    {
        byte[] bytes = Encoding.Latin1.GetBytes(text);
        int first = Enumerable.Range(1, bytes.Length).First(length => Status(bytes[..length]) != ProxyProtocolStatus.NeedMore);
        Assert.Equal(ProxyProtocolStatus.Absent, Status(bytes[..first]));
        Assert.Equal(ProxyProtocolStatus.Absent, Status(bytes));
    }

    [Fact]
    public void Version_2_with_IPv4_IPv6_and_Unix_addresses()
    {
        ProxyProtocolHeader v4 = Read(Header(0x21, 0x11, [192, 0, 2, 1, 198, 51, 100, 2, 0xDC, 0x04, 0x01, 0xBB]));
        Assert.Equal((2, false, "192.0.2.1:56324", "198.51.100.2:443"), (v4.Version, v4.IsLocal, v4.Source!.ToString(), v4.Destination!.ToString()));

        byte[] six = [.. IPAddress.Parse("2001:db8::1").GetAddressBytes(), .. IPAddress.Parse("2001:db8::2").GetAddressBytes(), 0, 1, 0, 2];
        ProxyProtocolHeader v6 = Read(Header(0x21, 0x21, six));
        Assert.Equal(("[2001:db8::1]:1", "[2001:db8::2]:2"), (v6.Source!.ToString(), v6.Destination!.ToString()));

        byte[] paths = new byte[216];
        "/run/a"u8.CopyTo(paths);
        "/run/b"u8.CopyTo(paths.AsSpan(108));
        ProxyProtocolHeader unix = Read(Header(0x21, 0x31, paths));
        Assert.Equal(("/run/a", "/run/b"), (Assert.IsType<UnixDomainSocketEndPoint>(unix.Source).ToString(), unix.Destination!.ToString()));
    }

    [Fact]
    public void A_Unix_client_without_a_name_is_still_the_client()
    {
        byte[] paths = new byte[216];
        "/run/b"u8.CopyTo(paths.AsSpan(108));
        AssertUnnamed("/run/b"); // as most clients are
        "\0abstract"u8.CopyTo(paths);
        AssertUnnamed("/run/b");
        Array.Fill(paths, (byte)0xFF); // no text
        AssertUnnamed("");

        void AssertUnnamed(string destination)
        {
            ProxyProtocolHeader header = Read(Header(0x21, 0x31, paths));
            Assert.Equal("", Assert.IsType<UnixDomainSocketEndPoint>(header.Source).ToString());
            Assert.Equal(destination, Assert.IsType<UnixDomainSocketEndPoint>(header.Destination).ToString());
        }
    }

    [Theory]
    [InlineData(0x20, 0x00, 0)]
    [InlineData(0x20, 0x11, 12)]
    [InlineData(0x21, 0x00, 0)]
    [InlineData(0x21, 0x12, 12)]
    [InlineData(0x21, 0x22, 36)]
    [InlineData(0x21, 0x32, 216)]
    [InlineData(0x20, 0x11, 0)]
    [InlineData(0x20, 0x21, 12)]
    [InlineData(0x20, 0x00, 2)]
    [InlineData(0x20, 0x11, 13)]
    [InlineData(0x20, 0xFF, 3)]
    [InlineData(0x21, 0x00, 12)]
    public void LOCAL_and_addresses_that_are_no_streams_or_unspecified_leave_the_connections_own(int command, int family, int length)
    {
        ProxyProtocolHeader header = Read(Header((byte)command, (byte)family, new byte[length]));
        Assert.Equal(command == 0x20, header.IsLocal);
        Assert.Null(header.Source);
        Assert.Null(header.Destination);
    }

    [Fact]
    public void Fields_are_kept_in_order()
    {
        byte[] content = [.. new byte[12], .. Field(0x01, "h2"u8), .. Field(0x02, "a.example"u8), .. Field(0xEA, [1, 2, 3]), .. Field(0x04, [])];
        ProxyProtocolHeader header = Read(Header(0x21, 0x11, content));
        Assert.Equal([(byte)1, (byte)2, (byte)0xEA, (byte)4], header.Fields.Select(static field => field.Type));
        Assert.Equal("a.example", Encoding.ASCII.GetString(header.Fields[1].Value.Span));
        Assert.Equal(0, header.Fields[3].Value.Length);
    }

    [Fact]
    public void A_checksum_is_verified()
    {
        byte[] header = Header(0x21, 0x11, [.. new byte[12], .. Field(0x03, new byte[4]), .. Field(0x04, "x"u8)]);
        BinaryPrimitives.WriteUInt32BigEndian(header.AsSpan(16 + 12 + 3), Crc32C(header));
        Assert.Equal(2, Read(header).Fields.Count);
        for (int i = 16; i < header.Length; i++)
        {
            byte[] changed = [.. header];
            changed[i] ^= 0x10;
            // The three bytes before the checksum say that it is one and how long: changed, it is another field, or none.
            Assert.True(Status(changed) == ProxyProtocolStatus.Malformed || i == 16 + 12, $"byte {i}");
        }
        Assert.Equal(ProxyProtocolStatus.Malformed, Status(Header(0x21, 0x11, [.. new byte[12], .. Field(0x03, new byte[3])])));
    }

    [Fact]
    public void A_second_checksum_is_malformed_even_if_both_are_right()
    {
        const int First = 16 + 12 + 3;
        const int Second = First + 7;
        byte[] header = Header(0x21, 0x11, [.. new byte[12], .. Field(0x03, new byte[4]), .. Field(0x03, new byte[4])]);
        // Each sum covers the other. What is wrong with the first one is an affine function of it, so elimination over its bits finds where that is nothing.
        Dictionary<int, (uint Value, uint Bits)> rows = [];
        uint left = Wrong(0);
        uint solution = 0;
        for (int bit = 0; bit < 32; bit++)
        {
            uint bits = 1u << bit;
            uint value = Reduce(Wrong(bits) ^ left, ref bits);
            if (value != 0)
            {
                rows.Add(BitOperations.Log2(value), (value, bits));
            }
        }
        Assert.Equal(0u, Reduce(left, ref solution));
        Assert.Equal(0u, Wrong(solution));
        Assert.Equal(ProxyProtocolStatus.Malformed, Status(header));

        uint Reduce(uint value, ref uint bits)
        {
            while (value != 0 && rows.TryGetValue(BitOperations.Log2(value), out (uint Value, uint Bits) row))
            {
                value ^= row.Value;
                bits ^= row.Bits;
            }
            return value;
        }

        // With the second one right.
        uint Wrong(uint first)
        {
            Write(First, first);
            Write(Second, 0);
            Write(Second, Crc32C(header));
            Write(First, 0);
            uint right = Crc32C(header);
            Write(First, first);
            return right ^ first;
        }

        void Write(int at, uint value) => BinaryPrimitives.WriteUInt32BigEndian(header.AsSpan(at), value);
    }

    [Theory]
    [InlineData(0x11)]
    [InlineData(0x22)]
    [InlineData(0x31)]
    [InlineData(0x00)]
    public void Another_version_or_command_is_malformed_as_soon_as_it_is_seen(int command)
    {
        byte[] header = Header((byte)command, 0x11, new byte[12]);
        Assert.Equal(ProxyProtocolStatus.NeedMore, Status(header[..12]));
        Assert.Equal(ProxyProtocolStatus.Malformed, Status(header[..13]));
        Assert.Equal(ProxyProtocolStatus.Malformed, Status(header));
    }

    [Theory]
    [InlineData(0x41, 7)] // no such family
    [InlineData(0xF1, 300)]
    [InlineData(0x13, 12)] // no such protocol
    [InlineData(0x0F, 0)]
    [InlineData(0x11, 11)]
    [InlineData(0x21, 35)]
    [InlineData(0x31, 215)]
    [InlineData(0x11, 13)] // a field of one byte
    [InlineData(0x11, 14)]
    public void Content_that_does_not_fit_what_it_announces_is_malformed(int family, int length) =>
        Assert.Equal(ProxyProtocolStatus.Malformed, Status(Header(0x21, (byte)family, new byte[length])));

    [Fact]
    public void A_field_that_reaches_beyond_the_header_is_malformed()
    {
        byte[] field = Field(0x04, "abc"u8);
        field[2] = 4;
        Assert.Equal(ProxyProtocolStatus.Malformed, Status(Header(0x21, 0x11, [.. new byte[12], .. field])));
    }

    [Fact]
    public void A_header_above_the_limit_is_too_large_before_it_has_come()
    {
        byte[] header = Header(0x21, 0x11, [.. new byte[12], .. Field(0x04, new byte[SizeMax - 16 - 12 - 3])]);
        Assert.Equal(SizeMax, header.Length);
        Assert.Equal(ProxyProtocolStatus.Done, Status(header));
        byte[] larger = Header(0x21, 0x11, new byte[SizeMax - 16 + 1]);
        Assert.Equal(ProxyProtocolStatus.TooLarge, Status(larger[..16]));
    }

    public static TheoryData<byte[]> Headers
    {
        get
        {
            TheoryData<byte[]> all = [];
            all.Add("PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n"u8.ToArray());
            all.Add("PROXY UNKNOWN\r\n"u8.ToArray());
            all.Add(Header(0x21, 0x11, [192, 0, 2, 1, 198, 51, 100, 2, 0xDC, 0x04, 0x01, 0xBB]));
            all.Add(Header(0x21, 0x21, new byte[36]));
            all.Add(Header(0x21, 0x31, new byte[216]));
            all.Add(Header(0x20, 0x00, []));
            all.Add(Header(0x21, 0x11, [.. new byte[12], .. Field(0x02, "a.example"u8), .. Field(0x05, "id"u8)]));
            return all;
        }
    }

    [Theory]
    [MemberData(nameof(Headers))]
    public void Cut_at_every_byte_it_waits_and_whole_it_takes_exactly_its_own_bytes(byte[] header)
    {
        for (int length = 0; length < header.Length; length++)
        {
            Assert.Equal(ProxyProtocolStatus.NeedMore, Status(header[..length]));
        }
        byte[] followed = [.. header, .. "GET / HTTP/1.1\r\n\r\n"u8];
        Assert.Equal(ProxyProtocolStatus.Done, ProxyProtocolParser.Parse(followed, SizeMax, out ProxyProtocolHeader? read, out int consumed));
        Assert.NotNull(read);
        Assert.Equal(header.Length, consumed);
    }

    [Fact]
    public void Random_bytes_never_throw()
    {
        const int Seed = 20_26;
        Random random = new(Seed);
        byte[][] starts = [s_signature, "PROXY "u8.ToArray(), "PROXY TCP4 "u8.ToArray(), Header(0x21, 0x11, new byte[12]), Header(0x21, 0x31, new byte[216])];
        for (int i = 0; i < 20_000; i++)
        {
            byte[] start = starts[random.Next(starts.Length)];
            byte[] bytes = [.. start[..random.Next(start.Length + 1)], .. new byte[random.Next(300)]];
            random.NextBytes(bytes.AsSpan(random.Next(bytes.Length + 1)));
            ProxyProtocolStatus status = ProxyProtocolParser.Parse(bytes, SizeMax, out ProxyProtocolHeader? header, out int consumed);
            Assert.Equal(status == ProxyProtocolStatus.Done, header is not null);
            Assert.True(consumed <= bytes.Length);
        }
    }

    private static byte[] Header(byte command, byte family, ReadOnlySpan<byte> content)
    {
        List<byte> header = [.. s_signature, command, family, (byte)(content.Length >> 8), (byte)content.Length];
        header.AddRange(content);
        return [.. header];
    }

    private static uint Crc32C(byte[] bytes)
    {
        uint crc = uint.MaxValue;
        foreach (byte one in bytes)
        {
            crc = BitOperations.Crc32C(crc, one);
        }
        return ~crc;
    }

    private static byte[] Field(byte type, ReadOnlySpan<byte> value) => [type, (byte)(value.Length >> 8), (byte)value.Length, .. value];

    private static ProxyProtocolStatus Status(byte[] bytes) => ProxyProtocolParser.Parse(bytes, SizeMax, out _, out _);

    private static ProxyProtocolHeader Read(byte[] bytes)
    {
        Assert.Equal(ProxyProtocolStatus.Done, ProxyProtocolParser.Parse(bytes, SizeMax, out ProxyProtocolHeader? header, out int consumed));
        Assert.Equal(bytes.Length, consumed);
        return header!;
    }
}
