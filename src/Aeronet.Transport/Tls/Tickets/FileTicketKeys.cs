using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.IO;
using System.Security.Cryptography;

namespace Aeronet.Transport.Tls.Tickets;

/// <summary>Ticket keys from files in nginx's format (<c>ssl_session_ticket_key</c>), so that a farm, mixed with nginx if need be, shares them.</summary>
/// <remarks>
/// A key is 80 bytes (name 16, HMAC key 32, AES-256 key 32) or 48 bytes (name 16, AES-128 key 16, HMAC key 16): nginx orders the two lengths differently, and
/// so does this. A file holds one key, or several of 80 bytes. The first key of the first file encrypts, all decrypt. Whoever writes the files rotates them.
/// </remarks>
internal sealed class FileTicketKeys : ITicketKeySchedule
{
    public const int ShortKeyLength = 48;
    public const int LongKeyLength = 80;

    private const int KeysPerFileMax = 64; // a bound on what is read, far above any rotation window

    private readonly string[] _files;

    /// <param name="files">At least one; the first key of the first file encrypts.</param>
    /// <param name="ticketLifetime">How long clients may use a ticket: the rotation of the files should keep keys at least as long.</param>
    public FileTicketKeys(IReadOnlyList<string> files, TimeSpan ticketLifetime)
    {
        Debug.Assert(files.Count > 0);
        _files = [.. files];
        TicketLifetime = ticketLifetime;
    }

    public TimeSpan TicketLifetime { get; }

    public IReadOnlyList<string> Files => _files;

    public TicketKeySet GetKeys(TimeProvider time, TicketKeySet previous, out TimeSpan? next)
    {
        var keys = new List<TicketKey>();
        try
        {
            foreach (string file in _files)
            {
                Read(file, keys);
            }
        }
        catch
        {
            keys.ForEach(static key => key.Wipe());
            throw;
        }
        KeepKnown(keys, previous);
        next = null;
        return new TicketKeySet(keys[0], keys.ToArray());
    }

    // A key that stays is the same object: a handshake that is copying it must not see it wiped.
    private static void KeepKnown(List<TicketKey> keys, TicketKeySet previous)
    {
        for (int i = 0; i < keys.Count; i++)
        {
            foreach (TicketKey known in previous.Keys)
            {
                if (known.IsSameAs(keys[i]))
                {
                    keys[i].Wipe();
                    keys[i] = known;
                    break;
                }
            }
        }
    }

    private static void Read(string file, List<TicketKey> keys)
    {
        using FileStream stream = new(file, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0); // a buffer of its own would keep the keys
        if (stream.Length != ShortKeyLength && (stream.Length == 0 || stream.Length % LongKeyLength != 0 || stream.Length > KeysPerFileMax * LongKeyLength))
        {
            throw new InvalidDataException($"The ticket key file '{file}' has {stream.Length} bytes; allowed: 48, or a multiple of 80 up to {KeysPerFileMax * LongKeyLength}.");
        }

        byte[] bytes = GC.AllocateUninitializedArray<byte>((int)stream.Length, pinned: true);
        try
        {
            stream.ReadExactly(bytes);
            if (bytes.Length == ShortKeyLength)
            {
                Add(bytes.AsSpan(0, 16), aesKey: bytes.AsSpan(16, 16), hmacKey: bytes.AsSpan(32, 16));
                return;
            }
            for (int start = 0; start < bytes.Length; start += LongKeyLength)
            {
                Span<byte> key = bytes.AsSpan(start, LongKeyLength);
                Add(key[..16], aesKey: key.Slice(48, 32), hmacKey: key.Slice(16, 32));
            }
        }
        finally
        {
            CryptographicOperations.ZeroMemory(bytes);
        }

        void Add(ReadOnlySpan<byte> name, ReadOnlySpan<byte> aesKey, ReadOnlySpan<byte> hmacKey)
        {
            foreach (TicketKey key in keys)
            {
                if (key.Name.SequenceEqual(name))
                {
                    throw new InvalidDataException($"The ticket key file '{file}' has a key whose name occurs twice: every key needs a name of its own.");
                }
            }
            keys.Add(new TicketKey(name, aesKey, hmacKey));
        }
    }
}
