using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using Aeronet.TestSupport.Hosting;
using Aeronet.TestSupport.Kernel;
using Aeronet.Transport.Tls.Tickets;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Aeronet.Transport.Tests.Tls.Tickets;

public sealed class TicketKeyRingTests
{
    private static readonly TimeSpan s_lifetime = TimeSpan.FromHours(24);

    private readonly ManualClock _clock = new();

    [Fact]
    public void A_new_ring_has_one_random_key_that_encrypts_and_decrypts()
    {
        using TicketKeyRing ring = Random();
        using TicketKeyRing other = Random();
        byte[] current = Current(ring);
        Assert.Equal(80, current.Length);
        Assert.Equal((32, true), Find(ring, current));
        Assert.NotEqual(current, Current(other));
        Assert.Equal(0, Find(other, current).KeyLength);
    }

    [Fact]
    [Trait("Defect", "TLS-9")]
    public void A_key_encrypts_for_one_lifetime_then_only_decrypts_and_its_tickets_are_renewed()
    {
        using TicketKeyRing ring = Random();
        byte[] first = Current(ring);
        _clock.Advance(s_lifetime - TimeSpan.FromMilliseconds(1));
        Assert.Equal(first, Current(ring));
        Assert.Equal((32, true), Find(ring, first));

        _clock.Advance(1);
        byte[] second = Current(ring);
        Assert.NotEqual(first, second);
        Assert.Equal((32, false), Find(ring, first));
        Assert.Equal((32, true), Find(ring, second));
    }

    [Fact]
    [Trait("Defect", "TLS-11")]
    public void A_key_is_gone_and_its_memory_zero_when_its_window_ends_although_no_handshake_came()
    {
        using TicketKeyRing ring = Random(maxKeys: 3);
        TicketKey first = ring.Keys.Current!;
        byte[] copy = Current(ring);

        _clock.Advance((s_lifetime * 3) - TimeSpan.FromMilliseconds(1));
        Assert.False(first.IsWiped);
        Assert.Equal((32, false), Find(ring, copy));

        _clock.Advance(1);
        Assert.True(first.IsWiped);
        Assert.All(first.Memory.ToArray(), static b => Assert.Equal(0, b));
        Assert.Equal(0, Find(ring, copy).KeyLength);
        Assert.Equal(3, ring.Keys.Keys.Length);
    }

    [Fact]
    public void With_one_key_a_ticket_is_unknown_as_soon_as_its_key_is_old()
    {
        using TicketKeyRing ring = Random(maxKeys: 1);
        byte[] first = Current(ring);
        _clock.Advance(s_lifetime);
        Assert.Equal(0, Find(ring, first).KeyLength);
        Assert.Single(ring.Keys.Keys);
    }

    [Fact]
    public void A_process_that_slept_through_many_lifetimes_wakes_up_with_a_new_key_and_no_old_one()
    {
        var schedule = new RandomTicketKeys(s_lifetime, 3);
        TicketKeySet keys = schedule.GetKeys(_clock, TicketKeySet.Empty, out _);
        _clock.Advance(s_lifetime * 10);
        TicketKeySet later = schedule.GetKeys(_clock, keys, out TimeSpan? next);
        Assert.NotSame(keys.Current, Assert.Single(later.Keys));
        Assert.Equal(s_lifetime, next);
    }

    [Fact]
    public void A_step_of_the_wall_clock_does_not_touch_random_keys()
    {
        using TicketKeyRing ring = Random();
        byte[] first = Current(ring);
        _clock.WallClockStep = TimeSpan.FromDays(-400);
        _clock.Advance(1000);
        Assert.True(ring.Refresh());
        Assert.Equal(first, Current(ring));
    }

    [Theory]
    [InlineData(24, 3, 48)]
    [InlineData(24, 1, 24)]
    [InlineData(24 * 5, 4, 24 * 7)] // RFC 8446 section 4.6.1: seven days at most
    [Trait("Defect", "TLS-10")]
    public void A_ticket_lives_no_longer_than_its_key_is_sure_to_be_known(int keyHours, int maxKeys, int ticketHours)
        => Assert.Equal(TimeSpan.FromHours(ticketHours), new RandomTicketKeys(TimeSpan.FromHours(keyHours), maxKeys).TicketLifetime);

    [Fact]
    [Trait("Defect", "TLS-33")]
    public void A_disposed_ring_has_wiped_its_keys_and_issues_no_tickets()
    {
        TicketKeyRing ring = Random();
        TicketKey key = ring.Keys.Current!;
        byte[] copy = Current(ring);
        ring.Dispose();
        Assert.All(key.Memory.ToArray(), static b => Assert.Equal(0, b));
        Assert.Empty(Current(ring));
        Assert.Equal(0, Find(ring, copy).KeyLength);
        Assert.True(ring.Refresh());
        Assert.Equal(0, _clock.TimerCount);
    }

    [Fact]
    public void A_source_that_fails_leaves_the_known_keys_in_force_and_is_asked_again()
    {
        var source = new FailingSource();
        var log = new LogCapture();
        using var ring = new TicketKeyRing(source, _clock, log.CreateLogger("x"));
        byte[] first = Current(ring);
        source.Fails = true;
        Assert.False(ring.Refresh());
        Assert.Equal(first, Current(ring));
        Assert.Equal(LogLevel.Error, Assert.Single(log.Entries, static entry => entry.Id == 2101).Level);

        source.Fails = false;
        _clock.Advance(30_000);
        Assert.NotEqual(first, Current(ring));
    }

    [Fact]
    public void A_ring_whose_source_fails_at_the_start_does_not_come_to_be()
    {
        Assert.Throws<IOException>(() => new TicketKeyRing(new FailingSource { Fails = true }, _clock, NullLogger.Instance));
        Assert.Equal(0, _clock.TimerCount);
    }

    internal static byte[] Current(TicketKeyRing ring)
    {
        byte[] name = new byte[16], aes = new byte[32], hmac = new byte[32];
        int length = ring.CopyCurrent(name, aes, hmac);
        return length == 0 ? [] : [.. name, .. aes.Take(length), .. hmac.Take(length)];
    }

    internal static (int KeyLength, bool IsCurrent) Find(TicketKeyRing ring, byte[] key)
    {
        byte[] aes = new byte[32], hmac = new byte[32];
        int length = ring.CopyByName(key.AsSpan(0, 16), aes, hmac, out bool isCurrent);
        if (length > 0)
        {
            Assert.Equal(key[16..], aes.Take(length).Concat(hmac.Take(length)).ToArray());
        }
        return (length, isCurrent);
    }

    private TicketKeyRing Random(int maxKeys = 3) => new(new RandomTicketKeys(s_lifetime, maxKeys), _clock, NullLogger.Instance);

    private sealed class FailingSource : ITicketKeySchedule
    {
        public bool Fails { get; set; }

        public TimeSpan TicketLifetime => s_lifetime;

        public TicketKeySet GetKeys(TimeProvider time, TicketKeySet previous, out TimeSpan? next)
        {
            if (Fails)
            {
                throw new IOException("scripted");
            }
            next = null;
            var key = TicketKey.CreateRandom();
            return new TicketKeySet(key, [key, .. new List<TicketKey>(previous.Keys)]);
        }
    }
}
