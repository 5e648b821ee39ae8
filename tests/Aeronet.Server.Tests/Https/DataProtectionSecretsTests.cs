using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using Aeronet.Server.Https;
using Aeronet.TestSupport.Kernel;
using Aeronet.Transport.Tls.Tickets;
using Microsoft.AspNetCore.DataProtection;
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

    private static byte[] Name(TicketKeyRing ring)
    {
        byte[] name = new byte[16];
        Assert.Equal(32, ring.CopyCurrent(name, new byte[32], new byte[32]));
        return name;
    }

    private static bool Knows(TicketKeyRing ring, byte[] name) => ring.CopyByName(name, new byte[32], new byte[32], out _) > 0;
}
