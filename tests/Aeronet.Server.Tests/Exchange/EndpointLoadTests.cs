using System;
using System.Diagnostics.Metrics;
using System.Linq;
using Aeronet.Server.Diagnostics;
using Aeronet.Server.Exchange;
using Aeronet.Server.Tests.Diagnostics;
using Aeronet.TestSupport.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Aeronet.Server.Tests.Exchange;

/// <summary>When an endpoint leaves the loops' threads, and when it comes back.</summary>
public sealed class EndpointLoadTests : IDisposable
{
    private static readonly TimeSpan s_handOffTime = TimeSpan.FromMilliseconds(1);
    private readonly RecordingLoggerFactory _logs = new();
    private readonly EndpointLoads _loads;

    private readonly ServiceProvider _services = new ServiceCollection().AddMetrics().BuildServiceProvider();
    private readonly MeterCapture _meters;

    public EndpointLoadTests()
    {
        IMeterFactory factory = _services.GetRequiredService<IMeterFactory>();
        _meters = new MeterCapture(factory, "aeronet.endpoints.moved");
        _loads = new EndpointLoads(new ServerLog(_logs).General, new ServerMetrics(factory), s_handOffTime);
    }

    private double MovedCount => _meters.Of("aeronet.endpoints.moved").Sum(static change => change.Value);

    public void Dispose()
    {
        _meters.Dispose();
        _services.Dispose();
        _logs.Dispose();
    }

    [Fact]
    public void An_endpoint_that_always_blocks_leaves_after_its_third_call()
    {
        EndpointLoad load = _loads.Of(Make());
        HandOff(load, 2);
        Assert.False(load.RunsElsewhere);
        HandOff(load, 1);
        Assert.True(load.RunsElsewhere);
        Assert.Equal(1, MovedCount);
    }

    [Fact]
    public void A_share_of_the_calls_decides_and_not_a_count()
    {
        EndpointLoad load = _loads.Of(Make());
        for (int i = 0; i < 100; i++)
        {
            Call(load, 99);
            HandOff(load, 1); // one in a hundred: descheduled now and then
        }
        Assert.False(load.RunsElsewhere);
        HandOff(load, 60);
        Assert.True(load.RunsElsewhere);
    }

    [Fact]
    public void It_returns_when_its_calls_are_quick_and_the_next_move_takes_more()
    {
        EndpointLoad load = _loads.Of(Make());
        HandOff(load, 3);
        Return(load, 63, TimeSpan.FromMicroseconds(50));
        Assert.True(load.RunsElsewhere);
        Return(load, 1, TimeSpan.FromMicroseconds(50));
        Assert.False(load.RunsElsewhere);
        Assert.Equal(0, MovedCount);
        HandOff(load, 5);
        Assert.False(load.RunsElsewhere);
        HandOff(load, 1);
        Assert.True(load.RunsElsewhere);
    }

    [Fact]
    public void Each_call_away_from_the_loop_is_counted_once()
    {
        EndpointLoad load = _loads.Of(Make());
        HandOff(load, 3);
        for (int i = 0; i < 63; i++)
        {
            Call(load, 1);
            Return(load, 1, TimeSpan.FromMicroseconds(50));
        }
        Assert.True(load.RunsElsewhere);
        Call(load, 1);
        Return(load, 1, TimeSpan.FromMicroseconds(50));
        Assert.False(load.RunsElsewhere);
    }

    [Fact]
    public void Calls_that_are_still_out_when_it_returns_do_not_bring_it_back_twice()
    {
        EndpointLoad load = _loads.Of(Make());
        HandOff(load, 3);
        Return(load, 64 + 128, TimeSpan.FromMicroseconds(50));
        Assert.False(load.RunsElsewhere);
        Assert.Equal(0, MovedCount);
        HandOff(load, 6); // as after one return, and these calls count from here on
        Assert.True(load.RunsElsewhere);
        Assert.Equal(1, MovedCount);
    }

    [Fact]
    public void It_stays_away_while_some_of_its_calls_are_slow()
    {
        EndpointLoad load = _loads.Of(Make());
        HandOff(load, 3);
        for (int i = 0; i < 10; i++)
        {
            Return(load, 60, TimeSpan.FromMicroseconds(50));
            Return(load, 4, TimeSpan.FromMilliseconds(50));
        }
        Assert.True(load.RunsElsewhere);
    }

    [Theory]
    [InlineData(ApplicationMode.ThreadPool, true)]
    [InlineData(ApplicationMode.Inline, false)]
    public void Metadata_decides_for_good(ApplicationMode mode, bool elsewhere)
    {
        EndpointLoad load = _loads.Of(Make(new ApplicationModeAttribute(mode)));
        Assert.Equal(elsewhere, load.RunsElsewhere);
        HandOff(load, 100);
        Return(load, 1000, TimeSpan.Zero);
        Assert.Equal(elsewhere, load.RunsElsewhere);
    }

    [Fact]
    public void The_log_names_the_endpoint_once_with_what_it_cost()
    {
        EndpointLoad load = _loads.Of(Make());
        HandOff(load, 3);
        Return(load, 64, TimeSpan.Zero);
        HandOff(load, 6);
        Assert.True(load.RunsElsewhere);
        string line = Assert.Single(_logs.Entries, entry => entry.EventId.Name == "EndpointMoved").Message;
        Assert.Contains("GET /slow", line, StringComparison.Ordinal);
        Assert.Contains("3 of its last 3 calls", line, StringComparison.Ordinal);
    }

    [Fact]
    public void Each_endpoint_has_one()
    {
        Endpoint first = Make();
        Assert.Same(_loads.Of(first), _loads.Of(first));
        Assert.NotSame(_loads.Of(first), _loads.Of(Make()));
    }

    private static Endpoint Make(params object[] metadata) => new(null, new EndpointMetadataCollection(metadata), "GET /slow");

    private static void Call(EndpointLoad load, int count)
    {
        foreach (int _ in Enumerable.Range(0, count))
        {
            load.OnCall();
        }
    }

    private static void HandOff(EndpointLoad load, int count)
    {
        foreach (int _ in Enumerable.Range(0, count))
        {
            load.OnCall();
            load.OnHandedOff();
        }
    }

    private static void Return(EndpointLoad load, int count, TimeSpan elapsed)
    {
        foreach (int _ in Enumerable.Range(0, count))
        {
            load.OnReturned(elapsed);
        }
    }
}
