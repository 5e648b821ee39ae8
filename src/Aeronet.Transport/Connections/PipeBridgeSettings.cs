using System;
using Microsoft.Extensions.Logging;

namespace Aeronet.Transport.Connections;

/// <summary>What all bridges of a transport share: its options, made ready for use.</summary>
internal sealed class PipeBridgeSettings
{
    private const int DeferredBytesMax = 64 * 1024; // more than this is worth a send of its own

    public PipeBridgeSettings(AeronetTransportOptions options, ILogger logger)
    {
        Logger = logger;
        IsInline = options.PipeScheduling == PipeScheduling.Inline;
        HandOffProbe = options.HandOffProbe;
        EndsWithFinOnError = options.FinOnError;
        ReadSizeMin = options.InitialReadSize;
        ReadPerEventMax = options.MaxReadPerEvent == 0 ? int.MaxValue : options.MaxReadPerEvent;
        ReadAheadMax = options.MaxReadBufferSize ?? long.MaxValue;
        PauseAt = Math.Max(1, options.MaxWriteBufferSize ?? long.MaxValue);
        ResumeBelow = Math.Max(1, PauseAt / 2);
        DeferredMax = Math.Min(DeferredBytesMax, PauseAt);
    }

    /// <summary>For bridges that carry connections of a server on the same loops: every flush is sent at once and completes when the kernel has the bytes, so that the server knows what is sent, and its own limits and rates hold.</summary>
    public static PipeBridgeSettings ForCarriers(AeronetTransportOptions options, bool isInline, ILogger logger)
    {
        PipeBridgeSettings settings = new(options, logger);
        settings.IsInline &= isInline;
        settings.PauseAt = 1;
        settings.ResumeBelow = 1;
        settings.DeferredMax = 1;
        return settings;
    }

    public ILogger Logger { get; }

    public bool IsInline { get; private set; }

    /// <summary>For tests: true lets the loop go on with another thread at this point.</summary>
    public Func<bool>? HandOffProbe { get; }

    public bool EndsWithFinOnError { get; }

    public int ReadSizeMin { get; }

    public int ReadPerEventMax { get; }

    /// <summary>Most bytes buffered to find out whether a FIN waits behind them.</summary>
    public long ReadAheadMax { get; }

    /// <summary>Unsent flushed bytes at which a flush begins to wait.</summary>
    public long PauseAt { get; private set; }

    /// <summary>Unsent flushed bytes below which it stops waiting.</summary>
    public long ResumeBelow { get; private set; }

    /// <summary>Flushed bytes at which a frame's flush sends.</summary>
    public long DeferredMax { get; private set; }
}
