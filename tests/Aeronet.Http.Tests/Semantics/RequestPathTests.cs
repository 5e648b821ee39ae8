using System;
using System.Linq;
using System.Text;
using Aeronet.Http.Semantics;
using CsCheck;
using Xunit;

namespace Aeronet.Http.Tests.Semantics;

public sealed class RequestPathTests
{
    private static string Decode(string raw) => RequestPath.Decode(Encoding.Latin1.GetBytes(raw));

    [Theory]
    [InlineData("", "/")]
    [InlineData("/", "/")]
    [InlineData("/a/b", "/a/b")]
    [InlineData("/a%20b", "/a b")]
    [InlineData("/%41%62", "/Ab")]
    [InlineData("/a+b", "/a+b")]
    [InlineData("/%2541", "/%41")]
    [InlineData("/%25", "/%")]
    [InlineData("/a%2Fb", "/a%2Fb")]
    [InlineData("/a%2fb", "/a%2fb")]
    [InlineData("/%5C", "/\\")]
    [InlineData("/%3F%23", "/?#")]
    [InlineData("/%7F%01", "/\u007f\u0001")]
    [InlineData("/%C3%A9", "/\u00e9")]
    [InlineData("/%e2%82%ac", "/\u20ac")]
    [InlineData("/%F0%9F%98%80", "/\U0001F600")]
    [Trait("Defect", "PARSE-2")]
    [Trait("Rfc", "3986 2.4")]
    public void Decodes_once_and_leaves_encoded_slashes(string raw, string path) => Assert.Equal(path, Decode(raw));

    [Theory]
    [InlineData("/%C3", "/%C3")]
    [InlineData("/%C3x", "/%C3x")]
    [InlineData("/%C3%28", "/%C3(")]
    [InlineData("/%C3%C3%A9", "/%C3\u00e9")]
    [InlineData("/%A9", "/%A9")]
    [InlineData("/%ff%41", "/%ffA")]
    [InlineData("/%E2%82x", "/%E2%82x")]
    [InlineData("/%C0%AF", "/%C0%AF")]
    [InlineData("/%ED%A0%80", "/%ED%A0%80")]
    [InlineData("/%F4%90%80%80", "/%F4%90%80%80")]
    [InlineData("/%F0%9F%98", "/%F0%9F%98")]
    public void Leaves_escapes_that_are_no_utf8_as_sent(string raw, string path) => Assert.Equal(path, Decode(raw));

    [Theory]
    [InlineData("/.", "/")]
    [InlineData("/..", "/")]
    [InlineData("/./", "/")]
    [InlineData("/../", "/")]
    [InlineData("/a/.", "/a/")]
    [InlineData("/a/..", "/")]
    [InlineData("/a/b/..", "/a/")]
    [InlineData("/a/b/../", "/a/")]
    [InlineData("/a/./b", "/a/b")]
    [InlineData("/a/../b", "/b")]
    [InlineData("/../../a", "/a")]
    [InlineData("/a/b/c/../../d", "/a/d")]
    [InlineData("/a/.../b", "/a/.../b")]
    [InlineData("/.a/..b", "/.a/..b")]
    [InlineData("/a//../b", "/a/b")]
    [InlineData("//..", "/")]
    [InlineData("/%2e%2E/a", "/a")]
    [InlineData("/a/%2e", "/a/")]
    [InlineData("/a/%2e%2e%2fb", "/a/..%2fb")]
    [Trait("Rfc", "3986 5.2.4")]
    public void Removes_dot_segments_also_encoded_ones_and_stays_below_the_root(string raw, string path) => Assert.Equal(path, Decode(raw));

    [Fact]
    public void A_long_path_is_decoded_like_a_short_one()
    {
        Assert.Equal("/" + new string('a', 5000) + " ", Decode("/" + new string('a', 5000) + "%20"));
    }

    [Fact]
    public void Random_paths_decode_without_throwing_to_a_rooted_path_without_dot_segments()
    {
        Gen<string> part = Gen.OneOf("/", ".", "..", "a", "%41", "%2e", "%2F", "%C3%A9", "%C3", "%ff", "%F0%9F", "%25", "+");
        part.Array[0, 16].Sample(
            parts =>
            {
                string path = Decode("/" + string.Concat(parts));
                return path.StartsWith('/') && !path.Split('/').Any(s => s is "." or "..");
            },
            iter: 5_000,
            threads: 1);
    }

    [Fact]
    public void A_plain_path_is_taken_as_it_is()
    {
        Assert.Equal("/a/b", RequestPath.FromPlain("/a/b"u8));
        Assert.Same("/", RequestPath.FromPlain("/"u8));
    }
}
