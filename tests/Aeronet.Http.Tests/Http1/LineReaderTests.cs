using System.Text;
using Aeronet.Http.Http1;
using Aeronet.Http.Semantics;
using Xunit;

namespace Aeronet.Http.Tests.Http1;

public sealed class LineReaderTests
{
    private static byte[] Bytes(string text) => Encoding.Latin1.GetBytes(text);

    [Fact]
    [Trait("Rfc", "9112 2.2")]
    public void Finds_one_line_after_the_other()
    {
        LineReader reader = default;
        byte[] bytes = Bytes("ab\r\n\r\ncd\r\n");
        Assert.Equal(LineStatus.Line, reader.Read(bytes, 100, false));
        Assert.Equal((2, 4), (reader.LineEnd, reader.LineStart));
        Assert.Equal(LineStatus.Line, reader.Read(bytes, 100, false));
        Assert.Equal((4, 6), (reader.LineEnd, reader.LineStart));
        Assert.Equal(LineStatus.Line, reader.Read(bytes, 100, false));
        Assert.Equal((8, 10), (reader.LineEnd, reader.LineStart));
        Assert.Equal(LineStatus.NeedMore, reader.Read(bytes, 100, false));
    }

    [Theory]
    [InlineData("abc", 3, "TooLong")]
    [InlineData("abc", 4, "NeedMore")]
    [InlineData("abc\r", 4, "TooLong")]
    [InlineData("abc\r", 5, "NeedMore")]
    [InlineData("abc\r\n", 4, "TooLong")]
    [InlineData("abc\r\n", 5, "Line")]
    [InlineData("abc\0", 3, "TooLong")]
    [InlineData("abc\0", 4, "Bad")]
    [InlineData("abc\n", 3, "TooLong")]
    [InlineData("abc\n", 4, "Bad")]
    [InlineData("abc\rx", 4, "TooLong")]
    [InlineData("abc\rx", 5, "Bad")]
    public void The_limit_decides_before_anything_that_lies_behind_it(string text, int limit, string status)
    {
        LineReader reader = default;
        Assert.Equal(status, reader.Read(Bytes(text), limit, false).ToString());
    }

    [Fact]
    public void Remembers_how_far_it_looked_except_for_a_waiting_carriage_return()
    {
        LineReader reader = default;
        Assert.Equal(LineStatus.NeedMore, reader.Read(Bytes("abc"), 100, false));
        Assert.Equal(3, reader.Examined);
        Assert.Equal(LineStatus.NeedMore, reader.Read(Bytes("abcd\r"), 100, false));
        Assert.Equal(4, reader.Examined);
        Assert.Equal(LineStatus.Line, reader.Read(Bytes("abcd\r\n"), 100, false));
        Assert.Equal(4, reader.LineEnd);
    }

    [Theory]
    [InlineData("a\rb", "BareCarriageReturn")]
    [InlineData("a\nb", "BareLineFeed")]
    [InlineData("a\u007fb", "ControlCharacter")]
    [Trait("Defect", "PARSE-5")]
    public void Names_the_bad_byte(string text, string reason)
    {
        LineReader reader = default;
        byte[] bytes = Bytes(text);
        Assert.Equal(LineStatus.Bad, reader.Read(bytes, 100, false));
        Assert.Equal(1, reader.BadAt);
        Assert.Equal(reason, reader.BadReason(bytes).ToString());
    }

    [Fact]
    [Trait("Defect", "PARSE-17")]
    public void A_lone_line_feed_ends_a_line_only_by_option()
    {
        LineReader reader = default;
        Assert.Equal(LineStatus.Line, reader.Read(Bytes("ab\ncd"), 100, true));
        Assert.Equal((2, 3), (reader.LineEnd, reader.LineStart));
    }
}
