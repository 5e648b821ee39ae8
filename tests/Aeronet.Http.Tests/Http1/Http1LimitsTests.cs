using Aeronet.Http.Http1;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Xunit;

namespace Aeronet.Http.Tests.Http1;

public sealed class Http1LimitsTests
{
    [Fact]
    public void Defaults_are_those_of_Kestrel_but_line_feeds_are_strict()
    {
        KestrelServerLimits kestrel = new();
        Http1Limits limits = Http1Limits.Default;
        Assert.Equal(kestrel.MaxRequestLineSize, limits.RequestLineSizeMax);
        Assert.Equal(kestrel.MaxRequestHeadersTotalSize, limits.HeadersTotalSizeMax);
        Assert.Equal(kestrel.MaxRequestHeaderCount, limits.HeaderCountMax);
        Assert.False(limits.AllowLineFeedTerminators);
        Assert.False(limits.AllowHostHeaderOverride);
        Assert.False(limits.RejectUnknownMethods);
    }

    [Fact]
    [Trait("Rfc", "9112 3")]
    public void The_default_request_line_limit_lets_8000_bytes_through()
    {
        Assert.True(Http1Limits.Default.RequestLineSizeMax >= 8000);
    }
}
