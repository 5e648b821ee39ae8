namespace Aeronet.Native.Libc;

/// <summary>Calls on any descriptor.</summary>
internal static unsafe class Descriptors
{
    internal const int GetDescriptorFlags = 1; // F_GETFD
    internal const int SetDescriptorFlags = 2; // F_SETFD
    internal const int GetStatusFlags = 3; // F_GETFL
    internal const int SetStatusFlags = 4; // F_SETFL
    internal const int CloseOnExecFlag = 1; // FD_CLOEXEC
    internal const int NonBlockingFlag = 0x800; // O_NONBLOCK
    internal const int OpenFilesLimit = 7; // RLIMIT_NOFILE

    /// <summary>Closes. Never retried: Linux has released the descriptor even when it answers EINTR, and another thread may own the number.</summary>
    public static SysResult Close(int fd) => SysResult.From(LibC.close(fd));

    public static void CloseIfOpen(int fd)
    {
        if (fd >= 0)
        {
            _ = Close(fd);
        }
    }

    public static SysResult SetNonBlocking(int fd)
    {
        SysResult flags = SysResult.From(LibC.fcntl(fd, GetStatusFlags, 0));
        return flags.IsOk ? SysResult.From(LibC.fcntl(fd, SetStatusFlags, flags.Value | NonBlockingFlag)) : flags;
    }

    public static SysResult SetCloseOnExec(int fd)
    {
        SysResult flags = SysResult.From(LibC.fcntl(fd, GetDescriptorFlags, 0));
        return flags.IsOk ? SysResult.From(LibC.fcntl(fd, SetDescriptorFlags, flags.Value | CloseOnExecFlag)) : flags;
    }

    public static SysResult GetFlags(int fd, out bool isNonBlocking, out bool isCloseOnExec)
    {
        SysResult status = SysResult.From(LibC.fcntl(fd, GetStatusFlags, 0));
        SysResult descriptor = SysResult.From(LibC.fcntl(fd, GetDescriptorFlags, 0));
        isNonBlocking = status.IsOk && (status.Value & NonBlockingFlag) != 0;
        isCloseOnExec = descriptor.IsOk && (descriptor.Value & CloseOnExecFlag) != 0;
        return status.IsOk ? descriptor : status;
    }

    /// <summary>The most descriptors this process may have open (soft limit), <see cref="ulong.MaxValue"/> for no limit.</summary>
    public static SysResult GetOpenFilesLimit(out ulong countMax)
    {
        ulong* limits = stackalloc ulong[2];
        SysResult result = SysResult.From(LibC.getrlimit(OpenFilesLimit, limits));
        countMax = limits[0];
        return result;
    }
}
