using System;
using System.Diagnostics;
using System.IO;
using System.Net.Sockets;
using System.Threading;
using System.Threading.Tasks;
using Aeronet.Server.Binding;
using Aeronet.Server.Diagnostics;
using Aeronet.Server.Exchange;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Options;

namespace Aeronet.Server.Tunnels;

/// <summary>Answers CONNECT requests in front of the application's middleware, when tunnels are on.</summary>
internal sealed class ConnectTunnels : IStartupFilter
{
    private readonly IOptions<AeronetServerOptions> _options;

    public ConnectTunnels(IOptions<AeronetServerOptions> options) => _options = options;

    public Action<IApplicationBuilder> Configure(Action<IApplicationBuilder> next) => app =>
    {
        AeronetConnectTunnelOptions options = _options.Value.ConnectTunnels;
        if (options.Enabled)
        {
            var gate = new TunnelGate(options);
            app.Use(following => context => HttpMethods.IsConnect(context.Request.Method) && context.Features.Get<IHttpUpgradeFeature>() is HttpExchange exchange
                ? gate.RunAsync(context, exchange)
                : following(context));
        }
        next(app);
    };
}

/// <summary>One CONNECT request after the other: judged, connected, relayed.</summary>
internal sealed class TunnelGate
{
    private readonly TunnelAllowList _allowed;
    private readonly ConcurrencyLimit? _tunnels;
    private readonly TimeSpan _connectTimeout;
    private readonly TimeSpan _idleTimeout;

    public TunnelGate(AeronetConnectTunnelOptions options)
    {
        _allowed = new TunnelAllowList(options.Allow);
        _tunnels = options.MaxConcurrentTunnels is { } max ? new ConcurrencyLimit(max) : null;
        _connectTimeout = options.ConnectTimeout;
        _idleTimeout = options.IdleTimeout;
    }

    public async Task RunAsync(HttpContext context, HttpExchange exchange)
    {
        ServerSettings settings = exchange.Settings;
        string authority = context.Features.GetRequiredFeature<IHttpRequestFeature>().RawTarget;
        // Content has no meaning in CONNECT (RFC 9110 section 9.3.6), and would be the first bytes of the tunnel for some readers.
        if (!TunnelTarget.TryParse(authority, out TunnelTarget? target) || context.Features.Get<IHttpRequestBodyDetectionFeature>()?.CanHaveBody == true)
        {
            Refuse(StatusCodes.Status400BadRequest, TunnelOutcome.Malformed);
            return;
        }
        if (!_allowed.Allows(target))
        {
            Refuse(StatusCodes.Status403Forbidden, TunnelOutcome.Forbidden);
            return;
        }
        if (_tunnels is not null && !_tunnels.TryEnter())
        {
            Refuse(StatusCodes.Status503ServiceUnavailable, TunnelOutcome.LimitReached);
            return;
        }
        try
        {
            (Socket? socket, TunnelOutcome outcome) = await TunnelConnector.ConnectAsync(target, _connectTimeout, context.RequestAborted).ConfigureAwait(false);
            if (socket is null)
            {
                Refuse(StatusOf(outcome), outcome);
                return;
            }
            using (socket)
            {
                if (await exchange.AcceptTunnelAsync().ConfigureAwait(false) is not { } stream)
                {
                    Refuse(StatusCodes.Status503ServiceUnavailable, TunnelOutcome.LimitReached);
                    return;
                }
                await RelayAsync(exchange, new TunnelClient(exchange, stream, context.RequestAborted), socket).ConfigureAwait(false);
            }
        }
        finally
        {
            _tunnels?.Exit();
        }

        static int StatusOf(TunnelOutcome outcome) => outcome switch
        {
            TunnelOutcome.TimedOut => StatusCodes.Status504GatewayTimeout,
            TunnelOutcome.ClientGone => StatusCodes.Status499ClientClosedRequest, // for logs: nobody reads it
            _ => StatusCodes.Status502BadGateway,
        };

        void Refuse(int status, TunnelOutcome outcome)
        {
            settings.Metrics.TunnelRequest(outcome);
            settings.Log.General.TunnelRefused(context.Connection.Id, status, outcome);
            context.Response.StatusCode = status;
            context.Response.ContentLength = 0;
            context.Response.Headers.Connection = "close"; // what follows may be meant for the tunnel: it must not run as a request
        }
    }

    private async Task RelayAsync(HttpExchange exchange, TunnelClient client, Socket target)
    {
        ServerSettings settings = exchange.Settings;
        settings.Metrics.TunnelRequest(TunnelOutcome.Established);
        settings.Metrics.TunnelStarted();
        string connectionId = exchange.ConnectionId;
        settings.Log.General.TunnelEstablished(connectionId);
        TunnelEnd end = TunnelEnd.Failed;
        try
        {
            end = await new TunnelRelay(client, target, _idleTimeout).RunAsync().ConfigureAwait(false);
        }
        finally
        {
            settings.Metrics.TunnelEnded(end);
            settings.Log.General.TunnelEnded(connectionId, end);
        }
        if (end == TunnelEnd.Completed)
        {
            exchange.OnTunnelCompleted();
        }
        else
        {
            target.Close(timeout: 0); // RST: the other side must not take a broken stream for a whole one
            exchange.AbortTunnel();
        }
    }

    private sealed class TunnelClient(HttpExchange exchange, Stream stream, CancellationToken aborted) : ITunnelClient
    {
        public Stream Stream => stream;

        public bool IsLost => exchange.IsAborted;

        public CancellationToken Aborted => aborted;

        public bool CanHalfClose => exchange.Session.Connection.CanHalfClose;

        public void EndSending() => exchange.Output.ShutdownWhenDrained();
    }
}

/// <summary>What became of a CONNECT request.</summary>
internal enum TunnelOutcome
{
    Established,
    Malformed,
    Forbidden,
    LimitReached,
    Unresolved,
    Unreachable,
    TimedOut,

    /// <summary>The client did not wait for the connection.</summary>
    ClientGone,
}

/// <summary>How a tunnel ended.</summary>
internal enum TunnelEnd
{
    /// <summary>Both sides have ended their streams.</summary>
    Completed,

    /// <summary>No byte in either direction for too long.</summary>
    Idle,

    /// <summary>One side broke.</summary>
    Failed,
}
