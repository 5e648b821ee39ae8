namespace Aeronet.Native.Libc;

internal enum ShutdownSide
{
    Receive = 0, // SHUT_RD
    Send = 1, // SHUT_WR
    Both = 2, // SHUT_RDWR
}

/// <summary>Making, binding and ending sockets. All are stream sockets, non-blocking and closed in child processes.</summary>
internal static unsafe class Sockets
{
    internal const int Stream = 1; // SOCK_STREAM
    internal const int NonBlocking = 0x800; // SOCK_NONBLOCK
    internal const int CloseOnExec = 0x80000; // SOCK_CLOEXEC
    internal const int SocketLevel = 1; // SOL_SOCKET
    internal const int ReuseAddress = 2; // SO_REUSEADDR
    internal const int Type = 3; // SO_TYPE
    internal const int Error = 4; // SO_ERROR
    internal const int Linger = 13; // SO_LINGER
    internal const int ReusePort = 15; // SO_REUSEPORT
    internal const int AcceptConnections = 30; // SO_ACCEPTCONN
    internal const int TcpLevel = 6; // IPPROTO_TCP
    internal const int NoDelay = 1; // TCP_NODELAY
    internal const int Ipv6Level = 41; // IPPROTO_IPV6
    internal const int Ipv6Only = 26; // IPV6_V6ONLY
    internal const short PollOut = 4; // POLLOUT

    public static SysResult CreateStream(ushort family) => SysResult.From(LibC.socket(family, Stream | NonBlocking | CloseOnExec, 0));

    public static SysResult Bind(int fd, SockAddr address)
    {
        fixed (byte* bytes = &address.Start)
        {
            return SysResult.From(LibC.bind(fd, bytes, (uint)address.Length));
        }
    }

    public static SysResult Listen(int fd, int backlog) => SysResult.From(LibC.listen(fd, backlog));

    /// <summary>The next waiting connection, non-blocking and close-on-exec, with its peer's address. EAGAIN: none.</summary>
    public static SysResult Accept(int listener, out SockAddr peer)
    {
        peer = default;
        fixed (byte* bytes = &peer.Start)
        {
            while (true)
            {
                uint length = SockAddr.Size;
                SysResult result = SysResult.From(LibC.accept4(listener, bytes, &length, NonBlocking | CloseOnExec));
                if (result.Errno != Errno.EINTR)
                {
                    peer.Length = result.IsOk ? (int)System.Math.Min(length, SockAddr.Size) : 0;
                    return result;
                }
            }
        }
    }

    /// <summary>Connects; the socket is non-blocking: a TCP connection that takes time answers EINPROGRESS.</summary>
    public static SysResult Connect(int fd, SockAddr address)
    {
        fixed (byte* bytes = &address.Start)
        {
            return SysResult.From(LibC.connect(fd, bytes, (uint)address.Length));
        }
    }

    /// <summary>Breaks a TCP connection with RST; the descriptor stays valid. connect(2), AF_UNSPEC.</summary>
    public static SysResult Disconnect(int fd)
    {
        byte* unspecified = stackalloc byte[16]; // sizeof(struct sockaddr), family AF_UNSPEC = 0
        new System.Span<byte>(unspecified, 16).Clear();
        return SysResult.From(LibC.connect(fd, unspecified, 16));
    }

    public static SysResult Shutdown(int fd, ShutdownSide side) => SysResult.From(LibC.shutdown(fd, (int)side));

    /// <summary>close(2) will reset the connection and drop what is unsent.</summary>
    public static SysResult SetResetOnClose(int fd)
    {
        LibC.LingerOption atOnce = new() { IsOn = 1 };
        return SysResult.From(LibC.setsockopt(fd, SocketLevel, Linger, &atOnce, (uint)sizeof(LibC.LingerOption)));
    }

    /// <summary>1 when the socket has room for more, or has failed; 0 when it is full.</summary>
    public static SysResult IsWritable(int fd)
    {
        LibC.PollEntry entry = new() { Descriptor = fd, Events = PollOut };
        while (true)
        {
            SysResult result = SysResult.From(LibC.poll(&entry, 1, 0));
            if (result.Errno != Errno.EINTR)
            {
                return result;
            }
        }
    }

    public static SysResult GetLocalName(int fd, out SockAddr address)
    {
        address = default;
        uint length = SockAddr.Size;
        fixed (byte* bytes = &address.Start)
        {
            SysResult result = SysResult.From(LibC.getsockname(fd, bytes, &length));
            address.Length = result.IsOk ? (int)System.Math.Min(length, SockAddr.Size) : 0;
            return result;
        }
    }

    public static SysResult GetPeerName(int fd, out SockAddr address)
    {
        address = default;
        uint length = SockAddr.Size;
        fixed (byte* bytes = &address.Start)
        {
            SysResult result = SysResult.From(LibC.getpeername(fd, bytes, &length));
            address.Length = result.IsOk ? (int)System.Math.Min(length, SockAddr.Size) : 0;
            return result;
        }
    }

    public static SysResult SetReuseAddress(int fd, bool value) => SetOption(fd, SocketLevel, ReuseAddress, value);

    public static SysResult SetReusePort(int fd, bool value) => SetOption(fd, SocketLevel, ReusePort, value);

    public static SysResult SetNoDelay(int fd, bool value) => SetOption(fd, TcpLevel, NoDelay, value);

    /// <summary>False lets an IPv6 socket bound to <c>::</c> take IPv4 connections too.</summary>
    public static SysResult SetIpv6Only(int fd, bool value) => SetOption(fd, Ipv6Level, Ipv6Only, value);

    public static SysResult GetNoDelay(int fd) => GetOption(fd, TcpLevel, NoDelay);

    /// <summary>1 when the socket listens.</summary>
    public static SysResult GetIsListening(int fd) => GetOption(fd, SocketLevel, AcceptConnections);

    /// <summary>1 (<see cref="Stream"/>) for a stream socket; ENOTSOCK for any other descriptor.</summary>
    public static SysResult GetSocketType(int fd) => GetOption(fd, SocketLevel, Type);

    /// <summary>The pending error as a value, cleared by reading it.</summary>
    public static SysResult GetPendingError(int fd) => GetOption(fd, SocketLevel, Error);

    private static SysResult SetOption(int fd, int level, int option, bool value)
    {
        int number = value ? 1 : 0;
        return SysResult.From(LibC.setsockopt(fd, level, option, &number, sizeof(int)));
    }

    private static SysResult GetOption(int fd, int level, int option)
    {
        int number = 0;
        uint length = sizeof(int);
        SysResult result = SysResult.From(LibC.getsockopt(fd, level, option, &number, &length));
        return result.IsOk ? SysResult.Ok(number) : result;
    }
}
