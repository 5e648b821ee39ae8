using System;
using System.Diagnostics;
using System.Security.Cryptography;
using System.Threading;

namespace Aeronet.Transport.Tls.Tickets;

/// <summary>One key that session tickets are encrypted and authenticated with: a public name, an AES-CBC key and an HMAC-SHA256 key. RFC 5077 section 4.</summary>
/// <remarks>Any thread. The bytes lie in pinned memory, so that <see cref="Wipe"/> leaves no copy behind that the garbage collector has made.</remarks>
internal sealed class TicketKey
{
    public const int NameLength = 16;
    public const int Aes128Length = 16;
    public const int Aes256Length = 32;

    private readonly byte[] _bytes; // name, AES key, HMAC key
    private readonly int _keyLength; // of each of the two keys: 16 or 32
    private int _wiped; // Volatile: 1 before the first byte is cleared.

    /// <param name="name">16 bytes that mark the tickets of this key.</param>
    /// <param name="aesKey">16 or 32 bytes.</param>
    /// <param name="hmacKey">As many bytes as <paramref name="aesKey"/>.</param>
    public TicketKey(ReadOnlySpan<byte> name, ReadOnlySpan<byte> aesKey, ReadOnlySpan<byte> hmacKey)
    {
        Debug.Assert(name.Length == NameLength);
        Debug.Assert(aesKey.Length is Aes128Length or Aes256Length);
        Debug.Assert(hmacKey.Length == aesKey.Length);
        _keyLength = aesKey.Length;
        _bytes = GC.AllocateUninitializedArray<byte>(NameLength + (2 * _keyLength), pinned: true);
        name.CopyTo(_bytes);
        aesKey.CopyTo(_bytes.AsSpan(NameLength));
        hmacKey.CopyTo(_bytes.AsSpan(NameLength + _keyLength));
    }

    /// <summary>What stands in front of every ticket of this key.</summary>
    public ReadOnlySpan<byte> Name => _bytes.AsSpan(0, NameLength);

    public bool IsWiped => Volatile.Read(ref _wiped) != 0;

    /// <summary>The memory that holds the key: for the test that looks at it after <see cref="Wipe"/>.</summary>
    internal ReadOnlyMemory<byte> Memory => _bytes;

    public static TicketKey CreateRandom()
    {
        Span<byte> bytes = stackalloc byte[NameLength + (2 * Aes256Length)];
        RandomNumberGenerator.Fill(bytes);
        var key = new TicketKey(bytes[..NameLength], bytes.Slice(NameLength, Aes256Length), bytes[(NameLength + Aes256Length)..]);
        CryptographicOperations.ZeroMemory(bytes);
        return key;
    }

    /// <summary>Copies both keys out; false when the key has been wiped meanwhile: a ticket of it is unknown then, and none must be issued with it.</summary>
    /// <param name="aesKey">Room for 32 bytes; the caller clears it after use.</param>
    /// <param name="hmacKey">Room for 32 bytes; the caller clears it after use.</param>
    /// <param name="keyLength">Bytes written to each: 16 (AES-128) or 32 (AES-256).</param>
    public bool TryCopy(Span<byte> aesKey, Span<byte> hmacKey, out int keyLength)
    {
        keyLength = _keyLength;
        _bytes.AsSpan(NameLength, _keyLength).CopyTo(aesKey);
        _bytes.AsSpan(NameLength + _keyLength, _keyLength).CopyTo(hmacKey);

        // Wipe says so before it clears: whoever does not see it after the copy has copied nothing cleared.
        Interlocked.MemoryBarrier();
        return !IsWiped;
    }

    /// <summary>The same name and the same keys.</summary>
    public bool IsSameAs(TicketKey other) => !IsWiped && !other.IsWiped && CryptographicOperations.FixedTimeEquals(_bytes, other._bytes);

    /// <summary>Clears the key for good. Readers that are inside <see cref="TryCopy"/> get false.</summary>
    public void Wipe()
    {
        Volatile.Write(ref _wiped, 1);
        Interlocked.MemoryBarrier();
        CryptographicOperations.ZeroMemory(_bytes);
    }
}
