using System;
using System.Collections.Generic;
using System.Linq;
using Aeronet.AB.Measuring;
using Aeronet.AB.Scenarios;

namespace Aeronet.AB.Reporting;

/// <summary>Everything that was measured, as report.json holds it; the other forms are made from it.</summary>
internal sealed record Report(DateTimeOffset Date, string? Commit, Machine Machine, string Method, IReadOnlyList<string> Servers, List<ScenarioReport> Scenarios)
{
    /// <summary>The server that the others are compared with.</summary>
    public string Reference => Servers[0];
}

/// <summary>One scenario's figures.</summary>
internal sealed record ScenarioReport(string Name, string Title, IReadOnlyList<string> Notes, IReadOnlyList<string> Headline, IReadOnlyList<MetricReport> Metrics)
{
    public static ScenarioReport Summarise(ScenarioRun run, IReadOnlyList<string> servers)
    {
        List<MetricReport> metrics = [];
        foreach (Metric metric in Metric.All)
        {
            List<ServerFigures> figures = [];
            foreach (string server in servers)
            {
                List<Sample> samples = run.Samples.FindAll(sample => sample.Server == server && sample[metric] is not null);
                if (Spread.Of([.. samples.Select(sample => sample[metric]!.Value)]) is not { } spread)
                {
                    continue;
                }

                // Round by round against the reference's same round: what both saw of the machine's mood cancels out.
                List<double> ratios = [];
                foreach (Sample sample in samples)
                {
                    double? reference = run.Samples.Find(other => other.Server == servers[0] && other.Round == sample.Round)?[metric];
                    if (reference > 0)
                    {
                        ratios.Add(sample[metric]!.Value / reference.Value);
                    }
                }

                bool isCompared = metric.IsCompared && server != servers[0];
                figures.Add(new ServerFigures(server, spread, isCompared ? Spread.Of(ratios) : null, [.. samples.Select(sample => sample[metric]!.Value)]));
            }

            bool isAllZero = figures.All(one => one.Value.Max == 0 && one.Value.Min == 0);
            if (figures.Count > 0 && !(metric == Metric.Errors && isAllZero))
            {
                metrics.Add(new MetricReport(metric.Key, metric.Title, metric.Unit, metric.LowerIsBetter, figures));
            }
        }

        return new ScenarioReport(run.Scenario.Name, run.Scenario.Title, run.Notes, [.. run.Scenario.Headline.Select(metric => metric.Key)], metrics);
    }

    public MetricReport? Find(string key) => Metrics.FirstOrDefault(metric => metric.Key == key);

    /// <summary>The scenario's most important figure; null when no server gave any.</summary>
    public MetricReport? First => Headline.Select(Find).FirstOrDefault(metric => metric is not null);
}

/// <summary>One metric of one scenario.</summary>
internal sealed record MetricReport(string Key, string Title, string Unit, bool LowerIsBetter, IReadOnlyList<ServerFigures> Figures)
{
    public string Label => Unit.Length == 0 ? Title : $"{Title}, {Unit}";

    public ServerFigures? Of(string server) => Figures.FirstOrDefault(figures => figures.Server == server);
}

/// <summary>One server's median and range over the rounds, and its ratio to the reference.</summary>
internal sealed record ServerFigures(string Server, Spread Value, Spread? Ratio, IReadOnlyList<double> Samples);
