using System;
using System.Collections.Generic;
using System.Linq;
using Aeronet.AB.Load;
using Aeronet.AB.Measuring;
using Aeronet.AB.Servers;

namespace Aeronet.AB.Scenarios;

/// <summary>The common form of a scenario: some connections repeat one request.</summary>
/// <remarks>
/// All servers run at the same time, each with a process fresh for the scenario, and take turns; the ones that wait use no processor time to speak of.
/// First rounds as fast as the answers come, then rounds at half the throughput of the slowest server, the same rate for all.
/// </remarks>
internal abstract class RequestScenario : Scenario
{
    private const double LoaderSaturatedFrom = 0.95, DisturbedFrom = 0.25;
    private const int CompiledAtRest = 20; // methods in one look; what the look itself calls is among them
    private const int WarmUpFactorMax = 4;
    private static readonly TimeSpan CompilingLook = TimeSpan.FromSeconds(2);
    private const double RateShare = 0.5; // low enough that the slowest server does not queue by itself, high enough that a stall is seen

    public abstract LoadRequest Request { get; }

    public abstract int Connections { get; }

    /// <summary>False where a rate says nothing: a pipelined batch, or requests that take many milliseconds anyhow.</summary>
    protected virtual bool HasRateRounds => true;

    /// <summary>What all connections together send in a counted round, by the built-in client; null: as fast as the answers come.</summary>
    protected virtual double? RequestsPerSecond => null;

    /// <summary>Where the usual duration holds too few requests for a clock of hundredths of a second.</summary>
    protected virtual TimeSpan DurationMin => TimeSpan.Zero;

    public override IReadOnlyList<Metric> Headline => HasRateRounds ? [Metric.Cpu, Metric.RequestRate, Metric.RateP99] : [Metric.Cpu, Metric.RequestRate, Metric.P99];

    public override void Run(Laboratory laboratory, ScenarioRun run)
    {
        using ServerSet servers = ServerSet.Start(laboratory, this, run);
        Dictionary<ServerProcess, ILoadClient> clients = [];
        try
        {
            foreach (ServerProcess server in servers.Answering(Request, run))
            {
                clients[server] = RequestsPerSecond is null
                    ? laboratory.Connect(server, Request, Connections, run)
                    : new BuiltInClient(server.PortFor(Request), laboratory.Cores.AreApart, Request, Connections);
                WarmUp(laboratory, run, server, clients[server]);
            }

            for (int round = 1; round <= laboratory.Options.Rounds; round++)
            {
                foreach ((ServerProcess server, ILoadClient client) in clients)
                {
                    RunRound(laboratory, run, server, client, run.SampleOf(server.Spec.Name, round));
                }
            }

            if (HasRateRounds && clients.Count > 0)
            {
                RunAtRate(laboratory, run, clients);
            }
        }
        finally
        {
            foreach (ILoadClient client in clients.Values)
            {
                client.Dispose();
            }
        }
    }

    // Until the runtime has nothing left to compile: on one core that takes a slow endpoint half a minute, and code that still counts its calls costs the double.
    private static void WarmUp(Laboratory laboratory, ScenarioRun run, ServerProcess server, ILoadClient client)
    {
        TimeSpan least = laboratory.Options.WarmUp;
        client.Run(least);
        long compiled = server.ReadMethodsCompiled();
        for (TimeSpan more = TimeSpan.Zero; ; more += CompilingLook)
        {
            client.Run(CompilingLook);
            long before = compiled;
            compiled = server.ReadMethodsCompiled();
            if (compiled - before <= CompiledAtRest)
            {
                return;
            }

            if (more >= least * WarmUpFactorMax)
            {
                run.Note($"{server.Spec.Name} still compiled methods when it was measured: warm it up longer.");
                return;
            }
        }
    }

    private void RunRound(Laboratory laboratory, ScenarioRun run, ServerProcess server, ILoadClient client, Sample sample)
    {
        GcStatistics? gcBefore = server.ReadGcStatistics();
        CpuTimes cpuBefore = server.ReadCpuTimes();
        TimeSpan machineBefore = MachineLoad.ReadCpuTime();
        LoadOutcome outcome = client.Run(laboratory.Options.Duration > DurationMin ? laboratory.Options.Duration : DurationMin, RequestsPerSecond);
        CpuTimes cpu = server.ReadCpuTimes() - cpuBefore;
        double others = Math.Max(0, ((MachineLoad.ReadCpuTime() - machineBefore - cpu.Total) / outcome.Elapsed) - outcome.LoaderUsage);
        double requests = Math.Max(1, outcome.Requests);
        sample[Metric.Cpu] = cpu.Total.TotalMicroseconds / requests;
        sample[Metric.CpuUser] = cpu.User.TotalMicroseconds / requests;
        sample[Metric.CpuSystem] = cpu.System.TotalMicroseconds / requests;
        sample[Metric.RequestRate] = outcome.Requests / outcome.Elapsed.TotalSeconds;
        sample[Metric.P50] = outcome.P50;
        sample[Metric.P99] = outcome.P99;
        sample[Metric.P999] = outcome.P999;
        if (Request is { Tls: TlsUse.Resumed, PerConnection: 1 })
        {
            sample[Metric.Resumed] = outcome.Resumed * 100 / requests;
        }

        sample[Metric.LoaderUsage] = outcome.LoaderUsage * 100;
        sample[Metric.OthersUsage] = others * 100;
        sample[Metric.Errors] = outcome.Errors;
        sample[Metric.Pss] = server.ReadPssBytes() / (1024.0 * 1024);
        if (gcBefore is { } before && server.ReadGcStatistics() is { } after)
        {
            sample[Metric.Allocated] = (after.AllocatedBytes - before.AllocatedBytes) / requests;
            sample[Metric.Collections] = (after.Collections - before.Collections) * 1e6 / requests;
        }

        run.NoteErrors(server.Spec.Name, outcome.Errors, outcome.FirstError);
        if (others > DisturbedFrom)
        {
            run.Note("Other processes used the machine during some rounds: requests/s and latency are worse than they need be.");
        }

        if (RequestsPerSecond is null && outcome.LoaderUsage >= LoaderSaturatedFrom)
        {
            run.Note($"The load client was the bottleneck against {server.Spec.Name}: its requests/s and latency are the client's, the CPU per request still counts.");
        }
    }

    private void RunAtRate(Laboratory laboratory, ScenarioRun run, Dictionary<ServerProcess, ILoadClient> clients)
    {
        double slowest = clients.Keys.Min(server => Spread.Of([.. Enumerable.Range(1, laboratory.Options.Rounds).Select(round => run.SampleOf(server.Spec.Name, round)[Metric.RequestRate] ?? 0)])!.Median);
        double rate = Math.Max(1, Math.Round(slowest * RateShare));
        run.Note(FormattableString.Invariant($"Fixed rate: {rate:N0} requests/s over {Connections} connections, latency from the time a request was due."));
        for (int round = 1; round <= laboratory.Options.Rounds; round++)
        {
            foreach (ServerProcess server in clients.Keys)
            {
                // wrk cannot do this, so it is always the built-in client.
                using BuiltInClient client = new(server.PortFor(Request), laboratory.Cores.AreApart, Request, Connections);
                CpuTimes cpuBefore = server.ReadCpuTimes();
                LoadOutcome outcome = client.Run(laboratory.Options.Duration, rate);
                CpuTimes cpu = server.ReadCpuTimes() - cpuBefore;
                Sample sample = run.SampleOf(server.Spec.Name, round);
                sample[Metric.RateP50] = outcome.P50;
                sample[Metric.RateP99] = outcome.P99;
                sample[Metric.RateP999] = outcome.P999;
                sample[Metric.RateCpu] = cpu.Total.TotalMicroseconds / Math.Max(1, outcome.Requests);
                run.NoteErrors(server.Spec.Name, outcome.Errors, outcome.FirstError);
            }
        }
    }
}
