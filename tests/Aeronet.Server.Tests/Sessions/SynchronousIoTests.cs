using System;
using System.IO;
using System.Text;
using System.Threading.Tasks;
using Aeronet.TestSupport.Connections;
using Aeronet.Transport.Loop;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Xunit;

namespace Aeronet.Server.Tests.Sessions;

/// <summary>Synchronous reads and writes on the loop's own thread: the loop goes on with another thread before they wait.</summary>
public sealed class SynchronousIoTests
{
    private const string Post = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n";

    [Fact]
    [Trait("Defect", "HOST-6")]
    public void A_synchronous_read_leaves_the_loop_to_another_thread_which_brings_the_bytes()
    {
        ScriptedServer server = new(
            features =>
            {
                byte[] content = new byte[5];
                features.GetRequiredFeature<IHttpRequestFeature>().Body.ReadExactly(content);
                features.GetRequiredFeature<IHttpResponseBodyFeature>().Stream.Write(content);
                return Task.CompletedTask;
            },
            kestrel => kestrel.AllowSynchronousIO = true);
        ScriptedConnection connection = server.Connect();
        server.Loop.AsNewLoop = () => connection.Arrive("hello");

        connection.Arrive(Post);
        server.Loop.RunPosted();

        Assert.Contains("\r\nhello\r\n", connection.Sent, StringComparison.Ordinal);
        Assert.Equal([HandOffCause.SynchronousIo], server.Loop.HandOffs);
    }

    [Fact]
    [Trait("Defect", "HOST-6")]
    public void A_client_that_sends_nothing_holds_a_synchronous_read_only_until_the_minimum_rate()
    {
        Exception? seen = null;
        ScriptedServer server = new(
            features =>
            {
                seen = Record.Exception(() => features.GetRequiredFeature<IHttpRequestFeature>().Body.ReadExactly(new byte[5]));
                return Task.FromException(seen!);
            },
            kestrel =>
            {
                kestrel.AllowSynchronousIO = true;
                kestrel.Limits.MinRequestBodyDataRate = new MinDataRate(240, TimeSpan.FromSeconds(5));
            });
        ScriptedConnection connection = server.Connect();
        server.Loop.AsNewLoop = () =>
        {
            for (int second = 0; second < 7; second++)
            {
                connection.Advance(1_000);
            }
        };

        connection.Arrive(Post);
        server.Loop.RunPosted();

        Assert.Equal(408, Assert.IsType<AeronetBadHttpRequestException>(seen).StatusCode);
        Assert.StartsWith("HTTP/1.1 408 ", connection.Sent, StringComparison.Ordinal);
    }

    [Fact]
    [Trait("Defect", "HOST-6")]
    public void A_synchronous_write_leaves_the_loop_to_another_thread_which_sends_the_rest()
    {
        byte[] content = new byte[300_000];
        new Random(7).NextBytes(content);
        ScriptedServer server = new(
            features =>
            {
                features.GetRequiredFeature<IHttpResponseBodyFeature>().Stream.Write(content);
                return Task.CompletedTask;
            },
            kestrel => kestrel.AllowSynchronousIO = true);
        ScriptedConnection connection = server.Connect();
        connection.SendRoom = 10_000;
        server.Loop.AsNewLoop = () => connection.MakeRoom(long.MaxValue / 2);

        connection.Arrive("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        server.Loop.RunPosted();

        Assert.Contains(Encoding.Latin1.GetString(content, 0, 1_000), connection.Sent, StringComparison.Ordinal);
        Assert.True(connection.Sent.Length > content.Length);
        Assert.Equal([HandOffCause.SynchronousIo], server.Loop.HandOffs);
    }
}
