using System.Linq;
using Aeronet.Transport.Loop;
using Xunit;

namespace Aeronet.Transport.Tests.Loop;

/// <summary>When the monitor stops looking, on a scripted clock: looks of half a millisecond.</summary>
public sealed class ParkingRuleTests
{
    private const int LookUs = 500;
    private const long Millisecond = 1_000_000;

    [Fact]
    public void It_looks_half_as_often_while_nothing_happens()
    {
        ParkingRule rule = new(LookUs);
        Assert.Equal(LookUs, rule.PauseUs);
        Assert.True(rule.OnLook(isQuiet: true));
        rule.OnParked(0);
        Assert.Equal(LookUs, rule.PauseUs);
        Assert.False(rule.OnLook(isQuiet: true));
        Assert.Equal(2 * LookUs, rule.PauseUs);
        Assert.False(rule.OnLook(isQuiet: false));
        Assert.Equal(LookUs, rule.PauseUs);
    }

    [Fact]
    public void Rare_requests_find_it_parked()
    {
        ParkingRule rule = new(LookUs);
        for (int request = 0; request < 10; request++)
        {
            Assert.False(rule.OnLook(isQuiet: false));
            Assert.True(rule.OnLook(isQuiet: true));
            rule.OnParked(18 * Millisecond);
        }
    }

    [Fact]
    public void Requests_a_few_milliseconds_apart_keep_it_looking()
    {
        ParkingRule rule = new(LookUs);
        int parked = 0;
        for (int request = 0; request < 100; request++)
        {
            Assert.False(rule.OnLook(isQuiet: false));
            for (int look = 0; look < 3; look++)
            {
                if (rule.OnLook(isQuiet: true))
                {
                    parked++;
                    rule.OnParked((3 - look) * Millisecond);
                    break;
                }
            }
        }
        Assert.Equal(2, parked); // after one quiet look, and after two
    }

    [Fact]
    public void One_long_parking_makes_it_park_at_once_again()
    {
        ParkingRule rule = new(LookUs);
        foreach (int quietLooks in new[] { 1, 2, 4, 8, 8 })
        {
            Assert.All(Enumerable.Repeat(true, quietLooks - 1), quiet => Assert.False(rule.OnLook(quiet)));
            Assert.True(rule.OnLook(isQuiet: true));
            rule.OnParked(Millisecond);
        }
        for (int look = 0; look < 7; look++)
        {
            Assert.False(rule.OnLook(isQuiet: true));
        }
        Assert.True(rule.OnLook(isQuiet: true));
        rule.OnParked(4 * Millisecond);
        Assert.True(rule.OnLook(isQuiet: true));
    }
}
