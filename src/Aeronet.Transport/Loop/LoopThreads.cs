using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Threading;

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
/// (<see cref="IsExhausted"/>), so that at most one thread per loop comes on top of it.
/// </remarks>
internal sealed class LoopThreads
{
    private const int IdleThreadsMax = 64; // kept after a storm of blocking calls; a sleeping thread costs some kilobytes
    private const int IdleMsMax = 20_000; // as the thread pool: what was not needed for so long ends

    private readonly Lock _lock = new();
    private readonly Stack<LoopThread> _idle = new(); // under the lock
    private readonly int _busyMax;
    private int _busy; // threads that run a loop or are inside application code; under the lock
    private int _made; // under the lock
    private int _alive;
    private bool _isEnding; // under the lock
    private bool _isExhausted;

    public LoopThreads(int loopCount, int applicationThreadsMax)
    {
        Debug.Assert(loopCount > 0);
        _busyMax = loopCount + applicationThreadsMax;
    }

    /// <summary>As many threads are inside application code that lost its loop as may be. Any thread.</summary>
    public bool IsExhausted => Volatile.Read(ref _isExhausted);

    /// <summary>Threads that run a loop or are inside application code.</summary>
    public int BusyCount
    {
        get
        {
            lock (_lock)
            {
                return _busy;
            }
        }
    }

    /// <summary>Threads that have not ended.</summary>
    public int AliveCount => Volatile.Read(ref _alive);

    /// <summary>Gives a loop its first thread.</summary>
    public void Start(IRunnableLoop loop)
    {
        LoopThread? thread = Rent(mayExceed: true);
        Debug.Assert(thread is not null);
        thread.Run(loop);
    }

    /// <summary>Lets another thread become the loop while the present one is inside application code. False: it has just returned, or (unless <paramref name="mayExceed"/>) too many are out. Any thread.</summary>
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
            _busy++;
            Volatile.Write(ref _isExhausted, _busy >= _busyMax);
            if (_idle.TryPop(out LoopThread? idle))
            {
                return idle;
            }
            return new LoopThread(this, _made++);
        }
    }

    private void Return(LoopThread thread)
    {
        lock (_lock)
        {
            _busy--;
            Debug.Assert(_busy >= 0);
            Volatile.Write(ref _isExhausted, _busy >= _busyMax);
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
        private readonly object _gate = new();
        private IRunnableLoop? _next; // under the gate
        private bool _isEnded; // under the gate

        public LoopThread(LoopThreads owner, int number)
        {
            _owner = owner;
            Thread thread = new(Main)
            {
                Name = $"Aeronet loop thread {number}",
                IsBackground = true,
            };
            Interlocked.Increment(ref owner._alive);
            thread.UnsafeStart(); // no ExecutionContext of whoever starts the server
        }

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
                _owner.Return(this);
            }
            Interlocked.Decrement(ref _owner._alive);
        }

        private IRunnableLoop? Wait()
        {
            lock (_gate)
            {
                while (_next is null && !_isEnded)
                {
                    if (!Monitor.Wait(_gate, IdleMsMax) && _next is null && !_isEnded)
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
