using System;
using System.IO;
using Aeronet.Native.Libc;
using Aeronet.Native.OpenSsl;
using Aeronet.Transport.Tls;
using Xunit;

namespace Aeronet.Transport.Tests.Tls;

public sealed class KernelTlsSupportTests
{
    [Theory]
    [InlineData(true, true, null)]
    [InlineData(false, true, "this kernel does not offer it")]
    [InlineData(true, false, "was built without it")]
    [InlineData(false, false, "this kernel does not offer it")]
    public void Kernel_and_library_must_both_have_it(bool kernelHasIt, bool libraryHasIt, string? expected)
    {
        string? obstacle = KernelTlsSupport.FindObstacle(() => kernelHasIt, () => libraryHasIt);
        if (expected is null)
        {
            Assert.Null(obstacle);
        }
        else
        {
            Assert.Contains(expected, obstacle, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Only_who_insists_on_the_kernel_is_refused_and_is_told_why()
    {
        KernelTlsSupport missing = new("the moon is full");
        Assert.Null(missing.FindFault(KernelTls.Off));
        Assert.Null(missing.FindFault(KernelTls.Auto));
        Assert.Contains("the moon is full", missing.FindFault(KernelTls.Require), StringComparison.Ordinal);
        Assert.Null(new KernelTlsSupport(obstacle: null).FindFault(KernelTls.Require));
    }

    [Theory]
    [InlineData(false, true, false)]
    [InlineData(true, true, true)]
    [InlineData(true, false, false)]
    public void Keys_are_offered_where_it_is_wanted_and_can_be_had(bool isWanted, bool isThere, bool expected)
    {
        TlsSettings settings = new()
        {
            KernelTls = isWanted ? KernelTls.Auto : KernelTls.Off,
            FindKernelTls = () => isWanted ? new KernelTlsSupport(isThere ? null : "no") : throw new InvalidOperationException("Nobody wants to know."),
        };
        Assert.Equal(expected, settings.UsesKernelTls);
    }

    [Fact]
    public void The_machine_answers_without_harm()
    {
        // A list of what is loaded; a kernel that may load modules for us offers more than it says there.
        const string Loaded = "/proc/sys/net/ipv4/tcp_available_ulp";
        bool isListed = File.Exists(Loaded) && Array.IndexOf(File.ReadAllText(Loaded).Split(' ', '\n'), "tls") >= 0;
        bool isOffered = KernelTlsSocket.IsOffered();
        Assert.True(isOffered || !isListed);
        Assert.Equal(isOffered && OpenSslLibrary.HasKernelTls, KernelTlsSupport.OfThisMachine.Obstacle is null);
    }
}
