namespace Aeronet.Native.Libc;

/// <summary>An eventfd counter: wakes a thread that sleeps in <see cref="Epoll.Wait"/>.</summary>
/// <remarks>Watched edge-triggered, every write is an event of its own and nobody needs to read: one system call less per wake-up.</remarks>
internal static unsafe class EventFd
{
    internal const int CloseOnExec = 0x80000; // EFD_CLOEXEC
    internal const int NonBlocking = 0x800; // EFD_NONBLOCK

    public static SysResult Create() => SysResult.From(LibC.eventfd(0, CloseOnExec | NonBlocking));

    /// <summary>Adds one. EAGAIN, a full counter, is success: the descriptor is readable.</summary>
    public static SysResult Signal(int fd)
    {
        ulong one = 1;
        while (true)
        {
            SysResult result = SysResult.From(LibC.write(fd, &one, sizeof(ulong)));
            if (result.Errno != Errno.EINTR)
            {
                return result.Errno == Errno.EAGAIN ? SysResult.Ok(0) : result;
            }
        }
    }
}
