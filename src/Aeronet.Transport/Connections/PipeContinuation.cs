using System;
using System.Diagnostics;
using System.Threading;
using System.Threading.Tasks.Sources;
using Aeronet.Transport.Loop;

namespace Aeronet.Transport.Connections;

/// <summary>One side of a pipe, as what waits for it knows it.</summary>
internal interface IPipeSide
{
    PipeBridge Bridge { get; }

    /// <summary>What guards it, continuation included.</summary>
    object Lock { get; }

    /// <summary>Makes the wait end with a cancelled result. True: the continuation was taken. Under the lock.</summary>
    bool CancelWait();
}

/// <summary>The code that waits for one side of a pipe, the token that may end the wait, and how the code is run: on the loop's thread or on the thread pool.</summary>
/// <remarks>The side's lock guards everything up to <see cref="TryTake"/>; from a successful TryTake until it runs, the continuation belongs to whoever runs it.</remarks>
internal sealed class PipeContinuation(IPipeSide side) : IApplicationCall, IThreadPoolWorkItem
{
    private Action<object?>? _continuation;
    private object? _state;
    private ExecutionContext? _context; // captured only for callers that want it to flow; async methods carry their own
    private CancellationTokenRegistration _registration; // not default exactly while a wait has a token; under the lock
    private bool _isTaken;
    private bool _isFrame;

    /// <summary>Remembers what to run. False: something waits already.</summary>
    public bool Set(Action<object?> continuation, object? state, ValueTaskSourceOnCompletedFlags flags)
    {
        if (_continuation is not null)
        {
            return false;
        }
        _context = (flags & ValueTaskSourceOnCompletedFlags.FlowExecutionContext) != 0 ? ExecutionContext.Capture() : null;
        _state = state;
        _continuation = continuation;
        return true;
    }

    /// <summary>True once per continuation: the caller has to <see cref="Dispatch"/> it, outside of the lock.</summary>
    public bool TryTake()
    {
        // In this order: Invoke, which has no lock, clears the one and then the other. The other way round it could be taken a second time.
        if (Volatile.Read(ref _isTaken) || _continuation is null)
        {
            return false;
        }
        _isTaken = true;
        return true;
    }

    /// <summary>Lets a token end the wait that begins. False: it is cancelled already, and nothing is registered. Under the lock.</summary>
    public bool TryRegister(CancellationToken cancellationToken)
    {
        Debug.Assert(_registration == default);
        _registration = cancellationToken.UnsafeRegister(static continuation => ((PipeContinuation)continuation!).OnTokenCancelled(), this);
        return _registration != default;
    }

    /// <summary>The registration of the wait that ends, which whoever ends it disposes of outside of the lock: that waits for a callback that is running.</summary>
    public CancellationTokenRegistration TakeRegistration()
    {
        CancellationTokenRegistration registration = _registration;
        _registration = default;
        return registration;
    }

    /// <summary>Ends the wait, or the next one, with a cancelled result. Any thread, without the lock.</summary>
    public void Cancel()
    {
        bool isDue;
        lock (side.Lock)
        {
            isDue = side.CancelWait();
        }
        if (isDue)
        {
            Dispatch();
        }
    }

    private void OnTokenCancelled()
    {
        bool isDue;
        lock (side.Lock)
        {
            // None: the wait has ended while this callback was on its way, or it has not begun (TryRegister calls it for a cancelled token).
            isDue = _registration != default && side.CancelWait();
        }
        if (isDue)
        {
            Dispatch();
        }
    }

    /// <summary>Runs the continuation soon: where the options say when the loop calls, on the thread pool when any other thread does.</summary>
    public void Dispatch()
    {
        Debug.Assert(_isTaken);
        PipeBridge bridge = side.Bridge;
        bool isOnLoop = bridge.Connection.Loop.IsCurrent;
        _isFrame = isOnLoop;
        if (isOnLoop && bridge.Settings.IsInline && !bridge.Connection.Loop.IsOutOfThreads)
        {
            bridge.Connection.Loop.Schedule(this);
            return;
        }
        if (isOnLoop)
        {
            bridge.WatchFrame();
        }
        ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
    }

    public void Run()
    {
        PipeBridge bridge = side.Bridge;
        bridge.EnterFrame();
        ExecutionContext? clean = ExecutionContext.Capture();
        bridge.AtHandOffPoint();
        Invoke();
        bridge.AtHandOffPoint();
        if (clean is not null)
        {
            ExecutionContext.Restore(clean); // what the application set in AsyncLocals ends here
        }
        if (SynchronizationContext.Current is not null)
        {
            SynchronizationContext.SetSynchronizationContext(null);
        }
    }

    public void OnReturned()
    {
        side.Bridge.LeaveFrame();
        side.Bridge.OnApplicationReturned();
    }

    public void OnReturnedElsewhere() => side.Bridge.LeaveFrameElsewhere();

    public void OnTakenOver()
    {
        side.Bridge.BreakFrame();
        side.Bridge.OnApplicationReturned();
    }

    public void OnFailed(Exception exception) => side.Bridge.OnApplicationFailed(exception);

    void IThreadPoolWorkItem.Execute()
    {
        // Without a frame nobody would look after what was flushed: it is sent at once.
        if (!_isFrame)
        {
            Invoke();
            return;
        }
        side.Bridge.EnterFrame();
        Invoke();
        side.Bridge.LeaveFrameOnThreadPool();
    }

    private void Invoke()
    {
        Action<object?>? continuation = _continuation;
        object? state = _state;
        ExecutionContext? context = _context;
        Debug.Assert(continuation is not null);
        _continuation = null;
        _state = null;
        _context = null;
        Volatile.Write(ref _isTaken, false); // the code below waits anew
        try
        {
            if (context is null)
            {
                continuation(state);
            }
            else
            {
                ExecutionContext.Run(context, static boxed =>
                {
                    (Action<object?> continuation, object? state) = ((Action<object?>, object?))boxed!;
                    continuation(state);
                }, (continuation, state));
            }
        }
        catch (Exception exception)
        {
            side.Bridge.OnApplicationFailed(exception);
        }
    }
}
