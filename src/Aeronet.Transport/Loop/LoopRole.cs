using System;
using System.Diagnostics;
using System.Threading;
using Aeronet.Native.Libc;
using Aeronet.Transport.Buffers;

namespace Aeronet.Transport.Loop;

/// <summary>Which thread is the loop, and the word by which another thread becomes it while application code runs.</summary>
/// <remarks>
/// The word is odd exactly while the loop's thread is inside application code. Whoever adds one to an odd word decides: the thread itself, and
/// it goes on being the loop (<see cref="TryLeave"/>), or somebody else, and then the loop is free for the thread that he has at hand (<see cref="TryTake"/>).
/// The word never comes back to a former value. Inside application code nobody is the loop, not even its thread: so nothing that only the
/// loop's thread may touch is in use when the role is taken, at whatever instruction the application stands.
/// Cost on the way of every request: one interlocked operation and a handful of stores.
/// </remarks>
internal sealed class LoopRole
{
    private readonly BlockPool _blocks;
    private int _threadId; // managed id of the loop's thread; 0 while it is inside application code or nobody has the role
    private int _applicationThreadId; // valid while the word is odd
    private long _word;

    public LoopRole(BlockPool blocks) => _blocks = blocks;

    /// <summary>Watches for application code that does not return; null: nobody does.</summary>
    public HandOffMonitor? Monitor { get; set; }

    /// <summary>The system's id of the thread that has taken the role last.</summary>
    public int SystemThreadId { get; private set; }

    /// <summary>What the loop's thread is inside of; once the role is taken, and until somebody assumes it, what its former thread is inside of.</summary>
    public IApplicationCall? Call { get; private set; }

    /// <summary>True on the loop's thread outside of application code.</summary>
    public bool IsCurrent => _threadId == Environment.CurrentManagedThreadId;

    /// <summary>True on the loop's thread inside application code, until somebody takes the role.</summary>
    // The word first: a thread that enters writes its id before it makes the word odd.
    public bool IsApplicationHere => (Volatile.Read(ref _word) & 1) != 0 && _applicationThreadId == Environment.CurrentManagedThreadId;

    /// <summary>The word now: odd, a ticket for <see cref="TryTake"/>. Any thread.</summary>
    public long Word => Volatile.Read(ref _word);

    public static bool IsInApplication(long word) => (word & 1) != 0;

    /// <summary>Makes the calling thread the loop. The caller has ordered this against the former thread's last step.</summary>
    /// <returns>The application code that has lost the role and is to be told so; null when none has.</returns>
    public IApplicationCall? Assume()
    {
        Debug.Assert(_threadId == 0);
        Debug.Assert(!IsInApplication(_word));
        SystemThreadId = ThreadClock.CurrentThreadId;
        SetThread(Environment.CurrentManagedThreadId);
        IApplicationCall? interrupted = Call;
        Call = null; // or an idle loop would keep that connection, and all that it refers to, alive
        return interrupted;
    }

    /// <summary>The calling thread is the loop no more, and nobody is.</summary>
    public void Resign()
    {
        Debug.Assert(IsCurrent);
        Call = null;
        SetThread(0);
    }

    /// <summary>The loop's thread goes into application code. The result is for <see cref="TryLeave"/>.</summary>
    public long Enter(IApplicationCall call)
    {
        Debug.Assert(IsCurrent);
        long ticket = _word + 1;
        Debug.Assert(IsInApplication(ticket));
        Call = call;
        _applicationThreadId = _threadId;
        SetThread(0);
        Volatile.Write(ref _word, ticket); // everything above is the taker's to see
        if (Monitor is { IsParked: true } monitor)
        {
            monitor.Wake();
        }
        return ticket;
    }

    /// <summary>Back from application code. False: the thread has lost the role and must not touch the loop.</summary>
    public bool TryLeave(long ticket)
    {
        if (Interlocked.CompareExchange(ref _word, ticket + 1, ticket) != ticket)
        {
            return false;
        }
        Call = null;
        SetThread(Environment.CurrentManagedThreadId);
        return true;
    }

    /// <summary>Takes the role from a thread inside application code. True: nobody is the loop now, and the caller lets a thread <see cref="Assume"/> it. Any thread.</summary>
    public bool TryTake(long ticket)
    {
        Debug.Assert(IsInApplication(ticket));
        return Interlocked.CompareExchange(ref _word, ticket + 1, ticket) == ticket;
    }

    private void SetThread(int id)
    {
        _threadId = id;
        _blocks.SetOwnerThread(id);
    }
}
