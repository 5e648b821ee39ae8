using System;
using System.Collections.Generic;
using System.Threading;
using Aeronet.TestSupport.Kernel;
using Aeronet.Transport.Buffers;
using Aeronet.Transport.Loop;

namespace Aeronet.TestSupport.Connections;

/// <summary>A loop without a thread or a socket: the test's thread is the loop, its clock and posted work move when the test says so.</summary>
internal sealed class ScriptedLoop : LoopContext
{
    private readonly LoopRole _role;
    private readonly Queue<ScriptedConnection> _posted = new();
    private readonly Queue<IApplicationCall> _scheduled = new();
    private readonly TestLog _monitorLog = new();
    private readonly HeldFlushes _held;

    public ScriptedLoop()
        : base(0, new BlockPool())
    {
        LoopThreads threads = new(loopCount: 1, applicationThreadsMax: 1, _monitorLog, TimeProvider.System);
        _held = new HandOffMonitor([], threads, TimeSpan.FromMilliseconds(1), _monitorLog).Held; // never started: the test looks in its place
        _role = new LoopRole(Blocks);
        _role.Assume();
    }

    public long ClockMs { get; set; } = 1_000_000;

    public override bool IsCurrent => _role.IsCurrent;

    public override bool IsApplicationHere => _role.IsApplicationHere;

    public override long NowMs => ClockMs;

    public override bool IsOutOfThreads => IsWithoutThreads;

    public override HeldFlushes? HeldFlushes => HoldsFlushes ? _held : null;

    /// <summary>Flushes may be held until <see cref="SendHeld"/> has seen them twice. False at first: none is.</summary>
    public bool HoldsFlushes { get; set; }

    /// <summary>What the monitor has had to report.</summary>
    public string[] MonitorReports => _monitorLog.Names;

    /// <summary>What escaped an <see cref="IApplicationCall"/> and was given to its OnFailed.</summary>
    public List<Exception> Failures { get; } = [];

    /// <summary>As if every thread were inside application code.</summary>
    public bool IsWithoutThreads { get; set; }

    /// <summary>What the thread that becomes the loop does, in place of turns, until the application's thread goes on. Null: no thread is to be had.</summary>
    public Action? AsNewLoop { get; set; }

    /// <summary>Why the loop went to another thread, in order.</summary>
    public List<HandOffCause> HandOffs { get; } = [];

    public override long ReadClockMs() => ClockMs;

    /// <summary>Any thread.</summary>
    public void Post(ScriptedConnection connection)
    {
        lock (_posted)
        {
            _posted.Enqueue(connection);
        }
    }

    /// <summary>Delivers what was posted, also what that posts. True when there was anything.</summary>
    public bool RunPosted()
    {
        bool any = false;
        while (true)
        {
            ScriptedConnection? next;
            lock (_posted)
            {
                if (!_posted.TryDequeue(out next))
                {
                    return any;
                }
            }

            any = true;
            next.DeliverPosted();
        }
    }

    /// <summary>One look of the monitor at what is held. True while there is anything. On another thread, as the monitor's.</summary>
    public bool SendHeld() => ForeignThread.Run(_held.SendOld);

    public override void Schedule(IApplicationCall call) => _scheduled.Enqueue(call);

    /// <summary>Runs the application code that handlers have scheduled, as the loop does when they have returned.</summary>
    public void RunScheduled()
    {
        while (_scheduled.TryDequeue(out IApplicationCall? call))
        {
            if (!Run(call))
            {
                _role.Assume(); // the other thread has done what it was to do: the test goes on as the loop
            }
        }
    }

    // As the real loop does, step for step. False: another thread is the loop.
    private bool Run(IApplicationCall call)
    {
        long ticket = _role.Enter(call);
        Exception? failure = null;
        try
        {
            call.Run();
        }
        catch (Exception exception)
        {
            failure = exception;
        }

        bool isStillLoop = _role.TryLeave(ticket);
        try
        {
            if (failure is not null)
            {
                OnFailed(call, failure);
            }
            else if (isStillLoop)
            {
                call.OnReturned();
            }
            else
            {
                call.OnReturnedElsewhere();
            }
        }
        catch (Exception exception)
        {
            OnFailed(call, exception);
        }

        return isStillLoop;
    }

    private void OnFailed(IApplicationCall call, Exception exception)
    {
        Failures.Add(exception);
        call.OnFailed(exception);
    }

    public override bool TryHandOff(HandOffCause cause)
    {
        if (!_role.IsApplicationHere)
        {
            return true;
        }

        if (AsNewLoop is null)
        {
            return false;
        }

        HandOffs.Add(cause);
        TakeOver();
        return true;
    }

    /// <summary>The loop goes on with another thread, which does <see cref="AsNewLoop"/>. From inside application code.</summary>
    public void TakeOver()
    {
        IApplicationCall call = _role.Call ?? throw new InvalidOperationException("No application code is running.");
        if (!_role.TryTake(_role.Word))
        {
            throw new InvalidOperationException("The role was lost already.");
        }

        Exception? failure = null;
        Thread thread = new(() =>
        {
            _role.Assume();
            try
            {
                call.OnTakenOver();
                AsNewLoop?.Invoke();
                RunScheduled();
            }
            catch (Exception exception)
            {
                failure = exception;
            }

            _role.Resign();
        });
        thread.Start();
        thread.Join();
        if (failure is not null)
        {
            throw new InvalidOperationException("The new loop failed.", failure);
        }
    }
}
