using System;
using Aeronet.Native.Libc;

namespace Aeronet.Transport.Loop;

/// <summary>The system calls of a running loop. A struct type argument: production pays nothing, tests script it.</summary>
/// <remarks>EINTR never comes out of here. Binding and listening are not here: they happen before a loop sees a descriptor.</remarks>
internal interface IKernel
{
    SysResult EpollCreate();

    SysResult EpollControl(int epoll, EpollOperation operation, int fd, EpollEvents events, ulong data);

    /// <summary>Number of events, zero after the timeout or a signal. -1 waits without end.</summary>
    SysResult EpollWait(int epoll, EpollEventBuffer into, int timeoutMs);

    SysResult EventFdCreate();

    SysResult EventFdSignal(int fd);

    SysResult Accept(int listener, out SockAddr peer);

    SysResult Receive(int fd, Span<byte> into);

    SysResult Send(int fd, ReadOnlySpan<byte> bytes);

    SysResult Send(int fd, ReadOnlySpan<ReadOnlyMemory<byte>> segments);

    /// <summary>From a file at this offset, without moving its own; 0 at its end. May wait for the disk, never for the socket.</summary>
    SysResult SendFile(int fd, int file, long offset, int count);

    /// <summary>TCP only: what is sent from now on leaves in TLS records, encrypted by the kernel. On failure it is not; either way the kernel may refuse to <see cref="Disconnect"/> the socket afterwards.</summary>
    SysResult EncryptSends(int fd, ReadOnlySpan<byte> key);

    /// <summary>After <see cref="EncryptSends"/>: a record of another type than application data.</summary>
    SysResult SendRecord(int fd, byte contentType, ReadOnlySpan<byte> content);

    /// <summary>1: the socket has room, or has failed; 0: it is full.</summary>
    SysResult IsWritable(int fd);

    SysResult Shutdown(int fd, ShutdownSide side);

    /// <summary>Closing the descriptor will break the connection with RST.</summary>
    SysResult SetResetOnClose(int fd);

    /// <summary>Breaks a TCP connection with RST, keeping the descriptor.</summary>
    SysResult Disconnect(int fd);

    SysResult GetLocalName(int fd, out SockAddr address);

    SysResult Close(int fd);
}
