using System.Net.Sockets;
using Aeronet.Native.Libc;

namespace Aeronet.Transport.Connections;

/// <summary>The system's error numbers in .NET's words, for exceptions.</summary>
internal static class SocketErrors
{
    public static SocketError From(Errno errno) => errno switch
    {
        Errno.EACCES or Errno.EPERM => SocketError.AccessDenied,
        Errno.EADDRINUSE => SocketError.AddressAlreadyInUse,
        Errno.EADDRNOTAVAIL or Errno.ENOENT => SocketError.AddressNotAvailable, // ENOENT: no such Unix domain socket
        Errno.EAFNOSUPPORT => SocketError.AddressFamilyNotSupported,
        Errno.EPROTONOSUPPORT => SocketError.ProtocolNotSupported,
        Errno.EMFILE or Errno.ENFILE => SocketError.TooManyOpenSockets,
        Errno.ENOBUFS or Errno.ENOMEM => SocketError.NoBufferSpaceAvailable,
        Errno.EINVAL => SocketError.InvalidArgument,
        Errno.ENOTSOCK or Errno.EBADF => SocketError.NotSocket,
        Errno.EOPNOTSUPP => SocketError.OperationNotSupported,
        Errno.ECONNREFUSED => SocketError.ConnectionRefused,
        Errno.ECONNRESET or Errno.EPIPE => SocketError.ConnectionReset,
        Errno.ECONNABORTED => SocketError.ConnectionAborted,
        Errno.ETIMEDOUT => SocketError.TimedOut,
        Errno.ENETUNREACH => SocketError.NetworkUnreachable,
        Errno.ENETDOWN => SocketError.NetworkDown,
        Errno.EHOSTUNREACH => SocketError.HostUnreachable,
        Errno.EHOSTDOWN => SocketError.HostDown,
        Errno.EAGAIN => SocketError.WouldBlock, // a Unix domain socket whose queue is full
        _ => SocketError.SocketError,
    };
}
