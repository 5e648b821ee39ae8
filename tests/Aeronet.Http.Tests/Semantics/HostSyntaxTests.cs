using System.Text;
using Aeronet.Http.Semantics;
using Xunit;

namespace Aeronet.Http.Tests.Semantics;

[Trait("Defect", "PARSE-7")]
public sealed class HostSyntaxTests
{
    [Theory]
    [InlineData("")]
    [InlineData("a")]
    [InlineData("a.example")]
    [InlineData("a.example.")]
    [InlineData("A-b_c~d.example")]
    [InlineData("localhost:0")]
    [InlineData("localhost:8080")]
    [InlineData("localhost:65535")]
    [InlineData("localhost:00080")]
    [InlineData("127.0.0.1")]
    [InlineData("127.0.0.1:80")]
    [InlineData("!$&'()-._~")]
    [InlineData("[::]")]
    [InlineData("[::1]")]
    [InlineData("[1::]")]
    [InlineData("[::1]:443")]
    [InlineData("[2001:DB8:0:0:8:800:200c:417A]")]
    [InlineData("[1:2:3:4:5:6:7::]")]
    [InlineData("[::2:3:4:5:6:7:8]")]
    [InlineData("[::ffff:192.0.2.128]")]
    [InlineData("[1:2:3:4:5:6:192.0.2.1]:1")]
    [Trait("Rfc", "9112 3.2")]
    [Trait("Rfc", "3986 3.2.2")]
    public void Takes_names_addresses_and_ports(string value) => Assert.True(HostSyntax.IsValid(Encoding.Latin1.GetBytes(value)));

    [Theory]
    [InlineData(" ")]
    [InlineData("a b")]
    [InlineData("a,b")]
    [InlineData("a/b")]
    [InlineData("a?b")]
    [InlineData("a#b")]
    [InlineData("a@b")]
    [InlineData("u:p@b")]
    [InlineData("a\\b")]
    [InlineData("a%41")]
    [InlineData("a=b")]
    [InlineData("a;b")]
    [InlineData("a*b")]
    [InlineData("a+b")]
    [InlineData("\u00e9")]
    [InlineData("a:")]
    [InlineData(":80")]
    [InlineData("a:b")]
    [InlineData("a:80b")]
    [InlineData("a:+80")]
    [InlineData("a: 80")]
    [InlineData("a:-1")]
    [InlineData("a:65536")]
    [InlineData("a:000080")]
    [InlineData("a:99999999999999999999")]
    [InlineData("a:80:80")]
    [InlineData("::1")]
    [InlineData("[::1")]
    [InlineData("::1]")]
    [InlineData("[]")]
    [InlineData("[:]")]
    [InlineData("[:::]")]
    [InlineData("[::1]x")]
    [InlineData("[::1]:")]
    [InlineData("[::1]:x")]
    [InlineData("[::1]80")]
    [InlineData("[1:2:3:4:5:6:7]")]
    [InlineData("[1:2:3:4:5:6:7:8:9]")]
    [InlineData("[1:2:3:4:5:6:7:8::]")]
    [InlineData("[1::2::3]")]
    [InlineData("[1:2:3:4:5:6:7:]")]
    [InlineData("[12345::]")]
    [InlineData("[g::]")]
    [InlineData("[::1%eth0]")]
    [InlineData("[::1%25eth0]")]
    [InlineData("[v1.x]")]
    [InlineData("[127.0.0.1]")]
    [InlineData("[::256.0.0.1]")]
    [InlineData("[::1.2.3]")]
    [InlineData("[::1.2.3.4.5]")]
    [InlineData("[::1.2.3.4:1]")]
    [InlineData("[1:2:3:4:5:6:7:1.2.3.4]")]
    [InlineData("[::1]:80:80")]
    [InlineData("[[::1]]")]
    [Trait("Rfc", "9112 3.2")]
    [Trait("Rfc", "9110 4.2.4")]
    public void Refuses_anything_else(string value) => Assert.False(HostSyntax.IsValid(Encoding.Latin1.GetBytes(value)));

    [Fact]
    public void Judges_all_256_bytes_in_a_name()
    {
        for (int value = 0; value < 256; value++)
        {
            char c = (char)value;
            bool expected = char.IsAsciiLetterOrDigit(c) || "!$&'()-._~".Contains(c, System.StringComparison.Ordinal);
            Assert.True(HostSyntax.IsValid([(byte)'a', (byte)value, (byte)'b']) == expected, $"byte {value}");
        }
    }

    [Theory]
    [InlineData("a", "A", 80, true)]
    [InlineData("a:80", "a", 80, true)]
    [InlineData("a", "a:080", 80, true)]
    [InlineData("a:443", "a", 80, false)]
    [InlineData("a", "b", 80, false)]
    [InlineData("a", "a.", 80, false)]
    [InlineData("[::1]", "[::1]:80", 80, true)]
    [InlineData("a", "", 80, false)]
    [Trait("Rfc", "9110 4.2.3")]
    public void Compares_without_case_and_with_the_default_port(string left, string right, int port, bool equal)
    {
        Assert.Equal(equal, HostSyntax.AreEqual(Encoding.ASCII.GetBytes(left), Encoding.ASCII.GetBytes(right), port));
        Assert.Equal(equal, HostSyntax.AreEqual(Encoding.ASCII.GetBytes(right), Encoding.ASCII.GetBytes(left), port));
    }

    [Fact]
    public void An_authority_is_not_empty()
    {
        Assert.False(HostSyntax.IsAuthority([], out _));
        Assert.True(HostSyntax.IsAuthority("a:81"u8, out int port));
        Assert.Equal(81, port);
        Assert.True(HostSyntax.IsAuthority("a"u8, out port));
        Assert.Equal(-1, port);
    }
}
