using System;
using System.Collections.Generic;

namespace Aeronet.AB.Measuring;

/// <summary>The figures of one server in one round.</summary>
internal sealed class Sample(string server, int round)
{
    private readonly Dictionary<Metric, double> _values = [];

    public string Server { get; } = server;

    public int Round { get; } = round;

    public double? this[Metric metric]
    {
        get => _values.TryGetValue(metric, out double value) ? value : null;
        set
        {
            if (value is { } known && double.IsFinite(known))
            {
                _values[metric] = known;
            }
        }
    }
}

/// <summary>Median and range of a metric over the rounds.</summary>
internal sealed record Spread(double Median, double Min, double Max)
{
    /// <summary>Null when there is nothing to summarise.</summary>
    public static Spread? Of(List<double> values)
    {
        if (values.Count == 0)
        {
            return null;
        }

        double[] sorted = [.. values];
        Array.Sort(sorted);
        int middle = sorted.Length / 2;
        double median = sorted.Length % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
        return new Spread(median, sorted[0], sorted[^1]);
    }
}
