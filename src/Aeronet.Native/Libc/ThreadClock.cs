using System;
using System.Runtime.InteropServices;
using System.Threading;

namespace Aeronet.Native.Libc;

/// <summary>What a watching thread can know of another one: the processor time it has used, and whether it waits.</summary>
internal static unsafe class ThreadClock
{
    private const int PerThread = 4; // linux/posix-timers.h: CPUCLOCK_PERTHREAD_MASK
    private const int Scheduled = 2; // CPUCLOCK_SCHED: the scheduler's exact sum

    // asm/unistd.h: SYS_gettid. The C library has a function of that name only from glibc 2.30 on, and .NET runs on 2.27. 0: another machine.
    private static readonly int s_getThreadId = RuntimeInformation.ProcessArchitecture switch
    {
        Architecture.X64 => 186,
        Architecture.Arm64 => 178,
        _ => 0,
    };

    [ThreadStatic]
    private static int t_threadId;

    /// <summary>The system's id of the calling thread; 0 where it is not known.</summary>
    public static int CurrentThreadId
    {
        get
        {
            if (t_threadId == 0 && HostSystem.IsLinux && s_getThreadId != 0)
            {
                t_threadId = (int)LibC.syscall(s_getThreadId);
            }
            return t_threadId;
        }
    }

    /// <summary>Nanoseconds of processor time that a thread of this process has used; -1 when there is no such thread, its id is not known (0), or elsewhere than on Linux. clock_getcpuclockid(3).</summary>
    public static long ProcessorTimeNs(int threadId)
    {
        if (!HostSystem.IsLinux || threadId == 0) // to the kernel 0 is the caller
        {
            return -1;
        }
        LibC.TimeSpec time;
        return LibC.clock_gettime((~threadId << 3) | PerThread | Scheduled, &time) == 0 ? (time.Seconds * 1_000_000_000) + time.Nanoseconds : -1;
    }

    /// <summary>True when the thread waits in the kernel (proc(5), states S, D and the like), false when it runs or could. Some microseconds: not for every look.</summary>
    public static bool IsWaiting(int threadId)
    {
        if (!HostSystem.IsLinux || threadId == 0)
        {
            return false; // nobody knows
        }
        Span<byte> path = stackalloc byte[64];
        if (!System.Text.Unicode.Utf8.TryWrite(path, $"/proc/self/task/{threadId}/stat\0", out _))
        {
            return false;
        }
        Span<byte> stat = stackalloc byte[128]; // id, name of up to 64 bytes in parentheses, state
        fixed (byte* name = path, into = stat)
        {
            int fd = LibC.open(name, LibC.O_CLOEXEC);
            if (fd < 0)
            {
                return false;
            }
            nint read = LibC.read(fd, into, (nuint)stat.Length);
            _ = LibC.close(fd);
            int afterName = read <= 0 ? -1 : stat[..(int)read].LastIndexOf((byte)')');
            return afterName >= 0 && afterName + 2 < read && stat[afterName + 2] is not (byte)'R';
        }
    }

    /// <summary>Sleeps without the runtime's rounding to milliseconds; a signal ends it early.</summary>
    public static void Sleep(int microseconds)
    {
        if (!HostSystem.IsLinux)
        {
            Thread.Sleep((microseconds + 999) / 1000); // rounded up: the runtime would round down, and not to sleep at all is to spin
            return;
        }
        LibC.TimeSpec time = new() { Seconds = microseconds / 1_000_000, Nanoseconds = microseconds % 1_000_000 * 1000L };
        _ = LibC.nanosleep(&time, null);
    }
}
