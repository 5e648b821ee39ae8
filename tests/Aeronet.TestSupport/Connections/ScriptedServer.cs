using System;
using System.Threading.Tasks;
using Aeronet.Server;
using Aeronet.Server.Binding;
using Aeronet.Server.Diagnostics;
using Aeronet.Server.Exchange;
using Aeronet.Server.Sessions;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Aeronet.TestSupport.Connections;

/// <summary>HTTP sessions on scripted connections: no socket, no second thread unless the application makes one.</summary>
internal sealed class ScriptedServer
{
    private readonly HttpAcceptor _acceptor;

    public ScriptedServer(
        Func<IFeatureCollection, Task> application,
        Action<KestrelServerOptions>? configureKestrel = null,
        Action<AeronetServerOptions>? configure = null,
        ILoggerFactory? loggerFactory = null,
        TimeProvider? timeProvider = null)
    {
        KestrelServerOptions kestrel = new();
        configureKestrel?.Invoke(kestrel);
        AeronetServerOptions options = new() { ApplicationMode = ApplicationMode.Inline };
        configure?.Invoke(options);
        Settings = ServerSettings.Create(kestrel, options, new ServerLog(loggerFactory ?? NullLoggerFactory.Instance), new ServerMetrics(null), timeProvider ?? TimeProvider.System, null);
        AppRunner runner = AppRunner.Create(new Application(this, application), Settings);
        ServerEndpoint endpoint = new(new System.Net.IPEndPoint(System.Net.IPAddress.Loopback, 80), "http://scripted", HttpProtocols.Http1, kestrel.Limits.MaxConcurrentConnections);
        _acceptor = new HttpAcceptor(Settings, endpoint, [new ExchangePool(runner)]);
    }

    public ServerSettings Settings { get; }

    /// <summary>Runs when a request's context is made, before the application.</summary>
    public Action? WhenContextIsMade { get; set; }

    /// <summary>Runs when a request's context is given back.</summary>
    public Action? WhenContextIsDisposed { get; set; }

    public ScriptedLoop Loop { get; } = new();

    /// <summary>A connection as the loop would accept it.</summary>
    public ScriptedConnection Connect()
    {
        ScriptedConnection connection = new(Loop);
        connection.Use(_acceptor.Accept(connection) ?? throw new InvalidOperationException("The connection was refused."));
        return connection;
    }

    // No hosting: the context is the feature collection, nothing is allocated per request.
    private sealed class Application(ScriptedServer server, Func<IFeatureCollection, Task> run) : IHttpApplication<IFeatureCollection>
    {
        public IFeatureCollection CreateContext(IFeatureCollection contextFeatures)
        {
            server.WhenContextIsMade?.Invoke();
            return contextFeatures;
        }

        public Task ProcessRequestAsync(IFeatureCollection context) => run(context);

        public void DisposeContext(IFeatureCollection context, Exception? exception) => server.WhenContextIsDisposed?.Invoke();
    }
}
