using System;
using Aeronet.Http.Http1;
using Aeronet.Http.Semantics;
using Xunit;
using static Aeronet.Http.Tests.Http1.RequestReading;

namespace Aeronet.Http.Tests.Http1;

public sealed class RequestTargetTests
{
    private static string Request(string method, string target, string host = "a.example") => $"{method} {target} HTTP/1.1\r\nHost: {host}\r\n\r\n";

    [Theory]
    [InlineData("/", "/", "", false)]
    [InlineData("/a/b", "/a/b", "", false)]
    [InlineData("/a.b/c", "/a.b/c", "", false)]
    [InlineData("/?", "/", "?", false)]
    [InlineData("/a?b=c/../%zz?#", null, null, false)]
    [InlineData("/a?b=c/../%zz?d", "/a", "?b=c/../%zz?d", false)]
    [InlineData("/a/../b", "/a/../b", "", true)]
    [InlineData("/.", "/.", "", true)]
    [InlineData("/%41?x", "/%41", "?x", true)]
    [InlineData("/a+b", "/a+b", "", false)]
    [InlineData("//a", "//a", "", false)]
    [InlineData("/a:b@c", "/a:b@c", "", false)]
    [Trait("Rfc", "9112 3.2.1")]
    [Trait("Defect", "PARSE-8")]
    public void Splits_origin_form(string target, string? path, string? query, bool needsDecoding)
    {
        string request = Request("GET", target);
        if (path is null)
        {
            Assert.Equal(RejectionReason.InvalidRequestTarget, Refuse(request).Reason);
            return;
        }

        RequestHead head = Accept(request);
        Assert.Equal(RequestTargetForm.Origin, head.TargetForm);
        Assert.Equal(path, Text(request, head.PathStart, head.PathLength));
        Assert.Equal(query, Text(request, head.QueryStart, head.QueryLength));
        Assert.Equal(needsDecoding, head.PathNeedsDecoding);
        Assert.Equal(0, head.AuthorityLength);
    }

    [Theory]
    [InlineData("http://a.example", "a.example", "", "")]
    [InlineData("http://a.example/", "a.example", "/", "")]
    [InlineData("http://a.example?q", "a.example", "", "?q")]
    [InlineData("http://a.example:80/x/y?q", "a.example:80", "/x/y", "?q")]
    [InlineData("HTTP://A.Example/x", "A.Example", "/x", "")]
    [Trait("Rfc", "9112 3.2.2")]
    [Trait("Defect", "PARSE-8")]
    public void Splits_absolute_form(string target, string authority, string path, string query)
    {
        string request = Request("GET", target);
        RequestHead head = Accept(request);
        Assert.Equal(RequestTargetForm.Absolute, head.TargetForm);
        Assert.Equal(authority, Text(request, head.AuthorityStart, head.AuthorityLength));
        Assert.Equal(path, Text(request, head.PathStart, head.PathLength));
        Assert.Equal(query, Text(request, head.QueryStart, head.QueryLength));
        Assert.False(head.HostFromTarget);
    }

    [Fact]
    [Trait("Rfc", "9110 4.2.2")]
    public void The_default_port_of_https_is_443()
    {
        Accept(Request("GET", "https://a.example/", "a.example:443"));
        Assert.Equal(RejectionReason.HostMismatch, Refuse(Request("GET", "https://a.example/", "a.example:80")).Reason);
    }

    [Theory]
    [InlineData("http://b.example/", "a.example")]
    [InlineData("http://a.example:81/", "a.example")]
    [InlineData("http://a.example/", "")]
    [Trait("Rfc", "9112 3.2.2")]
    [Trait("Defect", "PARSE-8")]
    public void Refuses_an_absolute_authority_that_differs_from_Host_unless_it_may_override(string target, string host)
    {
        ProtocolError error = Refuse(Request("GET", target, host));
        Assert.Equal((RejectionReason.HostMismatch, 400, 0), (error.Reason, error.Status, error.FieldIndex));
        Assert.True(Accept(Request("GET", target, host), new Http1Limits { AllowHostHeaderOverride = true }).HostFromTarget);
    }

    [Fact]
    public void An_http10_request_without_host_takes_it_from_the_target()
    {
        Assert.True(Accept("GET http://a.example/ HTTP/1.0\r\n\r\n").HostFromTarget);
        Assert.False(Accept("GET / HTTP/1.0\r\n\r\n").HostFromTarget);
    }

    [Theory]
    [InlineData("http://")]
    [InlineData("http:///x")]
    [InlineData("http://?q")]
    [InlineData("http://u@a.example/")]
    [InlineData("http://u:p@a.example/")]
    [InlineData("http://a.example:x/")]
    [InlineData("http://a.example:65536/")]
    [InlineData("http://a.example#f")]
    [InlineData("http:/a.example/")]
    [InlineData("ftp://a.example/")]
    [InlineData("ws://a.example/")]
    [Trait("Rfc", "9110 4.2.1")]
    [Trait("Rfc", "9110 4.2.4")]
    public void Refuses_absolute_targets_without_a_clean_authority(string target)
    {
        ProtocolError error = Refuse(Request("GET", target));
        Assert.Equal((RejectionReason.InvalidRequestTarget, 400), (error.Reason, error.Status));
    }

    [Theory]
    [InlineData("a.example:443")]
    [InlineData("127.0.0.1:1")]
    [InlineData("[::1]:443")]
    [InlineData("[2001:db8::192.0.2.1]:65535")]
    [Trait("Rfc", "9112 3.2.3")]
    [Trait("Defect", "PARSE-9")]
    public void Takes_authority_form_with_CONNECT(string target)
    {
        string request = Request("CONNECT", target, target);
        RequestHead head = Accept(request);
        Assert.Equal(RequestTargetForm.Authority, head.TargetForm);
        Assert.Equal(target, Text(request, head.AuthorityStart, head.AuthorityLength));
        Assert.Equal(0, head.PathLength);
    }

    [Theory]
    [InlineData("a.example")]
    [InlineData("[::1]")]
    [InlineData("::1:443")]
    [InlineData("a.example:")]
    [InlineData("a.example:0")]
    [InlineData("a.example:65536")]
    [InlineData("a.example:x")]
    [InlineData("a.example:-1")]
    [InlineData("u@a.example:443")]
    [InlineData(":443")]
    [InlineData("/")]
    [InlineData("*")]
    [InlineData("http://a.example:443/")]
    [Trait("Rfc", "9110 9.3.6")]
    [Trait("Defect", "PARSE-9")]
    [Trait("Defect", "PARSE-10")]
    public void Refuses_CONNECT_without_a_clean_host_and_port(string target)
    {
        ProtocolError error = Refuse(Request("CONNECT", target, "a.example"));
        Assert.Equal((RejectionReason.InvalidRequestTarget, 400), (error.Reason, error.Status));
    }

    [Fact]
    [Trait("Rfc", "9110 7.2")]
    public void Refuses_CONNECT_whose_target_differs_from_Host_whatever_the_option_says()
    {
        string request = Request("CONNECT", "a.example:443", "b.example:443");
        Assert.Equal(RejectionReason.HostMismatch, Refuse(request).Reason);
        Assert.Equal(RejectionReason.HostMismatch, Refuse(request, new Http1Limits { AllowHostHeaderOverride = true }).Reason);
    }

    [Theory]
    [InlineData("a.example")]
    [InlineData("a.example:80")]
    [InlineData("[::1]:80")]
    [Trait("Rfc", "9112 3.2.3")]
    public void Authority_form_with_another_method_is_405_and_allows_CONNECT(string target)
    {
        ProtocolError error = Refuse(Request("GET", target));
        Assert.Equal((RejectionReason.ConnectMethodRequired, 405, "CONNECT"), (error.Reason, error.Status, error.AllowedMethod));
    }

    [Fact]
    [Trait("Rfc", "9112 3.2.4")]
    public void The_asterisk_is_for_OPTIONS_only()
    {
        Assert.Equal(RequestTargetForm.Asterisk, Accept(Request("OPTIONS", "*")).TargetForm);
        ProtocolError error = Refuse(Request("GET", "*"));
        Assert.Equal((RejectionReason.OptionsMethodRequired, 405, "OPTIONS"), (error.Reason, error.Status, error.AllowedMethod));
        Assert.Equal(RejectionReason.InvalidRequestTarget, Refuse(Request("OPTIONS", "**")).Reason);
    }

    [Theory]
    [InlineData("%2F")]
    [InlineData("%")]
    [InlineData("?a")]
    [InlineData("#a")]
    [InlineData("\\a")]
    [InlineData("a/b")]
    [Trait("Defect", "PARSE-26")]
    public void Refuses_targets_that_start_like_no_form(string target)
    {
        ProtocolError error = Refuse(Request("GET", target));
        Assert.Equal((RejectionReason.InvalidRequestTarget, 400), (error.Reason, error.Status));
    }

    [Theory]
    [InlineData("/¤%zz")]
    [InlineData("/¤%4")]
    [InlineData("/¤%")]
    [InlineData("/a¤%4?x")]
    [InlineData("/a%41¤%4g")]
    [InlineData("/¤%00")]
    [InlineData("/%25¤%00/x")]
    [Trait("Rfc", "3986 2.1")]
    public void Refuses_a_bad_escape_in_the_path_where_it_stands(string marked)
    {
        RefuseAt(Request("GET", marked), RejectionReason.InvalidPercentEncoding);
    }

    [Fact]
    [Trait("Defect", "PARSE-12")]
    [Trait("Rfc", "9112 3.2")]
    public void Refuses_controls_spaces_fragments_and_high_bytes_anywhere_in_the_target()
    {
        foreach (string place in (string[])["/a{0}b", "/a?b{0}c", "http://a.example/{0}x", "/{0}"])
        {
            for (int value = 0; value < 256; value++)
            {
                string target = place.Replace("{0}", ((char)value).ToString(), StringComparison.Ordinal);
                bool expected = value is > 0x20 and < 0x7F and not '#' && !(value == '%' && !target.Contains('?', StringComparison.Ordinal));
                ParseOutcome outcome = Whole(Bytes(Request("GET", target)));
                Assert.True((outcome.Status == ParseStatus.Done) == expected, $"byte {value} in {place}: {outcome}");
                Assert.True(expected || outcome.HttpStatus == 400, $"byte {value} in {place}: {outcome}");
            }
        }
    }

    [Fact]
    [Trait("Defect", "PARSE-2")]
    public void The_input_is_never_changed()
    {
        byte[] bytes = Bytes("POST /a%20b/../%2541 HTTP/1.1\r\nHost: a\r\nX: 1\r\nX: 2\r\nContent-Length: 3\r\n\r\n");
        byte[] copy = [.. bytes];
        RequestHead head = new();
        RequestParser parser = default;
        parser.Parse(bytes, Http1Limits.Default, head, out _);
        Assert.Equal("/%41", RequestPath.Decode(bytes.AsSpan(head.PathStart, head.PathLength)));
        Assert.Equal("/%41", RequestPath.Decode(bytes.AsSpan(head.PathStart, head.PathLength)));
        Assert.Equal(copy, bytes);
    }
}
