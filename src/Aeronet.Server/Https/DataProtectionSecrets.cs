using System;
using System.Collections.Generic;
using System.Linq;
using System.Security.Cryptography;
using System.Text;
using System.Xml.Linq;
using Aeronet.Transport.Tls;
using Aeronet.Transport.Tls.Tickets;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.AspNetCore.DataProtection.AuthenticatedEncryption.ConfigurationModel;
using Microsoft.AspNetCore.DataProtection.KeyManagement;

namespace Aeronet.Server.Https;

/// <summary>Secrets for session tickets from the key ring of ASP.NET Core Data Protection: whoever shares the ring, in whatever store, derives the same.</summary>
/// <remarks>
/// Protecting something would not do: its result differs every time. So the secret is HKDF-SHA256 of each key's own material, with a label of its own, so that neither tells anything about the other.
/// The ring's rotation and revocation hold here, too. The material passes through strings of XML, which nobody can clear: it is what Data Protection itself keeps in this process.
/// </remarks>
internal sealed class DataProtectionSecrets : ISharedSecretSource
{
    private static readonly TimeSpan s_refreshInterval = TimeSpan.FromMinutes(5); // how long a key that was revoked, or made elsewhere, goes unnoticed; Data Protection itself takes up to a day

    private static readonly TimeSpan s_clockSkewMax = TimeSpan.FromMinutes(5); // as Data Protection itself allows between machines; the first key of a ring is active from its birth on

    private readonly IKeyManager _keys;
    private readonly IDataProtectionProvider _provider;

    public DataProtectionSecrets(IKeyManager keys, IDataProtectionProvider provider)
    {
        _keys = keys;
        _provider = provider;
    }

    public TimeSpan RefreshInterval => s_refreshInterval;

    public IReadOnlyList<SharedSecret> GetSecrets(DateTimeOffset now)
    {
        DateTimeOffset activeBefore = now + s_clockSkewMax;
        IKey[] known = Usable(now);
        if (!known.Any(key => key.ActivationDate <= activeBefore))
        {
            // An empty ring: its first use makes the first key, and stores it for all.
            _provider.CreateProtector("Aeronet.TlsTickets").Protect([0]);
            known = Usable(now);
        }

        // The key activated last is the one that all machines agree on. One that is to be activated is known already, for machines whose clock is ahead.
        IEnumerable<IKey> active = known.Where(key => key.ActivationDate <= activeBefore).OrderByDescending(static key => key.ActivationDate).ThenBy(static key => key.KeyId);
        IEnumerable<IKey> coming = known.Where(key => key.ActivationDate > activeBefore);
        return active.Any() ? active.Concat(coming).Select(Derive).ToArray() : [];
    }

    private IKey[] Usable(DateTimeOffset now) => _keys.GetAllKeys().Where(key => !key.IsRevoked && key.ExpirationDate > now).ToArray();

    private static SharedSecret Derive(IKey key)
    {
        XElement exported = key.Descriptor.ExportToXml().SerializedDescriptorElement;
        // Anything else of the descriptor may be no secret at all.
        XElement masterKey = exported.Descendants().FirstOrDefault(static element => element.Name.LocalName == "masterKey" && element.Value.Trim().Length > 0)
            ?? throw new TlsConfigurationException($"The key {key.KeyId} of Data Protection has no master key of its own (a custom authenticated encryptor?); use TlsTicketKeys.Files or TlsTicketKeys.Process.");
        byte[] material = Encoding.UTF8.GetBytes(masterKey.Value.Trim());
        byte[] secret = new byte[32];
        Span<byte> salt = stackalloc byte[16];
        key.KeyId.TryWriteBytes(salt);
        HKDF.DeriveKey(HashAlgorithmName.SHA256, material, secret, salt, "aeronet tls ticket secret 1"u8);
        CryptographicOperations.ZeroMemory(material);
        return new SharedSecret(key.KeyId, secret);
    }
}
