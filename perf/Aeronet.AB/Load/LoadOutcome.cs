using System;

namespace Aeronet.AB.Load;

/// <summary>What a load client saw in one run.</summary>
internal sealed record LoadOutcome(long Requests, TimeSpan Elapsed, double P50, double P99, double P999, double LoaderUsage, long Errors, string? FirstError, long Resumed = 0);

/// <summary>A load client with its connections to one server.</summary>
internal interface ILoadClient : IDisposable
{
    LoadOutcome Run(TimeSpan duration, double? ratePerSecond = null);
}

/// <summary>The built-in load client for one kind of request.</summary>
internal sealed class BuiltInClient : ILoadClient
{
    private readonly LoadGroup _group;
    private readonly LoadLoop _loop;

    public BuiltInClient(int port, bool ownsCore, LoadRequest request, int connections)
    {
        _group = new LoadGroup(request, connections);
        _loop = new LoadLoop(port, ownsCore, _group);
        _loop.Open();
    }

    public LoadOutcome Run(TimeSpan duration, double? ratePerSecond = null)
    {
        _group.RatePerSecond = ratePerSecond;
        _loop.Run(duration);
        LatencyHistogram latency = _group.Latency;
        return new LoadOutcome(
            _group.Requests, _loop.Elapsed, latency.PercentileMilliseconds(50), latency.PercentileMilliseconds(99), latency.PercentileMilliseconds(99.9), _loop.Usage, _group.Errors, _group.FirstError, _group.Resumed);
    }

    public void Dispose() => _loop.Dispose();
}
