using System;
using Aeronet.Native.Libc;
using Xunit;
using static Aeronet.Native.Tests.Libc.TcpPair;

namespace Aeronet.Native.Tests.Libc;

public sealed class EpollTests
{
    [Fact]
    [Trait("Defect", "LOOP-19")]
    public void The_kernel_lays_out_events_as_we_do() => Epoll.VerifyLayout();

    [Fact]
    public void All_64_bits_of_data_come_back()
    {
        int epoll = Ok(Epoll.Create());
        int fd = Ok(EventFd.Create());
        Ok(EventFd.Signal(fd));
        Ok(Epoll.Control(epoll, EpollOperation.Add, fd, EpollEvents.In, 0x8877_6655_4433_2211));
        EpollEventBuffer buffer = new(2);
        Assert.Equal(1, Ok(Epoll.Wait(epoll, buffer, 0)));
        Assert.Equal(0x8877_6655_4433_2211ul, buffer.Data(0));
        Assert.Equal(EpollEvents.In, buffer.Events(0));
        Ok(Descriptors.Close(fd));
        Ok(Descriptors.Close(epoll));
    }

    [Fact]
    public void Each_signal_is_an_edge_of_its_own_though_nobody_reads_the_eventfd()
    {
        int epoll = Ok(Epoll.Create());
        int fd = Ok(EventFd.Create());
        EpollEventBuffer buffer = new(2);
        Ok(Epoll.Control(epoll, EpollOperation.Add, fd, EpollEvents.In | EpollEvents.EdgeTriggered, 1));
        for (int i = 0; i < 3; i++)
        {
            Ok(EventFd.Signal(fd));
            Assert.Equal(1, Ok(Epoll.Wait(epoll, buffer, 0)));
            Assert.Equal(0, Ok(Epoll.Wait(epoll, buffer, 0)));
        }
        Ok(Descriptors.Close(fd));
        Ok(Descriptors.Close(epoll));
    }

    [Fact]
    [Trait("Defect", "LOOP-4")]
    public void Modifying_the_interest_repeats_the_edge_of_what_is_ready()
    {
        using TcpPair pair = new();
        int epoll = Ok(Epoll.Create());
        EpollEventBuffer buffer = new(2);
        const EpollEvents interest = EpollEvents.In | EpollEvents.Out | EpollEvents.EdgeTriggered;
        Ok(Epoll.Control(epoll, EpollOperation.Add, pair.Server, interest, 1));
        Assert.Equal(1, Ok(Epoll.Wait(epoll, buffer, 0)));
        Assert.Equal(0, Ok(Epoll.Wait(epoll, buffer, 0)));
        Ok(Epoll.Control(epoll, EpollOperation.Modify, pair.Server, interest, 1));
        Assert.Equal(1, Ok(Epoll.Wait(epoll, buffer, 0)));
        Assert.Equal(EpollEvents.Out, buffer.Events(0));
        Ok(Descriptors.Close(epoll));
    }

    [Fact]
    public void The_buffer_doubles()
    {
        EpollEventBuffer buffer = new(4);
        buffer.Grow();
        Assert.Equal(8, buffer.Capacity);
        buffer.Set(7, EpollEvents.Out, 42);
        Assert.Equal(42ul, buffer.Data(7));
        Assert.Equal(EpollEvents.Out, buffer.Events(7));
    }
}
