namespace Aeronet.Transport.Foreign;

/// <summary>How the sending side of a foreign connection is ended alone.</summary>
internal enum HalfCloseBy
{
    /// <summary>Not at all: completing the output ends both directions.</summary>
    Nothing,

    /// <summary>Completing the output pipe: the peer sees the end of the stream and may go on sending.</summary>
    Pipe,

    /// <summary><c>shutdown(2)</c> on the connection's socket, once the last flush is done. Only with a transport whose flush completes when the kernel has taken the bytes.</summary>
    Socket,

    /// <summary>The same through the bridge: the transport is our loops.</summary>
    Bridge,
}

/// <summary>What is known of a foreign listener's connections beyond their pipes.</summary>
/// <param name="HasMiddleware">Connection middleware stands between the transport and the protocol.</param>
/// <param name="HalfClose">How the sending side is ended alone, while no middleware has replaced the pipes.</param>
internal readonly record struct ForeignTraits(bool HasMiddleware, HalfCloseBy HalfClose)
{
    /// <summary>Pipes that middleware has replaced may be called on the loop, with hand-off; otherwise on the thread pool.</summary>
    public bool CallsInline { get; init; } = true;

    /// <summary>The transport is our loops: its sockets count bytes, and what waits for them.</summary>
    public bool IsCarried => HalfClose == HalfCloseBy.Bridge;
}
