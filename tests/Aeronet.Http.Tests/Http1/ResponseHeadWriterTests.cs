using System;
using System.Text;
using Aeronet.Http.Http1;
using Aeronet.Http.Semantics;
using Xunit;

namespace Aeronet.Http.Tests.Http1;

public sealed class ResponseHeadWriterTests
{
    private static string Text(byte[] into, int length) => Encoding.Latin1.GetString(into, 0, length);

    [Fact]
    [Trait("Rfc", "9112 5")]
    public void Writes_known_and_other_fields()
    {
        byte[] into = new byte[100];
        Assert.Equal(FieldWriteStatus.Done, ResponseHeadWriter.TryWriteField(into, KnownHeader.ContentType, "text/plain", out int written));
        Assert.Equal("Content-Type: text/plain\r\n", Text(into, written));
        Assert.Equal(FieldWriteStatus.Done, ResponseHeadWriter.TryWriteField(into, "X-Other", "a\tb", out written));
        Assert.Equal("X-Other: a\tb\r\n", Text(into, written));
        Assert.Equal(FieldWriteStatus.Done, ResponseHeadWriter.TryWriteField(into, "X", "", out written));
        Assert.Equal("X: \r\n", Text(into, written));
        Assert.Equal(FieldWriteStatus.Done, ResponseHeadWriter.TryWriteField(into, "X", "\u00e9"u8, out written));
        Assert.Equal("X: \u00c3\u00a9\r\n", Text(into, written));
        Assert.Equal(FieldWriteStatus.Done, ResponseHeadWriter.TryWriteLatin1Field(into, "X", "\u00e9", out written));
        Assert.Equal("X: \u00e9\r\n", Text(into, written));
    }

    [Fact]
    public void Needs_exactly_as_much_room_as_it_writes()
    {
        const string expected = "Content-Type: text/plain\r\n";
        for (int room = 0; room <= expected.Length; room++)
        {
            FieldWriteStatus status = room == expected.Length ? FieldWriteStatus.Done : FieldWriteStatus.NoSpace;
            int count = room == expected.Length ? room : 0;
            byte[] into = new byte[room];
            Assert.Equal(status, ResponseHeadWriter.TryWriteField(into, KnownHeader.ContentType, "text/plain", out int written));
            Assert.Equal(count, written);
            Assert.Equal(status, ResponseHeadWriter.TryWriteField(into, "Content-Type", "text/plain", out written));
            Assert.Equal(count, written);
            Assert.Equal(status, ResponseHeadWriter.TryWriteField(into, "Content-Type", "text/plain"u8, out written));
            Assert.Equal(count, written);
            Assert.Equal(status, ResponseHeadWriter.TryWriteLatin1Field(into, "Content-Type", "text/plain", out written));
            Assert.Equal(count, written);
        }
    }

    [Fact]
    [Trait("Rfc", "9110 5.5")]
    public void Refuses_every_character_that_could_end_a_line_or_is_outside_the_encoding()
    {
        byte[] into = new byte[100];
        for (int value = 0; value < 300; value++)
        {
            char c = (char)value;
            bool isAscii = c == '\t' || (value >= 0x20 && value < 0x7F);
            bool isLatin1 = isAscii || value is >= 0x80 and <= 0xFF;
            string text = "a" + c + "b";
            Assert.Equal(isAscii ? FieldWriteStatus.Done : FieldWriteStatus.InvalidValue, ResponseHeadWriter.TryWriteField(into, KnownHeader.Server, text, out _));
            Assert.Equal(isAscii ? FieldWriteStatus.Done : FieldWriteStatus.InvalidValue, ResponseHeadWriter.TryWriteField(into, "X", text, out _));
            Assert.Equal(isLatin1 ? FieldWriteStatus.Done : FieldWriteStatus.InvalidValue, ResponseHeadWriter.TryWriteLatin1Field(into, "X", text, out _));
            if (value < 256)
            {
                Assert.Equal(isLatin1 ? FieldWriteStatus.Done : FieldWriteStatus.InvalidValue, ResponseHeadWriter.TryWriteField(into, "X", [(byte)value], out _));
            }

            bool isToken = value < 0x7F && (char.IsAsciiLetterOrDigit(c) || "!#$%&'*+-.^_`|~".Contains(c, StringComparison.Ordinal));
            Assert.Equal(isToken ? FieldWriteStatus.Done : FieldWriteStatus.InvalidName, ResponseHeadWriter.TryWriteField(into, text, "v", out _));
        }

        Assert.Equal(FieldWriteStatus.InvalidName, ResponseHeadWriter.TryWriteField(into, "", "v", out _));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(12345)]
    [InlineData(long.MaxValue)]
    [Trait("Rfc", "9110 8.6")]
    public void Writes_content_length(long length)
    {
        byte[] into = new byte[ResponseHeadWriter.ContentLengthLineLengthMax];
        Assert.True(ResponseHeadWriter.TryWriteContentLength(into, length, out int written));
        string expected = $"Content-Length: {length}\r\n";
        Assert.Equal(expected, Text(into, written));
        Assert.False(ResponseHeadWriter.TryWriteContentLength(into.AsSpan(0, expected.Length - 1), length, out written));
        Assert.Equal(0, written);
    }
}
