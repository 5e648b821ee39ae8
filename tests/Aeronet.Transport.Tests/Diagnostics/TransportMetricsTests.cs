using System;
using System.Collections.Generic;
using System.Diagnostics.Metrics;
using System.Linq;
using Aeronet.Native.Libc;
using Aeronet.TestSupport.Kernel;
using Aeronet.Transport.Buffers;
using Aeronet.Transport.Diagnostics;
using Xunit;

namespace Aeronet.Transport.Tests.Diagnostics;

public sealed class TransportMetricsTests
{
    [Fact]
    [Trait("Defect", "LOOP-24")]
    [Trait("Feature", "B137"), Trait("Feature", "B72c")]
    public void Instruments_show_what_the_loop_has_counted()
    {
        using SimulatedLoop loop = new();
        using Factory factory = new();
        using TransportMetrics metrics = new(factory, [loop.Loop]);
        (SimulatedPeer peer, RecordingHandler handler) = loop.Connect();
        peer.Send("12345");
        loop.Turn();
        handler.Connection.Send("abc"u8);
        Dictionary<string, long> values = Read(factory);
        Assert.Equal(1, values["aeronet.connections.accepted"]);
        Assert.Equal(5, values["aeronet.bytes.read"]);
        Assert.Equal(3, values["aeronet.bytes.written{path=immediate}"]);
        Assert.Equal(1, values["aeronet.loop.connections{loop=0}"]);
        Assert.Equal(0, values["aeronet.poll.mod_failures"]);
        Assert.True(values["aeronet.events.processed"] >= 2);
    }

    [Fact]
    [Trait("Feature", "B130e"), Trait("Feature", "B132"), Trait("Feature", "B133")]
    public void What_the_socket_takes_at_once_is_queued_and_written_immediately()
    {
        using OutboundRun run = new();
        run.Write(100);
        Assert.Equal(SendOutcome.Drained, run.Send());
        Dictionary<string, long> values = Read(run.Factory);
        Assert.Equal(100, values["aeronet.bytes.queued"]);
        Assert.Equal(100, values["aeronet.bytes.written{path=immediate}"]);
        Assert.Equal(0, values["aeronet.bytes.written{path=flush}"]);
        Assert.Equal(0, values["aeronet.write.deferred"]);
        Assert.Equal(0, values["aeronet.write.flush_cycles"]);
        Assert.Equal(0, values["aeronet.connection.outbound_max"]);
    }

    [Fact]
    [Trait("Feature", "B132"), Trait("Feature", "B133"), Trait("Feature", "B134"), Trait("Feature", "B135"), Trait("Feature", "B136")]
    public void What_a_full_socket_leaves_is_queued_once_and_written_by_flushes()
    {
        using OutboundRun run = new();
        run.Write(100);
        run.Peer.SetSpace(30);
        Assert.Equal(SendOutcome.Blocked, run.Send());
        Dictionary<string, long> blocked = Read(run.Factory);
        Assert.Equal(100, blocked["aeronet.bytes.queued"]);
        Assert.Equal(30, blocked["aeronet.bytes.written{path=immediate}"]);
        Assert.Equal(0, blocked["aeronet.bytes.written{path=flush}"]);
        Assert.Equal(1, blocked["aeronet.write.deferred"]);
        Assert.Equal(0, blocked["aeronet.write.flush_cycles"]);
        run.Peer.SetSpace(50);
        run.Loop.Turn();
        run.Peer.SetSpace(int.MaxValue);
        run.Loop.Turn();
        Dictionary<string, long> drained = Read(run.Factory);
        Assert.Equal(100, run.Peer.ReceivedCount);
        Assert.Equal(100, drained["aeronet.bytes.queued"]);
        Assert.Equal(30, drained["aeronet.bytes.written{path=immediate}"]);
        Assert.Equal(70, drained["aeronet.bytes.written{path=flush}"]);
        Assert.Equal(2, drained["aeronet.write.deferred"]);
        Assert.Equal(2, drained["aeronet.write.flush_cycles"]);
    }

    [Theory]
    [InlineData(10)] // one block, one send
    [InlineData(10_000)] // gathered
    [Trait("Feature", "B132"), Trait("Feature", "B133"), Trait("Feature", "B134")]
    public void Bytes_queued_behind_a_full_socket_are_immediate_when_their_own_first_attempt_takes_them(int count)
    {
        using OutboundRun run = new();
        run.Write(20);
        run.Peer.SetSpace(0);
        Assert.Equal(SendOutcome.Blocked, run.Send());
        run.Write(count);
        run.Peer.SetSpace(20 + count - 1);
        Assert.Equal(SendOutcome.Blocked, run.Send());
        Dictionary<string, long> values = Read(run.Factory);
        Assert.Equal(20 + count, values["aeronet.bytes.queued"]);
        Assert.Equal(count - 1, values["aeronet.bytes.written{path=immediate}"]);
        Assert.Equal(20, values["aeronet.bytes.written{path=flush}"]);
        run.Peer.SetSpace(int.MaxValue);
        Assert.Equal(SendOutcome.Drained, run.Send());
        Assert.Equal(21, Read(run.Factory)["aeronet.bytes.written{path=flush}"]);
        Assert.Equal(count - 1, Read(run.Factory)["aeronet.bytes.written{path=immediate}"]);
    }

    [Fact]
    [Trait("Feature", "B132"), Trait("Feature", "B134"), Trait("Feature", "B138")]
    public void Bytes_lost_with_the_connection_were_queued_and_never_written()
    {
        using OutboundRun run = new();
        run.Write(100);
        run.Loop.Kernel.Fail(KernelCall.Send, Errno.ECONNRESET);
        Assert.Equal(SendOutcome.Failed, run.Send());
        Dictionary<string, long> values = Read(run.Factory);
        Assert.Equal(100, values["aeronet.bytes.queued"]);
        Assert.Equal(0, values["aeronet.bytes.written{path=immediate}"]);
        Assert.Equal(0, values["aeronet.bytes.written{path=flush}"]);
        Assert.Equal(0, values["aeronet.connection.outbound_max"]); // the socket was dead, not full
    }

    [Fact]
    [Trait("Feature", "B132"), Trait("Feature", "B133"), Trait("Feature", "B134")]
    public void Other_threads_count_as_the_loop_does()
    {
        using OutboundRun run = new();
        run.Write(100);
        run.Peer.SetSpace(30);
        Assert.Equal(SendOutcome.Blocked, ForeignThread.Run(run.Send));
        run.Write(5);
        run.Peer.SetSpace(int.MaxValue);
        Assert.Equal(SendOutcome.Drained, ForeignThread.Run(run.Send));
        Dictionary<string, long> values = Read(run.Factory);
        Assert.Equal(105, values["aeronet.bytes.queued"]);
        Assert.Equal(35, values["aeronet.bytes.written{path=immediate}"]);
        Assert.Equal(70, values["aeronet.bytes.written{path=flush}"]);
        Assert.Equal(1, values["aeronet.write.flush_cycles"]);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [Trait("Feature", "B130e"), Trait("Feature", "B132"), Trait("Feature", "B133"), Trait("Feature", "B134")]
    public void Whatever_the_socket_takes_when_the_paths_add_up(int seed)
    {
        using OutboundRun run = new();
        Random random = new(seed);
        long queued = 0;
        for (int step = 0; step < 300; step++)
        {
            int count = random.Next(1, random.Next(2) == 0 ? 50 : 9000);
            run.Write(count);
            queued += count;
            run.Loop.Kernel.TransferMax = random.Next(1, 5000); // several sends per attempt
            run.Peer.SetSpace(random.Next(10_000));
            _ = run.Send();
            Dictionary<string, long> values = Read(run.Factory);
            Assert.Equal(queued, values["aeronet.bytes.queued"]);
            Assert.Equal(run.Peer.ReceivedCount, values["aeronet.bytes.written{path=immediate}"] + values["aeronet.bytes.written{path=flush}"]);
        }

        run.Peer.SetSpace(int.MaxValue);
        Assert.Equal(SendOutcome.Drained, run.Send());
        Dictionary<string, long> drained = Read(run.Factory);
        Assert.Equal(queued, drained["aeronet.bytes.written{path=immediate}"] + drained["aeronet.bytes.written{path=flush}"]);
        Assert.NotEqual(0, drained["aeronet.bytes.written{path=flush}"]);
    }

    [Fact]
    [Trait("Feature", "B138")]
    public void The_longest_outbound_queue_stays_known_after_it_has_drained()
    {
        using OutboundRun run = new();
        run.Peer.SetSpace(0);
        run.Write(100);
        Assert.Equal(SendOutcome.Blocked, run.Send());
        Assert.Equal(100, Read(run.Factory)["aeronet.connection.outbound_max"]);
        run.Write(50);
        run.Peer.SetSpace(int.MaxValue);
        Assert.Equal(SendOutcome.Drained, run.Send());
        Assert.Equal(150, Read(run.Factory)["aeronet.connection.outbound_max"]); // its length when the socket had room again
        run.Peer.SetSpace(0);
        run.Write(10);
        Assert.Equal(SendOutcome.Blocked, run.Send());
        Assert.Equal(150, Read(run.Factory)["aeronet.connection.outbound_max"]);
    }

    [Fact]
    [Trait("Feature", "B138"), Trait("Feature", "B132")]
    public void Over_several_loops_the_longest_queue_is_a_maximum_and_the_rest_are_sums()
    {
        using OutboundRun first = new();
        using OutboundRun second = new();
        using Factory factory = new();
        using TransportMetrics metrics = new(factory, [first.Loop.Loop, second.Loop.Loop]);
        foreach ((OutboundRun run, int count) in new[] { (first, 70), (second, 40) })
        {
            run.Peer.SetSpace(0);
            run.Write(count);
            Assert.Equal(SendOutcome.Blocked, run.Send());
        }

        Assert.Equal(70, Read(factory)["aeronet.connection.outbound_max"]);
        Assert.Equal(110, Read(factory)["aeronet.bytes.queued"]);
        Assert.Equal(2, Read(factory)["aeronet.write.deferred"]);
    }

    [Fact]
    public void A_stopped_group_is_silent()
    {
        using SimulatedLoop loop = new();
        using Factory factory = new();
        TransportMetrics metrics = new(factory, [loop.Loop]);
        Assert.NotEmpty(Read(factory));
        metrics.Dispose();
        Assert.Empty(Read(factory));
    }

    private static Dictionary<string, long> Read(Factory factory)
    {
        Dictionary<string, long> values = [];
        using MeterListener listener = new();
        listener.InstrumentPublished = (instrument, l) =>
        {
            if (factory.Meters.Contains(instrument.Meter))
            {
                l.EnableMeasurementEvents(instrument);
            }
        };
        listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) => values[Name(instrument, tags)] = value);
        listener.Start();
        listener.RecordObservableInstruments();
        return values;
    }

    private static string Name(Instrument instrument, ReadOnlySpan<KeyValuePair<string, object?>> tags) =>
        tags.IsEmpty ? instrument.Name : $"{instrument.Name}{{{tags[0].Key}={tags[0].Value}}}";

    /// <summary>One connection with an outbound queue that goes on when the socket has room, as a session does.</summary>
    private sealed class OutboundRun : IDisposable
    {
        private readonly TransportMetrics _metrics;
        private readonly RecordingHandler _handler;
        private readonly SendQueue _queue = new();

        public OutboundRun()
        {
            _metrics = new TransportMetrics(Factory, [Loop.Loop]);
            (Peer, _handler) = Loop.Connect();
            _handler.WhenWritable = _ => Send();
            _handler.WhenClosed = _ => _queue.Clear(Loop.Loop.Blocks);
        }

        public SimulatedLoop Loop { get; } = new();

        public Factory Factory { get; } = new();

        public SimulatedPeer Peer { get; }

        public void Write(int count) => _queue.Write(Loop.Loop.Blocks, new byte[count]);

        public SendOutcome Send()
        {
            SendOutcome outcome = _queue.Send(_handler.Connection);
            if (outcome == SendOutcome.Blocked)
            {
                _handler.Connection.NotifyWhenWritable();
            }

            return outcome;
        }

        public void Dispose()
        {
            Loop.Dispose();
            _metrics.Dispose();
            Factory.Dispose();
        }
    }

    private sealed class Factory : IMeterFactory
    {
        public List<Meter> Meters { get; } = [];

        public Meter Create(MeterOptions options)
        {
            Meters.Add(new Meter(options));
            return Meters.Last();
        }

        public void Dispose() => Meters.ForEach(static meter => meter.Dispose());
    }
}
