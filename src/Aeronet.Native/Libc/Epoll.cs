using System;
using System.Buffers.Binary;
using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Aeronet.Native.Libc;

/// <summary>Readiness bits of <c>epoll_ctl</c> and <c>epoll_wait</c>.</summary>
[Flags]
internal enum EpollEvents : uint
{
    None = 0,
    In = 0x001,
    Out = 0x004,
    Error = 0x008,
    HangUp = 0x010,
    ReadHangUp = 0x2000,
    Exclusive = 1u << 28,
    EdgeTriggered = 1u << 31,
}

internal enum EpollOperation
{
    Add = 1,
    Delete = 2,
    Modify = 3,
}

/// <summary>Array of <c>struct epoll_event</c> that the kernel fills.</summary>
/// <remarks>The kernel packs the struct on x86-64 only (12 bytes), elsewhere the 64 bits of data are aligned (16 bytes): hence no C# struct.</remarks>
internal sealed class EpollEventBuffer
{
    internal static readonly int Stride = RuntimeInformation.ProcessArchitecture == Architecture.X64 ? 12 : 16;
    internal static readonly int DataOffset = Stride - sizeof(ulong);

    private byte[] _events;

    public EpollEventBuffer(int capacity)
    {
        Debug.Assert(capacity > 0);
        Capacity = capacity;
        _events = Allocate(capacity);
    }

    public int Capacity { get; private set; }

    /// <summary>Doubles the capacity. The content is lost.</summary>
    public void Grow()
    {
        Capacity *= 2;
        _events = Allocate(Capacity);
    }

    public EpollEvents Events(int index)
    {
        Debug.Assert((uint)index < (uint)Capacity);
        return (EpollEvents)Unsafe.ReadUnaligned<uint>(ref _events[index * Stride]);
    }

    public ulong Data(int index)
    {
        Debug.Assert((uint)index < (uint)Capacity);
        return Unsafe.ReadUnaligned<ulong>(ref _events[(index * Stride) + DataOffset]);
    }

    /// <summary>Writes an entry as the kernel would.</summary>
    public void Set(int index, EpollEvents events, ulong data) => Encode(_events.AsSpan(index * Stride, Stride), events, data);

    internal ref byte Start => ref MemoryMarshal.GetArrayDataReference(_events);

    internal static void Encode(Span<byte> entry, EpollEvents events, ulong data)
    {
        Debug.Assert(entry.Length == Stride);
        entry.Clear();
        BinaryPrimitives.WriteUInt32LittleEndian(entry, (uint)events);
        BinaryPrimitives.WriteUInt64LittleEndian(entry[DataOffset..], data);
    }

    private static byte[] Allocate(int capacity) => GC.AllocateArray<byte>(capacity * Stride, pinned: true);
}

/// <summary>The epoll calls.</summary>
internal static unsafe class Epoll
{
    internal const int CloseOnExec = 0x80000; // EPOLL_CLOEXEC

    public static SysResult Create() => SysResult.From(LibC.epoll_create1(CloseOnExec));

    public static SysResult Control(int epoll, EpollOperation operation, int fd, EpollEvents events, ulong data)
    {
        byte* entry = stackalloc byte[16]; // the larger of the two layouts
        EpollEventBuffer.Encode(new Span<byte>(entry, EpollEventBuffer.Stride), events, data);
        return SysResult.From(LibC.epoll_ctl(epoll, (int)operation, fd, entry));
    }

    /// <summary>Waits for events; -1 waits without end. A signal ends the wait with no events: the caller computes its timeout anew.</summary>
    public static SysResult Wait(int epoll, EpollEventBuffer into, int timeoutMs)
    {
        fixed (byte* events = &into.Start)
        {
            SysResult result = SysResult.From(LibC.epoll_wait(epoll, events, into.Capacity, timeoutMs));
            return result.Errno == Errno.EINTR ? SysResult.Ok(0) : result;
        }
    }

    /// <summary>Asks the kernel itself whether it lays out <c>struct epoll_event</c> as we do.</summary>
    /// <exception cref="PlatformNotSupportedException">It does not, or epoll or eventfd is not there.</exception>
    public static void VerifyLayout()
    {
        const ulong first = 0x0123_4567_89AB_CDEF;
        const ulong second = 0xFEDC_BA98_7654_3210;
        int epoll = Require(Create());
        int a = -1;
        int b = -1;
        try
        {
            a = Require(EventFd.Create());
            b = Require(EventFd.Create());
            Require(EventFd.Signal(a));
            Require(EventFd.Signal(b));
            Require(Control(epoll, EpollOperation.Add, a, EpollEvents.In, first));
            Require(Control(epoll, EpollOperation.Add, b, EpollEvents.In, second));
            EpollEventBuffer events = new(4);
            int count = Require(Wait(epoll, events, timeoutMs: 0));
            bool isOurs = count == 2 && (events.Data(0) ^ events.Data(1)) == (first ^ second) && events.Data(0) is first or second
                && events.Events(0) == EpollEvents.In && events.Events(1) == EpollEvents.In;
            if (!isOurs)
            {
                throw new PlatformNotSupportedException("The kernel's layout of struct epoll_event is not the expected one.");
            }
        }
        finally
        {
            Descriptors.CloseIfOpen(a);
            Descriptors.CloseIfOpen(b);
            Descriptors.CloseIfOpen(epoll);
        }
    }

    private static int Require(SysResult result) =>
        result.IsOk ? result.Value : throw new PlatformNotSupportedException($"epoll and eventfd are needed; the system answered {result.Errno}.");
}
