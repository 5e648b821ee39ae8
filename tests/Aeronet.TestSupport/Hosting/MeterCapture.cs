using System;
using System.Collections.Generic;
using System.Diagnostics.Metrics;
using System.Linq;
using System.Threading;
using System.Threading.Tasks;

namespace Aeronet.TestSupport.Hosting;

/// <summary>One measurement with its tags.</summary>
/// <param name="Instrument">Instrument name.</param>
/// <param name="Value">The measured value, or the change for counters.</param>
/// <param name="Tags">Tags as given.</param>
public sealed record Measurement(string Instrument, double Value, IReadOnlyDictionary<string, object?> Tags);

/// <summary>Listens to the instruments of one host's meter factory and of no other host in the process.</summary>
public sealed class MeterCapture : IDisposable
{
    private readonly MeterListener _listener = new();
    private readonly Lock _gate = new();
    private readonly List<Measurement> _seen = [];
    private readonly List<(Predicate<IReadOnlyList<Measurement>> Match, TaskCompletionSource Done)> _waiters = [];

    /// <summary>Starts to listen.</summary>
    /// <param name="scope">The <see cref="IMeterFactory"/> whose meters are wanted.</param>
    /// <param name="instruments">Names to listen to; all when empty.</param>
    public MeterCapture(object scope, params string[] instruments)
    {
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (ReferenceEquals(instrument.Meter.Scope, scope) && (instruments.Length == 0 || instruments.Contains(instrument.Name)))
            {
                listener.EnableMeasurementEvents(instrument);
            }
        };
        _listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) => Add(instrument, value, tags));
        _listener.SetMeasurementEventCallback<double>((instrument, value, tags, _) => Add(instrument, value, tags));
        _listener.Start();
    }

    /// <summary>All measurements of one instrument so far.</summary>
    public IReadOnlyList<Measurement> Of(string instrument)
    {
        lock (_gate)
        {
            return [.. _seen.Where(measurement => measurement.Instrument == instrument)];
        }
    }

    /// <summary>Waits until the measurements of one instrument satisfy a condition.</summary>
    public async Task<IReadOnlyList<Measurement>> WaitForAsync(string instrument, Predicate<IReadOnlyList<Measurement>> match)
    {
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        bool Whole(IReadOnlyList<Measurement> all) => match([.. all.Where(measurement => measurement.Instrument == instrument)]);
        lock (_gate)
        {
            if (Whole(_seen))
            {
                done.SetResult();
            }
            else
            {
                _waiters.Add((Whole, done));
            }
        }

        await done.Task.WaitAsync(Guard.Time).ConfigureAwait(false);
        return Of(instrument);
    }

    /// <inheritdoc />
    public void Dispose() => _listener.Dispose();

    private void Add(Instrument instrument, double value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        var copy = new Dictionary<string, object?>(StringComparer.Ordinal);
        foreach (KeyValuePair<string, object?> tag in tags)
        {
            copy[tag.Key] = tag.Value;
        }

        lock (_gate)
        {
            _seen.Add(new Measurement(instrument.Name, value, copy));
            for (int i = _waiters.Count - 1; i >= 0; i--)
            {
                if (_waiters[i].Match(_seen))
                {
                    _waiters[i].Done.TrySetResult();
                    _waiters.RemoveAt(i);
                }
            }
        }
    }
}
