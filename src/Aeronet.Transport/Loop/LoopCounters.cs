using System;
using System.Threading;

namespace Aeronet.Transport.Loop;

/// <summary>Why a loop went on with another thread.</summary>
internal enum HandOffCause
{
    /// <summary>Its thread waited in the kernel inside application code.</summary>
    Blocking,

    /// <summary>Its thread computed inside application code.</summary>
    Computing,

    /// <summary>The application was about to read or write synchronously, and the socket was not ready.</summary>
    SynchronousIo,

    /// <summary>The endpoint is known to be slow, or asks for it.</summary>
    Endpoint,

    Count,
}

/// <summary>Counters of one loop. The plain ones are written by the loop's thread alone and read by any: 64-bit stores are whole on 64-bit systems.</summary>
internal sealed class LoopCounters
{
    internal long EventsProcessed;
    internal long EventErrors;
    internal long StaleEvents;
    internal long ConnectionsAccepted;
    internal long ConnectionsRefused;
    internal long ConnectionsRefusedByAddress;
    internal long AcceptErrors;
    internal long HandlerFailures;
    internal long BytesRead;
    internal long BytesWrittenImmediate;
    internal long Connections; // open now

    internal long ApplicationNs; // written by the monitor alone, from samples

    // Written by any thread, interlocked.
    private long _foreignBytesRead;
    private long _foreignHandlerFailures;
    private long _foreignBytesWrittenImmediate;
    private long _untaken;
    private long _untakenCarriers;
    private long _writesDeferred;
    private long _modFailures;

    // Also interlocked: written only around a full socket, where a few nanoseconds do not count.
    private long _bytesWrittenFlush;
    private long _bytesLeft;
    private long _flushCycles;
    private long _outboundMaxBytes;
    private readonly long[] _handOffs = new long[(int)HandOffCause.Count];

    internal void AddHandOff(HandOffCause cause) => Interlocked.Increment(ref _handOffs[(int)cause]);

    internal long HandOffs(HandOffCause cause) => Volatile.Read(ref _handOffs[(int)cause]);

    internal void AddForeignHandlerFailure() => Interlocked.Increment(ref _foreignHandlerFailures);

    internal void AddForeignBytesRead(int bytes) => Interlocked.Add(ref _foreignBytesRead, bytes);

    internal void AddForeignBytesWrittenImmediate(int bytes) => Interlocked.Add(ref _foreignBytesWrittenImmediate, bytes);

    internal void AddBytesWrittenFlush(int bytes) => Interlocked.Add(ref _bytesWrittenFlush, bytes);

    /// <summary>Bytes that their first attempt to send has left in the queue. Any thread.</summary>
    internal void AddBytesLeft(long bytes) => Interlocked.Add(ref _bytesLeft, bytes);

    internal void AddFlushCycle() => Interlocked.Increment(ref _flushCycles);

    /// <summary>Notes the length of a connection's outbound queue behind a full socket. Any thread.</summary>
    internal void NoteOutbound(long bytes)
    {
        long seen = Volatile.Read(ref _outboundMaxBytes);
        while (bytes > seen)
        {
            long before = Interlocked.CompareExchange(ref _outboundMaxBytes, bytes, seen);
            if (before == seen)
            {
                return;
            }

            seen = before;
        }
    }

    /// <summary>An accepted connection that no application has taken. Any thread.</summary>
    internal void AddUntaken(bool isCarrier)
    {
        Interlocked.Increment(ref _untaken);
        if (isCarrier)
        {
            Interlocked.Increment(ref _untakenCarriers); // the connection that it would have carried was never accepted, either
        }
    }

    internal void AddWriteDeferred() => Interlocked.Increment(ref _writesDeferred);

    internal void AddModFailure() => Interlocked.Increment(ref _modFailures);

    /// <summary>The values now. Any thread.</summary>
    internal TransportStatistics Read() => new()
    {
        EventsProcessed = Volatile.Read(ref EventsProcessed),
        EventErrors = Volatile.Read(ref EventErrors),
        StaleEvents = Volatile.Read(ref StaleEvents),
        ConnectionsAccepted = Volatile.Read(ref ConnectionsAccepted) + Volatile.Read(ref _untakenCarriers),
        ConnectionsRefused = Volatile.Read(ref ConnectionsRefused) + Volatile.Read(ref _untaken),
        ConnectionsRefusedByAddress = Volatile.Read(ref ConnectionsRefusedByAddress),
        AcceptErrors = Volatile.Read(ref AcceptErrors),
        HandlerFailures = Volatile.Read(ref HandlerFailures) + Volatile.Read(ref _foreignHandlerFailures),
        BytesRead = Volatile.Read(ref BytesRead) + Volatile.Read(ref _foreignBytesRead),
        BytesWrittenImmediate = Volatile.Read(ref BytesWrittenImmediate) + Volatile.Read(ref _foreignBytesWrittenImmediate),
        BytesWrittenFlush = Volatile.Read(ref _bytesWrittenFlush),
        BytesLeft = Volatile.Read(ref _bytesLeft),
        Connections = Volatile.Read(ref Connections),
        WritesDeferred = Volatile.Read(ref _writesDeferred),
        ModFailures = Volatile.Read(ref _modFailures),
        FlushCycles = Volatile.Read(ref _flushCycles),
        OutboundMaxBytes = Volatile.Read(ref _outboundMaxBytes),
    };
}

/// <summary>A snapshot of counters, of one loop or summed over several.</summary>
internal readonly record struct TransportStatistics
{
    /// <summary>epoll events handled.</summary>
    public long EventsProcessed { get; init; }

    /// <summary>EPOLLERR seen.</summary>
    public long EventErrors { get; init; }

    /// <summary>Events for connections that were gone.</summary>
    public long StaleEvents { get; init; }

    public long ConnectionsAccepted { get; init; }

    /// <summary>Accepted and closed without a byte, because the acceptor said so.</summary>
    public long ConnectionsRefused { get; init; }

    public long ConnectionsRefusedByAddress { get; init; }

    public long AcceptErrors { get; init; }

    /// <summary>Exceptions that escaped a protocol.</summary>
    public long HandlerFailures { get; init; }

    public long BytesRead { get; init; }

    /// <summary>Taken by the kernel at the first attempt to send them.</summary>
    public long BytesWrittenImmediate { get; init; }

    /// <summary>Taken by the kernel at a later attempt: the socket was full at the first one.</summary>
    public long BytesWrittenFlush { get; init; }

    public long BytesWritten => BytesWrittenImmediate + BytesWrittenFlush;

    /// <summary>Left in the queue by the first attempt to send them, whatever became of them later.</summary>
    public long BytesLeft { get; init; }

    /// <summary>Accepted for sending. A sum and not a counter of its own: what leaves at the first attempt, nearly everything, then costs nothing more.</summary>
    public long BytesQueued => BytesWrittenImmediate + BytesLeft;

    /// <summary>Open now.</summary>
    public long Connections { get; init; }

    /// <summary>Times a full socket made a send wait for EPOLLOUT.</summary>
    public long WritesDeferred { get; init; }

    /// <summary>Failed changes of interest (epoll_ctl).</summary>
    public long ModFailures { get; init; }

    /// <summary>Attempts to send what a full socket had left in a queue.</summary>
    public long FlushCycles { get; init; }

    /// <summary>The longest outbound queue that a connection has had behind a full socket. Over several loops the maximum, not the sum.</summary>
    public long OutboundMaxBytes { get; init; }

    public static TransportStatistics operator +(TransportStatistics a, TransportStatistics b) => new()
    {
        EventsProcessed = a.EventsProcessed + b.EventsProcessed,
        EventErrors = a.EventErrors + b.EventErrors,
        StaleEvents = a.StaleEvents + b.StaleEvents,
        ConnectionsAccepted = a.ConnectionsAccepted + b.ConnectionsAccepted,
        ConnectionsRefused = a.ConnectionsRefused + b.ConnectionsRefused,
        ConnectionsRefusedByAddress = a.ConnectionsRefusedByAddress + b.ConnectionsRefusedByAddress,
        AcceptErrors = a.AcceptErrors + b.AcceptErrors,
        HandlerFailures = a.HandlerFailures + b.HandlerFailures,
        BytesRead = a.BytesRead + b.BytesRead,
        BytesWrittenImmediate = a.BytesWrittenImmediate + b.BytesWrittenImmediate,
        BytesWrittenFlush = a.BytesWrittenFlush + b.BytesWrittenFlush,
        BytesLeft = a.BytesLeft + b.BytesLeft,
        Connections = a.Connections + b.Connections,
        WritesDeferred = a.WritesDeferred + b.WritesDeferred,
        ModFailures = a.ModFailures + b.ModFailures,
        FlushCycles = a.FlushCycles + b.FlushCycles,
        OutboundMaxBytes = Math.Max(a.OutboundMaxBytes, b.OutboundMaxBytes),
    };
}
