using System;
using System.Diagnostics.Metrics;
using System.Threading.Tasks;
using Aeronet.Native.Libc;
using Aeronet.Transport.Connections;
using Aeronet.Transport.Diagnostics;
using Aeronet.Transport.Listen;
using Microsoft.Extensions.Logging;

namespace Aeronet.Transport.Loop;

/// <summary>A connection in a loop's table, whatever carries its bytes.</summary>
internal interface ILoopConnection : IPollTarget
{
    BoundEndpoint Endpoint { get; }

    /// <summary>Drains or aborts at once. Loop only.</summary>
    void Visit(bool abort);
}

/// <summary>What a connection without a descriptor needs of its loop. Loop thread only, where nothing else is said.</summary>
internal interface ILoopHost : ILoopTimers
{
    /// <summary>The loop itself.</summary>
    LoopContext Context { get; }

    ILogger Logger { get; }

    /// <summary>The loop's clock, for waits outside of its wheel. Any thread.</summary>
    TimeProvider Time { get; }

    /// <summary>Queues work for the loop. False: it has ended. Any thread.</summary>
    bool Post(IPosted work);

    /// <summary>Gives the connection its place in the table and counts it.</summary>
    ulong Admit(ILoopConnection connection);

    /// <summary>Takes it out again.</summary>
    void Dismiss(ILoopConnection connection, ulong key);

    /// <summary>Links a deadline that another thread has stored.</summary>
    void Reschedule(ITimed timed);

    void ReportHandlerFailure(TransportConnection connection, Exception exception);

    /// <summary>Any thread.</summary>
    void CountBytesRead(int bytes);

    /// <summary>Any thread.</summary>
    void CountBytesWrittenImmediate(int bytes);
}

/// <summary>A loop as its group starts, fills and ends it, whatever kernel it runs on.</summary>
internal interface IGroupLoop : ILoopHost, IMeasuredLoop, IRunnableLoop
{
    /// <summary>What this loop counts.</summary>
    new LoopCounters Counters { get; }

    /// <summary>Takes the lag of its turns; null: nobody does.</summary>
    Histogram<double>? Lag { get; set; }

    /// <summary>Completes when the loop has ended.</summary>
    Task Ended { get; }

    /// <summary>Makes the calling thread the one that runs turns.</summary>
    void TakeRole();

    /// <summary>Releases what the loop holds of the system. False: something was posted that is to be run first. Role thread only.</summary>
    bool TryEnd();

    void PostStop();

    void PostVisit(BoundEndpoint? only, bool abort);

    /// <summary>Gives a connected descriptor to the loop. False: it has ended, the descriptor stays the caller's. Any thread.</summary>
    bool PostAdopt(int fd, BoundEndpoint endpoint, in SockAddr peer);

    SysResult AddListener(int fd, BoundEndpoint endpoint, bool isShared);

    Task RemoveListenerAsync(BoundEndpoint endpoint);
}
