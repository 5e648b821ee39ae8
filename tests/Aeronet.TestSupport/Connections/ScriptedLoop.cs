using System;
using System.Collections.Generic;
using System.Threading;
using Aeronet.Transport.Buffers;
using Aeronet.Transport.Loop;

namespace Aeronet.TestSupport.Connections;

/// <summary>A loop without a thread or a socket: the test's thread is the loop, its clock and posted work move when the test says so.</summary>
internal sealed class ScriptedLoop : LoopContext
{
    private readonly LoopRole _role;
    private readonly Queue<ScriptedConnection> _posted = new();
    private readonly Queue<IApplicationCall> _scheduled = new();

    public ScriptedLoop()
        : base(0, new BlockPool())
    {
        _role = new LoopRole(Blocks);
        _role.Assume();
    }

    public long ClockMs { get; set; } = 1_000_000;

    public override bool IsCurrent => _role.IsCurrent;

    public override bool IsApplicationHere => _role.IsApplicationHere;

    public override long NowMs => ClockMs;

    public override bool IsOutOfThreads => IsWithoutThreads;

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

    public override void Schedule(IApplicationCall call) => _scheduled.Enqueue(call);

    /// <summary>Runs the application code that handlers have scheduled, as the loop does when they have returned.</summary>
    public void RunScheduled()
    {
        while (_scheduled.TryDequeue(out IApplicationCall? call))
        {
            long ticket = _role.Enter(call);
            call.Run();
            if (_role.TryLeave(ticket))
            {
                call.OnReturned();
            }
            else
            {
                call.OnReturnedElsewhere();
                _role.Assume(); // the other thread has done what it was to do: the test goes on as the loop
            }
        }
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
