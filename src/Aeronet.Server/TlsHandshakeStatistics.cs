using System;

namespace Aeronet.Server;

/// <summary>The TLS handshakes of the running server since it started, all HTTPS endpoints together: what <see cref="IAeronetTls.GetHandshakeStatistics"/> gives.</summary>
/// <remarks>For a page of the application's own; monitoring systems get the histogram <c>aeronet.tls.handshake.duration</c> and the counter <c>aeronet.tls.handshakes</c>.</remarks>
public readonly record struct TlsHandshakeStatistics
{
    /// <summary>Full handshakes that succeeded.</summary>
    public TlsHandshakeDurations Full { get; init; }

    /// <summary>Handshakes that resumed an earlier session.</summary>
    public TlsHandshakeDurations Resumed { get; init; }

    /// <summary>Handshakes that began and did not succeed.</summary>
    public long FailedCount { get; init; }

    /// <summary>Refused by a limit before they began.</summary>
    public long RefusedCount { get; init; }
}

/// <summary>How long handshakes took, from accept (behind a proxy: from its header) to the end; the client's answers are in it. Percentiles are exact below 64 ms and at most 1/32 too high above, in whole milliseconds; zero when there was none.</summary>
public readonly record struct TlsHandshakeDurations
{
    /// <summary>How many there were.</summary>
    public long Count { get; init; }

    /// <summary>Half of them took no longer.</summary>
    public TimeSpan P50 { get; init; }

    /// <summary>90 % took no longer.</summary>
    public TimeSpan P90 { get; init; }

    /// <summary>99 % took no longer.</summary>
    public TimeSpan P99 { get; init; }

    /// <summary>The longest, rounded as the others.</summary>
    public TimeSpan Max { get; init; }
}
