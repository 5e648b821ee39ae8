using System;
using System.Collections.Concurrent;
using System.Threading;
using Aeronet.Transport.Buffers;
using Aeronet.Transport.Loop;

namespace Aeronet.TestSupport.Kernel;

/// <summary>A loop without descriptors: runs what is posted, ends at null.</summary>
internal sealed class CallLoop : IRunnableLoop, IDisposable
{
    private readonly BlockingCollection<RecordingCall?> _posted = [];
    private readonly LoopCounters _counters = new();
    private Exception? _countersFailure;

    public ManualResetEventSlim Ended { get; } = new();

    public LoopRole Role { get; } = new(new BlockPool());

    /// <summary>What reading <see cref="Counters"/> throws, as a fault that the monitor meets.</summary>
    public Exception? CountersFailure
    {
        get => Volatile.Read(ref _countersFailure);
        set => Volatile.Write(ref _countersFailure, value);
    }

    public LoopCounters Counters => CountersFailure is { } failure ? throw failure : _counters;

    public void Post(RecordingCall? call) => _posted.Add(call);

    /// <summary>Has the loop run the action and waits until it has returned on the loop's thread.</summary>
    public RecordingCall RunCall(Action action)
    {
        using ManualResetEventSlim done = new();
        RecordingCall call = new(action) { WhenReturned = done.Set };
        Post(call);
        return done.Wait(TimeSpan.FromSeconds(30)) ? call : throw new TimeoutException("The loop does not run its calls.");
    }

    public bool Run()
    {
        Role.Assume()?.OnTakenOver();
        while (_posted.Take() is { } call)
        {
            long ticket = Role.Enter(call);
            call.Run();
            if (!Role.TryLeave(ticket))
            {
                call.OnReturnedElsewhere();
                return false;
            }
            call.OnReturned();
        }
        Role.Resign();
        return true;
    }

    public void OnEnded() => Ended.Set();

    public void Dispose()
    {
        _posted.Dispose();
        Ended.Dispose();
    }
}
