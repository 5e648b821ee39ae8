using System.IO;

namespace Aeronet.Transport;

/// <summary>What carries the bytes of accepted connections.</summary>
public enum TransportBackend
{
    /// <summary><see cref="Epoll"/> where the system has it and lets this process use it, otherwise <see cref="Sockets"/>.</summary>
    Auto,

    /// <summary>Aeronet's own loops on Linux epoll. Where there is none the start fails.</summary>
    Epoll,

    /// <summary><c>System.Net.Sockets</c> through Kestrel's public <c>SocketTransportFactory</c>: every operating system, same features, more CPU per request.</summary>
    Sockets,
}

/// <summary>Sockets and loops of Aeronet. Read once when the server starts.</summary>
/// <remarks>Names are those of Kestrel's <c>SocketTransportOptions</c> where it has the option.</remarks>
public sealed class AeronetTransportOptions
{
    /// <summary>What carries the bytes of accepted connections, and of those that <see cref="Connect.AeronetConnectionFactory"/> makes. Default <see cref="TransportBackend.Auto"/>.</summary>
    /// <remarks>With <see cref="TransportBackend.Sockets"/> the options that only epoll loops know (<see cref="ReusePort"/>, <see cref="AcceptBatchSize"/>, <see cref="UnixSocketMode"/>, <see cref="RemoveStaleUnixSocket"/>) have no effect; one line of the log at start says so where they were changed.</remarks>
    public TransportBackend Backend { get; set; } = TransportBackend.Auto;

    /// <summary>Number of event loops, each one thread. Default: <see cref="System.Environment.ProcessorCount"/>; range 1 to 1,024.</summary>
    public int IOThreadCount { get; set; } = System.Environment.ProcessorCount;

    /// <summary>Sends small segments at once (<c>TCP_NODELAY</c>). Default true. Without effect on Unix domain sockets.</summary>
    public bool NoDelay { get; set; } = true;

    /// <summary>Connections that may wait in the kernel to be accepted, per listening socket. Default 512; range 1 to 65,535; the kernel caps it at <c>net.core.somaxconn</c>.</summary>
    /// <remarks>
    /// A TCP endpoint has one listening socket per loop, so up to <see cref="IOThreadCount"/> times as many wait in all. Pipes (<c>UseAeronetTransport</c>, connection middleware): as many, but at least 4,096 with the
    /// default or more, may also wait accepted for the application to take them; further ones are reset and counted as refused, and a warning says so.
    /// </remarks>
    public int Backlog { get; set; } = 512;

    /// <summary>Lets other processes of the same user listen on the same TCP endpoint (<c>SO_REUSEPORT</c>). Default false: an endpoint in use fails the start.</summary>
    /// <remarks>The loops of one server share an endpoint with either value.</remarks>
    public bool ReusePort { get; set; }

    /// <summary>Bytes asked for by the first receive of a connection. Default 4,096; range 512 to 1,048,576.</summary>
    public int InitialReadSize { get; set; } = 4096;

    /// <summary>Bytes asked for by a receive of request content that goes through the connection's buffer (large reads of the application are received directly). Default 8,192; range 512 to 1,048,576.</summary>
    /// <remarks>Also asked for, up to twice <see cref="InitialReadSize"/>, by the first receive of a request on a connection whose last one filled that.</remarks>
    public int BodyReadSize { get; set; } = 8192;

    /// <summary>Bytes received from one connection before the loop turns to others. Default 131,072; 0 for no limit, else at least <see cref="InitialReadSize"/>, at most 1,073,741,824.</summary>
    public int MaxReadPerEvent { get; set; } = 128 * 1024;

    /// <summary>Connections accepted from one listening socket before the loop turns to others. Default 64; range 1 to 4,096.</summary>
    public int AcceptBatchSize { get; set; } = 64;

    /// <summary>Bytes written by the application but not yet taken by the socket at which its writes begin to wait. Default 65,536; null for no limit, 0 waits for every byte. Pipes behind connection middleware of <c>UseAeronet</c> wait for every byte: the server's own limits stand in front of them.</summary>
    public long? MaxWriteBufferSize { get; set; } = 64 * 1024;

    /// <summary>How long application code may keep the thread of an event loop before the loop goes on with another thread. Default 1 millisecond; range 0.2 milliseconds to 10 seconds.</summary>
    /// <remarks>
    /// Applies to code that is started on the loop's thread. What blocks or computes is noticed after this time and up to half of it more, up to twice this time where nothing had happened just before; the other connections of the loop wait that long, once.
    /// Shorter notices earlier, but looks at busy loops more often (two looks per such time). No option of Kestrel's.
    /// The first flush of a response that begins after the code has been suspended is held for half this time to one and a half of it, at least 0.1 and at most
    /// 15 milliseconds, unless the response's end or more than <c>DeferredResponseBytesMax</c> comes first: a longer time also delays the first bytes of such streams.
    /// Parts of a stream that fills whole sends in less than this time, or waits for its client, are gathered and held as long.
    /// </remarks>
    public System.TimeSpan HandOffTime { get; set; } = System.TimeSpan.FromMilliseconds(1);

    /// <summary>Threads that may be inside application code which has kept them from their loops, over all loops. Default 1,024; range 1 to 32,767.</summary>
    /// <remarks>Above it application code starts on the .NET thread pool until some of them have returned. No option of Kestrel's.</remarks>
    public int MaxApplicationThreads { get; set; } = 1024;

    /// <summary>Pipes only (<c>UseAeronetTransport</c>, connection middleware): most bytes received ahead of the reader to learn whether a peer that has finished sent FIN behind them. Default 1,048,576; null for no limit, else at least 1.</summary>
    /// <remarks>Nothing else is received before it is asked for, so this bounds no ordinary connection. Kestrel: <c>SocketTransportOptions.MaxReadBufferSize</c>.</remarks>
    public long? MaxReadBufferSize { get; set; } = 1024 * 1024;

    /// <summary>Pipes only (<c>UseAeronetTransport</c>, connection middleware): where code goes on that waited in a read or a flush. Default <see cref="PipeScheduling.Inline"/>. Connection middleware goes on on the thread pool also where <c>ApplicationMode</c> is <c>ThreadPool</c>.</summary>
    public PipeScheduling PipeScheduling { get; set; } = PipeScheduling.Inline;

    /// <summary>Pipes only (<c>UseAeronetTransport</c>, connection middleware): an aborted connection ends with FIN instead of RST. Default false.</summary>
    public bool FinOnError { get; set; }

    /// <summary>Kestrel's <c>SocketTransportOptions.CreateBoundListenSocket</c> where the application has set it; all loops share the socket. Null: Aeronet makes its own.</summary>
    internal System.Func<System.Net.EndPoint, System.Net.Sockets.Socket>? CreateBoundListenSocket { get; set; }

    /// <summary>For tests: asked where a loop could go on with another thread; true does it.</summary>
    internal System.Func<bool>? HandOffProbe { get; set; }

    /// <summary>Permission bits of the file of a Unix domain socket, set before the first connection is accepted. Default null: the process umask decides.</summary>
    public UnixFileMode? UnixSocketMode { get; set; }

    /// <summary>Removes the file of a Unix domain socket at start when nobody listens on it any more. Default false: an existing file fails the start.</summary>
    /// <remarks>The file is tried with a connection first; a socket that answers, and a file that is no socket, are never removed.</remarks>
    public bool RemoveStaleUnixSocket { get; set; }
}
