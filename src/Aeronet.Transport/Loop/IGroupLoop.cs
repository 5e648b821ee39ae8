using System;
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
internal interface IGroupLoop : ILoopHost, IMeasuredLoop
{
    /// <summary>Makes the calling thread the one that runs turns.</summary>
    void TakeRole();

    /// <summary>Runs turns until the loop is stopped and its last connection is gone.</summary>
    void Run();

    /// <summary>Releases what the loop holds of the system. Role thread only, once.</summary>
    void End();

    void PostStop();

    void PostVisit(BoundEndpoint? only, bool abort);

    SysResult AddListener(int fd, BoundEndpoint endpoint, bool isShared);

    Task RemoveListenerAsync(BoundEndpoint endpoint);
}
