using Aeronet.Http.Http1;
using Xunit;
using static Aeronet.Http.Tests.Http1.RequestReading;

namespace Aeronet.Http.Tests.Http1;

public sealed class RequestHeadTests
{
    [Fact]
    [Trait("Defect", "PARSE-22")]
    public void Reset_leaves_nothing_of_the_request()
    {
        RequestHead used = Accept("POST http://a:1/%41?q HTTP/1.1\r\nHost: a:1\r\nContent-Length: 4\r\nExpect: 100-continue\r\nTE: trailers\r\nUpgrade: x\r\n\r\n");
        Assert.NotEqual(Describe(new RequestHead()), Describe(used));
        used.Reset();
        Assert.Equal(Describe(new RequestHead()), Describe(used));
        Assert.Equal((-1, 0), (used.HostIndex, used.Fields.Length));
    }
}
