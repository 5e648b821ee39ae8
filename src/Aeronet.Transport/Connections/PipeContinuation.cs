using System;
using System.Diagnostics;
using System.Threading;
using System.Threading.Tasks.Sources;
using Aeronet.Transport.Loop;

namespace Aeronet.Transport.Connections;

/// <summary>The code that waits for one side of a pipe, and how it is run: on the loop's thread or on the thread pool.</summary>
/// <remarks>The lock of the side guards <see cref="Set"/> and <see cref="TryTake"/>; from a successful TryTake until it runs, the continuation belongs to whoever runs it.</remarks>
internal sealed class PipeContinuation(PipeBridge bridge) : IApplicationCall, IThreadPoolWorkItem
{
    private Action<object?>? _continuation;
    private object? _state;
    private ExecutionContext? _context; // captured only for callers that want it to flow; async methods carry their own
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
        if (_continuation is null || _isTaken)
        {
            return false;
        }
        _isTaken = true;
        return true;
    }

    /// <summary>Runs the continuation soon: where the options say when the loop calls, on the thread pool when any other thread does.</summary>
    public void Dispatch()
    {
        Debug.Assert(_isTaken);
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
        bridge.LeaveFrame();
        bridge.OnApplicationReturned();
    }

    public void OnReturnedElsewhere() => bridge.LeaveFrameElsewhere();

    public void OnTakenOver()
    {
        bridge.BreakFrame();
        bridge.OnApplicationReturned();
    }

    public void OnFailed(Exception exception) => bridge.OnApplicationFailed(exception);

    void IThreadPoolWorkItem.Execute()
    {
        // Without a frame nobody would look after what was flushed: it is sent at once.
        if (!_isFrame)
        {
            Invoke();
            return;
        }
        bridge.EnterFrame();
        Invoke();
        bridge.LeaveFrameOnThreadPool();
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
            bridge.OnApplicationFailed(exception);
        }
    }
}
