using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Threading;
using Aeronet.Native.Libc;
using Aeronet.Transport.Diagnostics;
using Microsoft.Extensions.Logging;

namespace Aeronet.Transport.Loop;

/// <summary>Watches the loops of a group from a thread of its own: moves a loop to another thread when application code does not return, and sends responses that were held back long enough.</summary>
/// <remarks>
/// It looks at each loop's word (<see cref="LoopRole"/>) every half hand-off time and parks while nothing happens at all (<see cref="ParkingRule"/>).
/// The same odd word for the hand-off time is not yet blocking: a thread that the scheduler keeps from running, or that the garbage collector has
/// stopped, looks the same. So before a loop is moved its thread must have used the processor meanwhile (it computes) or wait in the kernel (it
/// blocks); and a look that comes late because this thread itself could not run proves nothing. Both reasons to wait are limited.
/// </remarks>
internal sealed class HandOffMonitor
{
    private const int LateLooksMax = 3; // in a row: heavy allocation must not blind the monitor
    private const int UndecidedTimesMax = 8; // a thread that could run but does not get the processor for 8 hand-off times is given up: others have it

    private readonly IRunnableLoop[] _loops;
    private readonly LoopThreads _threads;
    private readonly ILogger _logger;
    private readonly long _handOffNs;
    private readonly int _lookUs;
    private readonly Observation[] _observations;
    private readonly HeldFlushes _held;
    private readonly object _gate = new();
    private bool _isParked; // read by every request; written under the gate
    private bool _isEnded; // under the gate
    private int _lateLooks;
    private bool _isFailureReported;

    public HandOffMonitor(IRunnableLoop[] loops, LoopThreads threads, TimeSpan handOffTime, ILogger logger)
    {
        Debug.Assert(handOffTime > TimeSpan.Zero);
        _loops = loops;
        _threads = threads;
        _logger = logger;
        _handOffNs = handOffTime.Ticks * 100;
        _lookUs = (int)Math.Clamp(_handOffNs / 2000, 100, 5000);
        _observations = new Observation[loops.Length];
        _held = new HeldFlushes(this);
        foreach (IRunnableLoop loop in loops)
        {
            loop.Role.Monitor = this;
        }
    }

    /// <summary>It sleeps until <see cref="Wake"/>. Any thread.</summary>
    public bool IsParked => Volatile.Read(ref _isParked);

    /// <summary>Responses that wait for more of themselves.</summary>
    public HeldFlushes Held => _held;

    /// <exception cref="InvalidOperationException">The system gives no thread.</exception>
    public void Start() => _threads.StartBeside(Main, "Aeronet hand-off monitor");

    /// <summary>There is something to look at. Any thread.</summary>
    public void Wake()
    {
        lock (_gate)
        {
            if (_isParked)
            {
                Volatile.Write(ref _isParked, false);
                Monitor.Pulse(_gate);
            }
        }
    }

    /// <summary>Ends the thread soon.</summary>
    public void End()
    {
        lock (_gate)
        {
            _isEnded = true;
            Volatile.Write(ref _isParked, false);
            Monitor.Pulse(_gate);
        }
    }

    private void Main()
    {
        long lastNs = NowNs();
        ParkingRule parking = new(_lookUs);
        while (!Volatile.Read(ref _isEnded))
        {
            bool isQuiet = !TryLook(ref lastNs, parking.PauseUs) & !_held.SendOld();
            if (parking.OnLook(isQuiet))
            {
                Park();
                long wokenNs = NowNs();
                parking.OnParked(wokenNs - lastNs);
                lastNs = wokenNs;
                SeeWords();
            }
            ThreadClock.Sleep(parking.PauseUs);
        }
    }

    // An unhandled exception here would end the process.
    private bool TryLook(ref long lastNs, int pauseUs)
    {
        try
        {
            return Look(ref lastNs, pauseUs);
        }
        catch (Exception exception)
        {
            Report(exception);
            return true;
        }
    }

    /// <summary>Something has failed that this thread has run. Told once: it may come again with every look. Monitor only.</summary>
    public void Report(Exception exception)
    {
        if (!_isFailureReported)
        {
            _isFailureReported = true;
            Guard.Run(() => TransportLog.MonitorFailed(_logger, exception));
        }
    }

    // A loop that enters application code looks at _isParked after it has written its word, without a fence between the two: the process-wide
    // barrier here stands for it, and the second look sees the word of every loop that has not seen the flag.
    private void Park()
    {
        lock (_gate)
        {
            if (_isEnded)
            {
                return;
            }
            Volatile.Write(ref _isParked, true);
            Interlocked.MemoryBarrierProcessWide();
            if (IsAnyInApplication() || _held.Any)
            {
                Volatile.Write(ref _isParked, false);
                return;
            }
            while (_isParked)
            {
                Monitor.Wait(_gate);
            }
        }
    }

    private bool IsAnyInApplication() => Array.Exists(_loops, static loop => LoopRole.IsInApplication(loop.Role.Word));

    // What was seen before a pause says nothing. What a loop is inside of now counts from here.
    private void SeeWords()
    {
        long nowNs = NowNs();
        for (int i = 0; i < _loops.Length; i++)
        {
            _observations[i] = new Observation { Word = _loops[i].Role.Word, SinceNs = nowNs };
        }
    }

    // True when a loop is inside application code or has been since the last look.
    private bool Look(ref long lastNs, int pauseUs)
    {
        long nowNs = NowNs();
        bool isLate = nowNs - lastNs > (3L * pauseUs * 1000) && ++_lateLooks <= LateLooksMax;
        _lateLooks = isLate ? _lateLooks : 0;
        long sinceNs = Math.Min(nowNs - lastNs, 2L * pauseUs * 1000);
        lastNs = nowNs;
        bool isBusy = false;
        for (int i = 0; i < _loops.Length; i++)
        {
            ref Observation seen = ref _observations[i];
            long word = _loops[i].Role.Word;
            isBusy |= word != seen.Word || LoopRole.IsInApplication(word);
            if (LoopRole.IsInApplication(word))
            {
                _loops[i].Counters.ApplicationNs += sinceNs; // a sample stands for the time between two of them
            }
            if (word != seen.Word || isLate)
            {
                seen = new Observation { Word = word, SinceNs = nowNs };
            }
            else if (LoopRole.IsInApplication(word))
            {
                LookAgain(_loops[i], ref seen, nowNs);
            }
        }
        return isBusy;
    }

    private void LookAgain(IRunnableLoop loop, ref Observation seen, long nowNs)
    {
        int thread = loop.Role.SystemThreadId;
        if (seen.ProcessorAtNs == 0)
        {
            seen.ProcessorAtNs = nowNs;
            seen.ProcessorNs = ThreadClock.ProcessorTimeNs(thread);
        }
        if (nowNs - seen.SinceNs < _handOffNs)
        {
            return;
        }
        bool computes = (ThreadClock.ProcessorTimeNs(thread) - seen.ProcessorNs) * 4 >= nowNs - seen.ProcessorAtNs && nowNs > seen.ProcessorAtNs;
        if (!computes && !ThreadClock.IsWaiting(thread) && nowNs - seen.SinceNs < UndecidedTimesMax * _handOffNs)
        {
            return; // it could run, and is not let
        }
        if (_threads.TryMove(loop, seen.Word, mayExceed: true))
        {
            loop.Counters.AddHandOff(computes ? HandOffCause.Computing : HandOffCause.Blocking);
        }
        seen = default;
    }

    private static long NowNs() => (long)(Stopwatch.GetTimestamp() * (1_000_000_000.0 / Stopwatch.Frequency));

    private struct Observation
    {
        internal long Word;
        internal long SinceNs;
        internal long ProcessorAtNs; // 0: the thread's clock has not been read since
        internal long ProcessorNs;
    }
}
