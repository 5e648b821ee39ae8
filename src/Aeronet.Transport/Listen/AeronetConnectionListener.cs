using System;
using System.Net;
using System.Runtime.CompilerServices;
using System.Threading;
using System.Threading.Channels;
using System.Threading.Tasks;
using Aeronet.Transport.Connections;
using Aeronet.Transport.Diagnostics;
using Aeronet.Transport.Loop;
using Aeronet.Transport.Tls;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging;

namespace Aeronet.Transport.Listen;

/// <summary>One endpoint of an application that takes its connections one by one (Kestrel, a <c>ConnectionHandler</c> server).</summary>
/// <remarks>The loops accept on their own; what nobody has taken yet waits here, <see cref="AeronetTransportOptions.Backlog"/> connections at most, more are aborted. Its default, and more, stand for 4,096 at least.</remarks>
internal sealed class AeronetConnectionListener : IConnectionListener, IConnectionAcceptor, IConnectionTaker
{
    // A burst of connections comes faster than any application takes them one by one. Somebody who asks for a smaller backlog than the default means it.
    private const int UsualBacklog = 512;
    private const int WaitingMin = 4096;

    private readonly SharedLoops? _loops; // Null where the loops are somebody else's to end.
    private readonly PipeBridgeSettings _settings;
    private readonly Channel<AeronetConnectionContext> _accepted;
    private readonly ITransportTls? _tls;
    private EventLoopGroup? _group; // Null once disposed, and before Bind.
    private BoundEndpoint? _bound;
    private TlsEndpoint? _tlsEndpoint; // Null for cleartext
    private int _openCount = 1; // what may still bring connections: those on their way to the queue, and the endpoint until it is unbound
    private int _isUnbound;
    private int _isFull; // connections were turned away, and it has been said

    internal AeronetConnectionListener(SharedLoops? loops, EventLoopGroup group, PipeBridgeSettings settings, ITransportTls? tls = null)
    {
        _tls = tls;
        _loops = loops;
        _group = group;
        _settings = settings;
        _accepted = Channel.CreateBounded<AeronetConnectionContext>(new BoundedChannelOptions(group.Options.Backlog < UsualBacklog ? group.Options.Backlog : Math.Max(group.Options.Backlog, WaitingMin))
        {
            AllowSynchronousContinuations = settings.IsInline, // the loop hands over in a call for application code
        });
    }

    public EndPoint EndPoint => _bound!.LocalEndPoint;

    internal void Bind(EndPoint endPoint, ILogger logger, AddressLimit? addressLimit = null)
    {
        _tlsEndpoint = _tls?.Open(endPoint);
        _bound = _group!.Bind(endPoint, _tlsEndpoint is null ? this : new TlsAcceptor(_tlsEndpoint, this, logger), addressLimit, isCarrier: _loops is null);
    }

    IConnectionHandler IConnectionAcceptor.Accept(TransportConnection connection)
    {
        AeronetConnectionContext context = new(connection, _settings, this);
        if (connection.IsTls)
        {
            return new TlsHandOver(context, connection, this);
        }
        Interlocked.Increment(ref _openCount);
        context.HandOver();
        return context.Handler;
    }

    /// <summary>A handshake is over, perhaps long after the endpoint was unbound. False: it was, and nobody takes the connection.</summary>
    internal bool TryHandOver(AeronetConnectionContext context)
    {
        int before = Volatile.Read(ref _openCount);
        while (before > 0)
        {
            int seen = Interlocked.CompareExchange(ref _openCount, before + 1, before);
            if (seen == before)
            {
                context.HandOver();
                return true;
            }
            before = seen;
        }
        return false;
    }

    bool IConnectionTaker.TryTake(AeronetConnectionContext connection)
    {
        try
        {
            bool isTaken = _accepted.Writer.TryWrite(connection);
            if (!isTaken)
            {
                connection.Loop.Counters.AddUntaken(isCarrier: _loops is null);
            }
            if (!isTaken && Volatile.Read(ref _isUnbound) == 0 && Interlocked.Exchange(ref _isFull, 1) == 0)
            {
                Guard.Run(() => TransportLog.TooManyWaiting(_settings.Logger, _accepted.Reader.Count, EndPoint)); // once per episode
            }
            return isTaken;
        }
        finally
        {
            CloseOne();
        }
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public async ValueTask<ConnectionContext?> AcceptAsync(CancellationToken cancellationToken = default)
    {
        while (await _accepted.Reader.WaitToReadAsync(cancellationToken).ConfigureAwait(false))
        {
            if (_accepted.Reader.TryRead(out AeronetConnectionContext? connection))
            {
                if (Volatile.Read(ref _isFull) != 0 && _accepted.Reader.Count == 0)
                {
                    Volatile.Write(ref _isFull, 0); // the episode is over
                }
                return connection;
            }
        }
        return null;
    }

    /// <summary>Accepts nothing more; what was accepted on the way can still be taken, then <see cref="AcceptAsync"/> answers null.</summary>
    /// <remarks>The token is not looked at, as with Kestrel's own transport, which is also told to unbind when a start has failed: with a cancelled one.</remarks>
    public async ValueTask UnbindAsync(CancellationToken cancellationToken = default)
    {
        if (_group is { } group && _bound is { } bound)
        {
            await group.UnbindAsync(bound).ConfigureAwait(false);
        }
        if (Interlocked.Exchange(ref _isUnbound, 1) == 0)
        {
            CloseOne();
        }
    }

    public async ValueTask DisposeAsync()
    {
        await UnbindAsync().ConfigureAwait(false);
        _accepted.Writer.TryComplete(); // what is still on its way comes too late
        if (Interlocked.Exchange(ref _group, null) is not { } group)
        {
            return;
        }
        if (_tlsEndpoint is not null)
        {
            _tls!.Close(_tlsEndpoint);
        }
        if (_tlsEndpoint is not null && _bound is not null)
        {
            group.Drain(_bound); // a handshake that is under way would hold the loops until its time is over
        }
        while (_accepted.Reader.TryRead(out AeronetConnectionContext? connection))
        {
            connection.Abort(new ConnectionAbortedException("The listener was disposed before the connection was taken."));
            await connection.DisposeAsync().ConfigureAwait(false);
        }
        if (_loops is not null)
        {
            await _loops.ReleaseAsync().ConfigureAwait(false);
        }
    }

    // Not at the unbinding itself: what was accepted just before could not be queued any more, and would be reset.
    private void CloseOne()
    {
        if (Interlocked.Decrement(ref _openCount) == 0)
        {
            _accepted.Writer.TryComplete();
        }
    }
}
