using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.IO;
using System.Linq;
using System.Net;
using System.Net.Sockets;
using System.Threading;
using System.Threading.Tasks;
using Aeronet.Server.Diagnostics;
using Aeronet.Server.Https;
using Aeronet.Transport.Connections;
using Aeronet.Transport.Foreign;
using Aeronet.Transport.Gate;
using Aeronet.Transport.Listen;
using Aeronet.Transport.Loop;
using Aeronet.Transport.Tls;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace Aeronet.Server.Binding;

/// <summary>The endpoints that one run of the server listens on: binds them, publishes their addresses, replaces them when the configuration changes.</summary>
/// <remarks>One caller at a time: the server holds its lock around every call.</remarks>
internal sealed class EndpointBinder
{
    /// <summary>How long the connections of a removed endpoint may go on, as on Kestrel.</summary>
    private static readonly TimeSpan s_removedEndpointGrace = TimeSpan.FromSeconds(5);

    private static readonly IPAddress[] s_loopbacks = [IPAddress.Loopback, IPAddress.IPv6Loopback];

    private readonly EventLoopGroup _group;
    private readonly Func<ServerEndpoint, IConnectionAcceptor> _acceptorOf;
    private readonly ForeignTransports _transports;
    private readonly CarrierFactory _carriers;
    private readonly ServerTls _tls;
    private readonly ServerAddresses _addresses;
    private readonly long? _maxConnections;
    private readonly AddressLimit? _addressLimit;
    private readonly GeneralLog _log;
    private readonly List<Entry> _entries = [];

    public EndpointBinder(EventLoopGroup group, Func<ServerEndpoint, IConnectionAcceptor> acceptorOf, ForeignTransports transports, CarrierFactory carriers, ServerTls tls, ServerAddresses addresses, ServerSettings settings)
    {
        _group = group;
        _acceptorOf = acceptorOf;
        _transports = transports;
        _carriers = carriers;
        _tls = tls;
        _addresses = addresses;
        _maxConnections = settings.MaxConcurrentConnections;
        _addressLimit = settings.ConnectionsPerAddress;
        _log = settings.Log.General;
    }

    public int Count => _entries.Count;

    /// <summary>What is bound, with dynamic ports resolved.</summary>
    public List<EndpointRequest> Requests => _entries.ConvertAll(static entry => entry.Request);

    /// <summary>Reads and checks TLS of all endpoints, before the first is bound.</summary>
    /// <exception cref="InvalidOperationException">Names every fault.</exception>
    public void PrepareTls(IEnumerable<EndpointRequest> requests) => _tls.AddAll(requests, IsNativeTls);

    /// <summary>Listens on one endpoint and publishes its address. A failure leaves nothing of it bound.</summary>
    /// <exception cref="IOException">The address is in use, or it cannot be bound at all.</exception>
    public async Task BindAsync(EndpointRequest request)
    {
        Debug.Assert(request.FindFault(_transports) is null);
        List<BoundEndpoint> listeners = request.Scope switch
        {
            ListenScope.Localhost => await BindLocalhostAsync(request, (IPEndPoint)request.EndPoint).ConfigureAwait(false),
            ListenScope.Any => [await BindAnyAsync(request, (IPEndPoint)request.EndPoint).ConfigureAwait(false)],
            _ => [await BindOneAsync(request, request.EndPoint).ConfigureAwait(false)],
        };
        Debug.Assert(listeners.Count > 0);

        // Applications that keep their ListenOptions read the real port there; a handle stays a handle so that a restart can use it again.
        if (request.Scope != ListenScope.Localhost && request.EndPoint is IPEndPoint)
        {
            KestrelInternals.SetEndPoint(request.Options, listeners[0].LocalEndPoint);
        }
        WarnOfUnusedProtocols(request);
        string address = request.Display(request.EndPoint, request.LocalhostName);
        _addresses.Publish(address);
        _entries.Add(new Entry(request, listeners, address));
    }

    /// <summary>Stops listening everywhere; connections live on.</summary>
    public Task UnbindAllAsync() => Task.WhenAll(_entries.SelectMany(static entry => entry.Listeners).Select(_group.UnbindAsync));

    /// <summary>Takes back what <see cref="BindAsync"/> published, after a failed start.</summary>
    public async Task RollBackAsync()
    {
        await UnbindAllAsync().ConfigureAwait(false);
        foreach (Entry entry in _entries)
        {
            _addresses.Withdraw(entry.Address);
        }
        _entries.Clear();
    }

    /// <summary>Makes the endpoints of the changed configuration the bound ones: new ones are bound first, and only when all of them are, the removed ones end.</summary>
    /// <param name="wanted">Configured endpoints after the change: the same object where nothing changed.</param>
    public async Task ReplaceConfiguredAsync(IReadOnlyList<ListenOptions> wanted)
    {
        List<Entry> removed = _entries.FindAll(entry => entry.Request.IsConfigured && !wanted.Contains(entry.Request.Options));
        var started = new List<string>();
        bool failed = false;
        foreach (ListenOptions options in wanted)
        {
            if (_entries.Exists(entry => entry.Request.Options == options))
            {
                continue;
            }
            EndpointRequest request = EndpointRequest.FromListenOptions(options, isConfigured: true);
            try
            {
                if (request.FindFault(_transports) is { } fault)
                {
                    throw new InvalidOperationException(fault);
                }
                // The same address with other settings: the listener stays, and so does every connection. New ones get the new certificates; nothing else of an endpoint can change while it runs.
                if (removed.Find(entry => SameAddress(entry.Request, request) && CanTakeOver(entry.Request, request)) is { } kept)
                {
                    if (_tls.Find(kept.Request.Options) is not null)
                    {
                        _tls.Replace(kept.Request.Options, options);
                    }
                    removed.Remove(kept);
                    _entries[_entries.IndexOf(kept)] = kept with { Request = request };
                    continue;
                }
                _tls.Add(request, IsNativeTls(request));
                if (removed.Find(entry => SameAddress(entry.Request, request)) is { } other)
                {
                    // Cleartext became TLS, or middleware stands there: only one of them can listen there, so here the old one ends first.
                    await Task.WhenAll(other.Listeners.Select(_group.UnbindAsync)).ConfigureAwait(false);
                }
                await BindAsync(request).ConfigureAwait(false);
                started.Add(request.Name);
            }
            catch (Exception failure) when (failure is IOException or SocketException or InvalidOperationException or TlsConfigurationException)
            {
                failed = true;
                if (!_entries.Exists(entry => entry.Request.Options == options))
                {
                    _tls.Remove(options);
                }
                _log.EndpointReloadFailed(request.Name, failure);
            }
        }

        if (failed)
        {
            return; // What worked before goes on working, and is looked at again with the next change.
        }

        foreach (Entry entry in removed)
        {
            _entries.Remove(entry);
            _addresses.Withdraw(entry.Address);
            _tls.Remove(entry.Request.Options);
        }
        await Task.WhenAll(removed.SelectMany(static entry => entry.Listeners).Select(EndAsync)).ConfigureAwait(false);
        if (started.Count > 0 || removed.Count > 0)
        {
            _log.EndpointsReloaded(string.Join(", ", started), string.Join(", ", removed.Select(static entry => entry.Address)));
        }
    }

    // The default asks for HTTP/2, too: only what somebody wrote down deserves a warning.
    private void WarnOfUnusedProtocols(EndpointRequest request)
    {
        if (!KestrelInternals.GetProtocolsSetExplicitly(request.Options) || request.IsHttps)
        {
            return;
        }
        if (request.Options.Protocols.HasFlag(HttpProtocols.Http2))
        {
            _log.Http2DisabledWithHttp1AndNoTls(request.Name);
        }
        if (request.Options.Protocols.HasFlag(HttpProtocols.Http3))
        {
            _log.Http3DisabledWithHttp1AndNoTls(request.Name);
        }
    }

    private async Task EndAsync(BoundEndpoint listener)
    {
        await _group.UnbindAsync(listener).ConfigureAwait(false);
        _group.Drain(listener);
        Task empty = _group.WhenEmptyAsync(listener);
        await empty.WaitAsync(s_removedEndpointGrace).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (!empty.IsCompleted)
        {
            _group.Abort(listener);
        }
    }

    private async Task<BoundEndpoint> BindOneAsync(EndpointRequest request, EndPoint endPoint)
    {
        string display = request.Display(endPoint);
        ForeignTransport? foreign = _transports.Choose(endPoint, _group.Backend, request.NeedsPipes, request.HasMiddlewareOfItsOwn);
        var endpoint = new ServerEndpoint(endPoint, display, request.Options.Protocols, _maxConnections) { Tls = foreign is null ? _tls.Find(request.Options) : null };
        IConnectionAcceptor acceptor = _acceptorOf(endpoint);
        bool hasMiddleware = request.HasMiddleware;
        try
        {
            if (foreign is not { } transport)
            {
                return _group.Bind(endPoint, request.Gate is { } gate ? new GateAcceptor(gate, acceptor, _maxConnections) : acceptor, _addressLimit);
            }
            ConnectionDelegate pipeline = request.BuildPipeline(ForeignListener.ServeAsync, _tls.Observer); // application code: it may throw, so before anything is bound
            ForeignTraits traits = new(hasMiddleware, transport.HalfClose) { CallsInline = transport.Factory is null && _carriers.IsInline };
            if (transport.Factory is null)
            {
                return _group.BindForeign(await _carriers.BindAsync(endPoint, _addressLimit).ConfigureAwait(false), acceptor, pipeline, traits); // asked before a connection gets an object
            }
            return _group.BindForeign(await transport.Factory.BindAsync(endPoint).ConfigureAwait(false), acceptor, pipeline, traits, _addressLimit);
        }
        catch (AddressInUseException inUse)
        {
            throw new IOException($"Failed to bind to address {display}: address already in use.", inUse);
        }
    }

    private async Task<BoundEndpoint> BindAnyAsync(EndpointRequest request, IPEndPoint endPoint)
    {
        try
        {
            return await BindOneAsync(request, endPoint).ConfigureAwait(false);
        }
        catch (SocketException) when (endPoint.Address.Equals(IPAddress.IPv6Any))
        {
            return await BindOneAsync(request, new IPEndPoint(IPAddress.Any, endPoint.Port)).ConfigureAwait(false);
        }
    }

    private async Task<List<BoundEndpoint>> BindLocalhostAsync(EndpointRequest request, IPEndPoint endPoint)
    {
        var listeners = new List<BoundEndpoint>(2);
        var failures = new List<Exception>(2);
        foreach (IPAddress loopback in s_loopbacks)
        {
            try
            {
                listeners.Add(await BindOneAsync(request, new IPEndPoint(loopback, endPoint.Port)).ConfigureAwait(false));
            }
            catch (SocketException failure)
            {
                // A host without IPv6 (or without IPv4) has one loopback only.
                _log.LoopbackNotBound(request.Name, loopback.ToString(), failure.Message);
                failures.Add(failure);
            }
            catch (IOException)
            {
                await Task.WhenAll(listeners.Select(_group.UnbindAsync)).ConfigureAwait(false);
                throw;
            }
        }
        if (listeners.Count == 0)
        {
            throw new IOException($"Failed to bind to address {request.Name}.", new AggregateException(failures));
        }
        return listeners;
    }

    // Where a transport of the application or the framework's sockets listen, TLS is SslStream.
    private bool IsNativeTls(EndpointRequest request) => request.IsNativeTls && _transports.Choose(request.EndPoint, _group.Backend, needsPipes: false, hasMiddleware: false) is null;

    // A gate and middleware are part of the listener: what they do to a connection cannot change under it.
    private bool CanTakeOver(EndpointRequest before, EndpointRequest after)
        => before.Gate is null && after.Gate is null && !before.NeedsPipes && !after.NeedsPipes && before.IsHttps == after.IsHttps && (!before.IsHttps || (_tls.Find(before.Options) is not null && IsNativeTls(after)));

    private static bool SameAddress(EndpointRequest one, EndpointRequest other)
        => one.Scope == other.Scope && one.LocalhostName == other.LocalhostName && one.EndPoint.Equals(other.EndPoint);

    /// <param name="Request">What was asked for.</param>
    /// <param name="Listeners">One, or two for localhost.</param>
    /// <param name="Address">As published.</param>
    private sealed record Entry(EndpointRequest Request, List<BoundEndpoint> Listeners, string Address);
}
