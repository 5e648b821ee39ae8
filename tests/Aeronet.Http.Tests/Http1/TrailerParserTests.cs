using System;
using System.Collections.Generic;
using System.Globalization;
using System.Linq;
using System.Text;
using Aeronet.Http.Http1;
using Aeronet.Http.Semantics;
using Xunit;
using static Aeronet.Http.Tests.Http1.RequestReading;

namespace Aeronet.Http.Tests.Http1;

public sealed class TrailerParserTests
{
    private const long SectionStart = 500;

    private sealed record Outcome(ParseStatus Status, RejectionReason Reason, int HttpStatus, long Offset, int FieldIndex, string Fields);

    private static Outcome Parse(string input, IEnumerable<int>? cuts = null, Http1Limits? limits = null, int bytesUsed = 0, int countUsed = 0)
    {
        TrailerParser parser = default;
        parser.Reset(SectionStart, bytesUsed, countUsed);
        TrailerSection section = new();
        byte[] bytes = Bytes(input);
        foreach (int cut in cuts ?? [bytes.Length])
        {
            ParseStatus status = parser.Parse(bytes.AsSpan(0, cut).ToArray(), limits ?? Http1Limits.Default, section, out ProtocolError error);
            if (status == ParseStatus.NeedMore)
            {
                Assert.InRange(parser.Examined, Math.Max(0, cut - 1), cut);
                continue;
            }

            StringBuilder text = new();
            foreach (FieldLine line in section.Fields)
            {
                text.Append(CultureInfo.InvariantCulture, $"{input.AsSpan(line.NameStart, line.NameLength)}={input.AsSpan(line.ValueStart, line.ValueLength)};");
            }

            if (status == ParseStatus.Done)
            {
                text.Append(section.Length);
                return new Outcome(status, RejectionReason.None, 0, 0, -1, text.ToString());
            }

            return new Outcome(status, error.Reason, error.Status, error.Offset - SectionStart, error.FieldIndex, text.ToString());
        }

        return new Outcome(ParseStatus.NeedMore, RejectionReason.None, 0, 0, -1, "");
    }

    private static void RefuseAt(string marked, RejectionReason reason, int status = 400)
    {
        int at = marked.IndexOf('¤', StringComparison.Ordinal);
        Outcome outcome = Parse(marked.Remove(at, 1));
        Assert.Equal((ParseStatus.Failed, reason, status, (long)at), (outcome.Status, outcome.Reason, outcome.HttpStatus, outcome.Offset));
    }

    [Fact]
    [Trait("Rfc", "9112 7.1.2")]
    public void Reads_trailers_up_to_the_empty_line_and_no_further()
    {
        Assert.Equal("2", Parse("\r\nGET /").Fields);
        Assert.Equal("A=b;Checksum=x y;22", Parse("A:b\r\nChecksum: x y\r\n\r\nGET /").Fields);
    }

    [Theory]
    [InlineData("\r\n")]
    [InlineData("A: b\r\n\r\n")]
    [InlineData("A: b\r\nC:\t d \r\nA: again\r\n\r\n")]
    [InlineData("A: b\r\n c\r\n\r\n")]
    [InlineData("A : b\r\n\r\n")]
    [InlineData("A\r\n\r\n")]
    [InlineData("A: b\nC: d\r\n\r\n")]
    [InlineData("A: b\r\nHost: x\r\n\r\n")]
    [Trait("Defect", "PARSE-1")]
    public void Cut_at_every_byte_gives_the_same_result(string input)
    {
        Outcome whole = Parse(input);
        Assert.NotEqual(ParseStatus.NeedMore, whole.Status);
        for (int cut = 0; cut <= input.Length; cut++)
        {
            Assert.Equal(whole, Parse(input, [cut, input.Length]));
        }

        Assert.Equal(whole, Parse(input, Enumerable.Range(0, input.Length + 1)));
    }

    [Fact]
    [Trait("Rfc", "9110 5.5")]
    [Trait("Defect", "PARSE-5")]
    [Trait("Defect", "BODY-8")]
    public void Judges_all_256_bytes_in_names_and_values()
    {
        for (int value = 0; value < 256; value++)
        {
            char c = (char)value;
            bool isToken = char.IsAsciiLetterOrDigit(c) || "!#$%&'*+-.^_`|~".Contains(c, StringComparison.Ordinal);
            bool isText = c == '\t' || (value >= 0x20 && value != 0x7F);
            Assert.Equal((isToken || c == ':') ? ParseStatus.Done : ParseStatus.Failed, Parse("X" + c + "y: v\r\n\r\n").Status);
            Assert.Equal(isText ? ParseStatus.Done : ParseStatus.Failed, Parse("X: a" + c + "b\r\n\r\n").Status);
        }
    }

    [Theory]
    [InlineData("X: a¤\rb\r\n\r\n", "BareCarriageReturn")]
    [InlineData("X: a¤\nb\r\n\r\n", "BareLineFeed")]
    [InlineData("X: a¤\0b\r\n\r\n", "ControlCharacter")]
    [InlineData("X¤ : a\r\n\r\n", "WhitespaceBeforeColon")]
    [InlineData("X¤\r\n\r\n", "MissingColon")]
    [InlineData("¤: a\r\n\r\n", "EmptyFieldName")]
    [InlineData("X: a\r\n¤ b\r\n\r\n", "ObsoleteLineFolding")]
    [InlineData("¤ X: a\r\n\r\n", "WhitespaceBeforeFirstField")]
    [Trait("Rfc", "9112 7.1.2")]
    [Trait("Defect", "BODY-8")]
    public void Holds_trailers_to_the_syntax_of_header_fields(string marked, string reason)
    {
        RefuseAt(marked, Enum.Parse<RejectionReason>(reason));
    }

    [Theory]
    [InlineData("authorization")]
    [InlineData("cache-control")]
    [InlineData("content-encoding")]
    [InlineData("content-length")]
    [InlineData("content-range")]
    [InlineData("content-type")]
    [InlineData("cookie")]
    [InlineData("expect")]
    [InlineData("expires")]
    [InlineData("host")]
    [InlineData("if-match")]
    [InlineData("if-modified-since")]
    [InlineData("if-none-match")]
    [InlineData("if-unmodified-since")]
    [InlineData("pragma")]
    [InlineData("range")]
    [InlineData("set-cookie")]
    [InlineData("te")]
    [InlineData("trailer")]
    [InlineData("transfer-encoding")]
    [InlineData("vary")]
    [InlineData("proxy-authorization")]
    [InlineData("proxy-authenticate")]
    [InlineData("www-authenticate")]
    [InlineData("max-forwards")]
    [InlineData("if-range")]
    [InlineData("age")]
    [InlineData("date")]
    [InlineData("location")]
    [InlineData("retry-after")]
    [InlineData("warning")]
    [InlineData("upgrade")]
    [InlineData("connection")]
    [InlineData("keep-alive")]
    [Trait("Rfc", "9110 6.5.1")]
    [Trait("Defect", "BODY-9")]
    public void Refuses_every_forbidden_name_in_any_case(string name)
    {
        RefuseAt("X: y\r\n¤" + name + ": 1\r\n\r\n", RejectionReason.ForbiddenTrailer);
        RefuseAt("X: y\r\n¤" + name.ToUpperInvariant() + ": 1\r\n\r\n", RejectionReason.ForbiddenTrailer);
    }

    [Fact]
    [Trait("Rfc", "9110 6.5")]
    public void Other_names_are_welcome()
    {
        Assert.Equal(ParseStatus.Done, Parse("ETag: x\r\nGrpc-Status: 0\r\nContent-MD5: y\r\n\r\n").Status);
    }

    [Theory]
    [InlineData(0, "None")]
    [InlineData(1, "HeadersExceedMaxTotalSize")]
    public void Shares_the_size_limit_with_the_header_section(int excess, string reason)
    {
        const string section = "A: b\r\nC: d\r\n";
        Http1Limits limits = new() { HeadersTotalSizeMax = 100 };
        Outcome outcome = Parse(section + "\r\n", null, limits, 100 - section.Length + excess);
        Assert.Equal(reason, outcome.Reason.ToString());
        Assert.Equal(excess == 0 ? 0 : 431, outcome.HttpStatus);
    }

    [Fact]
    public void Shares_the_count_limit_with_the_header_section()
    {
        Http1Limits limits = new() { HeaderCountMax = 10 };
        Assert.Equal(ParseStatus.Done, Parse("A: b\r\nC: d\r\n\r\n", null, limits, 0, 8).Status);
        Outcome outcome = Parse("A: b\r\nC: d\r\nE", null, limits, 0, 8);
        Assert.Equal((RejectionReason.TooManyHeaders, 431, 12L), (outcome.Reason, outcome.HttpStatus, outcome.Offset));
    }

    [Fact]
    [Trait("Defect", "BODY-7")]
    public void The_section_of_one_request_is_empty_at_the_start_of_the_next()
    {
        TrailerSection section = new();
        TrailerParser parser = default;
        parser.Reset(0, 0, 0);
        Assert.Equal(ParseStatus.Done, parser.Parse("A: b\r\n\r\n"u8, Http1Limits.Default, section, out _));
        Assert.Equal(1, section.Count);
        parser.Reset(0, 0, 0);
        Assert.Equal(ParseStatus.Done, parser.Parse("\r\n"u8, Http1Limits.Default, section, out _));
        Assert.Equal((0, 2), (section.Count, section.Length));
        section.Reset();
        Assert.Equal(0, section.Fields.Length);
    }
}
