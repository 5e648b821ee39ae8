using System;
using System.Diagnostics;
using System.Threading;

namespace Aeronet.Transport.Loop;

/// <summary>Something another thread wants done on the loop.</summary>
internal interface IPosted
{
    void RunPosted();
}

/// <summary>The only way into a loop from other threads: a queue that the loop swaps out whole, and one eventfd write per sleep.</summary>
internal sealed class PostedWork<TKernel>
    where TKernel : struct, IKernel
{
    private readonly Lock _lock = new();
    private readonly int _wakeFd;
    private TKernel _kernel;
    private IPosted?[] _filling = new IPosted?[16];
    private int _fillingCount; // written under the lock
    private IPosted?[] _running = new IPosted?[16];
    private int _runningCount;
    private int _runningNext;
    private int _isAsleep; // 1 while the loop is, or is about to be, in a wait that only the eventfd ends early
    private bool _isEnded; // under the lock

    public PostedWork(TKernel kernel, int wakeFd)
    {
        _kernel = kernel;
        _wakeFd = wakeFd;
    }

    /// <summary>Queues work and wakes the loop if it sleeps. False: the loop has ended. Any thread.</summary>
    public bool TryEnqueue(IPosted work)
    {
        // The write to the eventfd happens under the lock: TryEnd closes it under the same lock, so it never hits a foreign descriptor.
        lock (_lock)
        {
            if (_isEnded)
            {
                return false;
            }
            if (_fillingCount == _filling.Length)
            {
                Array.Resize(ref _filling, _filling.Length * 2);
            }
            _filling[_fillingCount] = work;
            Volatile.Write(ref _fillingCount, _fillingCount + 1);
            // A full fence: either we see the loop asleep, or the loop sees the count (TryBeginSleep).
            if (Interlocked.Exchange(ref _isAsleep, 0) == 1)
            {
                _ = _kernel.EventFdSignal(_wakeFd);
            }
            return true;
        }
    }

    /// <summary>Announces that the loop is about to wait. False: there is work, do not wait. Loop thread only.</summary>
    public bool TryBeginSleep()
    {
        Interlocked.Exchange(ref _isAsleep, 1);
        if (!HasWork) // also what is left of a round in which another thread has lost the loop
        {
            return true;
        }
        EndSleep();
        return false;
    }

    /// <summary>The wait is over. Loop thread only.</summary>
    public void EndSleep() => Volatile.Write(ref _isAsleep, 0);

    public bool HasWork => _runningNext < _runningCount || Volatile.Read(ref _fillingCount) != 0;

    /// <summary>Runs the next of what was queued when this round began, not what that queues in turn. False: the round is over. Loop thread only.</summary>
    /// <remarks>The position is kept here: another thread that becomes the loop goes on with the next one.</remarks>
    public bool TryRunNext()
    {
        if (_runningNext == _runningCount)
        {
            _runningNext = 0;
            _runningCount = 0;
            return false;
        }
        IPosted? work = _running[_runningNext];
        _running[_runningNext++] = null;
        Debug.Assert(work is not null);
        work.RunPosted();
        return true;
    }

    /// <summary>Begins a round with what is queued now, unless the last one is not over. Loop thread only.</summary>
    public void BeginRound()
    {
        if (_runningNext == _runningCount && Volatile.Read(ref _fillingCount) != 0)
        {
            Swap();
        }
    }

    /// <summary>Refuses further work and closes the eventfd. False: something is queued, and whoever did so was told that it runs. Loop thread only.</summary>
    public bool TryEnd()
    {
        lock (_lock)
        {
            Debug.Assert(!_isEnded);
            if (HasWork)
            {
                return false;
            }
            _isEnded = true;
            _ = _kernel.Close(_wakeFd);
            return true;
        }
    }

    private void Swap()
    {
        Debug.Assert(_runningNext == _runningCount);
        lock (_lock)
        {
            (_filling, _running) = (_running, _filling);
            _runningCount = _fillingCount;
            Volatile.Write(ref _fillingCount, 0);
        }
        _runningNext = 0;
    }
}
