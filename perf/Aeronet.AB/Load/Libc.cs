using System;
using System.Buffers.Binary;
using System.Net;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

[assembly: DisableRuntimeMarshalling]

namespace Aeronet.AB.Load;

/// <summary>The few system calls of the load client and of core placement. Linux only, like the figures in /proc that the laboratory reads.</summary>
internal static unsafe partial class Libc
{
    // Numbers from the kernel's headers; the same on x86-64 and arm64.
    public const uint EpollIn = 0x1, EpollOut = 0x4, EpollError = 0x8, EpollHangUp = 0x10, EpollEdgeTriggered = 1u << 31;
    private const int EpollControlAdd = 1, EpollCloseOnExec = 0x80000;
    private const int AddressFamilyInet = 2, SocketStream = 1, SocketNonBlocking = 0x800, SocketCloseOnExec = 0x80000;
    private const int ProtocolTcp = 6, TcpNoDelay = 1, NoSignal = 0x4000, UsageOfThread = 1, UsageOfChildren = -1, LimitOfOpenFiles = 7;
    private const int ErrorInterrupted = 4, ErrorTryAgain = 11, ErrorInProgress = 115;

    /// <summary>Returned by <see cref="Receive"/> and <see cref="Send"/> when the socket has nothing (more) to give or to take now.</summary>
    public const int TryAgain = -1;

    /// <summary>Returned by <see cref="Receive"/> and <see cref="Send"/> when the connection is gone.</summary>
    public const int Broken = -2;

    // epoll_event is packed on x86-64 only (see epoll_ctl(2)): 12 bytes there, 16 elsewhere; the data field is the last 8 in both.
    private static readonly int EventSize = RuntimeInformation.ProcessArchitecture == Architecture.X64 ? 12 : 16;

    public sealed class Poller : IDisposable
    {
        private const int EventsMax = 512;
        private readonly byte[] _events = GC.AllocateArray<byte>(EventsMax * 16, pinned: true);
        private readonly int _descriptor = ThrowIfNegative(epoll_create1(EpollCloseOnExec), nameof(epoll_create1));

        public void Add(int socket, int key)
        {
            byte* one = stackalloc byte[16];
            Unsafe.WriteUnaligned(one, EpollIn | EpollOut | EpollEdgeTriggered);
            Unsafe.WriteUnaligned(one + EventSize - 8, (ulong)key);
            ThrowIfNegative(epoll_ctl(_descriptor, EpollControlAdd, socket, one), nameof(epoll_ctl));
        }

        public int Wait(int timeoutMilliseconds)
        {
            int count = epoll_wait(_descriptor, (byte*)Unsafe.AsPointer(ref _events[0]), EventsMax, timeoutMilliseconds);
            return count >= 0 || Marshal.GetLastSystemError() == ErrorInterrupted ? Math.Max(count, 0) : ThrowIfNegative(count, nameof(epoll_wait));
        }

        public (uint Events, int Key) this[int index]
        {
            get
            {
                ref byte start = ref _events[index * EventSize];
                return (Unsafe.ReadUnaligned<uint>(ref start), (int)Unsafe.ReadUnaligned<ulong>(ref Unsafe.Add(ref start, EventSize - 8)));
            }
        }

        public void Dispose() => _ = close(_descriptor);
    }

    /// <summary>A socket whose connection to 127.0.0.1 is under way, or -1 when the system has no port or descriptor for it now.</summary>
    public static int BeginConnect(int port)
    {
        int descriptor = socket(AddressFamilyInet, SocketStream | SocketNonBlocking | SocketCloseOnExec, 0);
        if (descriptor < 0)
        {
            return -1;
        }

        int on = 1;
        _ = setsockopt(descriptor, ProtocolTcp, TcpNoDelay, &on, sizeof(int));
        byte* address = stackalloc byte[16];
        new Span<byte>(address, 16).Clear();
        Unsafe.WriteUnaligned(address, (ushort)AddressFamilyInet);
        BinaryPrimitives.WriteUInt16BigEndian(new Span<byte>(address + 2, 2), (ushort)port);
        IPAddress.Loopback.TryWriteBytes(new Span<byte>(address + 4, 4), out _);
        if (connect(descriptor, address, 16) == 0 || Marshal.GetLastSystemError() == ErrorInProgress)
        {
            return descriptor;
        }

        Close(descriptor);
        return -1;
    }

    /// <summary>Bytes received, 0 at the end of the stream, <see cref="TryAgain"/> or <see cref="Broken"/>.</summary>
    public static int Receive(int socket, byte* into, int length)
    {
        nint received = recv(socket, into, (nuint)length, 0);
        return received >= 0 ? (int)received : AsResult(Marshal.GetLastSystemError());
    }

    /// <summary>Bytes taken by the socket, <see cref="TryAgain"/> or <see cref="Broken"/>.</summary>
    public static int Send(int socket, byte* from, int length)
    {
        nint sent = send(socket, from, (nuint)length, NoSignal);
        return sent >= 0 ? (int)sent : AsResult(Marshal.GetLastSystemError());
    }

    public static void Close(int socket) => _ = close(socket);

    /// <summary>CPU time of the calling thread, user and system together.</summary>
    public static TimeSpan ThreadCpuTime() => CpuTime(UsageOfThread);

    /// <summary>CPU time of the child processes that have ended.</summary>
    public static TimeSpan ChildrenCpuTime() => CpuTime(UsageOfChildren);

    private static TimeSpan CpuTime(int who)
    {
        long* usage = stackalloc long[18]; // struct rusage: two timevals first
        ThrowIfNegative(getrusage(who, usage), nameof(getrusage));
        return TimeSpan.FromSeconds(usage[0] + usage[2]) + TimeSpan.FromMicroseconds(usage[1] + usage[3]);
    }

    /// <summary>Puts the calling thread, and the processes and threads that it starts later, on the cores whose bits are set.</summary>
    public static void SetAffinity(ulong cores) => ThrowIfNegative(sched_setaffinity(0, sizeof(ulong), &cores), nameof(sched_setaffinity));

    /// <summary>The cores that the calling thread may use; of the first 64.</summary>
    public static ulong GetAffinity()
    {
        ulong* cores = stackalloc ulong[16]; // the call wants room for every core that the kernel knows
        ThrowIfNegative(sched_getaffinity(0, 16 * sizeof(ulong), cores), nameof(sched_getaffinity));
        return cores[0];
    }

    /// <summary>Raises the soft limit of open descriptors to the hard one; children inherit it.</summary>
    public static long RaiseOpenFileLimit()
    {
        ulong* limits = stackalloc ulong[2];
        ThrowIfNegative(getrlimit(LimitOfOpenFiles, limits), nameof(getrlimit));
        limits[0] = limits[1];
        ThrowIfNegative(setrlimit(LimitOfOpenFiles, limits), nameof(setrlimit));
        return (long)Math.Min(limits[0], long.MaxValue);
    }

    private static int AsResult(int error) => error is ErrorTryAgain or ErrorInterrupted ? TryAgain : Broken;

    private static int ThrowIfNegative(int result, string call) =>
        result >= 0 ? result : throw new InvalidOperationException($"{call}: {Marshal.GetPInvokeErrorMessage(Marshal.GetLastSystemError())}");

    [LibraryImport("libc")]
    private static partial int epoll_create1(int flags);

    [LibraryImport("libc")]
    private static partial int epoll_ctl(int descriptor, int operation, int socket, byte* one);

    [LibraryImport("libc")]
    private static partial int epoll_wait(int descriptor, byte* events, int eventsMax, int timeoutMilliseconds);

    [LibraryImport("libc")]
    private static partial int socket(int family, int type, int protocol);

    [LibraryImport("libc")]
    private static partial int setsockopt(int socket, int level, int name, void* value, int length);

    [LibraryImport("libc")]
    private static partial int connect(int socket, byte* address, int length);

    [LibraryImport("libc")]
    private static partial nint recv(int socket, byte* into, nuint length, int flags);

    [LibraryImport("libc")]
    private static partial nint send(int socket, byte* from, nuint length, int flags);

    [LibraryImport("libc")]
    private static partial int close(int descriptor);

    [LibraryImport("libc")]
    private static partial int getrusage(int who, long* usage);

    [LibraryImport("libc")]
    private static partial int sched_setaffinity(int thread, nuint size, ulong* cores);

    [LibraryImport("libc")]
    private static partial int sched_getaffinity(int thread, nuint size, ulong* cores);

    [LibraryImport("libc")]
    private static partial int getrlimit(int resource, ulong* limits);

    [LibraryImport("libc")]
    private static partial int setrlimit(int resource, ulong* limits);
}
