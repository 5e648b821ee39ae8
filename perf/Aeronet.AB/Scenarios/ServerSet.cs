using System;
using System.Collections.Generic;
using Aeronet.AB.Load;
using Aeronet.AB.Servers;

namespace Aeronet.AB.Scenarios;

/// <summary>The servers of one scenario, started together and ended together.</summary>
internal sealed class ServerSet : IDisposable
{
    private readonly List<ServerProcess> _servers = [];

    public static ServerSet Start(Laboratory laboratory, Scenario scenario, ScenarioRun run)
    {
        ServerSet set = new();
        foreach (ServerSpec spec in laboratory.ServersFor(scenario))
        {
            if (laboratory.TryStart(spec, run) is { } server)
            {
                set._servers.Add(server);
            }
        }

        return set;
    }

    /// <summary>Those that answer the request with 2xx; the others are named in a note.</summary>
    public IEnumerable<ServerProcess> Answering(LoadRequest request, ScenarioRun run)
    {
        foreach (ServerProcess server in _servers)
        {
            (int status, _) = Probe.Send(server.Port, request.Bytes.Span);
            if (status is >= 200 and < 300)
            {
                yield return server;
            }
            else
            {
                run.Note($"{server.Spec.Name} answers {status} and is left out.");
            }
        }
    }

    public void Dispose()
    {
        foreach (ServerProcess server in _servers)
        {
            server.Dispose();
        }
    }
}
