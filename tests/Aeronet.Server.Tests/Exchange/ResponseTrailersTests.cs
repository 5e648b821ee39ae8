using System;
using System.Text;
using Aeronet.Server.Exchange;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Primitives;
using Xunit;

namespace Aeronet.Server.Tests.Exchange;

public sealed class ResponseTrailersTests
{
    [Theory]
    [Trait("Feature", "R1.8")]
    [Trait("Rfc", "9110 6.5.1")]
    [InlineData("Content-Length")]
    [InlineData("transfer-encoding")]
    [InlineData("HOST")]
    [InlineData("Set-Cookie")]
    [InlineData("Content-Type")]
    [InlineData("trailer")]
    public void Response_trailers_refuse_forbidden_names(string name)
    {
        var trailers = new ResponseTrailers(null);

        Assert.Throws<InvalidOperationException>(() => trailers[name] = "1");
        Assert.Throws<InvalidOperationException>(() => trailers.Append(name, "1"));
        Assert.Empty(trailers);
    }

    [Fact]
    [Trait("Feature", "R1.8")]
    public void Response_trailers_refuse_a_length_by_number()
    {
        var trailers = new ResponseTrailers(null);

        Assert.Throws<InvalidOperationException>(() => trailers.ContentLength = 1);
        Assert.Empty(trailers);
    }

    [Fact]
    [Trait("Feature", "R1.8")]
    public void Response_trailers_refuse_names_and_values_that_break_the_section()
    {
        var trailers = new ResponseTrailers(null);

        Assert.Throws<InvalidOperationException>(() => trailers["X-A"] = "1\r\nX: 2");
        Assert.Throws<InvalidOperationException>(() => trailers["X A"] = "1");
        Assert.Throws<InvalidOperationException>(() => trailers["Grpc-Message"] = "\u00FC");
        Assert.Empty(trailers);
    }

    [Fact]
    public void Response_trailers_are_written_as_set()
    {
        var trailers = new ResponseTrailers(null);
        ((IHeaderDictionary)trailers).GrpcStatus = "0";
        trailers["x-sum"] = new StringValues(["1", "2"]);
        byte[] destination = new byte[trailers.Measure()];

        Assert.True(trailers.TryWrite(destination, out int written));
        Assert.Equal("Grpc-Status: 0\r\nx-sum: 1\r\nx-sum: 2\r\n", Encoding.ASCII.GetString(destination, 0, written));

        trailers.SetReadOnly();
        Assert.Throws<InvalidOperationException>(() => trailers["x-sum"] = "3");
        trailers.Reset();
        Assert.Empty(trailers);
        trailers["x-sum"] = "3";
    }
}
