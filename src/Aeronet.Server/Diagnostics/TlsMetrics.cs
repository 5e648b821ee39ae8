using System;
using System.Collections.Concurrent;
using System.Collections.Generic;
using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.Security.Authentication;
using System.Threading;
using Aeronet.Transport;
using Aeronet.Transport.Connections;
using Aeronet.Transport.Tls;
using Microsoft.Extensions.Logging;

namespace Aeronet.Server.Diagnostics;

/// <summary>The handshake instruments that Kestrel's dashboards read, under their known names, and Aeronet's own.</summary>
internal sealed class TlsMetrics
{
    // The buckets that the OpenTelemetry conventions give for kestrel.tls_handshake.duration.
    private static readonly InstrumentAdvice<double> s_durationBuckets = new() { HistogramBucketBoundaries = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10] };

    private readonly UpDownCounter<long> _active;
    private readonly Histogram<double> _kestrelDuration;
    private readonly Histogram<double> _duration;
    private readonly Counter<long> _handshakes;
    private readonly Counter<long> _clientCertificates;
    private readonly Counter<long> _alpnMismatches;
    private readonly Counter<long> _reloads;
    private volatile Func<(int Certificates, int WithoutStaple)>? _stapleCounts;

    // Handshakes whose start was counted: the end is counted then and only then, so that the sum never drifts. Empty while nobody listens.
    private readonly ConcurrentDictionary<TransportConnection, KeyValuePair<string, object?>[]> _counted = new();

    public TlsMetrics(IMeterFactory? meterFactory)
    {
        Meter kestrel = meterFactory?.Create(ServerMetrics.KestrelMeterName) ?? new Meter(ServerMetrics.KestrelMeterName);
        Meter aeronet = meterFactory?.Create(ServerMetrics.AeronetMeterName) ?? new Meter(ServerMetrics.AeronetMeterName);
        _active = kestrel.CreateUpDownCounter<long>("kestrel.active_tls_handshakes", "{handshake}", "TLS handshakes that are under way.");
        _kestrelDuration = kestrel.CreateHistogram("kestrel.tls_handshake.duration", "s", "How long TLS handshakes took.", tags: null, s_durationBuckets);
        _duration = aeronet.CreateHistogram("aeronet.tls.handshake.duration", "s", "How long TLS handshakes took from accept on, by result and by whether a session was resumed.", tags: null, s_durationBuckets);
        _handshakes = aeronet.CreateCounter<long>("aeronet.tls.handshakes", "{handshake}", "TLS handshakes that have ended, by result (ok, failed, refused) and reason; those that succeeded by version, cipher, application protocol, whether a session was resumed, and with KernelTls who encrypts (records: kernel, user_space).");
        _clientCertificates = aeronet.CreateCounter<long>("aeronet.tls.client_cert_present", "{handshake}", "TLS handshakes in which the client has shown a certificate.");
        _alpnMismatches = aeronet.CreateCounter<long>("aeronet.tls.alpn_strict_mismatches", "{handshake}", "TLS handshakes refused because client and server have no application protocol in common.");
        _reloads = aeronet.CreateCounter<long>("aeronet.tls.reload", "{reload}", "Reloads of the TLS settings, by result (ok, failed).");
        aeronet.CreateObservableGauge("aeronet.tls.staples", Staples, "{certificate}", "Certificates that should have an OCSP response, by whether they have one now (state: ready, missing).");
    }

    /// <summary>Reasons of <c>aeronet.tls.handshakes</c>.</summary>
    public static string? Reason(TlsFailure failure) => failure switch
    {
        TlsFailure.None => null,
        TlsFailure.HandshakeEof => "handshake_eof",
        TlsFailure.ConnectionReset => "connection_reset",
        TlsFailure.HandshakeTimeout => "handshake_timeout",
        TlsFailure.ServerStopping => "server_stopping",
        TlsFailure.RejectedConcurrency => "rejected_concurrency",
        TlsFailure.RejectedRateLimit => "rejected_rate_limit",
        TlsFailure.PlainHttp => "plain_http",
        TlsFailure.UnsupportedVersion => "unsupported_version",
        TlsFailure.NoSharedCipher => "no_shared_cipher",
        TlsFailure.AlpnStrictMismatch => "alpn_strict_mismatch",
        TlsFailure.CertificateSelection => "certificate_selection",
        TlsFailure.ClientCertificateMissing => "client_cert_missing",
        TlsFailure.ClientCertificateInvalid => "client_cert_invalid",
        TlsFailure.PeerAlert => "peer_alert",
        _ => "handshake_error",
    };

    /// <summary>An observer for the handshakes of one run.</summary>
    /// <param name="callback">The application's; null: none.</param>
    /// <param name="logger">Hears of a callback that throws.</param>
    /// <param name="counts">Of the run.</param>
    public ITlsObserver Observe(Action<TlsHandshakeReport>? callback, ILogger logger, HandshakeCounts counts) => new Observer(this, callback is null ? null : new HandshakeReports(callback, logger), counts);

    /// <summary>Where the gauge of OCSP responses looks.</summary>
    public void ObserveStaples(Func<(int Certificates, int WithoutStaple)> counts) => _stapleCounts = counts;

    public void Reloaded(bool isGood)
    {
        if (_reloads.Enabled)
        {
            _reloads.Add(1, new KeyValuePair<string, object?>("result", isGood ? "ok" : "failed"));
        }
    }

    private void Started(TransportConnection connection)
    {
        if (_active.Enabled)
        {
            KeyValuePair<string, object?>[] tags = ServerMetrics.AddressTags(connection);
            if (_counted.TryAdd(connection, tags))
            {
                _active.Add(1, tags);
            }
        }
    }

    private void Ended(in TlsHandshakeEvent handshake)
    {
        bool isRefused = handshake.Failure is TlsFailure.RejectedConcurrency or TlsFailure.RejectedRateLimit;
        string result = handshake.Failure == TlsFailure.None ? "ok" : isRefused ? "refused" : "failed";
        if (!_counted.IsEmpty && _counted.TryRemove(handshake.Connection, out KeyValuePair<string, object?>[]? counted))
        {
            _active.Add(-1, counted);
        }
        if (_kestrelDuration.Enabled && !isRefused)
        {
            RecordForKestrel(handshake);
        }
        if (_duration.Enabled && !isRefused)
        {
            _duration.Record(handshake.Duration.TotalSeconds, new KeyValuePair<string, object?>("result", result), new KeyValuePair<string, object?>("resumed", handshake.IsResumed));
        }
        if (_handshakes.Enabled)
        {
            Count(handshake, result);
        }
        if (handshake.HasClientCertificate && _clientCertificates.Enabled)
        {
            _clientCertificates.Add(1);
        }
        if (handshake.Failure == TlsFailure.AlpnStrictMismatch && _alpnMismatches.Enabled)
        {
            _alpnMismatches.Add(1);
        }
    }

    private void Count(in TlsHandshakeEvent handshake, string result)
    {
        // Nothing here is chosen freely by a peer: a server name as a tag would grow the metric without bound.
        var tags = new TagList { { "result", result } };
        if (Reason(handshake.Failure) is { } reason)
        {
            tags.Add("reason", reason);
        }
        else
        {
            tags.Add("resumed", handshake.IsResumed);
            tags.Add("version", Version(handshake.Protocol));
            tags.Add("cipher", (int)handshake.CipherSuite);
            tags.Add("alpn", handshake.ApplicationProtocol ?? "");
            if (handshake.IsKernelTls is { } isKernelTls)
            {
                tags.Add("records", isKernelTls ? "kernel" : "user_space");
            }
        }
        _handshakes.Add(1, in tags);
    }

    private void RecordForKestrel(in TlsHandshakeEvent handshake)
    {
        var tags = new TagList(ServerMetrics.AddressTags(handshake.Connection));
        if (Version(handshake.Protocol) is { Length: > 0 } version && handshake.Failure == TlsFailure.None)
        {
            tags.Add("tls.protocol.version", version);
        }
        // The exceptions that SslStream throws for Kestrel.
        string? errorType = handshake.Failure switch
        {
            TlsFailure.None => null,
            TlsFailure.HandshakeTimeout or TlsFailure.ServerStopping => typeof(OperationCanceledException).FullName,
            TlsFailure.HandshakeEof or TlsFailure.ConnectionReset => typeof(System.IO.IOException).FullName,
            _ => typeof(AuthenticationException).FullName,
        };
        if (errorType is not null)
        {
            tags.Add("error.type", errorType);
        }
        _kestrelDuration.Record(handshake.Duration.TotalSeconds, in tags);
    }

    private static string Version(SslProtocols protocol) => protocol switch
    {
        SslProtocols.Tls13 => "1.3",
        SslProtocols.Tls12 => "1.2",
#pragma warning disable CA5397, SYSLIB0039 // Named when somebody has allowed them.
        SslProtocols.Tls11 => "1.1",
        SslProtocols.Tls => "1.0",
#pragma warning restore CA5397, SYSLIB0039
        _ => "",
    };

    private Measurement<int>[] Staples()
    {
        if (_stapleCounts is not { } counts)
        {
            return [];
        }
        (int certificates, int without) = counts();
        return certificates == 0 ? [] :
        [
            new Measurement<int>(certificates - without, new KeyValuePair<string, object?>("state", "ready")),
            new Measurement<int>(without, new KeyValuePair<string, object?>("state", "missing")),
        ];
    }

    private sealed class Observer(TlsMetrics metrics, HandshakeReports? reports, HandshakeCounts counts) : ITlsObserver
    {
        public void OnHandshakeStarted(TransportConnection connection) => metrics.Started(connection);

        public void OnHandshakeEnded(in TlsHandshakeEvent handshake)
        {
            counts.Add(handshake); // first: listeners of metrics may throw
            metrics.Ended(handshake);
            reports?.Post(handshake);
        }
    }
}
