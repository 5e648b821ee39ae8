using System;
using Aeronet.Native.Libc;
using Aeronet.Transport.Loop;
using Xunit;

namespace Aeronet.Transport.Tests.Loop;

public sealed class LoopBackendTests
{
    [Fact]
    public void Auto_takes_epoll_where_it_is_there()
    {
        Assert.Equal(OperatingSystem.IsLinux() ? TransportBackend.Epoll : TransportBackend.Sockets, LoopBackend.Resolve(TransportBackend.Auto, out string? reason));
        Assert.Equal(OperatingSystem.IsLinux(), reason is null);
    }

    [Fact]
    public void Sockets_are_taken_when_asked_for_and_need_no_reason()
    {
        Assert.Equal(TransportBackend.Sockets, LoopBackend.Resolve(TransportBackend.Sockets, out string? reason));
        Assert.Null(reason);
    }

    [Theory]
    [InlineData(Errno.ENOSYS, true)]
    [InlineData(Errno.EPERM, true)]
    [InlineData(Errno.EACCES, true)]
    [InlineData(Errno.EMFILE, false)]
    [InlineData(Errno.ENOMEM, false)]
    internal void A_refusal_by_the_system_is_told_from_a_lack_of_descriptors(Errno errno, bool isRefusal) =>
        Assert.Equal(isRefusal, LoopBackend.RefusalOf(SysResult.Failed(errno)) is not null);
}
