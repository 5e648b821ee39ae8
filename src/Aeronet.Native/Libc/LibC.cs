using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Aeronet.Native.Libc;

/// <summary>The C functions as they are; only the wrappers of this folder call them.</summary>
[SuppressMessage("Style", "IDE1006", Justification = "Names exactly as in C.")]
internal static unsafe partial class LibC
{
    private const string Name = "libc";

    // Resolving the function that reads errno makes system calls of its own: once, before the first error that matters.
#pragma warning disable CA2255 // a static constructor would run between a failed call and the reading of its errno
    [ModuleInitializer]
    internal static void ResolveErrnoReader() => Marshal.GetLastSystemError();
#pragma warning restore CA2255

    [LibraryImport(Name)] internal static partial int epoll_create1(int flags);
    [LibraryImport(Name)] internal static partial int epoll_ctl(int epfd, int op, int fd, byte* @event);
    [LibraryImport(Name)] internal static partial int epoll_wait(int epfd, byte* events, int maxevents, int timeout);
    [LibraryImport(Name)] internal static partial int eventfd(uint initval, int flags);
    [LibraryImport(Name)] internal static partial nint write(int fd, void* buf, nuint count);
    [LibraryImport(Name)] internal static partial int close(int fd);
    [LibraryImport(Name)] internal static partial int fcntl(int fd, int cmd, int arg);
    [LibraryImport(Name)] internal static partial int unlink(byte* path);
    [LibraryImport(Name)] internal static partial int chmod(byte* path, uint mode);
    [LibraryImport(Name)] internal static partial int statx(int dirfd, byte* path, int flags, uint mask, byte* statxbuf);
    [LibraryImport(Name)] internal static partial int getrlimit(int resource, ulong* rlim);
    [LibraryImport(Name)] internal static partial nint syscall(nint number);
    [LibraryImport(Name)] internal static partial int clock_gettime(int clockid, TimeSpec* tp);
    [LibraryImport(Name)] internal static partial int nanosleep(TimeSpec* duration, TimeSpec* rem);
    [LibraryImport(Name)] internal static partial int open(byte* path, int flags);
    [LibraryImport(Name)] internal static partial nint read(int fd, void* buf, nuint count);

    [LibraryImport(Name)] internal static partial int socket(int domain, int type, int protocol);
    [LibraryImport(Name)] internal static partial int bind(int sockfd, byte* addr, uint addrlen);
    [LibraryImport(Name)] internal static partial int listen(int sockfd, int backlog);
    [LibraryImport(Name)] internal static partial int accept4(int sockfd, byte* addr, uint* addrlen, int flags);
    [LibraryImport(Name)] internal static partial int connect(int sockfd, byte* addr, uint addrlen);
    [LibraryImport(Name)] internal static partial int shutdown(int sockfd, int how);
    [LibraryImport(Name)] internal static partial int getsockname(int sockfd, byte* addr, uint* addrlen);
    [LibraryImport(Name)] internal static partial int getpeername(int sockfd, byte* addr, uint* addrlen);
    [LibraryImport(Name)] internal static partial int getsockopt(int sockfd, int level, int optname, void* optval, uint* optlen);
    [LibraryImport(Name)] internal static partial int setsockopt(int sockfd, int level, int optname, void* optval, uint optlen);
    [LibraryImport(Name)] internal static partial nint recv(int sockfd, void* buf, nuint len, int flags);
    [LibraryImport(Name)] internal static partial nint send(int sockfd, void* buf, nuint len, int flags);
    [LibraryImport(Name)] internal static partial nint sendfile(int out_fd, int in_fd, long* offset, nuint count);
    [LibraryImport(Name)] internal static partial nint sendmsg(int sockfd, MessageHeader* msg, int flags);
    [LibraryImport(Name)] internal static partial int poll(PollEntry* fds, nuint nfds, int timeout);

    internal const int O_CLOEXEC = 0x80000; // x86-64 and arm64 alike; O_RDONLY is 0

    /// <summary><c>struct timespec</c> of the 64-bit Linux ABIs.</summary>
    internal struct TimeSpec
    {
        internal long Seconds;
        internal long Nanoseconds;
    }

    /// <summary><c>struct iovec</c></summary>
    internal struct IoVector
    {
        internal byte* Base;
        internal nuint Length;
    }

    /// <summary><c>struct pollfd</c></summary>
    internal struct PollEntry
    {
        internal int Descriptor;
        internal short Events;
        internal short Happened;
    }

    /// <summary><c>struct linger</c></summary>
    internal struct LingerOption
    {
        internal int IsOn;
        internal int Seconds;
    }

    /// <summary><c>struct msghdr</c> of the 64-bit Linux ABIs.</summary>
    internal struct MessageHeader
    {
        internal byte* Name;
        internal uint NameLength;
        internal IoVector* Vectors;
        internal nuint VectorCount;
        internal byte* Control;
        internal nuint ControlLength;
        internal int Flags;
    }
}
