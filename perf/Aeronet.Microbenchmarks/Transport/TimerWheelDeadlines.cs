using Aeronet.Transport.Loop;
using BenchmarkDotNet.Attributes;

namespace Aeronet.Microbenchmarks.Transport;

/// <summary>Deadlines of keep-alive connections: set with every request, seldom reached.</summary>
[MemoryDiagnoser]
public class TimerWheelDeadlines
{
    private const int Connections = 10_000;
    private const int KeepAliveMs = 130_000;
    private readonly Entry[] _entries = new Entry[Connections];
    private TimerWheel _wheel = new(0);
    private long _nowMs;
    private int _next;

    [GlobalSetup]
    public void Setup()
    {
        _nowMs = 0;
        _wheel = new TimerWheel(0);
        for (int index = 0; index < Connections; index++)
        {
            _entries[index] = new Entry();
            _wheel.SetDeadline(_entries[index], KeepAliveMs + index);
        }
    }

    /// <summary>A request on one of the connections moves its deadline into the future.</summary>
    [Benchmark]
    public void MoveDeadline()
    {
        _next = (_next + 1) % Connections;
        _wheel.SetDeadline(_entries[_next], _nowMs + KeepAliveMs);
    }

    /// <summary>One tick of the wheel with every connection's deadline ahead, all moved since they were linked.</summary>
    [Benchmark]
    public bool Tick()
    {
        MoveDeadline();
        _nowMs += TimerWheel.TickMs;
        bool isExpired = _wheel.TryTakeExpired(_nowMs, out ITimed? timed);
        if (timed is not null)
        {
            _wheel.SetDeadline(timed, _nowMs + KeepAliveMs);
        }

        return isExpired;
    }

    private sealed class Entry : ITimed
    {
        private TimerLink _timer = TimerLink.None;

        public ref TimerLink Timer => ref _timer;

        public void OnTimer(long nowMs)
        {
        }
    }
}
