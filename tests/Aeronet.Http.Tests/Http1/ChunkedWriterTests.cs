using System;
using System.Globalization;
using System.Text;
using Aeronet.Http.Http1;
using Xunit;

namespace Aeronet.Http.Tests.Http1;

public sealed class ChunkedWriterTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(9)]
    [InlineData(10)]
    [InlineData(15)]
    [InlineData(16)]
    [InlineData(255)]
    [InlineData(256)]
    [InlineData(4095)]
    [InlineData(4096)]
    [InlineData(65536)]
    [InlineData(int.MaxValue)]
    [Trait("Rfc", "9112 7.1")]
    public void Writes_the_size_with_as_few_digits_as_possible(int size)
    {
        byte[] into = new byte[ChunkedWriter.PrefixLengthMax];
        int length = ChunkedWriter.WritePrefix(into, size);
        Assert.Equal(size.ToString("X", CultureInfo.InvariantCulture) + "\r\n", Encoding.ASCII.GetString(into, 0, length));
        Assert.Equal(length, ChunkedWriter.PrefixLength(size));
    }

    [Fact]
    [Trait("Rfc", "9112 7.1")]
    public void The_fixed_pieces_are_what_the_grammar_says()
    {
        Assert.True(ChunkedWriter.Suffix.SequenceEqual("\r\n"u8));
        Assert.True(ChunkedWriter.LastChunk.SequenceEqual("0\r\n"u8));
        Assert.True(ChunkedWriter.End.SequenceEqual("0\r\n\r\n"u8));
    }
}
