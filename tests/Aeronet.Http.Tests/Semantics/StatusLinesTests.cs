using System.Text;
using Aeronet.Http.Semantics;
using Xunit;

namespace Aeronet.Http.Tests.Semantics;

public sealed class StatusLinesTests
{
    [Fact]
    [Trait("Rfc", "9112 4")]
    public void Every_code_has_a_line_with_a_space_after_the_code()
    {
        for (int status = 100; status <= 599; status++)
        {
            string phrase = Microsoft.AspNetCore.WebUtilities.ReasonPhrases.GetReasonPhrase(status);
            string line = Encoding.ASCII.GetString(StatusLines.Get(status));
            Assert.StartsWith($"HTTP/1.1 {status} ", line, System.StringComparison.Ordinal);
            Assert.EndsWith("\r\n", line, System.StringComparison.Ordinal);
            if (phrase.Length > 0)
            {
                Assert.Equal($"HTTP/1.1 {status} {phrase}\r\n", line);
            }
        }
    }

    [Fact]
    public void A_code_that_no_RFC_knows_has_no_ready_line()
    {
        Assert.False(StatusLines.Get(599).IsEmpty);
        Assert.True(StatusLines.Get(600).IsEmpty);
        Assert.True(StatusLines.Get(999).IsEmpty);
    }

    [Theory]
    [InlineData(false, 200, null, "HTTP/1.1 200 OK\r\n")]
    [InlineData(true, 200, null, "HTTP/1.0 200 OK\r\n")]
    [InlineData(false, 200, "Fine by me", "HTTP/1.1 200 Fine by me\r\n")]
    [InlineData(false, 200, "", "HTTP/1.1 200 \r\n")]
    [InlineData(false, 299, null, "HTTP/1.1 299 \r\n")]
    [InlineData(false, 999, null, "HTTP/1.1 999 \r\n")]
    [InlineData(true, 404, "Gone fishing", "HTTP/1.0 404 Gone fishing\r\n")]
    [Trait("Rfc", "9112 4")]
    public void Writes_versions_and_custom_phrases_into_exactly_the_room_they_need(bool isHttp10, int status, string? reason, string expected)
    {
        byte[] into = new byte[expected.Length];
        Assert.True(StatusLines.TryWrite(into, isHttp10, status, reason, out int written));
        Assert.Equal(expected, Encoding.ASCII.GetString(into, 0, written));
        Assert.False(StatusLines.TryWrite(new byte[expected.Length - 1], isHttp10, status, reason, out written));
        Assert.Equal(0, written);
    }

    [Theory]
    [InlineData("a\rb")]
    [InlineData("a\nb")]
    [InlineData("a\0b")]
    [InlineData("\u00e9")]
    [Trait("Rfc", "9112 4")]
    public void Refuses_a_phrase_that_could_end_the_line(string reason)
    {
        Assert.False(StatusLines.TryWrite(new byte[100], false, 200, reason, out _));
    }
}
