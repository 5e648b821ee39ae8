using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Globalization;
using System.Threading;
using Aeronet.AB.Load;
using Aeronet.AB.Measuring;
using Aeronet.AB.Servers;

namespace Aeronet.AB.Scenarios;

/// <summary>Connections that have had one request each and now wait: what they hold in memory, and what waiting costs.</summary>
internal sealed class IdleConnections(int connections) : Scenario
{
    private const int RoundsMax = 3;
    private const int WarmUpConnections = 64;
    private static readonly TimeSpan WarmUp = TimeSpan.FromSeconds(3), IdleTime = TimeSpan.FromSeconds(5);

    public override string Name => "idle";

    public override string Title => string.Create(CultureInfo.InvariantCulture, $"{connections:N0} idle keep-alive connections");

    public override IReadOnlyList<Metric> Headline { get; } = [Metric.PssPerConnection, Metric.Pss, Metric.IdleCpu];

    public override void Run(Laboratory laboratory, ScenarioRun run)
    {
        run.Note("Proportional set size after full collections, before and with the connections; the kernel's socket buffers are not part of it.");
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
        LoadRequest request = new(RequestText.Get("/plaintext"));
        using (BuiltInClient warmUp = new(server.Port, laboratory.Cores.AreApart, request, WarmUpConnections))
        {
            warmUp.Run(WarmUp);
        }

        server.Collect();
        long before = server.ReadPssBytes();
        LoadGroup idle = new(request, connections);
        using LoadLoop loop = new(server.Port, laboratory.Cores.AreApart, idle);
        loop.Open();
        loop.RequestOnce();
        run.NoteErrors(server.Spec.Name, idle.Errors, idle.FirstError);
        server.Collect();
        long with = server.ReadPssBytes();
        sample[Metric.Pss] = with / (1024.0 * 1024);
        sample[Metric.PssPerConnection] = (with - before) / (double)connections;
        sample[Metric.Errors] = idle.Errors;

        CpuTimes cpuBefore = server.ReadCpuTimes();
        long start = Stopwatch.GetTimestamp();
        Thread.Sleep(IdleTime);
        sample[Metric.IdleCpu] = (server.ReadCpuTimes() - cpuBefore).Total.TotalMilliseconds / Stopwatch.GetElapsedTime(start).TotalSeconds;
    }
}
