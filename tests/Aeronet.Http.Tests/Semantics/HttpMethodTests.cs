using System;
using System.Linq;
using System.Text;
using Aeronet.Http.Semantics;
using Xunit;

namespace Aeronet.Http.Tests.Semantics;

public sealed class HttpMethodTests
{
    [Fact]
    [Trait("Rfc", "9110 9.1")]
    public void Names_are_found_in_their_own_case_only()
    {
        foreach (HttpMethod method in Enum.GetValues<HttpMethod>().Where(m => m != HttpMethod.Other))
        {
            string name = HttpMethods.Name(method);
            Assert.Equal(method.ToString().ToUpperInvariant(), name);
            Assert.Equal(method, HttpMethods.Lookup(Encoding.ASCII.GetBytes(name)));
            Assert.Equal(HttpMethod.Other, HttpMethods.Lookup(Encoding.ASCII.GetBytes(name.ToLowerInvariant())));
            Assert.Equal(HttpMethod.Other, HttpMethods.Lookup(Encoding.ASCII.GetBytes(name + "X")));
        }

        Assert.Equal(HttpMethod.Other, HttpMethods.Lookup([]));
    }

    [Theory]
    [InlineData("GET /", "Get", 3)]
    [InlineData("PUT /", "Put", 3)]
    [InlineData("POST /", "Post", 4)]
    [InlineData("HEAD /", "Head", 4)]
    [InlineData("POSTX /", "Other", 0)]
    [InlineData("HEADER", "Other", 0)]
    [InlineData("GET", "Other", 0)]
    [InlineData("", "Other", 0)]
    [InlineData("DELETE /", "Other", 0)]
    public void The_quick_look_takes_whole_words_only(string line, string method, int length)
    {
        Assert.Equal(method, HttpMethods.LookupAtStartOf(Encoding.ASCII.GetBytes(line), out int methodLength).ToString());
        Assert.Equal(length, methodLength);
    }
}
