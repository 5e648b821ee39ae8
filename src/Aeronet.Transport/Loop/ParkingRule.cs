using System;

namespace Aeronet.Transport.Loop;

/// <summary>How long the monitor looks at idle loops before it parks. Monitor only.</summary>
/// <remarks>
/// Parking, and the wake-up that the next request pays for it, cost about as much as a few looks. So it parks at the first quiet look, and looks
/// for longer after a parking that was not worth it: 50 requests a second find it parked each time, several hundred do not.
/// Measured with one connection, CPU per request of the whole process: 500 requests/s 141 us before, 96 us with it; 10 requests/s 470 and 365 us.
/// </remarks>
internal struct ParkingRule
{
    private const int QuietLooksMax = 8;
    private const int WorthLooks = 4;
    private const int QuietPauseTimes = 2; // while nothing happens it looks half as often

    private readonly int _lookUs;
    private int _allowed = 1;
    private int _quiet;

    /// <param name="lookUs">Microseconds between two looks at busy loops.</param>
    public ParkingRule(int lookUs)
    {
        _lookUs = lookUs;
        PauseUs = lookUs;
    }

    /// <summary>Microseconds until the next look.</summary>
    public int PauseUs { get; private set; }

    /// <summary>A look is over. True: park now.</summary>
    public bool OnLook(bool isQuiet)
    {
        _quiet = isQuiet ? _quiet + 1 : 0;
        PauseUs = isQuiet ? QuietPauseTimes * _lookUs : _lookUs;
        return _quiet >= _allowed;
    }

    /// <summary>Woken, or not let park at all.</summary>
    public void OnParked(long parkedNs)
    {
        bool wasWorthIt = parkedNs >= 1000L * WorthLooks * QuietPauseTimes * _lookUs;
        _allowed = wasWorthIt ? 1 : Math.Min(2 * _allowed, QuietLooksMax);
        _quiet = 0;
        PauseUs = _lookUs;
    }
}
