using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Threading;
using System.Xml.Linq;
using Aeronet.Server.Https;
using Aeronet.TestSupport.Kernel;
using Aeronet.Transport;
using Aeronet.Transport.Connections;
using Aeronet.Transport.Tls;
using Aeronet.Transport.Tls.Tickets;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.AspNetCore.DataProtection.AuthenticatedEncryption;
using Microsoft.AspNetCore.DataProtection.AuthenticatedEncryption.ConfigurationModel;
using Microsoft.AspNetCore.DataProtection.KeyManagement;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Aeronet.Server.Tests.Https;

public sealed class DataProtectionSecretsTests : IDisposable
{
    private readonly DirectoryInfo _ring = Directory.CreateTempSubdirectory("aeronet-ring-");
    private readonly List<ServiceProvider> _machines = [];

    public void Dispose()
    {
        _machines.ForEach(static machine => machine.Dispose());
        _ring.Delete(recursive: true);
    }

    [Fact]
    public void Machines_that_share_a_ring_derive_the_same_secret_and_an_empty_ring_gets_its_first_key()
    {
        SharedSecret one = Assert.Single(Machine(_ring).GetSecrets(DateTimeOffset.UtcNow));
        SharedSecret two = Assert.Single(Machine(_ring).GetSecrets(DateTimeOffset.UtcNow));
        Assert.Equal(one.Id, two.Id);
        Assert.Equal(one.Bytes, two.Bytes);
        Assert.Equal(32, one.Bytes.Length);
        Assert.Single(_ring.GetFiles());

        DirectoryInfo other = Directory.CreateTempSubdirectory("aeronet-ring-");
        Assert.NotEqual(one.Bytes, Assert.Single(Machine(other).GetSecrets(DateTimeOffset.UtcNow)).Bytes);
        other.Delete(recursive: true);
    }

    [Fact]
    public void The_key_activated_last_is_first_older_ones_follow_and_revoked_or_expired_ones_are_gone()
    {
        DataProtectionSecrets machine = Machine(_ring, out IKeyManager keys);
        DateTimeOffset now = DateTimeOffset.UtcNow;
        IKey old = keys.CreateNewKey(now.AddDays(-20), now.AddDays(70));
        IKey recent = keys.CreateNewKey(now.AddDays(-1), now.AddDays(89));
        IKey coming = keys.CreateNewKey(now.AddDays(1), now.AddDays(91));
        keys.CreateNewKey(now.AddDays(-90), now.AddDays(-1));
        Assert.Equal([recent.KeyId, old.KeyId, coming.KeyId], machine.GetSecrets(now).Select(static secret => secret.Id));

        keys.RevokeKey(recent.KeyId);
        Assert.Equal([old.KeyId, coming.KeyId], machine.GetSecrets(now).Select(static secret => secret.Id));
        Assert.Equal(coming.KeyId, machine.GetSecrets(now.AddDays(2))[0].Id);
    }

    [Fact]
    public void Two_machines_know_each_others_tickets_over_a_rotation_and_a_revocation_ends_them()
    {
        ManualClock clock = new() { WallClockStep = DateTimeOffset.UtcNow - new DateTimeOffset(2030, 1, 1, 0, 0, 0, TimeSpan.Zero) };
        TimeSpan lifetime = TimeSpan.FromHours(1);
        using var one = new TicketKeyRing(new DerivedTicketKeys(Machine(_ring, out IKeyManager keys), lifetime, 3), clock, NullLogger.Instance);
        using var two = new TicketKeyRing(new DerivedTicketKeys(Machine(_ring), lifetime, 3), clock, NullLogger.Instance);
        byte[] name = Name(one);
        Assert.True(Knows(two, name));
        clock.Advance(lifetime);
        Assert.NotEqual(name, Name(one));
        Assert.True(Knows(two, Name(one)));
        Assert.True(Knows(two, name));

        keys.RevokeAllKeys(DateTimeOffset.UtcNow.AddMinutes(1), "lost");
        clock.Advance(TimeSpan.FromMinutes(5));
        Assert.False(Knows(one, name));
    }

    private DataProtectionSecrets Machine(DirectoryInfo ring) => Machine(ring, out _);

    private DataProtectionSecrets Machine(DirectoryInfo ring, out IKeyManager keys)
    {
        ServiceProvider services = new ServiceCollection().AddDataProtection().PersistKeysToFileSystem(ring).Services.BuildServiceProvider();
        _machines.Add(services);
        keys = services.GetRequiredService<IKeyManager>();
        return new DataProtectionSecrets(keys, services.GetRequiredService<IDataProtectionProvider>());
    }

    [Fact]
    public void A_ring_whose_keys_have_no_material_of_their_own_is_a_fault_of_the_configuration()
    {
        using ServiceProvider services = new ServiceCollection()
            .AddSingleton<IKeyManager>(new ForeignKeys())
            .AddSingleton<IDataProtectionProvider>(new EphemeralDataProtectionProvider())
            .BuildServiceProvider();
        AeronetTlsOptions options = new();
        options.Tickets.Keys = TlsTicketKeys.DataProtection;
        TlsConfigurationException fault = Assert.Throws<TlsConfigurationException>(() => TlsServicesOwner.Create(options, "/", isProduction: true, services, new Deaf(), TimeProvider.System, NullLogger.Instance));
        Assert.StartsWith("AeronetTlsOptions.Tickets: ", fault.Message, StringComparison.Ordinal);
        Assert.Contains("no master key of its own", fault.Message, StringComparison.Ordinal);
    }

    private static byte[] Name(TicketKeyRing ring)
    {
        byte[] name = new byte[16];
        Assert.Equal(32, ring.CopyCurrent(name, new byte[32], new byte[32]));
        return name;
    }

    private static bool Knows(TicketKeyRing ring, byte[] name) => ring.CopyByName(name, new byte[32], new byte[32], out _) > 0;

    private sealed class Deaf : ITlsObserver
    {
        public void OnHandshakeStarted(TransportConnection connection)
        {
        }

        public void OnHandshakeEnded(in TlsHandshakeEvent handshake)
        {
        }
    }

    // As an application with an encryptor of its own has them: what the descriptor exports is a reference to a key elsewhere.
    private sealed class ForeignKeys : IKeyManager
    {
        public IReadOnlyCollection<IKey> GetAllKeys() => [new ForeignKey()];

        public IKey CreateNewKey(DateTimeOffset activationDate, DateTimeOffset expirationDate) => throw new NotSupportedException();

        public CancellationToken GetCacheExpirationToken() => CancellationToken.None;

        public void RevokeKey(Guid keyId, string? reason = null) => throw new NotSupportedException();

        public void RevokeAllKeys(DateTimeOffset revocationDate, string? reason = null) => throw new NotSupportedException();
    }

    private sealed class ForeignKey : IKey, IAuthenticatedEncryptorDescriptor, IAuthenticatedEncryptorDescriptorDeserializer
    {
        public DateTimeOffset ActivationDate => DateTimeOffset.UtcNow.AddDays(-1);

        public DateTimeOffset CreationDate => ActivationDate;

        public DateTimeOffset ExpirationDate => DateTimeOffset.UtcNow.AddDays(1);

        public bool IsRevoked => false;

        public Guid KeyId { get; } = Guid.NewGuid();

        public IAuthenticatedEncryptorDescriptor Descriptor => this;

        public IAuthenticatedEncryptor? CreateEncryptor() => null;

        public IAuthenticatedEncryptorDescriptor ImportFromXml(XElement element) => this;

        public XmlSerializedDescriptorInfo ExportToXml() => new(new XElement("descriptor", new XElement("vaultKey", "https://vault.example/keys/1")), typeof(ForeignKey));
    }
}
