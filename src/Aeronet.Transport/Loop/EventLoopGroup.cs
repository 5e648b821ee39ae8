using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.Net;
using System.Threading;
using System.Threading.Tasks;
using Aeronet.Native.Libc;
using Aeronet.Transport.Connections;
using Aeronet.Transport.Diagnostics;
using Aeronet.Transport.Foreign;
using Aeronet.Transport.Listen;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging;

namespace Aeronet.Transport.Loop;

/// <summary>The loops of one server, each with its thread. Made by <see cref="Start"/>, ended by <see cref="StopAsync"/>; a restart is a new group.</summary>
/// <remarks>All members may be called from any thread, but not from a loop's own where they wait.</remarks>
internal sealed class EventLoopGroup
{
    private readonly IGroupLoop[] _loops;
    private readonly LoopContext[] _contexts; // the same loops
    private readonly LoopThreads _threads;
    private readonly HandOffMonitor _monitor;
    private readonly ILogger _logger;
    private readonly TransportMetrics _metrics;
    private readonly ConnectionGauge _connections;
    private readonly Lock _lock = new();
    private readonly List<BoundEndpoint> _endpoints = []; // bound now; under the lock
    private readonly List<Task> _foreignEnds = []; // of foreign listeners, those of removed endpoints included; under the lock
    private bool _isStopping; // under the lock
    private int _adopted; // outgoing connections so far

    private EventLoopGroup(AeronetTransportOptions options, ILogger logger, TransportMetrics metrics, ConnectionGauge connections, TransportBackend backend, IGroupLoop[] loops, LoopThreads threads)
    {
        Backend = backend;
        Options = options;
        _logger = logger;
        _metrics = metrics;
        _connections = connections;
        _loops = loops;
        _contexts = Array.ConvertAll(loops, static loop => loop.Context);
        _threads = threads;
        _monitor = new HandOffMonitor(loops, threads, options.HandOffTime, logger);
        int started = 0;
        try
        {
            for (; started < loops.Length; started++)
            {
                loops[started].Lag = metrics.Lag;
                threads.Start(loops[started]);
            }
            _monitor.Start();
        }
        catch
        {
            foreach (IGroupLoop loop in loops.AsSpan(0, started))
            {
                loop.PostStop();
            }
            End(loops.AsSpan(started));
            threads.End();
            metrics.Dispose();
            throw;
        }
    }

    /// <summary>The options the group was started with; not changed any more.</summary>
    public AeronetTransportOptions Options { get; }

    /// <summary>What the loops run on; never <see cref="TransportBackend.Auto"/>. With <see cref="TransportBackend.Sockets"/> they have no listeners of their own.</summary>
    public TransportBackend Backend { get; }

    public IReadOnlyList<LoopContext> Loops => _contexts;

    /// <summary>Threads that run loops, stand by, or are still inside application code.</summary>
    public int ThreadCount => _threads.AliveCount;

    /// <summary>Open connections of all endpoints, without those that carry others.</summary>
    public int ConnectionCount => (int)ReadStatistics().Connections;

    /// <summary>Starts the loops; nothing listens yet.</summary>
    /// <exception cref="System.IO.IOException">The process has no descriptors left.</exception>
    /// <exception cref="InvalidOperationException">The system gives no thread for a loop or the monitor.</exception>
    /// <exception cref="PlatformNotSupportedException"><see cref="TransportBackend.Epoll"/> was asked for, and there is none here.</exception>
    public static EventLoopGroup Start(AeronetTransportOptions options, ILoggerFactory loggerFactory, IMeterFactory? meterFactory = null, TimeProvider? timeProvider = null, Action<ThreadStart, string>? startThread = null)
    {
        ILogger logger = loggerFactory.CreateLogger(TransportLog.Category);
        TransportBackend backend = LoopBackend.Resolve(options.Backend, out string? reason);
        if (backend == TransportBackend.Epoll)
        {
            Epoll.VerifyLayout();
        }
        else if (reason is not null)
        {
            TransportLog.BackendChosen(logger, backend, reason);
        }
        ConnectionGauge connections = new();
        IGroupLoop[] loops = new IGroupLoop[options.IOThreadCount];
        LoopThreads threads = new(loops.Length, options.MaxApplicationThreads, logger, timeProvider ?? TimeProvider.System, startThread);
        int made = 0;
        try
        {
            for (; made < loops.Length; made++)
            {
                loops[made] = backend == TransportBackend.Epoll
                    ? new EventLoop<LinuxKernel>(made, default, options, logger, timeProvider ?? TimeProvider.System, connections, threads)
                    : new EventLoop<PortableKernel>(made, PortableKernel.Create(), options, logger, timeProvider ?? TimeProvider.System, connections, threads);
            }
        }
        catch
        {
            End(loops.AsSpan(0, made));
            throw;
        }
        EventLoopGroup group = new(options, logger, new TransportMetrics(meterFactory, loops), connections, backend, loops, threads);
        TransportLog.LoopsStarted(logger, loops.Length);
        return group;
    }

    /// <summary>Listens on an endpoint with every loop: an <see cref="IPEndPoint"/>, a <c>UnixDomainSocketEndPoint</c> or a <c>FileHandleEndPoint</c>. Connections may be accepted before it returns.</summary>
    /// <exception cref="Microsoft.AspNetCore.Connections.AddressInUseException">Somebody listens there.</exception>
    /// <exception cref="System.Net.Sockets.SocketException">Any other refusal of the system. Nothing stays bound.</exception>
    /// <exception cref="NotSupportedException">Another kind of endpoint.</exception>
    public BoundEndpoint Bind(EndPoint endPoint, IConnectionAcceptor acceptor, AddressLimit? addressLimit = null, bool isCarrier = false)
    {
        Debug.Assert(Backend == TransportBackend.Epoll);
        ListenSockets sockets = ListenSockets.Open(endPoint, Options, _loops.Length, _logger);
        BoundEndpoint bound = new(sockets, acceptor) { AddressLimit = addressLimit, IsCarrier = isCarrier };
        lock (_lock)
        {
            if (_isStopping)
            {
                sockets.CloseUnused(fromLoop: 0);
                sockets.Close();
                throw new InvalidOperationException("The loops are stopping.");
            }
            _endpoints.Add(bound);
        }
        for (int i = 0; i < _loops.Length; i++)
        {
            SysResult result = _loops[i].AddListener(sockets.DescriptorOf(i), bound, sockets.IsShared);
            if (!result.IsOk)
            {
                sockets.CloseUnused(fromLoop: i);
                UnbindAsync(bound).GetAwaiter().GetResult();
                throw new System.Net.Sockets.SocketException((int)System.Net.Sockets.SocketError.NoBufferSpaceAvailable, $"Cannot listen on {endPoint}: {result.Errno}.");
            }
        }
        TransportLog.Listening(_logger, bound.LocalEndPoint, sockets.SocketCount);
        return bound;
    }

    /// <summary>Gives an outgoing connection to one of the loops, in turn. False: the loops have ended, the descriptor stays the caller's.</summary>
    public bool TryAdopt(int fd, BoundEndpoint endpoint, in SockAddr peer) =>
        _loops[(uint)Interlocked.Increment(ref _adopted) % (uint)_loops.Length].PostAdopt(fd, endpoint, peer);

    /// <summary>Serves the connections of somebody else's listener, each on one of the loops. Connections may be accepted before it returns.</summary>
    public BoundEndpoint BindForeign(IConnectionListener listener, IConnectionAcceptor acceptor, ConnectionDelegate pipeline, ForeignTraits traits, AddressLimit? addressLimit = null)
    {
        BoundEndpoint bound;
        lock (_lock)
        {
            if (_isStopping)
            {
                throw new InvalidOperationException("The loops are stopping.");
            }
            bound = new BoundEndpoint(listener.EndPoint, acceptor) { AddressLimit = addressLimit };
            bound.Foreign = new ForeignListener(listener, bound, pipeline, traits, _loops, _logger);
            _endpoints.Add(bound);
        }
        bound.Foreign.Start();
        lock (_lock)
        {
            _foreignEnds.RemoveAll(static end => end.IsCompleted); // endpoints that a reload has removed
            _foreignEnds.Add(bound.Foreign.Ended);
        }
        TransportLog.ForeignListening(_logger, bound.LocalEndPoint, listener.GetType().Name);
        return bound;
    }

    /// <summary>Completes when no loop listens on the endpoint any more. Its connections live on, also those accepted on the way out.</summary>
    public Task UnbindAsync(BoundEndpoint endpoint)
    {
        lock (_lock)
        {
            _endpoints.Remove(endpoint);
            return endpoint.Unbinding ??= RemoveAsync(endpoint);
        }
    }

    /// <summary>Calls <see cref="IConnectionHandler.OnDrain"/> once on every connection (of the endpoint) that is open now.</summary>
    public void Drain(BoundEndpoint? only = null) => Visit(only, abort: false);

    /// <summary>Calls <see cref="IConnectionHandler.OnAbort"/> on every connection (of the endpoint) that is open now.</summary>
    public void Abort(BoundEndpoint? only = null) => Visit(only, abort: true);

    /// <summary>Completes when no connection (of the endpoint) is open, at once if none is.</summary>
    public Task WhenEmptyAsync(BoundEndpoint? only = null) => (only?.Connections ?? _connections).WhenZeroAsync();

    /// <summary>Ends each loop as soon as it has no connection left; completes when all have ended, or after <paramref name="wait"/>. Endpoints still bound are unbound first.</summary>
    /// <remarks>A connection that does not end keeps its loop, whose thread is a background thread, and no other.</remarks>
    public async Task StopAsync(TimeSpan wait)
    {
        Task[] unbindings;
        Task[] foreignEnds;
        lock (_lock)
        {
            _isStopping = true;
            foreignEnds = [.. _foreignEnds];
            unbindings = Array.ConvertAll(_endpoints.ToArray(), endpoint => endpoint.Unbinding ??= RemoveAsync(endpoint));
            _endpoints.Clear();
        }
        foreach (IGroupLoop loop in _loops)
        {
            loop.PostStop();
        }
        Task all = Task.WhenAll([.. unbindings, .. foreignEnds, .. Array.ConvertAll(_loops, static loop => loop.Ended)]);
        try
        {
            await all.WaitAsync(wait).ConfigureAwait(false);
            TransportLog.LoopsEnded(_logger);
        }
        catch (TimeoutException)
        {
            ReportBusyLoops();
        }
        finally
        {
            _monitor.End();
            _threads.End();
            _metrics.Dispose();
        }
    }

    /// <summary>The counters of all loops, summed.</summary>
    public TransportStatistics ReadStatistics() => TransportMetrics.Sum(_loops);

    // Of loops without a thread.
    private static void End(ReadOnlySpan<IGroupLoop> loops)
    {
        foreach (IGroupLoop loop in loops)
        {
            loop.TakeRole();
            _ = loop.TryEnd(); // nobody knows it yet: nothing can be posted
        }
    }

    private void Visit(BoundEndpoint? only, bool abort)
    {
        foreach (IGroupLoop loop in _loops)
        {
            loop.PostVisit(only, abort);
        }
    }

    private async Task RemoveAsync(BoundEndpoint endpoint)
    {
        if (endpoint.Foreign is not null)
        {
            await endpoint.Foreign.UnbindAsync().ConfigureAwait(false);
            TransportLog.Unbound(_logger, endpoint.LocalEndPoint);
            return;
        }
        Debug.Assert(endpoint.Sockets is not null);
        await Task.WhenAll(Array.ConvertAll(_loops, loop => loop.RemoveListenerAsync(endpoint))).ConfigureAwait(false);
        endpoint.Sockets.Close();
        TransportLog.Unbound(_logger, endpoint.LocalEndPoint);
    }

    private void ReportBusyLoops()
    {
        for (int i = 0; i < _loops.Length; i++)
        {
            if (!_loops[i].Ended.IsCompleted)
            {
                TransportLog.LoopStillBusy(_logger, i, (int)_loops[i].Counters.Read().Connections);
            }
        }
    }
}
