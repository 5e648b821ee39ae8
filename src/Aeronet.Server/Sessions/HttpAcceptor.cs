using System.Collections.Generic;
using Aeronet.Server.Binding;
using Aeronet.Server.Diagnostics;
using Aeronet.Server.Exchange;
using Aeronet.Transport.Connections;
using Aeronet.Transport.Tls;
using Microsoft.Extensions.Logging;

namespace Aeronet.Server.Sessions;

/// <summary>Makes the HTTP session of each connection of one endpoint and holds what its sessions share.</summary>
internal sealed class HttpAcceptor : IConnectionAcceptor
{
    private readonly ServerEndpoint _endpoint;
    private readonly ExchangePool[] _pools; // one per loop

    public HttpAcceptor(ServerSettings settings, ServerEndpoint endpoint, ExchangePool[] pools)
    {
        Settings = settings;
        _endpoint = endpoint;
        _pools = pools;
    }

    public ServerSettings Settings { get; }

    /// <summary>What accepts the connections of an endpoint: HTTP, behind TLS where the endpoint has it.</summary>
    public static IConnectionAcceptor Create(ServerSettings settings, ServerEndpoint endpoint, ExchangePool[] pools, ILogger logger)
    {
        HttpAcceptor http = new(settings, endpoint, pools);
        return endpoint.Tls is { } tls ? new TlsAcceptor(tls, http, logger) : http;
    }

    public IConnectionHandler? Accept(TransportConnection connection)
    {
        Settings.Log.Connections.Accepted(connection);
        if (_endpoint.Connections is not null && !_endpoint.Connections.TryEnter())
        {
            Settings.Log.Connections.Rejected(connection);
            Settings.Metrics.ConnectionRejected(connection);
            if (Settings.RejectedConnectionResponse == RejectedConnectionResponse.ServiceUnavailable)
            {
                // Into the empty send buffer of a new connection: it cannot block. The close that follows finds nothing unread yet.
                connection.Send(MakeServiceUnavailable());
            }

            return null;
        }

        Settings.Log.Connections.Start(connection);
        return new Http1Session(connection, this, Settings.Metrics.ConnectionStart(connection));
    }

    private byte[] MakeServiceUnavailable()
    {
        List<byte> response = [.. "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n"u8, .. Settings.DateHeader.Bytes, .. Settings.ServerHeaderLine];
        foreach (GlobalHeader header in Settings.GlobalHeaders)
        {
            response.AddRange(header.Line);
        }

        return [.. response, (byte)'\r', (byte)'\n'];
    }

    public HttpExchange RentExchange(Http1Session session)
    {
        HttpExchange exchange = _pools[session.Connection.Loop.Index].Rent();
        exchange.Attach(session);
        return exchange;
    }

    public void ReturnExchange(HttpExchange exchange)
    {
        int loop = exchange.Session.Connection.Loop.Index;
        exchange.Detach();
        if (!exchange.IsRetired)
        {
            _pools[loop].Return(exchange);
        }
    }

    /// <summary>The session's upgrade has taken the connection out of HTTP: it no longer counts as a connection of the endpoint.</summary>
    public void OnUpgraded() => _endpoint.Connections?.Exit();

    public void OnClosed(Http1Session session)
    {
        (session.IsUpgraded ? Settings.UpgradedConnections : _endpoint.Connections)?.Exit();

        Settings.Metrics.ConnectionStop(session.Metrics, session.Connection.HasFailedHandshake ? ConnectionErrors.TlsHandshakeFailed : session.EndReason);
        Settings.Log.Connections.Stop(session.Connection);
    }
}
