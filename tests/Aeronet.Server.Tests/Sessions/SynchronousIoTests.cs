using System;
using System.IO;
using System.Text;
using System.Threading.Tasks;
using Aeronet.TestSupport.Connections;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Xunit;

namespace Aeronet.Server.Tests.Sessions;

/// <summary>Synchronous reads and writes on the loop's own thread, which nobody else can wake: they must not wait for the loop.</summary>
public sealed class SynchronousIoTests
{
    private const string Post = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n";

    [Fact]
    [Trait("Defect", "HOST-6")]
    public void A_synchronous_read_on_the_loop_waits_for_the_socket_itself()
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
        int waits = 0;
        connection.WhileBlocked = () =>
        {
            if (++waits == 2)
            {
                connection.ArriveUnannounced("hello");
            }
        };

        connection.Arrive(Post);

        Assert.EndsWith("hello", connection.Sent, StringComparison.Ordinal);
        Assert.Equal(2, waits);
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
        connection.WhileBlocked = () => server.Loop.ClockMs += 1_000;

        connection.Arrive(Post);

        Assert.Equal(408, Assert.IsType<AeronetBadHttpRequestException>(seen).StatusCode);
        Assert.StartsWith("HTTP/1.1 408 ", connection.Sent, StringComparison.Ordinal);
    }

    [Fact]
    [Trait("Defect", "HOST-6")]
    public void A_synchronous_write_on_the_loop_waits_for_the_socket_itself()
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
        connection.WhileBlocked = () => connection.SendRoom += 50_000;

        connection.Arrive("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        connection.MakeRoom(long.MaxValue / 2);

        Assert.Contains(Encoding.Latin1.GetString(content, 0, 1_000), connection.Sent, StringComparison.Ordinal);
        Assert.True(connection.Sent.Length > content.Length);
    }
}
