using System;
using System.Collections.Generic;
using System.Linq;
using System.Net;
using System.Text;
using System.Threading;
using System.Threading.Tasks;
using Aeronet.Http.Semantics;
using Aeronet.Server.Binding;
using Aeronet.Server.Diagnostics;
using Aeronet.Transport;
using Aeronet.Transport.Diagnostics;
using Aeronet.Transport.Loop;
using Aeronet.Transport.Tls;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Aeronet.Server.Https;

/// <summary>Ends the TLS of Kestrel's https endpoints on Aeronet's loops: finds what <c>UseHttps</c> was given for an endpoint that Kestrel is about to bind.</summary>
/// <remarks>Kestrel's own middleware passes a connection on that has <c>ITlsConnectionFeature</c> already.</remarks>
internal sealed class KestrelTransportTls : ITransportTls, IStartupFilter, IDisposable
{
    private readonly KestrelServerOptions _kestrel;
    private readonly AeronetTlsOptions _options;
    private readonly TransportBackend _backend;
    private readonly ILogger _logger;
    private readonly ServerTls _tls;
    private readonly Func<IServer> _server; // Kestrel's own factories ask for us: not before it is there
    private readonly Lock _gate = new();

    // Under _gate.
    private readonly Dictionary<TlsEndpoint, (ListenOptions Options, int Listeners)> _open = []; // localhost has two listeners
    private readonly List<(ListenAddress Address, EndPoint EndPoint)> _addresses = []; // of the host, not bound yet
    private bool _prefersAddresses;

    public KestrelTransportTls(IServiceProvider services, IOptions<KestrelServerOptions> kestrel, IOptions<AeronetServerOptions> options, IOptions<AeronetTransportOptions> transport, ILoggerFactory loggers, System.Diagnostics.Metrics.IMeterFactory? meters = null)
    {
        _server = services.GetRequiredService<IServer>;
        _kestrel = kestrel.Value;
        _options = options.Value.Tls;
        _backend = transport.Value.Backend;
        _logger = loggers.CreateLogger(TlsServiceLog.Category);
        _tls = new ServerTls(_options, services, new TlsMetrics(meters), TimeProvider.System, loggers, hasHttp2: true);
    }

    /// <summary>Takes down the addresses that the host has set, because Kestrel clears them before it binds, and refuses requests that came in under another server name's demands.</summary>
    public Action<IApplicationBuilder> Configure(Action<IApplicationBuilder> next) => application =>
    {
        if (LoopBackend.Resolve(_backend, out string? _) != TransportBackend.Epoll)
        {
            Decline("any endpoint", "the loops need epoll, and there is none here, or the backend Sockets was asked for."); // nobody will ask us for an endpoint
        }
        if (_server().Features.Get<IServerAddressesFeature>() is { } feature)
        {
            lock (_gate)
            {
                _prefersAddresses = feature.PreferHostingUrls && feature.Addresses.Count > 0;
                foreach (string url in feature.Addresses)
                {
                    if (ListenAddress.TryParse(url, out ListenAddress? address) is null)
                    {
                        _addresses.AddRange(EndPointsOf(address!).Select(endPoint => (address!, endPoint)));
                    }
                }
            }
        }
        application.Use(static onwards => context => IsMisdirected(context) ? RefuseAsync(context) : onwards(context));
        next(application);
    };

    // RFC 9110 15.5.20, as on Aeronet's own HTTP. Browsers send requests for other names of a certificate over one HTTP/2 connection.
    private static bool IsMisdirected(HttpContext context) =>
        context.Features.Get<ITlsHandshakeFeature>() is TlsFeatures { HasServerNames: true } tls
        && !IsTunnel(context)
        && context.Request.Host.Value is { Length: > 0 } host
        && tls.IsMisdirected(HostSyntax.NameOf(Encoding.Latin1.GetBytes(host)));

    // The authority of CONNECT is the tunnel's other end; that of an extended CONNECT (WebSockets, RFC 8441) is ours.
    private static bool IsTunnel(HttpContext context) =>
        Microsoft.AspNetCore.Http.HttpMethods.IsConnect(context.Request.Method) && context.Features.Get<IHttpExtendedConnectFeature>() is not { IsExtendedConnect: true };

    private static Task RefuseAsync(HttpContext context)
    {
        context.Response.StatusCode = StatusCodes.Status421MisdirectedRequest;
        return Task.CompletedTask;
    }

    public TlsEndpoint? Open(EndPoint endPoint)
    {
        if (FindRequest(endPoint) is not { IsHttps: true } request)
        {
            return null;
        }
        if (WhyNot(request.Options) is { } reason)
        {
            Decline(request.Name, reason);
            return null;
        }
        _tls.Add(request, isNative: true);
        TlsEndpoint endpoint = _tls.Find(request.Options)!;
        lock (_gate)
        {
            _open[endpoint] = (request.Options, _open.GetValueOrDefault(endpoint).Listeners + 1);
        }
        TlsServiceLog.TransportTls(_logger, request.Name);
        return endpoint;
    }

    public void Close(TlsEndpoint endpoint)
    {
        lock (_gate)
        {
            (ListenOptions options, int listeners) = _open[endpoint];
            if (listeners > 1)
            {
                _open[endpoint] = (options, listeners - 1);
                return;
            }
            _open.Remove(endpoint);
            _tls.Remove(options);
        }
    }

    public void Dispose() => _tls.Dispose();

    private void Decline(string endpoint, string reason)
    {
        if (PortableTls.FindNotHonoured(_options, https: null) is { Count: > 0 } names)
        {
            throw new TlsConfigurationException($"TLS of {endpoint} stays with Kestrel, which cannot honour {string.Join(", ", names)}: {reason}");
        }
        _tls.Decline(endpoint);
        TlsServiceLog.TransportTlsDeclined(_logger, endpoint, reason);
    }

    private static string? WhyNot(ListenOptions options)
    {
        if (!HttpsEndpoint.IsOutermost(options))
        {
            return "other connection middleware stands in front of UseHttps.";
        }
        // Kestrel's own TLS tells its HTTP so by a feature that only Kestrel can make.
        KestrelSni? sni = KestrelInternals.GetHttpsCallbackOptions(options) is { } callback ? KestrelInternals.ReadSni(callback) : null;
        return sni?.Names.Values.Append(sni.Others).Any(entry => entry is not null && entry.Protocols != options.Protocols) == true
            ? "a name in its Sni section has HTTP protocols of its own."
            : null;
    }

    // Kestrel has read its configuration when it binds. An endpoint that is bound has its real port by then, so the first that still asks for this one is meant.
    private EndpointRequest? FindRequest(EndPoint endPoint)
    {
        List<ListenOptions> listed =
        [
            .. KestrelInternals.GetCodeBackedListenOptions(_kestrel),
            .. KestrelInternals.GetConfigurationBackedListenOptions(_kestrel),
        ];
        lock (_gate)
        {
            if (listed.Count > 0 && !_prefersAddresses)
            {
                return listed.Find(options => IsFor(options, endPoint)) is { } found ? EndpointRequest.FromListenOptions(found, isConfigured: false) : null;
            }
            int index = _addresses.FindIndex(entry => entry.EndPoint.Equals(endPoint));
            if (index < 0)
            {
                return null;
            }
            ListenAddress address = _addresses[index].Address;
            _addresses.RemoveAt(index); // the next that asks for the same is another one
            return address.IsHttps ? EndpointRequest.FromAddress(address, _kestrel) : null;
        }
    }

    private static bool IsFor(ListenOptions options, EndPoint bound)
    {
        if (options.EndPoint is not IPEndPoint { Port: int port } || bound is not IPEndPoint other)
        {
            return options.EndPoint.Equals(bound);
        }
        return KestrelInternals.IsLocalhost(options) ? port == other.Port && IPAddress.IsLoopback(other.Address)
            : KestrelInternals.IsAnyIP(options) ? port == other.Port && (other.Address.Equals(IPAddress.IPv6Any) || other.Address.Equals(IPAddress.Any))
            : options.EndPoint.Equals(bound);
    }

    // What Kestrel may bind for an address.
    private static IEnumerable<EndPoint> EndPointsOf(ListenAddress address) => (address.Scope, address.EndPoint) switch
    {
        (ListenScope.Localhost, IPEndPoint ip) => [new IPEndPoint(IPAddress.Loopback, ip.Port), new IPEndPoint(IPAddress.IPv6Loopback, ip.Port)],
        (ListenScope.Any, IPEndPoint ip) => [new IPEndPoint(IPAddress.IPv6Any, ip.Port), new IPEndPoint(IPAddress.Any, ip.Port)],
        _ => [address.EndPoint],
    };
}
