using System;
using System.Collections.Concurrent;
using System.Collections.Generic;
using System.Linq;
using System.Net;
using System.Threading;
using System.Threading.Tasks;
using Aeronet.Server;
using Aeronet.Server.Binding;
using Aeronet.Server.Diagnostics;
using Aeronet.Server.Exchange;
using Aeronet.Server.Sessions;
using Aeronet.TestSupport.Hosting;
using Aeronet.Transport.Listen;
using Aeronet.Transport.Loop;
using Aeronet.Transport.Tls;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Logging;

namespace Aeronet.TestSupport.Tls;

/// <summary>HTTP over TLS on a real socket, with the settings that a test hands over: no hosting, no configuration.</summary>
internal sealed class TlsServer : IAsyncDisposable, ITlsObserver
{
    private readonly EventLoopGroup _group;
    private readonly BoundEndpoint _bound;
    private readonly LoggerFactory _loggers;
    private readonly BlockingCollection<TlsOutcome> _outcomes = [];
    private int _started;

    private TlsServer(TlsSettings settings, Func<IFeatureCollection, Task> application, ApplicationMode mode, TimeProvider? time)
    {
        Logs = new LogCapture();
        _loggers = new LoggerFactory([Logs], new LoggerFilterOptions { MinLevel = LogLevel.Debug });
        KestrelServerOptions kestrel = new();
        AeronetServerOptions options = new() { ApplicationMode = mode };
        options.Transport.IOThreadCount = 1;
        ServerSettings server = ServerSettings.Create(kestrel, options, new ServerLog(_loggers), new ServerMetrics(null), TimeProvider.System, null);
        _group = EventLoopGroup.Start(options.Transport, _loggers, timeProvider: time);
        ExchangePool[] pools = [new(AppRunner.Create(new Application(application), server))];
        TlsServices services = settings.Services;
        Tls = new TlsEndpoint(WithObserver(settings));
        ServerEndpoint endpoint = new(new IPEndPoint(IPAddress.Loopback, 0), "https://test", HttpProtocols.Http1, null) { Tls = Tls };
        _bound = _group.Bind(endpoint.EndPoint, HttpAcceptor.Create(server, endpoint, pools, _loggers.CreateLogger("Aeronet.Transport")));
    }

    public TlsEndpoint Tls { get; }

    public LogCapture Logs { get; }

    public IPEndPoint EndPoint => (IPEndPoint)_bound.LocalEndPoint;

    public int Port => EndPoint.Port;

    public int ConnectionCount => _bound.ConnectionCount;

    public int HandshakesStarted => Volatile.Read(ref _started);

    public static TlsServer Start(TlsSettings settings, Func<IFeatureCollection, Task>? application = null, ApplicationMode mode = ApplicationMode.Inline, TimeProvider? time = null) =>
        new(settings, application ?? Hello, mode, time);

    public static TlsServer Start(TlsIdentity identity, Func<IFeatureCollection, Task>? application = null) => Start(new TlsSettings { Default = identity }, application);

    /// <summary>An identity of the shared authority.</summary>
    public static TlsIdentity Identity(TestKey key = TestKey.P256, params string[] names) => new() { Certificates = [Certificate(key, names)] };

    public static TlsCertificate Certificate(TestKey key = TestKey.P256, params string[] names) =>
        new() { Leaf = TestCertificates.Shared.Server(key, names), Chain = [TestCertificates.Shared.Intermediate] };

    /// <summary>Swaps the settings as a reload does; the outcomes go on arriving here.</summary>
    public void Replace(TlsSettings settings) => Tls.Replace(WithObserver(settings));

    /// <summary>The next handshake that has ended.</summary>
    public TlsOutcome NextOutcome() => _outcomes.TryTake(out TlsOutcome? outcome, Guard.Time) ? outcome : throw new TimeoutException("No handshake has ended.");

    /// <summary>One that has ended already; null: none is left.</summary>
    public TlsOutcome? TryNextOutcome() => _outcomes.TryTake(out TlsOutcome? outcome) ? outcome : null;

    public Task WhenEmptyAsync() => _group.WhenEmptyAsync(_bound).WaitAsync(Guard.Time);

    public void OnHandshakeStarted(Transport.Connections.TransportConnection connection) => Interlocked.Increment(ref _started);

    public void OnHandshakeEnded(in TlsHandshakeEvent handshake) =>
        _outcomes.Add(new TlsOutcome(handshake.Failure, handshake.Detail, handshake.ServerName, handshake.Protocol, handshake.CipherSuite, handshake.ApplicationProtocol, handshake.IsResumed, handshake.HasClientCertificate));

    public async ValueTask DisposeAsync()
    {
        await _group.UnbindAsync(_bound);
        _group.Abort();
        await _group.WhenEmptyAsync().WaitAsync(Guard.Time);
        await _group.StopAsync(Guard.Time);
        int blocks = _group.Loops.Sum(static loop => loop.Blocks.RentedCount);
        if (blocks != 0)
        {
            throw new InvalidOperationException($"{blocks} blocks are left over.");
        }

        _loggers.Dispose();
        _outcomes.Dispose();
        foreach (LogEntry entry in Logs.Entries)
        {
            if (entry.Level >= LogLevel.Error || (entry.Level < LogLevel.Error && entry.Error is not null))
            {
                throw new InvalidOperationException($"Logged in spite of a quiet test: {entry}");
            }
        }
    }

    private static async Task Hello(IFeatureCollection features)
    {
        byte[] text = [.. "hello over "u8, .. System.Text.Encoding.ASCII.GetBytes(features.GetRequiredFeature<IHttpRequestFeature>().Scheme)];
        await features.GetRequiredFeature<IHttpResponseBodyFeature>().Writer.WriteAsync(text);
    }

    private TlsSettings WithObserver(TlsSettings settings)
    {
        TlsServices services = settings.Services;
        return new TlsSettings
        {
            Default = settings.Default,
            Names = settings.Names,
            WildcardsSpanLabels = settings.WildcardsSpanLabels,
            Selector = settings.Selector,
            HandshakeTimeout = settings.HandshakeTimeout,
            KernelTls = settings.KernelTls,
            Services = new TlsServices
            {
                TicketKeys = services.TicketKeys,
                Staples = services.Staples,
                KeyLog = services.KeyLog,
                Admission = services.Admission,
                CapturesClientHello = services.CapturesClientHello,
                Observer = this,
            },
        };
    }

    private sealed class Application(Func<IFeatureCollection, Task> run) : IHttpApplication<IFeatureCollection>
    {
        public IFeatureCollection CreateContext(IFeatureCollection contextFeatures) => contextFeatures;

        public Task ProcessRequestAsync(IFeatureCollection context) => run(context);

        public void DisposeContext(IFeatureCollection context, Exception? exception)
        {
        }
    }
}

/// <summary>How a handshake ended.</summary>
internal sealed record TlsOutcome(
    TlsFailure Failure,
    string? Detail,
    string? ServerName,
    System.Security.Authentication.SslProtocols Protocol,
    ushort CipherSuite,
    string? ApplicationProtocol,
    bool IsResumed,
    bool HasClientCertificate);
