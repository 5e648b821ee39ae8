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
    private readonly Func<EndPoint, bool> _canBind;

    /// <summary>Takes the endpoints that the predicate names; all without one.</summary>
    public InMemoryTransport(Func<EndPoint, bool>? canBind = null) => _canBind = canBind ?? (static _ => true);

    /// <inheritdoc />
    public bool CanBind(EndPoint endpoint) => _canBind(endpoint);

    /// <inheritdoc />
    public ValueTask<IConnectionListener> BindAsync(EndPoint endpoint, CancellationToken cancellationToken = default)
    {
        var listener = new Listener(this, endpoint);
        return _listeners.TryAdd(endpoint, listener)
            ? new ValueTask<IConnectionListener>(listener)
            : throw new AddressInUseException($"{endpoint} is in use.");
    }

    /// <summary>A connection to what is bound there: the client's end.</summary>
    public Stream Connect(EndPoint endpoint)
    {
        var connection = new InMemoryConnection(local: endpoint, scheduler: PipeScheduler.ThreadPool);
        return _listeners.TryGetValue(endpoint, out Listener? listener) && listener.Accepted.Writer.TryWrite(connection)
            ? new PeerStream(connection)
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

    private sealed class PeerStream(InMemoryConnection connection) : Stream
    {
        private readonly Stream _input = connection.Peer.Input.AsStream();
        private readonly Stream _output = connection.Peer.Output.AsStream();

        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => throw new NotSupportedException();

        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) => _input.ReadAsync(buffer, cancellationToken);

        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) => _output.WriteAsync(buffer, cancellationToken);

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override void Flush()
        {
            // Every write is flushed.
        }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        protected override void Dispose(bool disposing)
        {
            connection.CloseByPeer();
            base.Dispose(disposing);
        }
    }
}
