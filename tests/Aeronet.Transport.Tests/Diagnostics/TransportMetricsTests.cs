using System;
using System.Collections.Generic;
using System.Diagnostics.Metrics;
using System.Linq;
using Aeronet.TestSupport.Kernel;
using Aeronet.Transport.Diagnostics;
using Xunit;

namespace Aeronet.Transport.Tests.Diagnostics;

public sealed class TransportMetricsTests
{
    [Fact]
    [Trait("Defect", "LOOP-24")]
    [Trait("Feature", "B135"), Trait("Feature", "B137"), Trait("Feature", "B72c")]
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
        Assert.Equal(3, values["aeronet.bytes.written"]);
        Assert.Equal(1, values["aeronet.loop.connections"]);
        Assert.Equal(0, values["aeronet.poll.mod_failures"]);
        Assert.True(values["aeronet.events.processed"] >= 2);
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
        listener.SetMeasurementEventCallback<long>((instrument, value, _, _) => values[instrument.Name] = value);
        listener.Start();
        listener.RecordObservableInstruments();
        return values;
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
