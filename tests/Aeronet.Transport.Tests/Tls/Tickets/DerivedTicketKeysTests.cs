using System;
using System.Collections.Generic;
using System.Linq;
using Aeronet.TestSupport.Kernel;
using Aeronet.Transport.Tls.Tickets;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Aeronet.Transport.Tests.Tls.Tickets;

public sealed class DerivedTicketKeysTests
{
    private static readonly TimeSpan s_lifetime = TimeSpan.FromHours(24);
    private static readonly Guid s_a = new("11111111-1111-1111-1111-111111111111");
    private static readonly Guid s_b = new("22222222-2222-2222-2222-222222222222");

    [Fact]
    public void Machines_with_the_same_secret_resume_each_others_sessions_before_and_after_a_rotation()
    {
        ManualClock clock = new();
        using TicketKeyRing one = Ring(clock, s_a);
        using TicketKeyRing other = Ring(clock, s_a);
        byte[] before = TicketKeyRingTests.Current(one);
        Assert.Equal((32, true), TicketKeyRingTests.Find(other, before));

        clock.Advance(s_lifetime);
        byte[] after = TicketKeyRingTests.Current(one);
        Assert.NotEqual(before, after);
        Assert.Equal((32, true), TicketKeyRingTests.Find(other, after));
        Assert.Equal((32, false), TicketKeyRingTests.Find(other, before));
    }

    [Fact]
    public void Another_secret_gives_other_keys()
    {
        ManualClock clock = new();
        using TicketKeyRing one = Ring(clock, s_a);
        using TicketKeyRing other = Ring(clock, s_b);
        Assert.Equal(0, TicketKeyRingTests.Find(other, TicketKeyRingTests.Current(one)).KeyLength);
    }

    [Fact]
    public void A_machine_whose_clock_is_ahead_is_understood_by_the_others()
    {
        ManualClock late = new();
        ManualClock early = new() { WallClockStep = TimeSpan.FromMinutes(5) };
        late.Advance(s_lifetime - TimeSpan.FromMinutes(2));
        early.Advance(s_lifetime - TimeSpan.FromMinutes(2));
        using TicketKeyRing ahead = Ring(early, s_a);
        using TicketKeyRing behind = Ring(late, s_a);
        Assert.Equal((32, false), TicketKeyRingTests.Find(behind, TicketKeyRingTests.Current(ahead)));
        Assert.Equal((32, false), TicketKeyRingTests.Find(ahead, TicketKeyRingTests.Current(behind)));
    }

    [Fact]
    public void A_key_decrypts_to_the_end_of_the_window_and_not_a_millisecond_longer()
    {
        ManualClock clock = new(); // starts at midnight: at the start of a period
        using TicketKeyRing ring = Ring(clock, s_a);
        byte[] first = TicketKeyRingTests.Current(ring);
        TicketKey key = ring.Keys.Current!;
        clock.Advance((s_lifetime * 3) - TimeSpan.FromMilliseconds(1));
        Assert.Equal((32, false), TicketKeyRingTests.Find(ring, first));
        clock.Advance(1);
        Assert.Equal(0, TicketKeyRingTests.Find(ring, first).KeyLength);
        Assert.True(key.IsWiped);
    }

    [Fact]
    public void A_new_secret_encrypts_as_soon_as_it_is_first_and_the_old_ones_go_on_decrypting()
    {
        ManualClock clock = new();
        var source = new Secrets { Ids = [s_a] };
        using var ring = new TicketKeyRing(new DerivedTicketKeys(source, s_lifetime, 3), clock, NullLogger.Instance);
        byte[] before = TicketKeyRingTests.Current(ring);
        source.Ids = [s_b, s_a];
        clock.Advance(source.RefreshInterval);
        Assert.Equal((32, false), TicketKeyRingTests.Find(ring, before));
        Assert.NotEqual(before, TicketKeyRingTests.Current(ring));

        source.Ids = [s_b]; // revoked
        clock.Advance(source.RefreshInterval);
        Assert.Equal(0, TicketKeyRingTests.Find(ring, before).KeyLength);
    }

    [Fact]
    public void Without_a_secret_no_tickets_are_issued()
    {
        using var ring = new TicketKeyRing(new DerivedTicketKeys(new Secrets(), s_lifetime, 3), new ManualClock(), NullLogger.Instance);
        Assert.Empty(TicketKeyRingTests.Current(ring));
    }

    [Fact]
    public void The_secret_is_cleared_after_use()
    {
        var source = new Secrets { Ids = [s_a] };
        using var ring = new TicketKeyRing(new DerivedTicketKeys(source, s_lifetime, 3), new ManualClock(), NullLogger.Instance);
        Assert.All(source.Given, static secret => Assert.All(secret, static b => Assert.Equal(0, b)));
    }

    private static TicketKeyRing Ring(ManualClock clock, Guid secret)
        => new(new DerivedTicketKeys(new Secrets { Ids = [secret] }, s_lifetime, 3), clock, NullLogger.Instance);

    private sealed class Secrets : ISharedSecretSource
    {
        public Guid[] Ids { get; set; } = [];

        public List<byte[]> Given { get; } = [];

        public TimeSpan RefreshInterval => TimeSpan.FromMinutes(10);

        public IReadOnlyList<SharedSecret> GetSecrets(DateTimeOffset now)
        {
            SharedSecret[] secrets = Ids.Select(static id => new SharedSecret(id, [.. id.ToByteArray(), .. id.ToByteArray()])).ToArray();
            Given.AddRange(secrets.Select(static secret => secret.Bytes));
            return secrets;
        }
    }
}
