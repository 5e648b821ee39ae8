using System;
using System.Collections.Concurrent;
using System.IO;
using System.IO.Pipelines;
using System.Net;
using System.Threading;
using System.Threading.Channels;
using System.Threading.Tasks;
using Microsoft.AspNetCore.Connections;

namespace Aeronet.TestSupport.Connections;

/// <summary>A transport without sockets, as an application registers it: what is bound to it can be connected to in this process only.</summary>
public sealed class InMemoryTransport : IConnectionListenerFactory, IConnectionListenerFactorySelector
{
    private readonly ConcurrentDictionary<EndPoint, Listener> _listeners = new();
    private int _lastPort; // given to an endpoint that leaves the port open
    private readonly Func<EndPoint, bool> _canBind;

    /// <summary>Takes the endpoints that the predicate names; all without one.</summary>
    public InMemoryTransport(Func<EndPoint, bool>? canBind = null) => _canBind = canBind ?? (static _ => true);

    /// <inheritdoc />
    public bool CanBind(EndPoint endpoint) => _canBind(endpoint);

    /// <inheritdoc />
    public ValueTask<IConnectionListener> BindAsync(EndPoint endpoint, CancellationToken cancellationToken = default)
    {
        if (endpoint is IPEndPoint { Port: 0 } open)
        {
            endpoint = new IPEndPoint(open.Address, Interlocked.Increment(ref _lastPort));
        }
        var listener = new Listener(this, endpoint);
        return _listeners.TryAdd(endpoint, listener)
            ? new ValueTask<IConnectionListener>(listener)
            : throw new AddressInUseException($"{endpoint} is in use.");
    }

    /// <summary>A connection to what is bound there: the client's end.</summary>
    public InMemoryStream Connect(EndPoint endpoint)
    {
        var connection = new InMemoryConnection(local: endpoint, scheduler: PipeScheduler.ThreadPool);
        return _listeners.TryGetValue(endpoint, out Listener? listener) && listener.Accepted.Writer.TryWrite(connection)
            ? new InMemoryStream(connection)
            : throw new IOException($"Nobody listens on {endpoint}.");
    }

    private sealed class Listener(InMemoryTransport transport, EndPoint endPoint) : IConnectionListener
    {
        public Channel<ConnectionContext> Accepted { get; } = Channel.CreateUnbounded<ConnectionContext>();

        public EndPoint EndPoint => endPoint;

        public async ValueTask<ConnectionContext?> AcceptAsync(CancellationToken cancellationToken = default)
        {
            while (await Accepted.Reader.WaitToReadAsync(cancellationToken).ConfigureAwait(false))
            {
                if (Accepted.Reader.TryRead(out ConnectionContext? context))
                {
                    return context;
                }
            }

            return null;
        }

        public ValueTask UnbindAsync(CancellationToken cancellationToken = default)
        {
            transport._listeners.TryRemove(endPoint, out _);
            Accepted.Writer.TryComplete();
            return ValueTask.CompletedTask;
        }

        public ValueTask DisposeAsync() => UnbindAsync();
    }
}
