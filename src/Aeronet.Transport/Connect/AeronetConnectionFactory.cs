using System;
using System.Diagnostics.Metrics;
using System.Net;
using System.Net.Sockets;
using System.Threading;
using System.Threading.Tasks;
using Aeronet.Transport.Connections;
using Aeronet.Transport.Diagnostics;
using Aeronet.Transport.Foreign;
using Aeronet.Transport.Loop;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Aeronet.Transport.Connect;

/// <summary>Outgoing connections on Aeronet's loops: for proxies, and for <c>SocketsHttpHandler.ConnectCallback</c> (with <see cref="ConnectionStream"/>).</summary>
/// <remarks>
/// With <c>AddAeronetTransport()</c> it shares the loops of the listeners. It keeps the loops alive from the first connect until it is disposed;
/// connections that are open then live on. Where there is no epoll (<see cref="AeronetTransportOptions.Backend"/>) connections are those of the
/// framework's sockets. Members may be called from any thread.
/// </remarks>
public sealed class AeronetConnectionFactory : IConnectionFactory, IAsyncDisposable
{
    private readonly SharedLoops _loops;
    private readonly IOptions<AeronetTransportOptions> _options;
    private readonly ILoggerFactory _loggerFactory;
    private readonly Lock _lock = new();
    private EventLoopGroup? _group; // Non-null from the first connect until disposed, on epoll.
    private PortableSockets? _sockets; // Non-null from the first connect on, elsewhere.
    private PipeBridgeSettings? _settings;
    private bool _isDisposed;

    /// <summary>A factory with loops of its own.</summary>
    /// <param name="options">Read at the first connect. <see cref="AeronetTransportOptions.NoDelay"/> and what concerns pipes are used.</param>
    /// <param name="loggerFactory">For the category <c>Aeronet.Transport</c>.</param>
    /// <param name="meterFactory">For the meter <c>Aeronet</c>; null: no metrics.</param>
    public AeronetConnectionFactory(IOptions<AeronetTransportOptions> options, ILoggerFactory loggerFactory, IMeterFactory? meterFactory = null)
        : this(options, loggerFactory, new SharedLoops(options, loggerFactory, meterFactory))
    {
    }

    internal AeronetConnectionFactory(IOptions<AeronetTransportOptions> options, ILoggerFactory loggerFactory, SharedLoops loops)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(loggerFactory);
        _options = options;
        _loggerFactory = loggerFactory;
        _loops = loops;
    }

    /// <summary>Connects. There is no time limit of its own but the kernel's (about two minutes for TCP): use the token.</summary>
    /// <param name="endpoint">An <see cref="IPEndPoint"/>, a <see cref="UnixDomainSocketEndPoint"/>, or a <see cref="DnsEndPoint"/>, whose addresses are tried in the resolver's order: the next one when the one before has failed or has not answered for 250 ms (RFC 8305).</param>
    /// <param name="cancellationToken">Gives up; the socket is closed.</param>
    /// <exception cref="SocketException">The peer or the system refuses, or the name is unknown.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    /// <exception cref="NotSupportedException">Another kind of endpoint.</exception>
    /// <exception cref="PlatformNotSupportedException"><see cref="TransportBackend.Epoll"/> was asked for, and there is none here.</exception>
    public async ValueTask<ConnectionContext> ConnectAsync(EndPoint endpoint, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(endpoint);
        cancellationToken.ThrowIfCancellationRequested();
        switch (endpoint)
        {
            case IPEndPoint or UnixDomainSocketEndPoint:
                return await ConnectOnceAsync(endpoint, cancellationToken).ConfigureAwait(false);
            case DnsEndPoint dns:
                return await ConnectByNameAsync(dns, cancellationToken).ConfigureAwait(false);
            default:
                throw new NotSupportedException($"Aeronet cannot connect to {endpoint} ({endpoint.GetType().Name}); it knows IP, DNS and Unix domain socket endpoints.");
        }
    }

    /// <summary>Lets go of the loops. Connections that are open live on; further connects are refused.</summary>
    public async ValueTask DisposeAsync()
    {
        bool isUser;
        lock (_lock)
        {
            isUser = _group is not null;
            _group = null;
            _isDisposed = true;
        }
        if (isUser)
        {
            await _loops.ReleaseAsync().ConfigureAwait(false);
        }
    }

    private async Task<ConnectionContext> ConnectByNameAsync(DnsEndPoint endpoint, CancellationToken cancellationToken)
    {
        IPAddress[] addresses = await Dns.GetHostAddressesAsync(endpoint.Host, endpoint.AddressFamily, cancellationToken).ConfigureAwait(false);
        if (addresses.Length == 0)
        {
            throw new SocketException((int)SocketError.HostNotFound);
        }
        return await AddressRace.RunAsync(
            addresses,
            (address, token) => ConnectOnceAsync(new IPEndPoint(address, endpoint.Port), token),
            static connection => connection.DisposeAsync(),
            TimeProvider.System,
            cancellationToken).ConfigureAwait(false);
    }

    private Task<ConnectionContext> ConnectOnceAsync(EndPoint endpoint, CancellationToken cancellationToken)
    {
        EventLoopGroup group;
        PipeBridgeSettings settings;
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_isDisposed, this);
            if (_group is null)
            {
                _sockets ??= PortableSockets.TryMake(_options.Value, _loggerFactory);
            }
            if (_sockets is not null)
            {
                return _sockets.ConnectAsync(endpoint, cancellationToken);
            }
            group = _group ??= _loops.Acquire();
            settings = _settings ??= new PipeBridgeSettings(_options.Value, _loggerFactory.CreateLogger(TransportLog.Category));
        }
        return ConnectAttempt.StartAsync(group, settings, endpoint, cancellationToken);
    }
}
