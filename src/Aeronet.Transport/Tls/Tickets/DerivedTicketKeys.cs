using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.Diagnostics;
using System.Security.Cryptography;

namespace Aeronet.Transport.Tls.Tickets;

/// <summary>A secret that machines share, with a public name for it.</summary>
/// <param name="Id">Says which secret: the same on all machines.</param>
/// <param name="Bytes">At least 32 bytes; cleared by whoever called for it.</param>
internal readonly record struct SharedSecret(Guid Id, byte[] Bytes);

/// <summary>Where the shared secrets come from.</summary>
internal interface ISharedSecretSource
{
    /// <summary>Secrets that may be used now; the first makes new tickets. Empty: no tickets.</summary>
    IReadOnlyList<SharedSecret> GetSecrets(DateTimeOffset now);

    /// <summary>How often the source is to be asked at least.</summary>
    TimeSpan RefreshInterval { get; }
}

/// <summary>Ticket keys that every machine with the same secret derives for itself, without a word to the others: one per secret and period of wall-clock time.</summary>
/// <remarks>
/// Period n lasts from n to n + 1 lifetimes after 1970-01-01 UTC; its key is HKDF-SHA256 (RFC 5869) of the secret with n. The key of the current period encrypts. Those of the
/// window before it decrypt, and that of the next period, too: a machine whose clock is ahead changes first.
/// </remarks>
internal sealed class DerivedTicketKeys : ITicketKeySchedule
{
    private static readonly TimeSpan s_timerMax = TimeSpan.FromDays(1);

    private readonly ISharedSecretSource _source;
    private readonly TimeSpan _keyLifetime;
    private readonly int _maxKeys;
    private readonly Dictionary<(Guid Secret, long Period), TicketKey> _keys = [];

    public DerivedTicketKeys(ISharedSecretSource source, TimeSpan keyLifetime, int maxKeys)
    {
        Debug.Assert(keyLifetime > TimeSpan.Zero);
        Debug.Assert(maxKeys >= 1);
        _source = source;
        _keyLifetime = keyLifetime;
        _maxKeys = maxKeys;
    }

    public TimeSpan TicketLifetime => TicketWindow.TicketLifetime(_keyLifetime, _maxKeys);

    public TicketKeySet GetKeys(TimeProvider time, TicketKeySet previous, out TimeSpan? next)
    {
        DateTimeOffset now = time.GetUtcNow();
        TimeSpan age = now - DateTimeOffset.UnixEpoch;
        long period = age.Ticks / _keyLifetime.Ticks;

        IReadOnlyList<SharedSecret> secrets = _source.GetSecrets(now);
        var wanted = new HashSet<(Guid, long)>();
        try
        {
            foreach (SharedSecret secret in secrets)
            {
                for (long n = period - _maxKeys + 1; n <= period + 1; n++)
                {
                    wanted.Add((secret.Id, n));
                    if (!_keys.ContainsKey((secret.Id, n)))
                    {
                        _keys.Add((secret.Id, n), Derive(secret.Bytes, n));
                    }
                }
            }
        }
        finally
        {
            foreach (SharedSecret secret in secrets)
            {
                CryptographicOperations.ZeroMemory(secret.Bytes);
            }
        }
        foreach ((Guid, long) gone in new List<(Guid, long)>(_keys.Keys))
        {
            if (!wanted.Contains(gone))
            {
                _keys.Remove(gone);
            }
        }

        TimeSpan untilPeriodEnds = new(((period + 1) * _keyLifetime.Ticks) - age.Ticks);
        Debug.Assert(untilPeriodEnds > TimeSpan.Zero);
        next = Min(untilPeriodEnds, Min(_source.RefreshInterval, s_timerMax));
        return new TicketKeySet(secrets.Count == 0 ? null : _keys[(secrets[0].Id, period)], [.. _keys.Values]);
    }

    private static TicketKey Derive(ReadOnlySpan<byte> secret, long period)
    {
        Span<byte> info = stackalloc byte["aeronet tls ticket key 1 "u8.Length + sizeof(long)];
        "aeronet tls ticket key 1 "u8.CopyTo(info);
        BinaryPrimitives.WriteInt64BigEndian(info[^sizeof(long)..], period);
        Span<byte> bytes = stackalloc byte[TicketKey.NameLength + (2 * TicketKey.Aes256Length)];
        HKDF.DeriveKey(HashAlgorithmName.SHA256, secret, bytes, salt: default, info);
        var key = new TicketKey(bytes[..TicketKey.NameLength], bytes.Slice(TicketKey.NameLength, TicketKey.Aes256Length), bytes[(TicketKey.NameLength + TicketKey.Aes256Length)..]);
        CryptographicOperations.ZeroMemory(bytes);
        return key;
    }

    private static TimeSpan Min(TimeSpan a, TimeSpan b) => a < b ? a : b;
}
