using System;
using System.Collections.Generic;
using System.Text;
using Aeronet.Http.Semantics;
using Xunit;

namespace Aeronet.Http.Tests.Semantics;

public sealed class FieldSyntaxTests
{
    [Fact]
    [Trait("Rfc", "9110 5.6.2")]
    public void Token_and_value_characters_are_those_of_the_grammar()
    {
        for (int value = 0; value < 256; value++)
        {
            char c = (char)value;
            bool isToken = char.IsAsciiLetterOrDigit(c) || "!#$%&'*+-.^_`|~".Contains(c, StringComparison.Ordinal);
            bool isControl = (value < 0x20 && c != '\t') || value == 0x7F;
            Assert.Equal(isToken, FieldSyntax.IsToken([(byte)value]));
            Assert.Equal(isToken, FieldSyntax.IsTokenByte((byte)value));
            Assert.Equal(isToken ? -1 : 1, FieldSyntax.IndexOfNonToken([(byte)'a', (byte)value]));
            Assert.Equal(isToken ? -1 : 1, FieldSyntax.IndexOfInvalidNameChar("a" + c));
            Assert.Equal(isControl ? 1 : -1, FieldSyntax.IndexOfControl([(byte)'a', (byte)value]));
            Assert.Equal(isControl ? 1 : -1, FieldSyntax.IndexOfControlChar("a" + c));
            Assert.Equal(isControl || value >= 0x80 ? 1 : -1, FieldSyntax.IndexOfInvalidValueChar("a" + c));
        }

        Assert.False(FieldSyntax.IsToken([]));
        Assert.Equal(0, FieldSyntax.IndexOfInvalidNameChar(""));
    }

    [Theory]
    [InlineData("", "")]
    [InlineData(",, ,", "")]
    [InlineData("a", "a")]
    [InlineData(" a , b\t,,c d,", "a|b|c d")]
    [Trait("Rfc", "9110 5.6.1")]
    public void Lists_are_split_at_commas_and_empty_members_skipped(string list, string members)
    {
        List<string> found = [];
        ReadOnlySpan<byte> rest = Encoding.ASCII.GetBytes(list);
        while (FieldSyntax.TryTakeListMember(ref rest, out ReadOnlySpan<byte> member))
        {
            found.Add(Encoding.ASCII.GetString(member));
        }

        Assert.Equal(members, string.Join('|', found));
    }
}
