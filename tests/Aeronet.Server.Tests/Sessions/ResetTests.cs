using System.IO;
using Aeronet.Server.Tests.Diagnostics;
using Aeronet.TestSupport.Connections;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Logging;
using Xunit;

namespace Aeronet.Server.Tests.Sessions;

/// <summary>A client that is gone is no error of the server, whoever meets it first.</summary>
public sealed class ResetTests
{
    [Fact]
    public void A_reset_that_the_applications_read_meets_before_the_loop_is_not_logged_as_an_error()
    {
        RecordingLoggerFactory logs = new();
        ScriptedConnection? connection = null;
        ScriptedServer server = new(
            async features =>
            {
                connection!.Abort(); // the peer's reset is in the socket, its event still in epoll's queue
                await features.GetRequiredFeature<IHttpRequestFeature>().Body.ReadExactlyAsync(new byte[5]);
            },
            loggerFactory: logs);
        connection = server.Connect();
        connection.CloseFromPeerWith("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab");
        server.Loop.RunPosted();

        Assert.True(connection.IsClosed);
        Assert.DoesNotContain(logs.Entries, entry => entry.Level >= LogLevel.Error);
    }
}
