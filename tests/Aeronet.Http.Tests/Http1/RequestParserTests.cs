using System;
using System.Linq;
using Aeronet.Http.Http1;
using Aeronet.Http.Semantics;
using Xunit;
using static Aeronet.Http.Tests.Http1.RequestReading;

namespace Aeronet.Http.Tests.Http1;

public sealed class RequestParserTests
{
    private const string Rest = "\r\nHost: a\r\n\r\n";

    [Fact]
    [Trait("Rfc", "9112 3")]
    public void Reports_the_parts_of_a_request()
    {
        const string request = "POST /a/b?c=d HTTP/1.1\r\nHost: a.example\r\nX-Thing:  some value \r\nContent-Length: 12\r\n\r\nrest";
        RequestHead head = Accept(request);

        Assert.Equal(HttpMethod.Post, head.Method);
        Assert.Equal("POST", Text(request, head.Start, head.MethodLength));
        Assert.Equal("/a/b?c=d", Text(request, head.TargetStart, head.TargetLength));
        Assert.Equal("/a/b", Text(request, head.PathStart, head.PathLength));
        Assert.Equal("?c=d", Text(request, head.QueryStart, head.QueryLength));
        Assert.Equal(HttpVersion.Http11, head.Version);
        Assert.Equal(3, head.FieldCount);
        FieldLine thing = head.Fields[1];
        Assert.Equal("X-Thing", Text(request, thing.NameStart, thing.NameLength));
        Assert.Equal("some value", Text(request, thing.ValueStart, thing.ValueLength));
        Assert.Equal(KnownHeader.Unknown, thing.Name);
        Assert.Equal(KnownHeader.ContentLength, head.Fields[2].Name);
        Assert.Equal(12, head.ContentLength);
        Assert.Equal("rest", request[head.Length..]);
    }

    [Theory]
    [InlineData("GET")]
    [InlineData("HEAD")]
    [InlineData("POST")]
    [InlineData("PUT")]
    [InlineData("DELETE")]
    [InlineData("OPTIONS")]
    [InlineData("TRACE")]
    [InlineData("PATCH")]
    [Trait("Rfc", "9112 3.1")]
    public void Knows_the_common_methods(string method)
    {
        RequestHead head = Accept(method + " / HTTP/1.1" + Rest);
        Assert.Equal(method, HttpMethods.Name(head.Method));
        Assert.Equal(method.Length, head.MethodLength);
    }

    [Theory]
    [InlineData("BREW")]
    [InlineData("get")]
    [InlineData("GETX")]
    [InlineData("POSTS")]
    [InlineData("M-SEARCH")]
    [InlineData("!#$%&'*+-.^_`|~")]
    [InlineData("X")]
    [Trait("Rfc", "9110 9.1")]
    public void Takes_any_other_token_as_a_method_case_sensitively(string method)
    {
        RequestHead head = Accept(method + " / HTTP/1.1" + Rest);
        Assert.Equal(HttpMethod.Other, head.Method);
        Assert.Equal(method.Length, head.MethodLength);
    }

    [Fact]
    public void Answers_501_to_unknown_methods_behind_the_option()
    {
        Http1Limits limits = new() { RejectUnknownMethods = true };
        RefuseAt("¤BREW / HTTP/1.1" + Rest, RejectionReason.UnknownMethod, 501, limits);
        Assert.Equal(HttpMethod.Patch, Accept("PATCH / HTTP/1.1" + Rest, limits).Method);
    }

    [Fact]
    [Trait("Rfc", "9112 3.1")]
    public void Refuses_every_byte_that_is_no_token_in_the_method()
    {
        for (int value = 0; value < 256; value++)
        {
            char c = (char)value;
            bool isToken = char.IsAsciiLetterOrDigit(c) || "!#$%&'*+-.^_`|~".Contains(c, StringComparison.Ordinal);
            ParseOutcome outcome = Whole(Bytes("GE" + c + "T / HTTP/1.1" + Rest));
            Assert.True((outcome.Status == ParseStatus.Done) == isToken, $"byte {value}: {outcome}");
            if (!isToken)
            {
                Assert.Equal(400, outcome.HttpStatus);
            }
        }
    }

    [Theory]
    [InlineData("¤ GET / HTTP/1.1")]
    [InlineData("GET ¤ / HTTP/1.1")]
    [InlineData("GET /¤  HTTP/1.1")]
    [InlineData("GET / HTTP/1.1 ¤")]
    [InlineData("GET /¤\tHTTP/1.1")]
    [InlineData("GET /¤ x HTTP/1.1")]
    [InlineData("GET¤")]
    [InlineData("GET ¤")]
    [InlineData("GET /¤")]
    [InlineData("GET ¤ HTTP/1.1")]
    [InlineData("GET / ¤http/1.1")]
    [InlineData("GET / ¤HTTP/1")]
    [InlineData("GET / ¤HTTP/11")]
    [InlineData("GET / ¤HTTP/1.1x")]
    [InlineData("GET / ¤HTTP/01.1")]
    [InlineData("GET / ¤HTTP/a.b")]
    [InlineData("GET / ¤HTTPS/1.1")]
    [InlineData("GET / ¤ICY/1.1")]
    [Trait("Rfc", "9112 3")]
    [Trait("Rfc", "9112 2.3")]
    public void Refuses_a_malformed_request_line_where_it_goes_wrong(string line)
    {
        // A space inside the target is the same fault: the line has too many parts.
        RefuseAt(line + Rest, RejectionReason.InvalidRequestLine);
    }

    [Theory]
    [InlineData("HTTP/0.9")]
    [InlineData("HTTP/1.2")]
    [InlineData("HTTP/1.9")]
    [InlineData("HTTP/2.0")]
    [InlineData("HTTP/3.0")]
    [InlineData("HTTP/9.9")]
    [Trait("Rfc", "9112 2.3")]
    public void Answers_505_to_any_other_version(string version)
    {
        RefuseAt("GET / ¤" + version + Rest, RejectionReason.UnrecognizedHttpVersion, 505);
    }

    [Fact]
    [Trait("Defect", "PARSE-24")]
    public void Recognises_a_tls_handshake()
    {
        ProtocolError error = Refuse("\x16\x03\x01\x02\x00\x01\x00\x01\xfc");
        Assert.Equal(RejectionReason.TlsOverHttp, error.Reason);
        Assert.Equal(400, error.Status);
        Assert.Equal("Detected a TLS handshake to an endpoint that does not have TLS enabled.", error.Message);
    }

    [Fact]
    [Trait("Defect", "PARSE-25")]
    public void Recognises_the_http2_preface_by_a_reason_of_its_own()
    {
        ProtocolError error = Refuse("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        Assert.Equal(RejectionReason.Http2Preface, error.Reason);
        Assert.Equal(505, error.Status);
    }

    [Fact]
    [Trait("Rfc", "9112 2.2")]
    [Trait("Defect", "PARSE-18")]
    public void Skips_empty_lines_before_the_request_line_and_counts_them_in_offsets()
    {
        const string request = "\r\n\r\nGET / HTTP/1.1" + Rest;
        RequestHead head = Accept(request);
        Assert.Equal(4, head.Start);
        Assert.Equal("GET", Text(request, head.Start, head.MethodLength));
        Assert.Equal(request.Length, head.Length);
        RefuseAt("\r\n\r\nGET / ¤HTTP/1.3" + Rest, RejectionReason.UnrecognizedHttpVersion, 505);
    }

    [Fact]
    [Trait("Defect", "PARSE-18")]
    public void Endless_empty_lines_hit_the_request_line_limit()
    {
        Http1Limits limits = new() { RequestLineSizeMax = 100 };
        ProtocolError error = Refuse(string.Concat(Enumerable.Repeat("\r\n", 50)), limits);
        Assert.Equal(RejectionReason.RequestLineTooLong, error.Reason);
        Assert.Equal(414, error.Status);
        Assert.Equal(ParseStatus.NeedMore, Whole(Bytes(string.Concat(Enumerable.Repeat("\r\n", 49))), limits).Status);
    }

    [Fact]
    public void Says_whether_a_request_has_started()
    {
        Assert.False(Whole([]).HasStarted);
        Assert.False(Whole(Bytes("\r\n\r")).HasStarted);
        Assert.True(Whole(Bytes("\r\nG")).HasStarted);
        Assert.True(Whole(Bytes("\x16")).HasStarted);
    }

    [Theory]
    [InlineData("GET / HTTP/1.1¤\nHost: a\r\n\r\n")]
    [InlineData("¤\nGET / HTTP/1.1\r\nHost: a\r\n\r\n")]
    [InlineData("GET / HTTP/1.1\r\nHost: a¤\nX: y\r\n\r\n")]
    [InlineData("GET / HTTP/1.1\r\nHost: a\r\n¤\n")]
    [Trait("Rfc", "9112 2.2")]
    [Trait("Defect", "PARSE-17")]
    public void Refuses_a_bare_line_feed_by_default_and_takes_it_behind_the_option(string marked)
    {
        RefuseAt(marked, RejectionReason.BareLineFeed);
        Accept(marked.Replace("¤", "", StringComparison.Ordinal), new Http1Limits { AllowLineFeedTerminators = true });
    }

    [Theory]
    [InlineData("GET / HTTP/1.1¤\rHost: a\r\n\r\n")]
    [InlineData("¤\rGET / HTTP/1.1\r\nHost: a\r\n\r\n")]
    [InlineData("GET / HTTP/1.1\r\nHost: a¤\rb\r\n\r\n")]
    [InlineData("GET / HTTP/1.1\r\nHost: a¤\r\r\n\r\n")]
    [InlineData("GET / HTTP/1.1\r\nHo¤\rst: a\r\n\r\n")]
    [InlineData("GET / HTTP/1.1\r\nHost: a\r\n¤\rX")]
    [Trait("Rfc", "9112 2.2")]
    [Trait("Defect", "PARSE-5")]
    public void Refuses_a_bare_carriage_return_with_and_without_the_line_feed_option(string marked)
    {
        RefuseAt(marked, RejectionReason.BareCarriageReturn);
        RefuseAt(marked, RejectionReason.BareCarriageReturn, 400, new Http1Limits { AllowLineFeedTerminators = true });
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [Trait("Rfc", "9112 3")]
    public void The_request_line_limit_is_exact(int excess)
    {
        string line = "GET /" + new string('a', 100) + " HTTP/1.1\r\n";
        Http1Limits limits = new() { RequestLineSizeMax = line.Length - excess };
        ParseOutcome outcome = Whole(Bytes(line + "Host: a\r\n\r\n"), limits);
        Assert.Equal(excess == 0 ? ParseStatus.Done : ParseStatus.Failed, outcome.Status);
        Assert.Equal(excess == 0 ? 0 : 414, outcome.HttpStatus);
    }

    [Fact]
    public void An_incomplete_request_line_is_refused_as_soon_as_it_cannot_fit()
    {
        Http1Limits limits = new() { RequestLineSizeMax = 64 };
        Assert.Equal(ParseStatus.NeedMore, Whole(Bytes("GET /" + new string('a', 58)), limits).Status);
        Assert.Equal(RejectionReason.RequestLineTooLong, Whole(Bytes("GET /" + new string('a', 59)), limits).Reason);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [Trait("Rfc", "9110 5.4")]
    public void The_header_size_limit_is_exact_and_does_not_count_the_last_empty_line(int excess)
    {
        string fields = "Host: a\r\nX: " + new string('v', 50) + "\r\n";
        Http1Limits limits = new() { HeadersTotalSizeMax = fields.Length - excess };
        ParseOutcome outcome = Whole(Bytes("GET / HTTP/1.1\r\n" + fields + "\r\n"), limits);
        Assert.Equal(excess == 0 ? RejectionReason.None : RejectionReason.HeadersExceedMaxTotalSize, outcome.Reason);
        Assert.Equal(excess == 0 ? 0 : 431, outcome.HttpStatus);
    }

    [Fact]
    public void An_incomplete_field_line_is_refused_as_soon_as_it_cannot_fit()
    {
        Http1Limits limits = new() { HeadersTotalSizeMax = 64 };
        Assert.Equal(ParseStatus.NeedMore, Whole(Bytes("GET / HTTP/1.1\r\n" + new string('a', 65)), limits).Status);
        Assert.Equal(RejectionReason.HeadersExceedMaxTotalSize, Whole(Bytes("GET / HTTP/1.1\r\n" + new string('a', 66)), limits).Reason);
    }

    [Fact]
    public void Too_many_field_lines_are_refused_at_the_first_byte_of_the_first_that_is_too_many()
    {
        Http1Limits limits = new() { HeaderCountMax = 3 };
        const string three = "GET / HTTP/1.1\r\nHost: a\r\nA: b\r\nC: d\r\n";
        Accept(three + "\r\n", limits);
        RefuseAt(three + "¤E", RejectionReason.TooManyHeaders, 431, limits);
    }

    [Fact]
    public void More_fields_than_the_array_starts_with_are_kept_in_order()
    {
        string fields = string.Concat(Enumerable.Range(0, 99).Select(i => $"X-{i}: {i}\r\n"));
        string request = "GET / HTTP/1.1\r\n" + fields + "Host: a\r\n\r\n";
        RequestHead head = Accept(request);
        Assert.Equal(100, head.FieldCount);
        for (int i = 0; i < 99; i++)
        {
            FieldLine line = head.Fields[i];
            Assert.Equal($"X-{i}", Text(request, line.NameStart, line.NameLength));
            Assert.Equal($"{i}", Text(request, line.ValueStart, line.ValueLength));
        }
    }

    [Fact]
    [Trait("Defect", "PARSE-22")]
    public void Nothing_of_one_request_is_left_for_the_next()
    {
        RequestHead head = new();
        byte[] first = Bytes(
            "\r\nPOST http://b:81/%41?q HTTP/1.1\r\nHost: b:81\r\nTransfer-Encoding: chunked\r\nConnection: close, upgrade\r\n"
            + "Upgrade: x\r\nExpect: 100-continue, y\r\nTE: trailers\r\n\r\n");
        byte[] second = Bytes("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        RequestParser parser = default;
        Assert.Equal(ParseStatus.Done, parser.Parse(first, Http1Limits.Default, head, out _));
        Assert.True(head.ExpectsContinue);
        Assert.True(head.HasUnknownExpectation);
        Assert.True(head.AcceptsTrailers);
        parser.Reset();
        Assert.Equal(ParseStatus.Done, parser.Parse(second, Http1Limits.Default, head, out _));

        RequestHead fresh = new();
        RequestParser other = default;
        other.Parse(second, Http1Limits.Default, fresh, out _);
        Assert.Equal(Describe(fresh), Describe(head));
    }

    [Fact]
    public void A_pipelined_request_is_left_alone()
    {
        string request = "GET / HTTP/1.1" + Rest;
        Assert.Equal(request.Length, Accept(request + "GET /next HTTP/1.1" + Rest).Length);
    }

    [Fact]
    public void An_error_names_line_field_index_section_and_a_printable_excerpt()
    {
        ProtocolError error = Refuse("GET / HTTP/1.1\r\nHost: a\r\nBad\x01Name: x\r\n\r\n");
        Assert.Equal(3, error.Line);
        Assert.Equal(1, error.FieldIndex);
        Assert.Equal(28, error.Offset);
        Assert.StartsWith("RFC 9110", error.RfcSection, StringComparison.Ordinal);
        Assert.Contains(@"Bad\x01Name: x\x0D\x0A", error.Excerpt, StringComparison.Ordinal);
        Assert.Null(error.AllowedMethod);
    }

    [Fact]
    public void A_fault_in_the_request_line_has_line_1_and_no_field()
    {
        ProtocolError error = Refuse("GET / HTTP/1.7" + Rest);
        Assert.Equal(1, error.Line);
        Assert.Equal(-1, error.FieldIndex);
    }
}
