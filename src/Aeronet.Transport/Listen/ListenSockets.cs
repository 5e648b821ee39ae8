using System;
using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using System.IO;
using System.Net;
using System.Net.Sockets;
using Aeronet.Native.Libc;
using Aeronet.Transport.Connections;
using Aeronet.Transport.Diagnostics;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging;

namespace Aeronet.Transport.Listen;

/// <summary>The listening descriptors of one endpoint: one per loop for TCP, one for all for Unix sockets, inherited handles and sockets that the application makes.</summary>
/// <remarks>
/// <b>Address in use.</b> SO_REUSEPORT alone would let a second server start on our port unnoticed. So the first socket is bound without
/// it, which fails if anybody listens there, and gets it afterwards; only then can the sockets of the other loops join.
/// The kernel judges the flag of a bound socket as it is now (measured on Linux 6.18); where it does not, the loops share the first socket.
/// </remarks>
internal sealed class ListenSockets
{
    private readonly int[] _descriptors; // one per loop, or a single one
    private readonly bool _ownsDescriptors;
    private readonly string? _unixPath; // Non-null while there is a file to remove.
    private readonly FileIdentity _unixFile;

    private ListenSockets(int[] descriptors, bool ownsDescriptors, EndPoint localEndPoint, bool isTcp, string? unixPath = null, FileIdentity unixFile = default)
    {
        Debug.Assert(descriptors.Length > 0);
        _descriptors = descriptors;
        _ownsDescriptors = ownsDescriptors;
        LocalEndPoint = localEndPoint;
        IsTcp = isTcp;
        _unixPath = unixPath;
        _unixFile = unixFile;
    }

    public EndPoint LocalEndPoint { get; }

    public bool IsTcp { get; }

    /// <summary>All loops watch one descriptor, which none of them closes.</summary>
    public bool IsShared { get; private init; }

    // Non-null when the application has made the only descriptor.
    private Socket? Made { get; init; }

    public int SocketCount => _descriptors.Length;

    public int DescriptorOf(int loop) => IsShared ? _descriptors[0] : _descriptors[loop];

    /// <summary>Binds and listens. Whatever fails, nothing stays open or on disk.</summary>
    public static ListenSockets Open(EndPoint endPoint, AeronetTransportOptions options, int loopCount, ILogger logger) => endPoint switch
    {
        _ when options.CreateBoundListenSocket is { } create => OpenMade(create, endPoint, options),
        IPEndPoint ip => OpenTcp(ip, options, loopCount),
        UnixDomainSocketEndPoint unix => OpenUnix(unix, options, logger),
        FileHandleEndPoint handle => OpenHandle(handle, options),
        _ => throw new NotSupportedException($"Aeronet cannot listen on {endPoint} ({endPoint.GetType().Name}); it knows IP endpoints, Unix domain sockets and file handles."),
    };

    /// <summary>Closes what the loops have not closed and removes our Unix socket file, if it is still ours.</summary>
    public void Close()
    {
        if (IsShared && _ownsDescriptors)
        {
            _ = Descriptors.Close(_descriptors[0]);
        }
        Made?.Dispose();
        RemoveFile();
    }

    /// <summary>Closes the descriptors of loops that never got theirs.</summary>
    public void CloseUnused(int fromLoop)
    {
        for (int i = fromLoop; !IsShared && i < _descriptors.Length; i++)
        {
            _ = Descriptors.Close(_descriptors[i]);
        }
    }

    private void RemoveFile()
    {
        // Somebody may have put another socket at our path meanwhile: that one stays.
        if (_unixPath is not null && SocketFiles.Identify(_unixPath, out FileIdentity now).IsOk && now == _unixFile)
        {
            _ = SocketFiles.Unlink(_unixPath);
        }
    }

    private static ListenSockets OpenTcp(IPEndPoint endPoint, AeronetTransportOptions options, int loopCount)
    {
        int[] descriptors = new int[loopCount];
        Array.Fill(descriptors, -1);
        try
        {
            int first = CreateTcp(endPoint, options);
            descriptors[0] = first;
            if (options.ReusePort)
            {
                Check(Native.Libc.Sockets.SetReusePort(first, true), endPoint);
            }
            Check(Native.Libc.Sockets.Bind(first, SockAddr.From(endPoint)), endPoint);
            if (loopCount > 1)
            {
                Check(Native.Libc.Sockets.SetReusePort(first, true), endPoint);
            }
            IPEndPoint bound = (IPEndPoint)LocalName(first, endPoint);
            bool isShared = !TryJoin(bound, options, descriptors);
            if (isShared)
            {
                CloseAll(descriptors.AsSpan(1));
                descriptors = [first];
            }
            foreach (int descriptor in descriptors)
            {
                Check(Native.Libc.Sockets.Listen(descriptor, options.Backlog), endPoint);
            }
            return new ListenSockets(descriptors, ownsDescriptors: true, bound, isTcp: true) { IsShared = isShared };
        }
        catch
        {
            CloseAll(descriptors);
            throw;
        }
    }

    /// <summary>Binds the sockets of the other loops to the port that the first one got.</summary>
    private static bool TryJoin(IPEndPoint bound, AeronetTransportOptions options, int[] descriptors)
    {
        for (int i = 1; i < descriptors.Length; i++)
        {
            descriptors[i] = CreateTcp(bound, options);
            Check(Native.Libc.Sockets.SetReusePort(descriptors[i], true), bound);
            SysResult result = Native.Libc.Sockets.Bind(descriptors[i], SockAddr.From(bound));
            if (result.Errno == Errno.EADDRINUSE)
            {
                return false;
            }
            Check(result, bound);
        }
        return true;
    }

    private static int CreateTcp(IPEndPoint endPoint, AeronetTransportOptions options)
    {
        bool isIpv6 = endPoint.AddressFamily == AddressFamily.InterNetworkV6;
        int fd = Check(Native.Libc.Sockets.CreateStream(isIpv6 ? SockAddr.InterNetworkV6 : SockAddr.InterNetwork), endPoint);
        try
        {
            // Connections of an earlier run in TIME_WAIT must not keep us from the port.
            Check(Native.Libc.Sockets.SetReuseAddress(fd, true), endPoint);
            Check(Native.Libc.Sockets.SetNoDelay(fd, options.NoDelay), endPoint); // accepted sockets inherit it
            if (isIpv6 && endPoint.Address.Equals(IPAddress.IPv6Any))
            {
                Check(Native.Libc.Sockets.SetIpv6Only(fd, false), endPoint);
            }
            return fd;
        }
        catch
        {
            _ = Descriptors.Close(fd);
            throw;
        }
    }

    private static ListenSockets OpenUnix(UnixDomainSocketEndPoint endPoint, AeronetTransportOptions options, ILogger logger)
    {
        SockAddr address = SockAddr.From(endPoint);
        string? path = address.UnixPath is { } relative ? Path.GetFullPath(relative) : null; // null: an abstract name
        int fd = Check(Native.Libc.Sockets.CreateStream(SockAddr.Unix), endPoint);
        FileIdentity file = default;
        try
        {
            SysResult result = Native.Libc.Sockets.Bind(fd, address);
            if (result.Errno == Errno.EADDRINUSE && path is not null && options.RemoveStaleUnixSocket && TryRemoveStale(path, address))
            {
                TransportLog.StaleSocketRemoved(logger, path);
                result = Native.Libc.Sockets.Bind(fd, address);
            }
            Check(result, endPoint);
            if (path is not null)
            {
                Check(SocketFiles.Identify(path, out file), endPoint);
                if (options.UnixSocketMode is { } mode)
                {
                    // Before listen: until then nobody can connect, whatever the umask allowed.
                    Check(SocketFiles.SetMode(path, (uint)mode), endPoint);
                }
            }
            Check(Native.Libc.Sockets.Listen(fd, options.Backlog), endPoint);
            return new ListenSockets([fd], ownsDescriptors: true, endPoint, isTcp: false, path, file) { IsShared = true };
        }
        catch
        {
            _ = Descriptors.Close(fd);
            if (path is not null && file != default)
            {
                _ = SocketFiles.Unlink(path);
            }
            throw;
        }
    }

    /// <summary>Removes the file if it is a socket that refuses connections: its server is gone.</summary>
    private static bool TryRemoveStale(string path, SockAddr address)
    {
        if (!SocketFiles.Identify(path, out FileIdentity file).IsOk || !file.IsSocket)
        {
            return false;
        }
        SysResult probe = Native.Libc.Sockets.CreateStream(SockAddr.Unix);
        if (!probe.IsOk)
        {
            return false;
        }
        SysResult answer = Native.Libc.Sockets.Connect(probe.Value, address);
        _ = Descriptors.Close(probe.Value);
        return answer.Errno == Errno.ECONNREFUSED && SocketFiles.Unlink(path).IsOk;
    }

    /// <summary>Takes over a socket that this process inherited, listening or bound (systemd socket activation). The descriptor stays open at the end: it is not ours.</summary>
    private static ListenSockets OpenHandle(FileHandleEndPoint endPoint, AeronetTransportOptions options)
    {
        if (endPoint.FileHandleType == FileHandleType.Pipe || endPoint.FileHandle > int.MaxValue)
        {
            throw new NotSupportedException($"The handle {endPoint.FileHandle} ({endPoint.FileHandleType}) cannot be listened on: it must be a stream socket.");
        }
        int fd = (int)endPoint.FileHandle;
        int type = Check(Native.Libc.Sockets.GetSocketType(fd), endPoint);
        if (type != Native.Libc.Sockets.Stream)
        {
            throw new NotSupportedException($"The handle {endPoint.FileHandle} cannot be listened on: it must be a stream socket.");
        }
        return Listen(fd, endPoint, options);
    }

    /// <summary>Takes the socket that the application makes for the endpoint: bound, not listening (<c>SocketTransportOptions.CreateBoundListenSocket</c>).</summary>
    private static ListenSockets OpenMade(Func<EndPoint, Socket> create, EndPoint endPoint, AeronetTransportOptions options)
    {
        Socket socket;
        try
        {
            socket = create(endPoint);
        }
        catch (SocketException exception) when (exception.SocketErrorCode == SocketError.AddressAlreadyInUse)
        {
            throw new AddressInUseException($"Cannot listen on {endPoint}: the address is in use.", exception);
        }
        try
        {
            return Listen((int)socket.SafeHandle.DangerousGetHandle(), endPoint, options, socket);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private static ListenSockets Listen(int fd, EndPoint endPoint, AeronetTransportOptions options, Socket? made = null)
    {
        Check(Native.Libc.Sockets.GetLocalName(fd, out SockAddr name), endPoint);
        bool isTcp = name.Family is SockAddr.InterNetwork or SockAddr.InterNetworkV6;
        Check(Descriptors.SetNonBlocking(fd), endPoint);
        Check(Descriptors.SetCloseOnExec(fd), endPoint); // our child processes are not its heirs
        if (isTcp)
        {
            Check(Native.Libc.Sockets.SetNoDelay(fd, options.NoDelay), endPoint);
        }
        Check(Native.Libc.Sockets.Listen(fd, options.Backlog), endPoint);
        return new ListenSockets([fd], ownsDescriptors: false, name.ToEndPoint() ?? endPoint, isTcp) { IsShared = true, Made = made };
    }

    private static EndPoint LocalName(int fd, EndPoint asked)
    {
        Check(Native.Libc.Sockets.GetLocalName(fd, out SockAddr name), asked);
        EndPoint? endPoint = name.ToEndPoint();
        Debug.Assert(endPoint is not null);
        return endPoint;
    }

    private static void CloseAll(ReadOnlySpan<int> descriptors)
    {
        foreach (int descriptor in descriptors)
        {
            Descriptors.CloseIfOpen(descriptor);
        }
    }

    private static int Check(SysResult result, EndPoint endPoint) => result.IsOk ? result.Value : ThrowRefused(result.Errno, endPoint);

    [DoesNotReturn]
    private static int ThrowRefused(Errno errno, EndPoint endPoint)
    {
        SocketException exception = new((int)SocketErrors.From(errno), $"Cannot listen on {endPoint}: {errno}.");
        throw errno == Errno.EADDRINUSE ? new AddressInUseException($"Cannot listen on {endPoint}: the address is in use.", exception) : exception;
    }
}
