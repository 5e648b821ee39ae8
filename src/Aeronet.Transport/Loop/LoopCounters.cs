using System.Threading;

namespace Aeronet.Transport.Loop;

/// <summary>Counters of one loop. The plain ones are written by the loop's thread alone and read by any: 64-bit stores are whole on 64-bit systems.</summary>
internal sealed class LoopCounters
{
    internal long EventsProcessed;
    internal long EventErrors;
    internal long StaleEvents;
    internal long ConnectionsAccepted;
    internal long ConnectionsRefused;
    internal long AcceptErrors;
    internal long HandlerFailures;
    internal long BytesRead;
    internal long BytesWritten;
    internal long Connections; // open now

    // Written by any thread, interlocked.
    private long _foreignBytesRead;
    private long _foreignBytesWritten;
    private long _writesDeferred;
    private long _modFailures;

    internal void AddForeignBytesRead(int bytes) => Interlocked.Add(ref _foreignBytesRead, bytes);

    internal void AddForeignBytesWritten(int bytes) => Interlocked.Add(ref _foreignBytesWritten, bytes);

    internal void AddWriteDeferred() => Interlocked.Increment(ref _writesDeferred);

    internal void AddModFailure() => Interlocked.Increment(ref _modFailures);

    /// <summary>The values now. Any thread.</summary>
    internal TransportStatistics Read() => new()
    {
        EventsProcessed = Volatile.Read(ref EventsProcessed),
        EventErrors = Volatile.Read(ref EventErrors),
        StaleEvents = Volatile.Read(ref StaleEvents),
        ConnectionsAccepted = Volatile.Read(ref ConnectionsAccepted),
        ConnectionsRefused = Volatile.Read(ref ConnectionsRefused),
        AcceptErrors = Volatile.Read(ref AcceptErrors),
        HandlerFailures = Volatile.Read(ref HandlerFailures),
        BytesRead = Volatile.Read(ref BytesRead) + Volatile.Read(ref _foreignBytesRead),
        BytesWritten = Volatile.Read(ref BytesWritten) + Volatile.Read(ref _foreignBytesWritten),
        Connections = Volatile.Read(ref Connections),
        WritesDeferred = Volatile.Read(ref _writesDeferred),
        ModFailures = Volatile.Read(ref _modFailures),
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

    public long AcceptErrors { get; init; }

    /// <summary>Exceptions that escaped a protocol.</summary>
    public long HandlerFailures { get; init; }

    public long BytesRead { get; init; }

    public long BytesWritten { get; init; }

    /// <summary>Open now.</summary>
    public long Connections { get; init; }

    /// <summary>Times a full socket made a send wait for EPOLLOUT.</summary>
    public long WritesDeferred { get; init; }

    /// <summary>Failed changes of interest (epoll_ctl).</summary>
    public long ModFailures { get; init; }

    public static TransportStatistics operator +(TransportStatistics a, TransportStatistics b) => new()
    {
        EventsProcessed = a.EventsProcessed + b.EventsProcessed,
        EventErrors = a.EventErrors + b.EventErrors,
        StaleEvents = a.StaleEvents + b.StaleEvents,
        ConnectionsAccepted = a.ConnectionsAccepted + b.ConnectionsAccepted,
        ConnectionsRefused = a.ConnectionsRefused + b.ConnectionsRefused,
        AcceptErrors = a.AcceptErrors + b.AcceptErrors,
        HandlerFailures = a.HandlerFailures + b.HandlerFailures,
        BytesRead = a.BytesRead + b.BytesRead,
        BytesWritten = a.BytesWritten + b.BytesWritten,
        Connections = a.Connections + b.Connections,
        WritesDeferred = a.WritesDeferred + b.WritesDeferred,
        ModFailures = a.ModFailures + b.ModFailures,
    };
}
