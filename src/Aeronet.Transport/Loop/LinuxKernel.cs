using System;
using Aeronet.Native.Libc;

namespace Aeronet.Transport.Loop;

/// <summary>The kernel that runs us.</summary>
internal readonly struct LinuxKernel : IKernel
{
    public SysResult EpollCreate() => Epoll.Create();

    public SysResult EpollControl(int epoll, EpollOperation operation, int fd, EpollEvents events, ulong data) =>
        Epoll.Control(epoll, operation, fd, events, data);

    public SysResult EpollWait(int epoll, EpollEventBuffer into, int timeoutMs) => Epoll.Wait(epoll, into, timeoutMs);

    public SysResult EventFdCreate() => EventFd.Create();

    public SysResult EventFdSignal(int fd) => EventFd.Signal(fd);

    public SysResult Accept(int listener, out SockAddr peer) => Sockets.Accept(listener, out peer);

    public SysResult Receive(int fd, Span<byte> into) => SocketIo.Receive(fd, into);

    public SysResult Send(int fd, ReadOnlySpan<byte> bytes) => SocketIo.Send(fd, bytes);

    public SysResult Send(int fd, ReadOnlySpan<ReadOnlyMemory<byte>> segments) => SocketIo.Send(fd, segments);

    public SysResult SendFile(int fd, int file, long offset, int count) => SocketIo.SendFile(fd, file, offset, count);

    public SysResult EncryptSends(int fd, ReadOnlySpan<byte> key) => KernelTlsSocket.SetSendKey(fd, key);

    public SysResult SendRecord(int fd, byte contentType, ReadOnlySpan<byte> content) => KernelTlsSocket.SendRecord(fd, contentType, content);

    public SysResult IsWritable(int fd) => Sockets.IsWritable(fd);

    public SysResult SetResetOnClose(int fd) => Sockets.SetResetOnClose(fd);

    public SysResult Shutdown(int fd, ShutdownSide side) => Sockets.Shutdown(fd, side);

    public SysResult Disconnect(int fd) => Sockets.Disconnect(fd);

    public SysResult GetLocalName(int fd, out SockAddr address) => Sockets.GetLocalName(fd, out address);

    public SysResult Close(int fd) => Descriptors.Close(fd);
}
