using System;
using System.Text;
using System.Threading.Tasks;
using Aeronet.TestSupport.Connections;
using Microsoft.AspNetCore.Http.Features;
using Xunit;

namespace Aeronet.Server.Tests.Sessions;

/// <summary>What goes out when the application asks for something that HTTP forbids or that went wrong half-way.</summary>
public sealed class ResponseRuleTests
{
    private static readonly byte[] s_content = Encoding.ASCII.GetBytes("5\r\nhello\r\n0\r\n\r\n");

    [Fact]
    [Trait("Rfc", "9112 6.2")]
    public void An_application_that_codes_its_transfer_itself_sends_no_content_length()
    {
        string sent = Serve("GET / HTTP/1.1\r\nHost: a\r\n\r\n", async features =>
        {
            IHttpResponseFeature response = features.GetRequiredFeature<IHttpResponseFeature>();
            response.Headers["Transfer-Encoding"] = "chunked";
            response.Headers["Content-Length"] = "5";
            await features.GetRequiredFeature<IHttpResponseBodyFeature>().Writer.WriteAsync(s_content);
        });

        Assert.DoesNotContain("Content-Length", sent, StringComparison.Ordinal);
        Assert.EndsWith("\r\n\r\n5\r\nhello\r\n0\r\n\r\n", sent, StringComparison.Ordinal);
    }

    [Fact]
    [Trait("Rfc", "9110 9.3.6")]
    public void A_2xx_to_CONNECT_has_no_length_and_ends_the_connection()
    {
        string sent = Serve("CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n", _ => Task.CompletedTask);

        Assert.StartsWith("HTTP/1.1 200 OK\r\n", sent, StringComparison.Ordinal);
        Assert.DoesNotContain("Content-Length", sent, StringComparison.Ordinal);
        Assert.DoesNotContain("Transfer-Encoding", sent, StringComparison.Ordinal);
        Assert.Contains("Connection: close\r\n", sent, StringComparison.Ordinal);
    }

    [Fact]
    [Trait("Defect", "RESP-19")]
    public void A_failure_after_the_start_sends_the_head_so_that_nobody_tries_again()
    {
        string sent = Serve("GET / HTTP/1.1\r\nHost: a\r\n\r\n", async features =>
        {
            await features.GetRequiredFeature<IHttpResponseBodyFeature>().StartAsync();
            throw new InvalidOperationException("half-way");
        });

        Assert.StartsWith("HTTP/1.1 200 OK\r\n", sent, StringComparison.Ordinal);
        Assert.EndsWith("Transfer-Encoding: chunked\r\n", sent[..(sent.IndexOf("Transfer-Encoding", StringComparison.Ordinal) + 28)], StringComparison.Ordinal);
        Assert.DoesNotContain("0\r\n\r\n", sent, StringComparison.Ordinal);
    }

    private static string Serve(string request, Func<IFeatureCollection, Task> application)
    {
        ScriptedServer server = new(application);
        ScriptedConnection connection = server.Connect();
        connection.Arrive(request);
        server.Loop.RunPosted();
        Assert.Equal(0, server.Loop.Blocks.RentedCount);
        return connection.Sent;
    }
}
