using System;
using System.Diagnostics.Metrics;
using System.Net;
using System.Net.Sockets;
using System.Threading;
using System.Threading.Tasks;
using Aeronet.Transport.Connections;
using Aeronet.Transport.Diagnostics;
using Aeronet.Transport.Foreign;
using Aeronet.Transport.Listen;
using Aeronet.Transport.Loop;
using Aeronet.Transport.Tls;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Aeronet.Transport;

/// <summary>Listens with Aeronet's loops for anything that takes its connections as <see cref="ConnectionContext"/>: Kestrel, <c>ConnectionHandler</c> servers, brokers.</summary>
/// <remarks>
/// All endpoints share the loops. They start with the first <see cref="BindAsync"/> and end when the last listener was disposed and its connections are gone.
/// Where there is no epoll (<see cref="AeronetTransportOptions.Backend"/>) there are no loops either: its listeners are those of the framework's sockets, with the same options as far as these know them.
/// Register it with <c>UseAeronetTransport()</c> or <c>AddAeronetTransport()</c>. Members may be called from any thread.
/// </remarks>
public sealed class AeronetTransportFactory : IConnectionListenerFactory, IConnectionListenerFactorySelector
{
    private readonly SharedLoops _loops;
    private readonly IOptions<AeronetTransportOptions> _options;
    private readonly ILoggerFactory _loggerFactory;
    private readonly ITransportTls? _tls;
    private PipeBridgeSettings? _settings;
    private PortableSockets? _sockets;

    /// <summary>A factory with loops of its own.</summary>
    /// <param name="options">Read at the first bind.</param>
    /// <param name="loggerFactory">For the category <c>Aeronet.Transport</c>.</param>
    /// <param name="meterFactory">For the meter <c>Aeronet</c>; null: no metrics.</param>
    public AeronetTransportFactory(IOptions<AeronetTransportOptions> options, ILoggerFactory loggerFactory, IMeterFactory? meterFactory = null)
        : this(options, loggerFactory, new SharedLoops(options, loggerFactory, meterFactory))
    {
    }

    internal AeronetTransportFactory(IOptions<AeronetTransportOptions> options, ILoggerFactory loggerFactory, SharedLoops loops, ITransportTls? tls = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(loggerFactory);
        _options = options;
        _loggerFactory = loggerFactory;
        _loops = loops;
        _tls = tls;
    }

    /// <summary>True for IP endpoints, Unix domain sockets and file handles of sockets. What is declined goes to the factory that was registered before, Kestrel's sockets as a rule.</summary>
    /// <param name="endpoint">What an application wants to listen on.</param>
    public bool CanBind(EndPoint endpoint) => endpoint switch
    {
        IPEndPoint => true,
        UnixDomainSocketEndPoint => true,
        FileHandleEndPoint handle => handle.FileHandleType != FileHandleType.Pipe,
        _ => false,
    };

    /// <summary>Listens; port 0 is resolved in the listener's <see cref="IConnectionListener.EndPoint"/>. Connections may be accepted before it returns.</summary>
    /// <param name="endpoint">An <see cref="IPEndPoint"/>, <see cref="UnixDomainSocketEndPoint"/> or <see cref="FileHandleEndPoint"/>.</param>
    /// <param name="cancellationToken">Not used by the loops: binding does not wait.</param>
    /// <exception cref="AddressInUseException">Somebody listens there.</exception>
    /// <exception cref="SocketException">Any other refusal of the system.</exception>
    /// <exception cref="OptionsValidationException">An option is out of range.</exception>
    /// <exception cref="NotSupportedException">Another kind of endpoint.</exception>
    /// <exception cref="PlatformNotSupportedException"><see cref="TransportBackend.Epoll"/> was asked for, and there is none here.</exception>
    public async ValueTask<IConnectionListener> BindAsync(EndPoint endpoint, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(endpoint);
        if (_sockets is null && (_sockets = PortableSockets.TryMake(_options.Value, _loggerFactory)) is not null)
        {
            PortableSockets.ReportOptionsWithoutEffect(_options.Value, isForPipes: true, _loggerFactory);
        }
        if (_sockets is not null)
        {
            return await _sockets.BindAsync(endpoint, cancellationToken).ConfigureAwait(false);
        }
        EventLoopGroup group = _loops.Acquire();
        PipeBridgeSettings settings = _settings ??= new PipeBridgeSettings(_options.Value, _loggerFactory.CreateLogger(TransportLog.Category));
        AeronetConnectionListener listener = new(_loops, group, settings, _tls);
        try
        {
            listener.Bind(endpoint, settings.Logger);
            return listener;
        }
        catch
        {
            await listener.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }
}
