using System;
using System.Text;
using Aeronet.Server.Exchange;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Primitives;
using Xunit;

namespace Aeronet.Server.Tests.Exchange;

public sealed class RequestTrailersTests
{
    [Fact]
    [Trait("Feature", "R1.1")]
    public void Request_trailers_join_lines_of_one_name_and_outlive_their_bytes()
    {
        byte[] section = "X-Sum: 1\r\nETag: e\r\nx-sum: 2\r\nGrpc-Status: 0\r\nETag: f\r\n"u8.ToArray();
        var trailers = new RequestTrailers(null);

        Assert.True(trailers.TryLoad(RequestHeadersTests.Lines(section).ToArray(), section, out _));
        Array.Clear(section);

        Assert.Equal(new StringValues(["1", "2"]), trailers["X-Sum"]);
        Assert.Equal(new StringValues(["e", "f"]), trailers["etag"]);
        Assert.Equal("0", ((IHeaderDictionary)trailers).GrpcStatus);
        Assert.Equal(3, trailers.Count);
    }

    [Fact]
    [Trait("Feature", "R1.4")]
    [Trait("Defect", "PARSE-22")]
    public void Trailers_of_one_request_never_reach_the_next()
    {
        byte[] section = "X-Sum: 1\r\nETag: e\r\n"u8.ToArray();
        var trailers = new RequestTrailers(null);
        Assert.True(trailers.TryLoad(RequestHeadersTests.Lines(section).ToArray(), section, out _));

        trailers.Reset();

        Assert.Empty(trailers);
        Assert.False(trailers.ContainsKey("X-Sum"));
        Assert.False(trailers.ContainsKey("ETag"));
    }

    [Fact]
    [Trait("Defect", "PARSE-11")]
    public void A_request_trailer_that_is_not_Utf8_is_reported_and_nothing_is_taken()
    {
        byte[] section = [.. "X-A: 1\r\nX-B: 2"u8, 0xFF, .. "\r\n"u8];
        var trailers = new RequestTrailers(null);

        Assert.False(trailers.TryLoad(RequestHeadersTests.Lines(section).ToArray(), section, out int badOffset));
        Assert.Equal("X-A: 1\r\nX-B: 2".Length, badOffset);
        Assert.Empty(trailers);
    }

    [Fact]
    [Trait("Defect", "PARSE-11")]
    public void The_encoding_selector_decides_about_request_trailers_too()
    {
        byte[] section = [.. "X-A: "u8, 0xE9, .. "\r\n"u8];
        var trailers = new RequestTrailers(_ => Encoding.Latin1);

        Assert.True(trailers.TryLoad(RequestHeadersTests.Lines(section).ToArray(), section, out _));
        Assert.Equal("\u00E9", trailers["X-A"]);
    }
}
