using System;
using Aeronet.Http.Http1;
using Aeronet.Http.Semantics;
using Xunit;
using static Aeronet.Http.Tests.Http1.RequestReading;

namespace Aeronet.Http.Tests.Http1;

public sealed class FieldLineSyntaxTests
{
    private const string Start = "GET / HTTP/1.1\r\nHost: a\r\n";

    [Theory]
    [InlineData("X:v", "v")]
    [InlineData("X: v", "v")]
    [InlineData("X:\t v \t", "v")]
    [InlineData("X: a b\tc ", "a b\tc")]
    [InlineData("X:", "")]
    [InlineData("X: \t ", "")]
    [InlineData("X: a:b", "a:b")]
    [InlineData("X: \u00e9\u00ff", "\u00e9\u00ff")]
    [Trait("Rfc", "9112 5.1")]
    [Trait("Rfc", "9110 5.5")]
    [Trait("Defect", "PARSE-11")]
    public void Excludes_whitespace_around_the_value(string line, string value)
    {
        string request = Start + line + "\r\n\r\n";
        FieldLine field = Accept(request).Fields[1];
        Assert.Equal("X", Text(request, field.NameStart, field.NameLength));
        Assert.Equal(value, Text(request, field.ValueStart, field.ValueLength));
    }

    [Theory]
    [InlineData("Foo¤ : x")]
    [InlineData("Foo¤\t: x")]
    [InlineData("Foo¤  : x")]
    [InlineData("Content-Length¤ : 5")]
    [Trait("Rfc", "9112 5.1")]
    [Trait("Defect", "PARSE-4")]
    public void Refuses_whitespace_before_the_colon(string line)
    {
        RefuseAt(Start + line + "\r\n\r\n", RejectionReason.WhitespaceBeforeColon);
    }

    [Theory]
    [InlineData("¤ folded")]
    [InlineData("¤\tfolded")]
    [InlineData("¤ X: y")]
    [Trait("Rfc", "9112 5.2")]
    public void Refuses_obsolete_line_folding(string line)
    {
        RefuseAt(Start + line + "\r\n\r\n", RejectionReason.ObsoleteLineFolding);
    }

    [Theory]
    [InlineData("¤ Host: a")]
    [InlineData("¤\tHost: a")]
    [InlineData("¤ \r\nHost: a")]
    [Trait("Rfc", "9112 2.2")]
    public void Refuses_whitespace_between_the_request_line_and_the_first_field(string line)
    {
        RefuseAt("GET / HTTP/1.1\r\n" + line + "\r\n\r\n", RejectionReason.WhitespaceBeforeFirstField);
    }

    [Fact]
    [Trait("Rfc", "9112 5")]
    public void Refuses_lines_without_name_or_colon()
    {
        RefuseAt(Start + "¤: x\r\n\r\n", RejectionReason.EmptyFieldName);
        RefuseAt(Start + "Name¤\r\n\r\n", RejectionReason.MissingColon);
        RefuseAt(Start + "Na¤ me\r\n\r\n", RejectionReason.MissingColon);
    }

    [Fact]
    [Trait("Rfc", "9110 5.1")]
    [Trait("Defect", "PARSE-5")]
    public void Judges_all_256_bytes_in_a_name()
    {
        for (int value = 0; value < 256; value++)
        {
            char c = (char)value;
            bool isToken = char.IsAsciiLetterOrDigit(c) || "!#$%&'*+-.^_`|~".Contains(c, StringComparison.Ordinal);
            // A colon ends the name, it does not spoil it.
            ParseOutcome outcome = Whole(Bytes(Start + "X" + c + "y: v\r\n\r\n"));
            Assert.True((outcome.Status == ParseStatus.Done) == (isToken || c == ':'), $"byte {value}: {outcome}");
            if (outcome.Status == ParseStatus.Failed)
            {
                Assert.Equal((400, (long)Start.Length + 1), (outcome.HttpStatus, outcome.Offset));
            }
        }
    }

    [Fact]
    [Trait("Rfc", "9110 5.5")]
    [Trait("Defect", "PARSE-5")]
    public void Judges_all_256_bytes_in_a_value()
    {
        for (int value = 0; value < 256; value++)
        {
            bool isAllowed = value == '\t' || (value >= 0x20 && value != 0x7F);
            ParseOutcome outcome = Whole(Bytes(Start + "X: a" + (char)value + "b\r\n\r\n"));
            Assert.True((outcome.Status == ParseStatus.Done) == isAllowed, $"byte {value}: {outcome}");
            if (!isAllowed)
            {
                Assert.Equal((400, (long)Start.Length + 4), (outcome.HttpStatus, outcome.Offset));
            }
        }
    }

    [Fact]
    [Trait("Rfc", "9112 2.2")]
    public void A_control_is_refused_before_its_line_is_complete()
    {
        RefuseAt(Start + "X: abc¤\0", RejectionReason.ControlCharacter);
    }
}
