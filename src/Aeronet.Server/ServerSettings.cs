using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Linq;
using System.Text;
using System.Threading;
using Aeronet.Http.Http1;
using Aeronet.Http.Semantics;
using Aeronet.Server.Binding;
using Aeronet.Server.Diagnostics;
using Aeronet.Server.Exchange;
using Aeronet.Transport;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace Aeronet.Server;

/// <summary>One field added to every response that does not carry it.</summary>
/// <param name="Name">The field name as configured.</param>
/// <param name="Known">The same as a known name, if it is one.</param>
/// <param name="Line">The whole field line, CRLF included.</param>
internal readonly record struct GlobalHeader(string Name, KnownHeader Known, byte[] Line);

/// <summary>Everything that sessions and exchanges read of the configuration: an immutable snapshot of one start of the server.</summary>
internal sealed class ServerSettings
{
    /// <summary>A time-out that never comes; can be added to any clock value without overflow.</summary>
    public const long NoTimeoutMs = long.MaxValue / 2;

    private const int DeferredResponseBytesCeiling = 64 * 1024; // one send of this size fills a default socket buffer about half

    private static readonly AeronetTransportOptions s_transportDefaults = new();

    private ServerSettings(KestrelServerOptions kestrel, AeronetServerOptions aeronet, ServerLog log, ServerMetrics metrics, TimeProvider timeProvider, DiagnosticSource? diagnosticSource)
    {
        KestrelServerLimits limits = kestrel.Limits;

        Http1Limits = new Http1Limits
        {
            RequestLineSizeMax = limits.MaxRequestLineSize,
            HeadersTotalSizeMax = limits.MaxRequestHeadersTotalSize,
            HeaderCountMax = limits.MaxRequestHeaderCount,
            AllowLineFeedTerminators = aeronet.AllowLineFeedTerminators,
            AllowHostHeaderOverride = kestrel.AllowHostHeaderOverride,
            RejectUnknownMethods = aeronet.RejectUnknownMethods,
        };

        MaxRequestBodySize = limits.MaxRequestBodySize;
        // Kestrel's limit is the real threshold here; the transport's option of the same meaning wins where somebody has changed it.
        MaxResponseBufferSize = aeronet.Transport.MaxWriteBufferSize == s_transportDefaults.MaxWriteBufferSize ? limits.MaxResponseBufferSize : aeronet.Transport.MaxWriteBufferSize;
        DeferredResponseBytesMax = (int)Math.Min(MaxResponseBufferSize ?? DeferredResponseBytesCeiling, DeferredResponseBytesCeiling);
        InitialReadSize = aeronet.Transport.InitialReadSize;
        BodyReadSize = aeronet.Transport.BodyReadSize;
        MaxReadPerEvent = aeronet.Transport.MaxReadPerEvent == 0 ? int.MaxValue : aeronet.Transport.MaxReadPerEvent;
        KeepAliveTimeoutMs = ToMilliseconds(limits.KeepAliveTimeout);
        RequestHeadersTimeoutMs = ToMilliseconds(limits.RequestHeadersTimeout);
        MinRequestBodyDataRate = limits.MinRequestBodyDataRate;
        MinResponseDataRate = limits.MinResponseDataRate;
        MaxConcurrentConnections = limits.MaxConcurrentConnections;
        UpgradedConnections = limits.MaxConcurrentUpgradedConnections is { } upgraded ? new ConcurrencyLimit(upgraded) : null;

        AllowSynchronousIO = kestrel.AllowSynchronousIO;
        DisableStringReuse = kestrel.DisableStringReuse;

        // A fresh options object carries the default selectors: the same object means that nobody has set one, and the fast path is a null check.
        var defaults = new KestrelServerOptions();
        RequestHeaderEncodingSelector = ReferenceEquals(kestrel.RequestHeaderEncodingSelector, defaults.RequestHeaderEncodingSelector) ? null : kestrel.RequestHeaderEncodingSelector;
        ResponseHeaderEncodingSelector = ReferenceEquals(kestrel.ResponseHeaderEncodingSelector, defaults.ResponseHeaderEncodingSelector) ? null : kestrel.ResponseHeaderEncodingSelector;

        MaxRequestsPerConnection = aeronet.EnableKeepAlive ? aeronet.Limits.MaxRequestsPerConnection ?? int.MaxValue : 1;
        InlineBodyThreshold = aeronet.Limits.InlineBodyThreshold;
        HalfCloseGraceMs = ToMilliseconds(aeronet.Limits.HalfCloseGracePeriod);
        LingerTimeoutMs = ToMilliseconds(aeronet.Limits.LingerTimeout);
        LingerBytes = aeronet.Limits.LingerBytes;
        BodyDrainTimeoutMs = ToMilliseconds(aeronet.Limits.BodyDrainTimeout);

        ApplicationMode = aeronet.ApplicationMode;
        AbortHalfClosedClients = aeronet.HalfClosedClients == HalfClosedClients.Abort;
        Http10StatusLine = aeronet.Http10StatusLine;
        AddTrailerHeader = aeronet.AddTrailerHeader;
        OptionsAsterisk = aeronet.OptionsAsterisk;
        AllowedMethods = string.Join(',', aeronet.AllowedMethods);
        TracePolicy = aeronet.TracePolicy;
        RejectUnknownExpectations = aeronet.RejectUnknownExpectations;
        RejectedConnectionResponse = aeronet.RejectedConnectionResponse;

        ServerHeaderLine = kestrel.AddServerHeader ? "Server: Aeronet\r\n"u8.ToArray() : [];
        var globalHeaders = new List<GlobalHeader>();
        foreach ((string name, string value) in aeronet.GlobalHeaders)
        {
            byte[] line = Encoding.ASCII.GetBytes($"{name}: {value}\r\n");
            if (name.Equals("Server", StringComparison.OrdinalIgnoreCase))
            {
                ServerHeaderLine = line;
            }
            else
            {
                globalHeaders.Add(new GlobalHeader(name, KnownHeaders.Lookup(name), line));
            }
        }
        GlobalHeaders = globalHeaders.ToArray();
        GlobalHeadersLength = ServerHeaderLine.Length + globalHeaders.Sum(static header => header.Line.Length);

        EndpointLoads = new EndpointLoads(log.General, metrics, aeronet.Transport.HandOffTime);
        HandOffProbe = aeronet.HandOffProbe;
        Log = log;
        Metrics = metrics;
        TimeProvider = timeProvider;
        DateHeader = new DateHeader(timeProvider);
        DiagnosticSource = diagnosticSource;
    }

    public static ServerSettings Create(KestrelServerOptions kestrel, AeronetServerOptions aeronet, ServerLog log, ServerMetrics metrics, TimeProvider timeProvider, DiagnosticSource? diagnosticSource)
        => new(kestrel, aeronet, log, metrics, timeProvider, diagnosticSource);

    // From KestrelServerOptions.

    public Http1Limits Http1Limits { get; }

    /// <summary>Null: no limit. The start value of each request's <c>IHttpMaxRequestBodySizeFeature</c>.</summary>
    public long? MaxRequestBodySize { get; }

    /// <summary>Most bytes that wait to be sent on a connection before writers wait; null: no limit, 0: every write waits until it is sent.</summary>
    public long? MaxResponseBufferSize { get; }

    /// <summary>Bytes of finished responses that may wait for the end of a loop turn, so that a pipelined batch leaves in one send.</summary>
    public int DeferredResponseBytesMax { get; }

    public long KeepAliveTimeoutMs { get; }

    public long RequestHeadersTimeoutMs { get; }

    /// <summary>Null: no rate is asked for.</summary>
    public MinDataRate? MinRequestBodyDataRate { get; }

    /// <summary>Null: no rate is asked for.</summary>
    public MinDataRate? MinResponseDataRate { get; }

    /// <summary>Per endpoint: <see cref="ServerEndpoint.Connections"/> counts.</summary>
    public long? MaxConcurrentConnections { get; }

    /// <summary>Counts upgraded connections of the whole server; null: no limit.</summary>
    public ConcurrencyLimit? UpgradedConnections { get; }

    public bool AllowSynchronousIO { get; }

    public bool DisableStringReuse { get; }

    /// <summary>Null when the application has not set one: strict UTF-8.</summary>
    public Func<string, Encoding?>? RequestHeaderEncodingSelector { get; }

    /// <summary>Null when the application has not set one: ASCII.</summary>
    public Func<string, Encoding?>? ResponseHeaderEncodingSelector { get; }

    // From AeronetServerOptions.

    /// <summary>Bytes asked for by the first receive of a connection.</summary>
    public int InitialReadSize { get; }

    /// <summary>Bytes asked for by a receive of request content that goes through the buffer.</summary>
    public int BodyReadSize { get; }

    /// <summary>Bytes received from one connection in one turn; <see cref="int.MaxValue"/>: no limit.</summary>
    public int MaxReadPerEvent { get; }

    /// <summary><see cref="int.MaxValue"/>: no limit; 1 without keep-alive.</summary>
    public int MaxRequestsPerConnection { get; }

    public int InlineBodyThreshold { get; }

    public long HalfCloseGraceMs { get; }

    public long LingerTimeoutMs { get; }

    public long LingerBytes { get; }

    public long BodyDrainTimeoutMs { get; }

    public ApplicationMode ApplicationMode { get; }

    /// <summary>What is known of the endpoints' synchronous parts.</summary>
    public EndpointLoads EndpointLoads { get; }

    /// <summary>Asked by tests at every point at which a loop may go on with another thread; null in production.</summary>
    public Func<bool>? HandOffProbe { get; }

    public bool AbortHalfClosedClients { get; }

    public Http10StatusLine Http10StatusLine { get; }

    public bool AddTrailerHeader { get; }

    public OptionsAsteriskPolicy OptionsAsterisk { get; }

    /// <summary>The value of <c>Allow</c> for <c>OPTIONS *</c>.</summary>
    public string AllowedMethods { get; }

    public TracePolicy TracePolicy { get; }

    public bool RejectUnknownExpectations { get; }

    public RejectedConnectionResponse RejectedConnectionResponse { get; }

    /// <summary><c>Server: Aeronet</c> and CRLF, or what <see cref="AeronetServerOptions.GlobalHeaders"/> says instead; empty when there is to be none.</summary>
    public byte[] ServerHeaderLine { get; }

    /// <summary>Without <c>Server</c>.</summary>
    public GlobalHeader[] GlobalHeaders { get; }

    /// <summary>Bytes of <see cref="ServerHeaderLine"/> and all <see cref="GlobalHeaders"/> together.</summary>
    public int GlobalHeadersLength { get; }

    /// <summary>The Date field line, one for all loops.</summary>
    public DateHeader DateHeader { get; }

    // Services.

    public ServerLog Log { get; }

    public ServerMetrics Metrics { get; }

    public TimeProvider TimeProvider { get; }

    /// <summary>The host's DiagnosticListener "Microsoft.AspNetCore"; null without one.</summary>
    public DiagnosticSource? DiagnosticSource { get; }

    private static long ToMilliseconds(TimeSpan value)
    {
        // Kestrel turns Timeout.InfiniteTimeSpan into TimeSpan.MaxValue in its own setters.
        if (value == Timeout.InfiniteTimeSpan || value.TotalMilliseconds >= NoTimeoutMs)
        {
            return NoTimeoutMs;
        }
        Debug.Assert(value >= TimeSpan.Zero);
        return (long)Math.Ceiling(value.TotalMilliseconds);
    }
}
