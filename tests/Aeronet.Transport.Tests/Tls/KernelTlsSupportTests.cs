using System;
using Aeronet.Transport.Tls;
using Xunit;

namespace Aeronet.Transport.Tests.Tls;

public sealed class KernelTlsSupportTests
{
    [Fact]
    public void Only_who_insists_on_the_kernel_is_refused_and_is_told_why()
    {
        Assert.Null(KernelTlsSupport.FindFault(KernelTls.Off));
        Assert.Null(KernelTlsSupport.FindFault(KernelTls.Auto));
        Assert.Contains(KernelTlsSupport.Reason, KernelTlsSupport.FindFault(KernelTls.Require), StringComparison.Ordinal);
        Assert.NotEqual(KernelTlsSupport.ReasonOf(true), KernelTlsSupport.ReasonOf(false));
    }

    [Theory]
    [InlineData("espintcp mptcp tls\n", true)]
    [InlineData("tls", true)]
    [InlineData("mptcp\n", false)]
    [InlineData("mytls", false)]
    [InlineData("", false)]
    public void The_kernel_s_list_has_it_as_a_word(string list, bool expected)
        => Assert.Equal(expected, KernelTlsSupport.IsListed(list));
}
