using System;
using System.Collections.Generic;
using Aeronet.Transport.Buffers;
using Aeronet.Transport.Loop;

namespace Aeronet.TestSupport.Connections;

/// <summary>A loop without a thread or a socket: the test's thread is the loop, its clock and posted work move when the test says so.</summary>
internal sealed class ScriptedLoop : LoopContext
{
    private readonly int _threadId = Environment.CurrentManagedThreadId;
    private readonly Queue<ScriptedConnection> _posted = new();

    public ScriptedLoop()
        : base(0, new BlockPool())
    {
    }

    public long ClockMs { get; set; } = 1_000_000;

    public override bool IsCurrent => Environment.CurrentManagedThreadId == _threadId;

    public override long NowMs => ClockMs;

    public override long ReadClockMs() => ClockMs;

    public override bool IsApplicationHere => false;

    public override void Schedule(IApplicationCall call)
    {
        call.Run();
        call.OnReturned();
    }

    public override bool TryHandOff() => false;

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
}
