using System.Threading;
using System.Threading.Tasks;
using Aeronet.Server.Diagnostics;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Aeronet.Server;

/// <summary>Tells at start when something registered another server after <c>UseAeronet()</c>: test factories do so silently, and nothing of Aeronet runs then.</summary>
internal sealed class ServerReplacementCheck : IHostedService
{
    private readonly IServer _server;
    private readonly GeneralLog _log;

    public ServerReplacementCheck(IServer server, ILoggerFactory loggerFactory)
    {
        _server = server;
        _log = new ServerLog(loggerFactory).General;
    }

    public Task StartAsync(CancellationToken cancellationToken)
    {
        if (_server is not AeronetServer)
        {
            _log.ServerReplaced(_server.GetType().FullName ?? _server.GetType().Name);
        }
        return Task.CompletedTask;
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
