using System;

namespace Aeronet.Server.Sessions;

/// <summary>What loop and exchange tell each other about one connection, as bits of one word that changes only by interlocked operations.</summary>
/// <remarks>
/// The word decides who owns the receive side:
/// <code>
///   Running clear ............... the loop receives and parses
///   Running set ................. the exchange receives (whichever thread the application is on)
///   Running and BodyWaiting ..... the exchange sleeps; whoever clears BodyWaiting owns the receive side next
/// </code>
/// and who may touch the exchange while it runs on another thread: the loop sets LoopInside for the time it does, the exchange sets
/// Finishing when it has ended. Whoever sets its bit second gives way: the loop leaves the exchange alone (it is as good as gone), the
/// exchange leaves its end to the loop.
/// Readable is set by the loop on every edge and cleared right before a receive, so that no edge is lost between a
/// would-block and the wait that follows it.
/// </remarks>
[Flags]
internal enum SessionSignals
{
    None = 0,

    /// <summary>An exchange owns the receive side.</summary>
    Running = 1,

    /// <summary>An edge has been announced that no receive has answered yet.</summary>
    Readable = 2,

    /// <summary>The application awaits request content.</summary>
    BodyWaiting = 4,

    /// <summary>EPOLLRDHUP was seen: receive until end of stream, a short read proves nothing. Never cleared.</summary>
    PeerClosed = 8,

    /// <summary>EPOLLERR, EPOLLHUP or a failed transfer: the connection is dead. Never cleared.</summary>
    Reset = 16,

    /// <summary>The server stops: no request after this one. Never cleared.</summary>
    Draining = 32,

    /// <summary>The server's patience is over. Never cleared.</summary>
    Aborting = 64,

    /// <summary>The loop is calling into an exchange that runs elsewhere.</summary>
    LoopInside = 128,

    /// <summary>An exchange that ran elsewhere has ended and takes itself apart.</summary>
    Finishing = 256,
}
