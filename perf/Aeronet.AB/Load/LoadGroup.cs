using System;

namespace Aeronet.AB.Load;

/// <summary>Connections that all send the same request, and what came of it in the last run.</summary>
internal sealed class LoadGroup(LoadRequest request, int connections)
{
    public LoadRequest Request { get; } = request;

    public int Connections { get; } = connections;

    /// <summary>Requests per second offered by the whole group, each due at its own time whatever became of the ones before; null: as fast as the answers come.</summary>
    public double? RatePerSecond { get; set; }

    // Results of the last run.
    public long Requests { get; set; }

    public long Errors { get; set; }

    /// <summary>Connections that the server closed while nothing was asked of them.</summary>
    public long ClosedIdle { get; set; }

    public string? FirstError { get; set; }

    /// <summary>Connections that ended after their last response and whose handshake was no full one.</summary>
    public long Resumed { get; set; }

    /// <summary>From the time a request was due (or, without a rate, was sent) to the end of its response.</summary>
    public LatencyHistogram Latency { get; } = new();

    public void ClearResults()
    {
        Requests = 0;
        Errors = 0;
        ClosedIdle = 0;
        FirstError = null;
        Resumed = 0;
        Latency.Clear();
    }
}

/// <summary>What a connection sends.</summary>
/// <param name="Bytes">The whole request, head and body.</param>
/// <param name="Pipeline">Requests sent together and awaited together.</param>
/// <param name="PerConnection">Requests after which the client closes and connects again; 0: never.</param>
/// <param name="Tls">Whether, and how, its connections are encrypted.</param>
internal sealed record LoadRequest(ReadOnlyMemory<byte> Bytes, int Pipeline = 1, int PerConnection = 0, TlsUse Tls = TlsUse.None);
