using System;
using System.IO;
using System.Linq;
using Aeronet.TestSupport.Kernel;
using Aeronet.Transport.Tls.Tickets;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Aeronet.Transport.Tests.Tls.Tickets;

public sealed class FileTicketKeysTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("aeronet-tickets-").FullName;
    private readonly ManualClock _clock = new();

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    [Trait("Defect", "TLS-12")]
    public void Eighty_bytes_are_name_hmac_key_aes_key_as_in_nginx()
    {
        byte[] bytes = Sequence(80, 1);
        using TicketKeyRing ring = Ring(Write("a", bytes));
        byte[] name = new byte[16], aes = new byte[32], hmac = new byte[32];
        Assert.Equal(32, ring.CopyCurrent(name, aes, hmac));
        Assert.Equal(bytes[..16], name);
        Assert.Equal(bytes[16..48], hmac);
        Assert.Equal(bytes[48..], aes);
    }

    [Fact]
    [Trait("Defect", "TLS-12")]
    public void Fortyeight_bytes_are_name_aes_key_hmac_key_as_in_nginx()
    {
        byte[] bytes = Sequence(48, 1);
        using TicketKeyRing ring = Ring(Write("a", bytes));
        byte[] name = new byte[16], aes = new byte[32], hmac = new byte[32];
        Assert.Equal(16, ring.CopyCurrent(name, aes, hmac));
        Assert.Equal(bytes[..16], name);
        Assert.Equal(bytes[16..32], aes[..16]);
        Assert.Equal(bytes[32..], hmac[..16]);
    }

    [Fact]
    public void The_first_key_of_the_first_file_encrypts_and_all_decrypt()
    {
        using TicketKeyRing ring = Ring(Write("a", [.. Sequence(80, 1), .. Sequence(80, 2)]), Write("b", Sequence(48, 3)));
        Assert.Equal((32, true), FindByName(ring, Sequence(80, 1)));
        Assert.Equal((32, false), FindByName(ring, Sequence(80, 2)));
        Assert.Equal((16, false), FindByName(ring, Sequence(48, 3)));
        Assert.Equal(0, FindByName(ring, Sequence(48, 4)).KeyLength);
    }

    [Fact]
    public void Two_servers_with_the_same_file_know_each_others_tickets()
    {
        string file = Write("a", Sequence(80, 7));
        using TicketKeyRing one = Ring(file);
        using TicketKeyRing other = Ring(file);
        Assert.Equal((32, true), TicketKeyRingTests.Find(other, TicketKeyRingTests.Current(one)));
    }

    [Fact]
    public void A_rotated_file_is_taken_with_the_next_look_and_the_dropped_key_is_wiped()
    {
        string file = Write("a", [.. Sequence(80, 1), .. Sequence(80, 2)]);
        using TicketKeyRing ring = Ring(file);
        TicketKey kept = ring.Keys.Keys[0];
        TicketKey dropped = ring.Keys.Keys[1];
        Write("a", [.. Sequence(80, 3), .. Sequence(80, 1)]);
        Assert.True(ring.Refresh());
        Assert.Equal((32, true), FindByName(ring, Sequence(80, 3)));
        Assert.Equal((32, false), FindByName(ring, Sequence(80, 1)));
        Assert.Equal(0, FindByName(ring, Sequence(80, 2)).KeyLength);
        Assert.True(dropped.IsWiped);
        Assert.Same(kept, ring.Keys.Keys[1]); // a handshake that copies it now must not see it wiped
        Assert.False(kept.IsWiped);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(47)]
    [InlineData(81)]
    [InlineData(96)]
    [InlineData(80 * 65)]
    public void A_file_of_another_length_is_refused_by_name(int length)
    {
        string file = Write("bad", new byte[length]);
        InvalidDataException fault = Assert.Throws<InvalidDataException>(() => Ring(file));
        Assert.Contains(file, fault.Message, StringComparison.Ordinal);
        Assert.Contains($"{length} bytes", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Two_keys_of_one_name_are_refused()
        => Assert.Contains("twice", Assert.Throws<InvalidDataException>(() => Ring(Write("a", [.. Sequence(80, 1), .. Sequence(80, 1)]))).Message, StringComparison.Ordinal);

    [Fact]
    public void A_broken_file_during_the_run_leaves_the_known_keys_in_force()
    {
        string file = Write("a", Sequence(80, 1));
        using TicketKeyRing ring = Ring(file);
        Write("a", new byte[3]);
        Assert.False(ring.Refresh());
        Assert.Equal((32, true), FindByName(ring, Sequence(80, 1)));
        File.Delete(file);
        Assert.False(ring.Refresh());
        Assert.Equal((32, true), FindByName(ring, Sequence(80, 1)));
    }

    private static (int KeyLength, bool IsCurrent) FindByName(TicketKeyRing ring, byte[] key)
        => (ring.CopyByName(key.AsSpan(0, 16), new byte[32], new byte[32], out bool isCurrent), isCurrent);

    private static byte[] Sequence(int length, int seed) => Enumerable.Range(0, length).Select(i => (byte)((i * 3) + (seed * 101))).ToArray();

    private string Write(string name, byte[] bytes)
    {
        string path = Path.Combine(_folder, name);
        File.WriteAllBytes(path, bytes);
        return path;
    }

    private TicketKeyRing Ring(params string[] files) => new(new FileTicketKeys(files, TimeSpan.FromHours(48)), _clock, NullLogger.Instance);
}
