using System;
using System.Diagnostics;
using System.Threading;
using Aeronet.Native.Libc;

namespace Aeronet.Transport.Loop;

/// <summary>A kernel without descriptors, for every operating system: its loop has posted work and timers only, and waits for either.</summary>
/// <remarks>The connections of such a loop are pipes; what a descriptor would be needed for is never called.</remarks>
internal readonly struct PortableKernel : IKernel
{
    private const int OnlyNumber = 0; // both "descriptors" of the loop are this object's event

    private readonly AutoResetEvent _wake;

    private PortableKernel(AutoResetEvent wake) => _wake = wake;

    public static PortableKernel Create() => new(new AutoResetEvent(false));

    public SysResult EpollCreate() => SysResult.Ok(OnlyNumber);

    public SysResult EpollControl(int epoll, EpollOperation operation, int fd, EpollEvents events, ulong data)
    {
        Debug.Assert(fd == OnlyNumber);
        return SysResult.Ok(0);
    }

    public SysResult EpollWait(int epoll, EpollEventBuffer into, int timeoutMs)
    {
        if (timeoutMs != 0)
        {
            _wake.WaitOne(timeoutMs);
        }
        return SysResult.Ok(0);
    }

    public SysResult EventFdCreate() => SysResult.Ok(OnlyNumber);

    public SysResult EventFdSignal(int fd)
    {
        _wake.Set();
        return SysResult.Ok(0);
    }

    // Left to the finaliser: the loop closes two numbers, and which is the last is not its business.
    public SysResult Close(int fd) => SysResult.Ok(0);

    public SysResult Accept(int listener, out SockAddr peer) => throw NoDescriptors();

    public SysResult Receive(int fd, Span<byte> into) => throw NoDescriptors();

    public SysResult Send(int fd, ReadOnlySpan<byte> bytes) => throw NoDescriptors();

    public SysResult Send(int fd, ReadOnlySpan<ReadOnlyMemory<byte>> segments) => throw NoDescriptors();

    public SysResult SendFile(int fd, int file, long offset, int count) => throw NoDescriptors();

    public SysResult EncryptSends(int fd, ReadOnlySpan<byte> key) => throw NoDescriptors();

    public SysResult SendRecord(int fd, byte contentType, ReadOnlySpan<byte> content) => throw NoDescriptors();

    public SysResult IsWritable(int fd) => throw NoDescriptors();

    public SysResult SetResetOnClose(int fd) => throw NoDescriptors();

    public SysResult Shutdown(int fd, ShutdownSide side) => throw NoDescriptors();

    public SysResult Disconnect(int fd) => throw NoDescriptors();

    public SysResult GetLocalName(int fd, out SockAddr address) => throw NoDescriptors();

    private static UnreachableException NoDescriptors() => new("A portable loop has no descriptors.");
}
