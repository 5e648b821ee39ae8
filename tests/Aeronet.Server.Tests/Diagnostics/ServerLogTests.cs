using System;
using System.Collections.Generic;
using System.Linq;
using System.Reflection;
using Aeronet.Server.Diagnostics;
using Microsoft.Extensions.Logging;
using Xunit;

namespace Aeronet.Server.Tests.Diagnostics;

public sealed class ServerLogTests
{
    /// <summary>Ids are an API: dashboards and alerts name them. Those below 3000 are Kestrel's.</summary>
    [Theory]
    [InlineData(typeof(GeneralLog), "13:ApplicationError 18:ConnectionHeadResponseBodyWrite 25:RequestBodyStart 26:RequestBodyDone 32:RequestBodyNotEntirelyRead 33:RequestBodyDrainTimedOut 41:InvalidResponseHeaderRemoved 64:Http2DisabledWithHttp1AndNoTls 65:Http3DisabledWithHttp1AndNoTls 66:RequestAborted")]
    [InlineData(typeof(ConnectionLog), "1:ConnectionStart 2:ConnectionStop 9:ConnectionKeepAlive 10:ConnectionDisconnect 16:NotAllConnectionsClosedGracefully 21:NotAllConnectionsAborted 24:ConnectionRejected 34:ApplicationAbortedConnection 39:ConnectionAccepted")]
    [InlineData(typeof(BadRequestLog), "17:ConnectionBadRequest 20:RequestProcessingError 27:RequestBodyMinimumDataRateNotSatisfied 28:ResponseMinimumDataRateNotSatisfied 54:PossibleInvalidHttpVersionDetected")]
    public void Events_that_Kestrel_has_carry_its_ids_and_names(Type log, string expected)
    {
        string[] found = Events(log).Where(static attribute => attribute.EventId < 3000).OrderBy(static attribute => attribute.EventId).Select(static attribute => $"{attribute.EventId}:{attribute.EventName}").ToArray();
        Assert.Equal(expected.Split(' '), found);
    }

    [Theory]
    [InlineData(typeof(GeneralLog))]
    [InlineData(typeof(ConnectionLog))]
    [InlineData(typeof(BadRequestLog))]
    public void No_id_is_given_twice_in_a_category(Type log)
    {
        int[] ids = Events(log).Select(static attribute => attribute.EventId).ToArray();
        Assert.Equal(ids.Distinct().Count(), ids.Length);
        Assert.NotEmpty(ids);
    }

    [Fact]
    [Trait("Feature", "B76b"), Trait("Feature", "B75e")]
    public void Categories_are_our_own()
    {
        using var factory = new RecordingLoggerFactory();
        _ = new ServerLog(factory);
        Assert.Equal(["Aeronet.Server", "Aeronet.Connections", "Aeronet.BadRequests"], factory.Categories);
    }

    private static IEnumerable<LoggerMessageAttribute> Events(Type log)
        => log.GetMethods(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic).Select(static method => method.GetCustomAttribute<LoggerMessageAttribute>()).OfType<LoggerMessageAttribute>();
}
