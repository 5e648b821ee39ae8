using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Threading;
using Aeronet.Transport.Diagnostics;
using Microsoft.Extensions.Logging;

namespace Aeronet.Transport.Loop;

/// <summary>A loop as its threads see it.</summary>
internal interface IRunnableLoop
{
    LoopRole Role { get; }

    LoopCounters Counters { get; }

    /// <summary>Makes the calling thread the loop and runs turns. True: the loop has ended. False: another thread is the loop now.</summary>
    bool Run();

    /// <summary>The loop has ended. Called once, by its last thread.</summary>
    void OnEnded();
}

/// <summary>The threads of a group of loops: one per loop, and those that stand by or are still inside application code that lost its loop.</summary>
/// <remarks>
/// Bound: voluntary moves stop at <c>ApplicationThreadsMax</c> threads inside application code; sessions then start requests on the thread pool
/// (<see cref="IsExhausted"/>), so that at most one thread per loop comes on top of it. The same when the system gives no thread (the pids limit of
/// a container): a loop whose application blocks then waits for it, and another thread is asked for ten times a second.
/// </remarks>
internal sealed class LoopThreads
{
    private const int IdleThreadsMax = 64; // kept after a storm of blocking calls; a sleeping thread costs some kilobytes
    private const int IdleMsMax = 20_000; // as the thread pool: what was not needed for so long ends
    private const int RefusedMs = 100; // asking costs the system a mapped stack each time, and the monitor would ask a thousand times a second

    private readonly ILogger _logger;
    private readonly TimeProvider _time;
    private readonly Action<ThreadStart, string> _startThread;
    private readonly int _idleMsMax;
    private readonly Lock _lock = new();
    private readonly Stack<LoopThread> _idle = new(); // under the lock
    private readonly int _busyMax;
    private int _busy; // threads that run a loop or are inside application code; under the lock
    private int _made;
    private int _alive;
    private long _refusedUntil; // timestamp; 0: the system has given the last thread that was asked for, or one has come back since
    private bool _isRefusalReported; // under the lock
    private bool _isEnding; // under the lock
    private bool _isExhausted;

    public LoopThreads(int loopCount, int applicationThreadsMax, ILogger logger, TimeProvider time, Action<ThreadStart, string>? startThread = null, int idleMsMax = IdleMsMax)
    {
        Debug.Assert(loopCount > 0);
        _busyMax = loopCount + applicationThreadsMax;
        _logger = logger;
        _time = time;
        _startThread = startThread ?? StartThread;
        _idleMsMax = idleMsMax;
    }

    /// <summary>As many threads are inside application code that lost its loop as may be, or the system gives no more. Any thread.</summary>
    public bool IsExhausted => Volatile.Read(ref _isExhausted) || IsRefused;

    /// <summary>Threads that have not ended.</summary>
    public int AliveCount => Volatile.Read(ref _alive);

    private bool IsRefused => Volatile.Read(ref _refusedUntil) is not 0 and long until && _time.GetTimestamp() < until;

    /// <summary>Gives a loop its first thread.</summary>
    /// <exception cref="InvalidOperationException">The system gives none.</exception>
    public void Start(IRunnableLoop loop)
    {
        LoopThread thread = Rent(mayExceed: true) ?? throw new InvalidOperationException("An event loop needs a thread, and the system gives none (see the log).");
        thread.Run(loop);
    }

    /// <summary>Starts a thread that is no loop's.</summary>
    /// <exception cref="InvalidOperationException">The system gives none.</exception>
    public void StartBeside(ThreadStart main, string name)
    {
        try
        {
            _startThread(main, name);
        }
        catch (Exception exception) // OutOfMemoryException, whatever the reason
        {
            throw new InvalidOperationException($"The system gives no thread for the {name}.", exception);
        }
    }

    /// <summary>Lets another thread become the loop while the present one is inside application code. False: it has just returned, the system gives no thread, or (unless <paramref name="mayExceed"/>) too many are out. Any thread.</summary>
    public bool TryMove(IRunnableLoop loop, long ticket, bool mayExceed)
    {
        LoopThread? thread = Rent(mayExceed);
        if (thread is null)
        {
            return false;
        }
        // The thread is at hand before the role is taken: a loop is never without one for longer than a wake-up.
        if (!loop.Role.TryTake(ticket))
        {
            Return(thread);
            return false;
        }
        thread.Run(loop);
        return true;
    }

    /// <summary>Ends the threads that stand by, and the others when they have nothing left to run.</summary>
    public void End()
    {
        lock (_lock)
        {
            _isEnding = true;
            while (_idle.TryPop(out LoopThread? thread))
            {
                thread.End();
            }
        }
    }

    private LoopThread? Rent(bool mayExceed)
    {
        lock (_lock)
        {
            if (_busy >= _busyMax && !mayExceed)
            {
                return null;
            }
            if (_idle.TryPop(out LoopThread? idle))
            {
                CountBusy(1);
                return idle;
            }
            if (IsRefused)
            {
                return null;
            }
            CountBusy(1); // now, or several that ask at once would exceed the bound
        }
        return Make();
    }

    // Not under the lock: it waits until the system has made the thread.
    private LoopThread? Make()
    {
        LoopThread thread = new(this, $"Aeronet loop thread {Interlocked.Increment(ref _made) - 1}");
        try
        {
            thread.Start(_startThread);
        }
        catch (Exception exception) // OutOfMemoryException, whatever the reason
        {
            OnRefused(exception);
            return null;
        }
        Volatile.Write(ref _refusedUntil, 0);
        Interlocked.Increment(ref _alive); // it cannot end before it is given something to run
        return thread;
    }

    private void OnRefused(Exception exception)
    {
        bool isFirst;
        lock (_lock)
        {
            CountBusy(-1);
            Volatile.Write(ref _refusedUntil, _time.GetTimestamp() + Math.Max(1, _time.TimestampFrequency * RefusedMs / 1000));
            isFirst = !_isRefusalReported;
            _isRefusalReported = true;
        }
        if (isFirst)
        {
            Guard.Run(() => TransportLog.ThreadRefused(_logger, AliveCount, exception));
        }
    }

    private void CountBusy(int change)
    {
        _busy += change;
        Debug.Assert(_busy >= 0);
        Volatile.Write(ref _isExhausted, _busy >= _busyMax);
    }

    private static void StartThread(ThreadStart main, string name)
    {
        Thread thread = new(main)
        {
            Name = name,
            IsBackground = true,
        };
        thread.UnsafeStart(); // no ExecutionContext of whoever starts the server
    }

    private void Return(LoopThread thread)
    {
        lock (_lock)
        {
            CountBusy(-1);
            Volatile.Write(ref _refusedUntil, 0);
            if (_isEnding || _idle.Count >= IdleThreadsMax)
            {
                thread.End();
                return;
            }
            _idle.Push(thread);
        }
    }

    // True: it was idle and is forgotten. False: somebody has just taken it.
    private bool TryForget(LoopThread thread)
    {
        lock (_lock)
        {
            // One stays, so that the first blocking call after a quiet time need not wait for a new thread.
            if (_idle.Count <= 1 || !_idle.Contains(thread))
            {
                return false;
            }
            LoopThread[] others = _idle.ToArray();
            _idle.Clear();
            for (int i = others.Length - 1; i >= 0; i--)
            {
                if (others[i] != thread)
                {
                    _idle.Push(others[i]);
                }
            }
            return true;
        }
    }

    private sealed class LoopThread
    {
        private readonly LoopThreads _owner;
        private readonly string _name;
        private readonly object _gate = new();
        private IRunnableLoop? _next; // under the gate
        private bool _isEnded; // under the gate

        public LoopThread(LoopThreads owner, string name)
        {
            _owner = owner;
            _name = name;
        }

        public void Start(Action<ThreadStart, string> start) => start(Main, _name);

        public void Run(IRunnableLoop loop)
        {
            lock (_gate)
            {
                Debug.Assert(_next is null);
                Debug.Assert(!_isEnded);
                _next = loop;
                Monitor.Pulse(_gate);
            }
        }

        public void End()
        {
            lock (_gate)
            {
                _isEnded = true;
                Monitor.Pulse(_gate);
            }
        }

        private void Main()
        {
            while (Wait() is { } loop)
            {
                if (loop.Run())
                {
                    loop.OnEnded();
                }
                ResetThread();
                _owner.Return(this);
            }
            Interlocked.Decrement(ref _owner._alive);
        }

        // As the thread pool does: what application code has made of the thread must not meet the next one's, or a whole loop.
        private void ResetThread()
        {
            Thread thread = Thread.CurrentThread;
            if (thread.Name != _name)
            {
                thread.Name = _name;
            }
            if (thread.Priority != ThreadPriority.Normal)
            {
                thread.Priority = ThreadPriority.Normal;
            }
            if (!thread.IsBackground)
            {
                thread.IsBackground = true;
            }
        }

        private IRunnableLoop? Wait()
        {
            lock (_gate)
            {
                while (_next is null && !_isEnded)
                {
                    if (!Monitor.Wait(_gate, _owner._idleMsMax) && _next is null && !_isEnded)
                    {
                        ForgetIfIdle();
                    }
                }
                IRunnableLoop? next = _next;
                _next = null;
                return next;
            }
        }

        // The owner's lock comes before the gate everywhere else.
        private void ForgetIfIdle()
        {
            Monitor.Exit(_gate);
            bool isForgotten = _owner.TryForget(this);
            Monitor.Enter(_gate);
            _isEnded |= isForgotten;
        }
    }
}
