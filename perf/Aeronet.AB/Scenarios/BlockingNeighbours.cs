using System;
using System.Collections.Generic;
using Aeronet.AB.Load;
using Aeronet.AB.Measuring;
using Aeronet.AB.Servers;

namespace Aeronet.AB.Scenarios;

/// <summary>Four connections hammer an endpoint that blocks its thread; 64 others ask for plain text at a steady rate. What the others feel is the figure.</summary>
/// <remarks>Each round has a fresh process, warmed up on plain text: the first seconds of blocking, while a thread pool still grows, and the settled state are different things and both are reported.</remarks>
internal sealed class BlockingNeighbours(string name, string title, string path) : Scenario
{
    private const int Blockers = 4, Others = 64, OthersRate = 10_000, RoundsMax = 3;
    private static readonly TimeSpan Fresh = TimeSpan.FromSeconds(10), Settling = TimeSpan.FromSeconds(20), Settled = TimeSpan.FromSeconds(10);

    public override string Name => name;

    public override string Title => title;

    public override IReadOnlyList<Metric> Headline { get; } = [Metric.FreshP99, Metric.SettledP99, Metric.SettledBlockers];

    public override bool IsForForeignServers => false;

    public override void Run(Laboratory laboratory, ScenarioRun run)
    {
        run.Note(FormattableString.Invariant($"{Others} others offer {OthersRate:N0} requests/s together, latency from the time a request was due; first seconds: 0 to 10, settled: 30 to 40."));
        for (int round = 1; round <= Math.Min(RoundsMax, laboratory.Options.Rounds); round++)
        {
            foreach (ServerSpec spec in laboratory.ServersFor(this))
            {
                using ServerProcess? server = laboratory.TryStart(spec, run);
                if (server is not null)
                {
                    RunRound(laboratory, run, server, run.SampleOf(spec.Name, round));
                }
            }
        }
    }

    private void RunRound(Laboratory laboratory, ScenarioRun run, ServerProcess server, Sample sample)
    {
        LoadRequest plaintext = new(RequestText.Get("/plaintext"));
        using (BuiltInClient warmUp = new(server.Port, laboratory.Cores.AreApart, plaintext, Others))
        {
            warmUp.Run(laboratory.Options.WarmUp);
        }

        LoadGroup blockers = new(new LoadRequest(RequestText.Get(path)), Blockers);
        LoadGroup others = new(plaintext, Others) { RatePerSecond = OthersRate };
        using LoadLoop loop = new(server.Port, laboratory.Cores.AreApart, blockers, others);
        loop.Open();

        loop.Run(Fresh);
        sample[Metric.FreshP50] = others.Latency.PercentileMilliseconds(50);
        sample[Metric.FreshP99] = others.Latency.PercentileMilliseconds(99);
        sample[Metric.FreshMax] = others.Latency.MaxMilliseconds;
        sample[Metric.FreshBlockers] = blockers.Requests / loop.Elapsed.TotalSeconds;
        run.NoteErrors(server.Spec.Name, others.Errors + blockers.Errors, others.FirstError ?? blockers.FirstError);

        loop.Run(Settling);
        loop.Run(Settled);
        sample[Metric.SettledP50] = others.Latency.PercentileMilliseconds(50);
        sample[Metric.SettledP99] = others.Latency.PercentileMilliseconds(99);
        sample[Metric.SettledMax] = others.Latency.MaxMilliseconds;
        sample[Metric.SettledBlockers] = blockers.Requests / loop.Elapsed.TotalSeconds;
        run.NoteErrors(server.Spec.Name, others.Errors + blockers.Errors, others.FirstError ?? blockers.FirstError);
    }
}
