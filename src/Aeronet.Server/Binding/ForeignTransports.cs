using System;
using System.Collections.Generic;
using System.Linq;
using System.Net;
using System.Net.Sockets;
using Aeronet.Transport;
using Aeronet.Transport.Diagnostics;
using Aeronet.Transport.Foreign;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Aeronet.Server.Binding;

/// <summary>A transport that gives an endpoint's connections as pipes.</summary>
/// <param name="Factory">Makes the listener; null: our own loops do.</param>
/// <param name="HalfClose">How its connections end their sending side alone.</param>
internal readonly record struct ForeignTransport(IConnectionListenerFactory? Factory, HalfCloseBy HalfClose);

/// <summary>Decides who binds an endpoint: our loops, with pipes where middleware needs them, a transport that the application registered, or the framework's sockets.</summary>
/// <remarks>
/// As Kestrel decides: the transport registered last is asked first, and one that says so (<see cref="IConnectionListenerFactorySelector"/>) is passed
/// over for an endpoint that it cannot bind. Kestrel's own registrations are nobody's wish: they serve only what the loops cannot, named pipes on Windows.
/// </remarks>
internal sealed class ForeignTransports
{
    private readonly IConnectionListenerFactory[] _ofApplication; // in the order in which they are asked
    private readonly IConnectionListenerFactory[] _ofKestrel; // the same
    private readonly SocketTransportOptions _socketOptions;
    private readonly AeronetTransportOptions _options;
    private readonly ILoggerFactory _loggerFactory;
    private SocketTransportFactory? _sockets;
    private SocketTransportFactory? _socketsWithMiddleware;

    public ForeignTransports(IEnumerable<IConnectionListenerFactory> registered, SocketTransportOptions socketOptions, AeronetTransportOptions options, ILoggerFactory loggerFactory)
    {
        IConnectionListenerFactory[] lastFirst = registered.Reverse().ToArray();
        _ofApplication = lastFirst.Where(IsOfApplication).ToArray();
        _ofKestrel = lastFirst.Where(static factory => IsFrom(factory, "Microsoft.AspNetCore.Server.Kestrel")).ToArray();
        _socketOptions = socketOptions;
        _options = options;
        _loggerFactory = loggerFactory;
    }

    /// <summary>Whether some transport other than loops and sockets takes the endpoint.</summary>
    public bool CanBind(EndPoint endPoint) => Find(_ofApplication, endPoint) is not null || (!IsForSockets(endPoint) && Find(_ofKestrel, endPoint) is not null);

    /// <summary>The transport for an endpoint; null: our own loops listen, and need no pipes.</summary>
    /// <param name="endPoint">What is to be bound.</param>
    /// <param name="backend">What the loops run on.</param>
    /// <param name="needsPipes">The endpoint has connection middleware that cannot do without pipes.</param>
    /// <param name="hasMiddleware">There is connection middleware that is not ours to run in a transport's callbacks.</param>
    public ForeignTransport? Choose(EndPoint endPoint, TransportBackend backend, bool needsPipes, bool hasMiddleware)
    {
        if (Find(_ofApplication, endPoint) is { } wanted)
        {
            return new ForeignTransport(wanted, HalfCloseOf(wanted));
        }
        if (!IsForSockets(endPoint))
        {
            return Find(_ofKestrel, endPoint) is { } other ? new ForeignTransport(other, HalfCloseBy.Nothing) : null;
        }
        if (backend == TransportBackend.Epoll)
        {
            return needsPipes ? new ForeignTransport(null, HalfCloseBy.Bridge) : null;
        }
        return new ForeignTransport(Sockets(hasMiddleware), HalfCloseBy.Socket);
    }

    /// <summary>Says once which options the framework's sockets do not know.</summary>
    public void ReportOptionsWithoutEffect(TransportBackend backend)
    {
        if (backend == TransportBackend.Epoll)
        {
            return;
        }
        PortableSockets.ReportOptionsWithoutEffect(_options, isForPipes: false, _loggerFactory);
    }

    // Two of them: without middleware nothing but our own few lines runs in the pipes' callbacks, so these may run where the bytes are; middleware gets the thread pool, as on Kestrel.
    private SocketTransportFactory Sockets(bool hasMiddleware)
        => hasMiddleware ? _socketsWithMiddleware ??= Make(inline: false) : _sockets ??= Make(inline: true);

    private SocketTransportFactory Make(bool inline)
        => new(
            Options.Create(new SocketTransportOptions
            {
                Backlog = _options.Backlog,
                NoDelay = _options.NoDelay,
                MaxReadBufferSize = _socketOptions.MaxReadBufferSize,
                // A flush completes when the kernel has the bytes: so the server knows what is sent, and its own limits and rates hold. 0 would mean no limit.
                MaxWriteBufferSize = 1,
                IOQueueCount = _socketOptions.IOQueueCount,
                WaitForDataBeforeAllocatingBuffer = _socketOptions.WaitForDataBeforeAllocatingBuffer,
                CreateBoundListenSocket = _socketOptions.CreateBoundListenSocket,
                UnsafePreferInlineScheduling = inline,
            }),
            _loggerFactory);

    private static bool IsForSockets(EndPoint endPoint) => endPoint is IPEndPoint or UnixDomainSocketEndPoint or FileHandleEndPoint;

    private static IConnectionListenerFactory? Find(IConnectionListenerFactory[] factories, EndPoint endPoint)
        => Array.Find(factories, factory => factory is not IConnectionListenerFactorySelector selector || selector.CanBind(endPoint));

    // A transport of the application derived from or wrapped around sockets may flush early: ending one direction of its socket could cut off bytes.
    private static HalfCloseBy HalfCloseOf(IConnectionListenerFactory factory) => IsFrom(factory, "Microsoft.") ? HalfCloseBy.Nothing : HalfCloseBy.Pipe;

    private static bool IsOfApplication(IConnectionListenerFactory factory) => !IsFrom(factory, "Microsoft.AspNetCore.Server.Kestrel") && !IsFrom(factory, "Aeronet.Transport");

    private static bool IsFrom(IConnectionListenerFactory factory, string assembly)
        => factory.GetType().Assembly.GetName().Name?.StartsWith(assembly, StringComparison.Ordinal) == true;
}
