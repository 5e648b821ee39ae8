using System;
using System.Collections.Generic;
using System.Diagnostics;
using Aeronet.AB.Measuring;
using Aeronet.AB.Servers;

namespace Aeronet.AB.Scenarios;

/// <summary>From starting the process to the end of the first response: what a scaled-to-zero service makes its first caller wait.</summary>
internal sealed class ColdStart : Scenario
{
    private const int StartsPerRound = 3;

    public override string Name => "cold-start";

    public override string Title => "cold start to first response";

    public override IReadOnlyList<Metric> Headline { get; } = [Metric.FirstResponse, Metric.StartCpu, Metric.Pss];

    public override void Run(Laboratory laboratory, ScenarioRun run)
    {
        for (int round = 1; round <= laboratory.Options.Rounds * StartsPerRound; round++)
        {
            foreach (ServerSpec spec in laboratory.ServersFor(this))
            {
                using ServerProcess? server = laboratory.TryStart(spec, run);
                if (server is null)
                {
                    continue;
                }

                Probe.Get(server.Port, "/plaintext");
                Sample sample = run.SampleOf(spec.Name, round);
                sample[Metric.FirstResponse] = Stopwatch.GetElapsedTime(server.StartedAt).TotalMilliseconds;
                sample[Metric.Listening] = server.TimeToListening.TotalMilliseconds;
                sample[Metric.StartCpu] = server.ReadCpuTimes().Total.TotalMilliseconds;
                sample[Metric.Pss] = server.ReadPssBytes() / (1024.0 * 1024);
            }
        }
    }
}
