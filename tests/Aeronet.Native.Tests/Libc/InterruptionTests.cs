using System;
using System.IO;
using System.Runtime.InteropServices;
using System.Threading;
using Aeronet.Native.Libc;
using Xunit;
using static Aeronet.Native.Tests.Libc.TcpPair;

namespace Aeronet.Native.Tests.Libc;

/// <summary>Real signals: the runtime handles SIGCONT, and epoll_wait(2) is never restarted by the kernel after a handler.</summary>
public sealed partial class InterruptionTests
{
    [Fact]
    [Trait("Defect", "LOOP-16")]
    public void A_signal_ends_the_wait_without_an_error()
    {
        using PosixSignalRegistration registration = PosixSignalRegistration.Create(PosixSignal.SIGCONT, static context => context.Cancel = true);
        int epoll = Ok(Epoll.Create());
        SysResult result = default;
        int threadId = 0;
        Thread waiter = new(() =>
        {
            Volatile.Write(ref threadId, gettid());
            result = Epoll.Wait(epoll, new EpollEventBuffer(1), timeoutMs: 30_000);
        });
        waiter.Start();
        SpinWait.SpinUntil(() => Volatile.Read(ref threadId) != 0);
        while (!waiter.Join(0))
        {
            // Again until it has met the thread inside the wait; 30 s are the bound.
            _ = tgkill(Environment.ProcessId, threadId, SigCont);
            waiter.Join(5);
        }
        Assert.Equal(0, Ok(result));
        Ok(Descriptors.Close(epoll));
    }

    [Fact]
    [Trait("Defect", "LOOP-16")]
    public void An_interrupted_receive_is_tried_again()
    {
        using PosixSignalRegistration registration = PosixSignalRegistration.Create(PosixSignal.SIGCONT, static context => context.Cancel = true);
        using TcpPair pair = new();
        MakeBlockingWithTimeout(pair.Server);
        SysResult result = default;
        byte[] buffer = new byte[8];
        int threadId = 0;
        Thread receiver = new(() =>
        {
            Volatile.Write(ref threadId, gettid());
            result = SocketIo.Receive(pair.Server, buffer);
        });
        receiver.Start();
        SpinWait.SpinUntil(() => Volatile.Read(ref threadId) != 0);
        WaitUntilBlockedInReceive(threadId);
        for (int i = 0; i < 20; i++)
        {
            _ = tgkill(Environment.ProcessId, threadId, SigCont);
        }
        Ok(SocketIo.Send(pair.Client, "late"u8));
        Assert.True(receiver.Join(30_000));
        Assert.Equal(4, Ok(result));
    }

    private const int SigCont = 18;

    /// <summary>A receive with a timeout is not restarted by the kernel (signal(7)): the wrapper sees EINTR.</summary>
    private static unsafe void MakeBlockingWithTimeout(int fd)
    {
        const int receiveTimeout = 20; // SO_RCVTIMEO
        long* seconds = stackalloc long[] { 30, 0 };
        Assert.Equal(0, LibC.setsockopt(fd, Sockets.SocketLevel, receiveTimeout, seconds, 16));
        int flags = LibC.fcntl(fd, Descriptors.GetStatusFlags, 0);
        Assert.Equal(0, LibC.fcntl(fd, Descriptors.SetStatusFlags, flags & ~Descriptors.NonBlockingFlag));
    }

    private static void WaitUntilBlockedInReceive(int threadId)
    {
        string path = $"/proc/self/task/{threadId}/stat";
        SpinWait.SpinUntil(() => File.ReadAllText(path).Split(") ", 2)[1].StartsWith('S'), 10_000);
    }

    [LibraryImport("libc")]
    private static partial int gettid();

    [LibraryImport("libc")]
    private static partial int tgkill(int tgid, int tid, int sig);
}
