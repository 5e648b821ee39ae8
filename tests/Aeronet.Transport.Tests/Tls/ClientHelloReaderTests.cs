using System;
using System.Collections.Generic;
using System.Text;
using Aeronet.Transport.Tls;
using Xunit;

namespace Aeronet.Transport.Tests.Tls;

public sealed class ClientHelloReaderTests
{
    [Fact]
    public void Name_and_protocols_are_read()
    {
        byte[] hello = Hello(ServerName("www.example.com"), Extension(16, [0, 12, 2, .. "h2"u8, 8, .. "http/1.1"u8]));
        Assert.Equal(ClientHelloStatus.Complete, ClientHelloReader.Read(hello, out string name, out byte[] protocols));
        Assert.Equal("www.example.com", name);
        Assert.Equal(["h2", "http/1.1"], ClientHelloReader.ReadProtocols(protocols));
    }

    [Fact]
    public void A_hello_cut_anywhere_is_incomplete_and_cut_into_records_it_is_read_all_the_same()
    {
        byte[] hello = Hello(ServerName("a.example"));
        for (int length = 0; length < hello.Length; length++)
        {
            Assert.Equal(ClientHelloStatus.Incomplete, ClientHelloReader.Read(hello.AsSpan(0, length), out _, out _));
        }

        byte[] message = hello[5..];
        for (int size = 1; size <= message.Length; size++)
        {
            List<byte> records = [];
            for (int at = 0; at < message.Length; at += size)
            {
                byte[] part = message[at..Math.Min(message.Length, at + size)];
                records.AddRange([22, 3, 1, (byte)(part.Length >> 8), (byte)part.Length, .. part]);
            }

            Assert.Equal(ClientHelloStatus.Complete, ClientHelloReader.Read(records.ToArray(), out string name, out _));
            Assert.Equal("a.example", name);
            Assert.Equal(ClientHelloStatus.Incomplete, ClientHelloReader.Read(records.ToArray().AsSpan(0, records.Count - 1), out _, out _));
        }
    }

    [Theory]
    [InlineData("")]
    [InlineData("a b")]
    [InlineData("ex\u00e4mple")]
    [InlineData("a\0b")]
    [InlineData("../../etc")]
    public void What_is_no_name_is_none(string name)
    {
        Assert.Equal(ClientHelloStatus.Complete, ClientHelloReader.Read(Hello(ServerName(name)), out string read, out _));
        Assert.Equal("", read);
    }

    [Fact]
    public void Whatever_the_bytes_are_nothing_is_thrown()
    {
        // Every byte of a good hello set to every value: lengths that lie, types that are not there.
        byte[] hello = Hello(ServerName("a.example"), Extension(16, [0, 3, 2, .. "h2"u8]));
        for (int at = 0; at < hello.Length; at++)
        {
            byte[] changed = [.. hello];
            for (int value = 0; value <= byte.MaxValue; value++)
            {
                changed[at] = (byte)value;
                ClientHelloReader.Read(changed, out string name, out byte[] protocols);
                Assert.True(name.Length <= 255);
                ClientHelloReader.ReadProtocols(protocols);
            }
        }
    }

    [Theory]
    [InlineData("GET / HTTP/1.1\r\n", ClientHelloStatus.PlainHttp)]
    [InlineData("OPTIONS * ", ClientHelloStatus.PlainHttp)]
    [InlineData("PRI * HTTP/2.0\r\n", ClientHelloStatus.PlainHttp)]
    [InlineData("GE", ClientHelloStatus.Incomplete)]
    [InlineData("SSH-2.0", ClientHelloStatus.NotTls)]
    [InlineData("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", ClientHelloStatus.NotTls)]
    [InlineData("get /", ClientHelloStatus.NotTls)]
    internal void Cleartext_is_told_apart(string text, ClientHelloStatus expected)
        => Assert.Equal(expected, ClientHelloReader.Read(Encoding.ASCII.GetBytes(text), out _, out _));

    private static byte[] ServerName(string name)
    {
        byte[] bytes = Encoding.Latin1.GetBytes(name);
        return Extension(0, [0, (byte)(bytes.Length + 3), 0, 0, (byte)bytes.Length, .. bytes]);
    }

    private static byte[] Extension(byte type, byte[] content) => [0, type, 0, (byte)content.Length, .. content];

    private static byte[] Hello(params byte[][] extensions)
    {
        List<byte> all = [];
        foreach (byte[] extension in extensions)
        {
            all.AddRange(extension);
        }

        byte[] body = [3, 3, .. new byte[32], 0, 0, 2, 0x13, 1, 1, 0, (byte)(all.Count >> 8), (byte)all.Count, .. all];
        byte[] message = [1, 0, (byte)(body.Length >> 8), (byte)body.Length, .. body];
        return [22, 3, 1, (byte)(message.Length >> 8), (byte)message.Length, .. message];
    }
}
