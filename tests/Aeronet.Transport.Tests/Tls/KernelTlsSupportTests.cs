using Aeronet.Transport.Tls;
using Xunit;

namespace Aeronet.Transport.Tests.Tls;

public sealed class KernelTlsSupportTests
{
    [Theory]
    [InlineData(KernelTls.Off, false, false)]
    [InlineData(KernelTls.Off, true, false)]
    [InlineData(KernelTls.Auto, false, false)]
    [InlineData(KernelTls.Auto, true, true)]
    [InlineData(KernelTls.Require, true, true)]
    internal void The_kernel_encrypts_where_it_is_wanted_and_there(KernelTls wanted, bool isAvailable, bool expected)
        => Assert.Equal(expected, KernelTlsSupport.Decide(wanted, isAvailable));

    [Theory]
    [InlineData("espintcp mptcp tls\n", true)]
    [InlineData("tls", true)]
    [InlineData("mptcp\n", false)]
    [InlineData("mytls", false)]
    [InlineData("", false)]
    public void The_kernel_s_list_has_it_as_a_word(string list, bool expected)
        => Assert.Equal(expected, KernelTlsSupport.IsListed(list));

    [Fact]
    public void Requiring_what_is_not_there_is_a_fault_that_says_what_to_do()
        => Assert.Contains("modprobe tls", KernelTlsSupport.Missing, System.StringComparison.Ordinal);
}
