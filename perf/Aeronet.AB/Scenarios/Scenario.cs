using System;
using System.Collections.Generic;
using Aeronet.AB.Measuring;

namespace Aeronet.AB.Scenarios;

/// <summary>One thing to compare servers by. A new scenario is a class with a name and a request, and a line in <see cref="ScenarioCatalog"/>.</summary>
internal abstract class Scenario
{
    /// <summary>For <c>--scenario</c>, and in report.json.</summary>
    public abstract string Name { get; }

    /// <summary>For people.</summary>
    public abstract string Title { get; }

    /// <summary>The figures that charts show, the most important one first.</summary>
    public abstract IReadOnlyList<Metric> Headline { get; }

    /// <summary>Whether a server that is not the benchmark application can take part; then it has to answer the path with 200.</summary>
    public virtual bool IsForForeignServers => true;

    /// <summary>Further arguments of the benchmark application.</summary>
    public virtual IReadOnlyList<string> ServerArguments => [];

    /// <summary>The key of the certificate that the server uses on its second, encrypted port, rsa2048 or p256; null: it has none.</summary>
    public virtual string? TlsKey => null;

    public abstract void Run(Laboratory laboratory, ScenarioRun run);
}

/// <summary>What a scenario's rounds gave so far.</summary>
internal sealed class ScenarioRun(Scenario scenario)
{
    public Scenario Scenario { get; } = scenario;

    public List<Sample> Samples { get; } = [];

    /// <summary>What a reader must know to read the figures: the rate used, a saturated load client, errors.</summary>
    public List<string> Notes { get; } = [];

    public Sample SampleOf(string server, int round)
    {
        Sample? sample = Samples.Find(one => one.Server == server && one.Round == round);
        if (sample is null)
        {
            sample = new Sample(server, round);
            Samples.Add(sample);
        }

        return sample;
    }

    public void Note(string text)
    {
        if (!Notes.Contains(text))
        {
            Notes.Add(text);
        }
    }

    public void NoteErrors(string server, long errors, string? first)
    {
        if (errors > 0)
        {
            Note(FormattableString.Invariant($"{server}: {errors} errors in one round, the first: {first}"));
        }
    }
}
