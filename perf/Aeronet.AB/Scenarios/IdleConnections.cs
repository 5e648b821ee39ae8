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
/// <param name="connections">How many.</param>
/// <param name="isTls">Whether they are encrypted.</param>
/// <param name="isBurst">Whether their requests come all at once or 64 at a time: the first shows what a server keeps of a peak.</param>
internal sealed class IdleConnections(int connections, bool isBurst, bool isTls = false) : Scenario
{
    private const int RoundsMax = 3;
    private const int ConcurrencyUsual = 64;
    private static readonly TimeSpan WarmUp = TimeSpan.FromSeconds(3), Settling = TimeSpan.FromSeconds(2), IdleTime = TimeSpan.FromSeconds(5);

    public override string Name => isTls ? "tls-idle" : isBurst ? "idle-after-burst" : "idle";

    public override string? TlsKey => isTls ? "p256" : null;

    public override bool IsForForeignServers => !isTls;

    public override string Title => string.Create(CultureInfo.InvariantCulture, $"{connections:N0} idle keep-alive connections{(isTls ? " with TLS 1.3" : "")}{(isBurst ? ", after a request on all of them at once" : "")}");

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
        LoadRequest request = new(RequestText.Get("/plaintext"), Tls: isTls ? TlsUse.Full : TlsUse.None);
        using (BuiltInClient warmUp = new(server.PortFor(request), laboratory.Cores.AreApart, request, ConcurrencyUsual))
        {
            warmUp.Run(WarmUp);
        }

        server.Collect();
        long before = server.ReadPssBytes();
        LoadGroup idle = new(request, connections);
        using LoadLoop loop = new(server.PortFor(request), laboratory.Cores.AreApart, idle);
        loop.Open();
        loop.RequestOnce(isBurst ? connections : ConcurrencyUsual);
        run.NoteErrors(server.Spec.Name, idle.Errors, idle.FirstError);
        if (idle.ClosedIdle > 0)
        {
            run.Note(FormattableString.Invariant($"{server.Spec.Name} closed {idle.ClosedIdle} of the connections: its memory is that of fewer."));
        }

        server.Collect();
        long with = server.ReadPssBytes();
        sample[Metric.Pss] = with / (1024.0 * 1024);
        sample[Metric.PssPerConnection] = (with - before) / (double)connections;
        sample[Metric.Errors] = idle.Errors;

        Thread.Sleep(Settling); // what the collections left to do in the background is not idling
        CpuTimes cpuBefore = server.ReadCpuTimes();
        long start = Stopwatch.GetTimestamp();
        Thread.Sleep(IdleTime);
        sample[Metric.IdleCpu] = (server.ReadCpuTimes() - cpuBefore).Total.TotalMilliseconds / Stopwatch.GetElapsedTime(start).TotalSeconds;
    }
}
