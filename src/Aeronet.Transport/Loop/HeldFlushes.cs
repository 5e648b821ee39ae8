using System;
using System.Collections.Generic;
using System.Threading;

namespace Aeronet.Transport.Loop;

/// <summary>Something flushed that is held back because its end, or more of it, usually follows at once.</summary>
internal interface IHeldFlush
{
    /// <summary>Sends what was held under this number, if it is still held. Reports its own failures: nobody else knows whose they are. Any thread.</summary>
    void SendHeld(long number);
}

/// <summary>What was held back: sent by the monitor when it has seen it twice, so after half a hand-off time to one and a half (of 0.2 to 10 ms, however long that time is).</summary>
/// <remarks>Nothing is taken out when the rest follows in time: what has been sent meanwhile is not held under its number any more.</remarks>
internal sealed class HeldFlushes
{
    private readonly HandOffMonitor _monitor;
    private readonly Lock _lock = new();
    private List<(IHeldFlush Flush, long Number)> _new = []; // under the lock
    private List<(IHeldFlush Flush, long Number)> _seen = []; // monitor only

    public HeldFlushes(HandOffMonitor monitor) => _monitor = monitor;

    public bool Any
    {
        get
        {
            lock (_lock)
            {
                return _new.Count > 0 || _seen.Count > 0;
            }
        }
    }

    /// <summary>Holds. Any thread.</summary>
    public void Add(IHeldFlush flush, long number)
    {
        lock (_lock)
        {
            _new.Add((flush, number));
        }
        // Parking looks at the list under the lock after it has set the flag: either it finds this one, or we see the flag.
        if (_monitor.IsParked)
        {
            _monitor.Wake();
        }
    }

    /// <summary>Sends what was here at the last look. True while there is anything. Monitor only.</summary>
    public bool SendOld()
    {
        foreach ((IHeldFlush flush, long number) in _seen)
        {
            try
            {
                flush.SendHeld(number);
            }
            catch (Exception exception)
            {
                _monitor.Report(exception); // the others are due all the same, and so is this thread's next look
            }
        }
        lock (_lock)
        {
            _seen.Clear();
            (_new, _seen) = (_seen, _new);
        }
        return _seen.Count > 0;
    }
}
