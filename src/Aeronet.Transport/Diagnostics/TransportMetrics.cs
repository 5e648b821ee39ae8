using System;
using System.Collections.Generic;
using System.Diagnostics.Metrics;
using System.Threading;
using Aeronet.Transport.Buffers;
using Aeronet.Transport.Loop;

namespace Aeronet.Transport.Diagnostics;

/// <summary>A loop as far as metrics look at it.</summary>
internal interface IMeasuredLoop
{
    int Index { get; }

    LoopCounters Counters { get; }

    BlockPool Blocks { get; }
}

/// <summary>The transport's instruments on the meter <c>Aeronet</c>. All are observable: the loops only count, the sums are made when somebody reads.</summary>
internal sealed class TransportMetrics : IDisposable
{
    public const string MeterName = "Aeronet";

    private static readonly string[] s_causes = ["blocking", "computing", "synchronous_io", "endpoint"]; // of HandOffCause

    private IReadOnlyList<IMeasuredLoop> _loops; // empty once disposed
    private readonly Histogram<double>? _lag;
    private readonly Meter? _meter; // Null without a factory: nobody could tell two servers of a process apart.

    public TransportMetrics(IMeterFactory? factory, IReadOnlyList<IMeasuredLoop> loops)
    {
        _loops = loops;
        // The factory hands out one meter per name to everybody: it is not ours to dispose, so the instruments fall silent instead.
        _meter = factory?.Create(MeterName);
        Counter("aeronet.connections.accepted", "{connection}", "Connections accepted.", static s => s.ConnectionsAccepted);
        Counter("aeronet.connections.refused", "{connection}", "Connections closed without a byte right after they were accepted.", static s => s.ConnectionsRefused);
        Counter("aeronet.connections.refused_by_address", "{connection}", "Of these: because the remote address had too many open.", static s => s.ConnectionsRefusedByAddress);
        Counter("aeronet.accept.errors", "{error}", "Failed attempts to accept a connection.", static s => s.AcceptErrors);
        Counter("aeronet.events.processed", "{event}", "epoll events handled.", static s => s.EventsProcessed);
        Counter("aeronet.events.errors", "{event}", "epoll events that reported a failed connection.", static s => s.EventErrors);
        Counter("aeronet.bytes.read", "By", "Bytes received.", static s => s.BytesRead);
        Counter("aeronet.bytes.queued", "By", "Bytes accepted for sending, those included that left at once.", static s => s.BytesQueued);
        _meter?.CreateObservableCounter("aeronet.bytes.written", BytesWritten, "By", "Bytes taken by the kernel for sending: at the first attempt (path=immediate) or later, after a full socket (path=flush).");
        Counter("aeronet.write.deferred", "{event}", "Sends that had to wait because the socket was full.", static s => s.WritesDeferred);
        Counter("aeronet.write.flush_cycles", "{attempt}", "Attempts to send what a full socket had left.", static s => s.FlushCycles);
        _meter?.CreateObservableGauge("aeronet.connection.outbound_max", () => Total(static s => s.OutboundMaxBytes), "By", "The longest outbound queue that a connection has had behind a full socket since the start.");
        Counter("aeronet.poll.mod_failures", "{error}", "Failed epoll_ctl calls for connections.", static s => s.ModFailures);
        Counter("aeronet.handler.failures", "{error}", "Exceptions that escaped a protocol.", static s => s.HandlerFailures);
        _meter?.CreateObservableCounter("aeronet.loop.handoffs", HandOffs, "{handoff}", "Times that a loop went on with another thread, by cause: blocking and computing (noticed), synchronous_io and endpoint (foreseen).");
        _meter?.CreateObservableCounter("aeronet.loop.application_time", () => PerLoop(static loop => Volatile.Read(ref loop.Counters.ApplicationNs) / 1e9), "s", "Time that a loop's thread spent in application code, estimated from samples.");
        _lag = _meter?.CreateHistogram<double>("aeronet.loop.lag", "s", "Time that the last of the events of one wake-up waited to be handled, per turn of a loop.");
        _meter?.CreateObservableUpDownCounter("aeronet.loop.connections", () => PerLoop(static loop => loop.Counters.Read().Connections), "{connection}", "Open connections per loop.");
        _meter?.CreateObservableUpDownCounter("aeronet.pool.blocks", () => PerLoop(static loop => loop.Blocks.TotalCount), "{block}", "Blocks of 4,096 bytes per loop, rented and free.");
        _meter?.CreateObservableUpDownCounter("aeronet.pool.rented", () => PerLoop(static loop => loop.Blocks.RentedCount), "{block}", "Rented blocks per loop.");
    }

    public static TransportStatistics Sum(IReadOnlyList<IMeasuredLoop> loops)
    {
        TransportStatistics total = default;
        foreach (IMeasuredLoop loop in loops)
        {
            total += loop.Counters.Read();
        }
        return total;
    }

    public void Dispose() => _loops = [];

    /// <summary>Takes the lag of each turn; null without a meter.</summary>
    public Histogram<double>? Lag => _lag;

    private List<Measurement<long>> HandOffs()
    {
        List<Measurement<long>> measurements = [];
        foreach (IMeasuredLoop loop in _loops)
        {
            for (int cause = 0; cause < s_causes.Length; cause++)
            {
                measurements.Add(new Measurement<long>(loop.Counters.HandOffs((HandOffCause)cause), new KeyValuePair<string, object?>("loop", loop.Index), new KeyValuePair<string, object?>("cause", s_causes[cause])));
            }
        }
        return measurements;
    }

    private void Counter(string name, string unit, string description, Func<TransportStatistics, long> select) =>
        _meter?.CreateObservableCounter(name, () => Total(select), unit, description);

    private Measurement<long>[] Total(Func<TransportStatistics, long> select)
    {
        IReadOnlyList<IMeasuredLoop> loops = _loops;
        return loops.Count == 0 ? [] : [new Measurement<long>(select(Sum(loops)))];
    }

    private Measurement<long>[] BytesWritten()
    {
        IReadOnlyList<IMeasuredLoop> loops = _loops;
        if (loops.Count == 0)
        {
            return [];
        }

        TransportStatistics total = Sum(loops);
        return
        [
            new Measurement<long>(total.BytesWrittenImmediate, new KeyValuePair<string, object?>("path", "immediate")),
            new Measurement<long>(total.BytesWrittenFlush, new KeyValuePair<string, object?>("path", "flush")),
        ];
    }

    private Measurement<T>[] PerLoop<T>(Func<IMeasuredLoop, T> select)
        where T : struct
    {
        IReadOnlyList<IMeasuredLoop> loops = _loops;
        Measurement<T>[] measurements = new Measurement<T>[loops.Count];
        for (int i = 0; i < measurements.Length; i++)
        {
            measurements[i] = new Measurement<T>(select(loops[i]), new KeyValuePair<string, object?>("loop", loops[i].Index));
        }
        return measurements;
    }
}
