using System;
using System.Collections.Generic;
using System.ComponentModel;
using Aeronet.AB.Load;
using Aeronet.AB.Measuring;
using Aeronet.AB.Scenarios;
using Aeronet.AB.Servers;

namespace Aeronet.AB;

/// <summary>What scenarios work with: the options, the cores, and the ways to start a server and to connect a load client.</summary>
internal sealed class Laboratory(LaboratoryOptions options, CorePlacement cores)
{
    public LaboratoryOptions Options { get; } = options;

    public CorePlacement Cores { get; } = cores;

    public IEnumerable<ServerSpec> ServersFor(Scenario scenario)
    {
        foreach (ServerSpec spec in Options.Servers)
        {
            if (spec.IsBenchApp || scenario.IsForForeignServers)
            {
                yield return spec with { TlsKey = scenario.TlsKey };
            }
        }
    }

    /// <summary>Null, with a note, when the server does not start: the others are still compared.</summary>
    public ServerProcess? TryStart(ServerSpec spec, ScenarioRun run)
    {
        try
        {
            return ServerProcess.Start(spec with { Arguments = run.Scenario.ServerArguments }, Cores);
        }
        catch (Exception exception) when (exception is InvalidOperationException or Win32Exception)
        {
            run.Note($"{spec.Name} did not run: {exception.Message}");
            return null;
        }
    }

    public ILoadClient Connect(ServerProcess server, LoadRequest request, int connections, ScenarioRun run)
    {
        if (Options.Loader == LoaderKind.Wrk)
        {
            if (WrkClient.CanSend(request))
            {
                return new WrkClient(server.Port, request, connections);
            }

            run.Note("wrk cannot send this; the built-in load client did.");
        }

        return new BuiltInClient(server.PortFor(request), Cores.AreApart, request, connections);
    }
}
