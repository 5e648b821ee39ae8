using System;
using System.Collections.Generic;
using System.IO.Pipelines;
using System.Net;
using Aeronet.Transport.Connections;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http.Features;

namespace Aeronet.Server.Https;

/// <summary>A connection as the TLS callbacks of an application see it: who it is and what it carries, before there are bytes to read.</summary>
internal sealed class SelectorConnection : ConnectionContext
{
    private readonly TransportConnection _connection;
    private IDictionary<object, object?>? _items;

    public SelectorConnection(TransportConnection connection) => _connection = connection;

    public override string ConnectionId
    {
        get => _connection.ConnectionId;
        set => throw new NotSupportedException("The id of a connection is the server's.");
    }

    public override IFeatureCollection Features => _connection.Features;

    public override IDictionary<object, object?> Items
    {
        get => _items ??= _connection.Features.Get<IConnectionItemsFeature>()?.Items ?? new ConnectionItems();
        set => _items = value;
    }

    public override IDuplexPipe Transport
    {
        get => throw new InvalidOperationException("During the TLS handshake the bytes of a connection belong to the server.");
        set => throw new InvalidOperationException("During the TLS handshake the bytes of a connection belong to the server.");
    }

    public override EndPoint? LocalEndPoint
    {
        get => _connection.LocalEndPoint;
        set => throw new NotSupportedException("The endpoints of a connection are the server's.");
    }

    public override EndPoint? RemoteEndPoint
    {
        get => _connection.RemoteEndPoint;
        set => throw new NotSupportedException("The endpoints of a connection are the server's.");
    }

    public override void Abort(ConnectionAbortedException abortReason) => _connection.Abort();

    public override void Abort() => _connection.Abort();
}
