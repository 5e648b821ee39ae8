using System;
using Aeronet.Http.Http1;
using Aeronet.Http.Semantics;
using Xunit;
using static Aeronet.Http.Tests.Http1.RequestReading;

namespace Aeronet.Http.Tests.Http1;

public sealed class BodyFramingTests
{
    private const string Post = "POST / HTTP/1.1\r\nHost: a\r\n";
    private const string Get = "GET / HTTP/1.1\r\nHost: a\r\n";

    [Fact]
    [Trait("Rfc", "9112 3.2")]
    [Trait("Defect", "PARSE-6")]
    public void Http11_needs_a_Host_and_http10_does_not()
    {
        ProtocolError error = Refuse("GET / HTTP/1.1\r\nX: y\r\n\r\n");
        Assert.Equal((RejectionReason.MissingHostHeader, 400, -1), (error.Reason, error.Status, error.FieldIndex));
        Assert.Equal(-1, Accept("GET / HTTP/1.0\r\n\r\n").HostIndex);
    }

    [Theory]
    [InlineData("HTTP/1.1")]
    [InlineData("HTTP/1.0")]
    [Trait("Rfc", "9112 3.2")]
    [Trait("Defect", "PARSE-6")]
    public void Refuses_more_than_one_Host_even_when_equal(string version)
    {
        RefuseAt($"GET / {version}\r\nHost: a\r\nX: y\r\n¤hOST: a\r\n\r\n", RejectionReason.MultipleHostHeaders);
    }

    [Fact]
    [Trait("Rfc", "9112 3.2")]
    [Trait("Defect", "PARSE-7")]
    public void Refuses_an_invalid_Host_value()
    {
        RefuseAt("GET / HTTP/1.1\r\nHost: ¤a b\r\n\r\n", RejectionReason.InvalidHostHeader);
        RefuseAt("GET / HTTP/1.1\r\nHost: ¤user@a\r\n\r\n", RejectionReason.InvalidHostHeader);
        RefuseAt("GET / HTTP/1.1\r\nHost: ¤a:99999\r\n\r\n", RejectionReason.InvalidHostHeader);
    }

    [Fact]
    [Trait("Rfc", "9110 7.2")]
    public void An_empty_Host_is_legal_in_origin_form()
    {
        RequestHead head = Accept("GET / HTTP/1.1\r\nHost:\r\n\r\n");
        Assert.Equal(0, head.HostIndex);
        Assert.Equal(0, head.Fields[0].ValueLength);
    }

    [Fact]
    [Trait("Rfc", "9112 6.3")]
    public void Without_length_and_coding_there_is_no_content()
    {
        RequestHead head = Accept(Post + "\r\n");
        Assert.Equal(BodyKind.None, head.Body);
        Assert.False(head.HasContent);
    }

    [Theory]
    [InlineData("0", 0)]
    [InlineData("1", 1)]
    [InlineData("007", 7)]
    [InlineData("9223372036854775807", long.MaxValue)]
    [Trait("Rfc", "9110 8.6")]
    public void Takes_a_decimal_Content_Length(string value, long length)
    {
        RequestHead head = Accept(Post + "Content-Length: " + value + "\r\n\r\n");
        Assert.Equal((BodyKind.ContentLength, length, length > 0), (head.Body, head.ContentLength, head.HasContent));
    }

    [Theory]
    [InlineData("¤")]
    [InlineData("¤+1")]
    [InlineData("¤-1")]
    [InlineData("1¤ 1")]
    [InlineData("1¤,1")]
    [InlineData("5¤, 5")]
    [InlineData("1¤.0")]
    [InlineData("0¤x10")]
    [InlineData("¤\"1\"")]
    [InlineData("1¤e3")]
    [InlineData("1¤_000")]
    [InlineData("¤\u00b9")]
    [InlineData("922337203685477580¤8")]
    [InlineData("999999999999999999¤99999999")]
    [Trait("Rfc", "9112 6.3")]
    [Trait("Defect", "PARSE-16")]
    public void Refuses_a_Content_Length_that_is_not_digits_or_overflows(string value)
    {
        RefuseAt(Post + "Content-Length: " + value + "\r\n\r\n", RejectionReason.InvalidContentLength);
    }

    [Theory]
    [InlineData("1", "1")]
    [InlineData("1", "2")]
    [InlineData("0", "0")]
    [Trait("Rfc", "9112 6.3")]
    [Trait("Defect", "PARSE-16")]
    public void Refuses_repeated_Content_Length_even_when_equal(string first, string second)
    {
        RefuseAt(Post + $"Content-Length: {first}\r\n¤content-length: {second}\r\n\r\n", RejectionReason.MultipleContentLengths);
    }

    [Theory]
    [InlineData("chunked")]
    [InlineData("Chunked")]
    [InlineData("CHUNKED")]
    [InlineData(" ,chunked,, ")]
    [Trait("Rfc", "9112 6.1")]
    [Trait("Rfc", "9110 5.6.1")]
    public void Takes_chunked_without_case_and_with_empty_list_members(string value)
    {
        RequestHead head = Accept(Post + "Transfer-Encoding: " + value + "\r\n\r\n");
        Assert.Equal((BodyKind.Chunked, 0L, true), (head.Body, head.ContentLength, head.HasContent));
    }

    [Theory]
    [InlineData("Content-Length: 3\r\n¤Transfer-Encoding: chunked\r\n")]
    [InlineData("Transfer-Encoding: chunked\r\n¤Content-Length: 3\r\n")]
    [InlineData("Content-Length: 0\r\n¤Transfer-Encoding: xchunked\r\n")]
    [InlineData("Content-Length: 3\r\n¤Transfer-Encoding:\r\n")]
    [InlineData("Content-Length: 3\r\n¤Transfer-Encoding: \tchunked\t\r\n")]
    [InlineData("Content-Length: 3\r\n¤transfer-encoding: identity\r\n")]
    [InlineData("X-Content-Length: 3\r\nContent-Length: 3\r\n¤Transfer-Encoding: chunked\r\n")]
    [Trait("Rfc", "9112 6.3")]
    [Trait("Defect", "PARSE-13")]
    [Trait("Defect", "PARSE-14")]
    public void Refuses_Content_Length_with_Transfer_Encoding_in_both_orders(string fields)
    {
        RefuseAt(Post + fields + "\r\n", RejectionReason.ContentLengthWithTransferEncoding);
    }

    [Theory]
    [InlineData("POST")]
    [InlineData("GET")]
    [Trait("Rfc", "9112 6.1")]
    [Trait("Defect", "PARSE-15")]
    public void Refuses_Transfer_Encoding_on_http10(string method)
    {
        RefuseAt($"{method} / HTTP/1.0\r\n¤Transfer-Encoding: chunked\r\n\r\n", RejectionReason.TransferEncodingOnHttp10);
    }

    [Theory]
    [InlineData("gzip, chunked", nameof(RejectionReason.UnsupportedTransferCoding), 501)]
    [InlineData("foo;a=b, chunked", nameof(RejectionReason.UnsupportedTransferCoding), 501)]
    [InlineData("identity, chunked", nameof(RejectionReason.UnsupportedTransferCoding), 501)]
    [InlineData("gzip", nameof(RejectionReason.FinalTransferCodingNotChunked), 400)]
    [InlineData("identity", nameof(RejectionReason.FinalTransferCodingNotChunked), 400)]
    [InlineData("chunked, gzip", nameof(RejectionReason.FinalTransferCodingNotChunked), 400)]
    [InlineData("xchunked", nameof(RejectionReason.FinalTransferCodingNotChunked), 400)]
    [InlineData("chunked, chunked", nameof(RejectionReason.ChunkedTwice), 400)]
    [InlineData("chunked, gzip, chunked", nameof(RejectionReason.ChunkedTwice), 400)]
    [InlineData("", nameof(RejectionReason.InvalidTransferEncoding), 400)]
    [InlineData(",", nameof(RejectionReason.InvalidTransferEncoding), 400)]
    [InlineData("\"chunked\"", nameof(RejectionReason.InvalidTransferEncoding), 400)]
    [InlineData("chunked;a=b", nameof(RejectionReason.InvalidTransferEncoding), 400)]
    [InlineData("chunked x", nameof(RejectionReason.InvalidTransferEncoding), 400)]
    [InlineData("chun\u00e9", nameof(RejectionReason.InvalidTransferEncoding), 400)]
    [Trait("Rfc", "9112 6.1")]
    [Trait("Rfc", "9112 6.3")]
    [Trait("Rfc", "9112 7")]
    public void Refuses_any_other_transfer_coding(string value, string reason, int status)
    {
        RefuseAt(Post + "Transfer-Encoding: ¤" + value + "\r\n\r\n", Enum.Parse<RejectionReason>(reason), status);
    }

    [Fact]
    [Trait("Rfc", "9112 6.1")]
    public void Several_Transfer_Encoding_lines_are_one_list()
    {
        Assert.Equal(RejectionReason.ChunkedTwice, Refuse(Post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n").Reason);
        Assert.Equal(RejectionReason.UnsupportedTransferCoding, Refuse(Post + "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n").Reason);
        Assert.Equal(RejectionReason.FinalTransferCodingNotChunked, Refuse(Post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n\r\n").Reason);
    }

    [Theory]
    [InlineData("POST")]
    [InlineData("PUT")]
    [Trait("Defect", "PARSE-27")]
    public void Refuses_POST_and_PUT_on_http10_without_length(string method)
    {
        RefuseAt($"¤{method} / HTTP/1.0\r\n\r\n", RejectionReason.LengthRequiredHttp10);
        Accept($"{method} / HTTP/1.0\r\nContent-Length: 0\r\n\r\n");
        Accept($"{method} / HTTP/1.1\r\nHost: a\r\n\r\n");
        Accept("PATCH / HTTP/1.0\r\n\r\n");
    }

    [Theory]
    [InlineData("HTTP/1.1", "", true)]
    [InlineData("HTTP/1.1", "Connection: close\r\n", false)]
    [InlineData("HTTP/1.1", "Connection: CLOSE\r\n", false)]
    [InlineData("HTTP/1.1", "Connection: keep-alive, close\r\n", false)]
    [InlineData("HTTP/1.1", "Connection: x ,, close , y\r\n", false)]
    [InlineData("HTTP/1.1", "Connection: x\r\nConnection: close\r\n", false)]
    [InlineData("HTTP/1.1", "Connection: closed\r\n", true)]
    [InlineData("HTTP/1.1", "Connection: xclose\r\n", true)]
    [InlineData("HTTP/1.0", "", false)]
    [InlineData("HTTP/1.0", "Connection: keep-alive\r\n", true)]
    [InlineData("HTTP/1.0", "Connection: Keep-Alive\r\n", true)]
    [InlineData("HTTP/1.0", "Connection: keep-alive\r\nConnection: close\r\n", false)]
    [Trait("Rfc", "9112 9.3")]
    [Trait("Rfc", "9112 9.6")]
    [Trait("Rfc", "9110 7.6.1")]
    public void Connection_options_decide_whether_the_connection_goes_on(string version, string fields, bool keepAlive)
    {
        Assert.Equal(keepAlive, Accept($"GET / {version}\r\nHost: a\r\n{fields}\r\n").KeepAlive);
    }

    [Theory]
    [InlineData("HTTP/1.1", "Connection: Upgrade\r\nUpgrade: websocket\r\n", true, true)]
    [InlineData("HTTP/1.1", "Connection: keep-alive, upgrade\r\nUpgrade: x\r\n", true, true)]
    [InlineData("HTTP/1.1", "Connection: upgrade\r\n", true, false)]
    [InlineData("HTTP/1.1", "Upgrade: websocket\r\n", false, true)]
    [InlineData("HTTP/1.1", "Connection: upgrade\r\nUpgrade: x\r\nContent-Length: 0\r\n", true, true)]
    [InlineData("HTTP/1.1", "Connection: upgrade\r\nUpgrade: x\r\nContent-Length: 1\r\n", false, true)]
    [InlineData("HTTP/1.1", "Connection: upgrade\r\nUpgrade: x\r\nTransfer-Encoding: chunked\r\n", false, true)]
    [InlineData("HTTP/1.0", "Connection: upgrade\r\nUpgrade: x\r\n", false, true)]
    [Trait("Rfc", "9110 7.8")]
    [Trait("Defect", "BODY-19")]
    public void Upgrade_needs_the_connection_option_http11_and_no_content(string version, string fields, bool upgrade, bool hasField)
    {
        RequestHead head = Accept($"GET / {version}\r\nHost: a\r\n{fields}\r\n");
        Assert.Equal((upgrade, hasField), (head.ConnectionUpgrade, head.HasUpgradeField));
    }

    [Theory]
    [InlineData("HTTP/1.1", "Content-Length: 1\r\nExpect: 100-continue\r\n", true, false)]
    [InlineData("HTTP/1.1", "Expect: 100-Continue\r\nContent-Length: 1\r\n", true, false)]
    [InlineData("HTTP/1.1", "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n", true, false)]
    [InlineData("HTTP/1.1", "Expect: 100-continue\r\n", false, false)]
    [InlineData("HTTP/1.1", "Expect: 100-continue\r\nContent-Length: 0\r\n", false, false)]
    [InlineData("HTTP/1.0", "Expect: 100-continue\r\nContent-Length: 1\r\n", false, false)]
    [InlineData("HTTP/1.1", "Expect: tea\r\nContent-Length: 1\r\n", false, true)]
    [InlineData("HTTP/1.1", "Expect: 100-continue, tea\r\nContent-Length: 1\r\n", true, true)]
    [InlineData("HTTP/1.0", "Expect: tea\r\nContent-Length: 1\r\n", false, false)]
    [Trait("Rfc", "9110 10.1.1")]
    public void Expectations_count_on_http11_with_content(string version, string fields, bool expectsContinue, bool hasUnknown)
    {
        RequestHead head = Accept($"POST / {version}\r\nHost: a\r\n{fields}\r\n");
        Assert.Equal((expectsContinue, hasUnknown), (head.ExpectsContinue, head.HasUnknownExpectation));
    }

    [Theory]
    [InlineData("TE: trailers\r\n", true)]
    [InlineData("TE: gzip;q=0.5, Trailers\r\n", true)]
    [InlineData("TE: gzip\r\nTE: trailers\r\n", true)]
    [InlineData("TE: gzip\r\n", false)]
    [InlineData("TE: xtrailers\r\n", false)]
    [InlineData("TE:\r\n", false)]
    [InlineData("", false)]
    [Trait("Rfc", "9110 10.1.4")]
    public void TE_says_whether_trailers_are_welcome(string fields, bool accepts)
    {
        Assert.Equal(accepts, Accept(Get + fields + "\r\n").AcceptsTrailers);
    }
}
