using System;
using System.Buffers;
using System.IO;
using System.IO.Pipelines;
using System.Linq;
using System.Security.Cryptography;
using System.Text;
using System.Threading.Tasks;
using Aeronet.EndToEnd.Tests.Columns;
using Aeronet.TestSupport.Hosting;
using Aeronet.TestSupport.Wire;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Xunit;

namespace Aeronet.EndToEnd.Tests.Bodies;

/// <summary>How an application reads request bodies, by length and by chunks.</summary>
[NeedsNoSocket]
public sealed class RequestBodyTests(EchoHosts hosts) : IClassFixture<EchoHosts>
{
    [Theory]
    [BothServers("Content-Length: 5", "hello", "hello")]
    [BothServers("Content-Length: 0", "", "")]
    [BothServers("Transfer-Encoding: chunked", "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", "hello")]
    [BothServers("Transfer-Encoding: chunked", "0\r\n\r\n", "")]
    public async Task The_body_ends_where_its_framing_says(ServerKind server, string framing, string bytes, string body)
    {
        AppHost host = await hosts.OnAsync(server);
        await using RawClient client = await host.ConnectAsync();
        await client.SendAsync($"POST / HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n{bytes}GET /next HTTP/1.1\r\nHost: a\r\n\r\n");
        Assert.Equal(body, Echo.Of(await client.ReadResponseAsync()).Body);
        Assert.Equal("/next", Echo.Of(await client.ReadResponseAsync()).Path);
    }

    [Theory]
    [BothServers("Content-Length: 26", "abcdefghijklmnopqrstuvwxyz")]
    [BothServers("Transfer-Encoding: chunked", "1;ext=1\r\na\r\n19\r\nbcdefghijklmnopqrstuvwxyz\r\n0\r\nTrail: x\r\n\r\n")]
    [Trait("Defect", "PARSE-1"), Trait("Defect", "BODY-6")]
    public async Task A_request_may_come_byte_by_byte(ServerKind server, string framing, string bytes)
    {
        AppHost host = await hosts.OnAsync(server);
        await using RawClient client = await host.ConnectAsync();
        await client.SendByteByByteAsync($"POST /p?q HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n{bytes}");
        Echo echo = Echo.Of(await client.ReadResponseAsync());
        Assert.Equal(("/p", "?q", "abcdefghijklmnopqrstuvwxyz"), (echo.Path, echo.Query, echo.Body));
    }

    [Theory]
    [BothServers("GET", "", false)]
    [BothServers("POST", "", false)]
    [BothServers("POST", "Content-Length: 0\r\n", false)]
    [BothServers("POST", "Content-Length: 1\r\n", true)]
    [BothServers("GET", "Content-Length: 1\r\n", true)]
    [BothServers("POST", "Transfer-Encoding: chunked\r\n", true)]
    [BothServers("GET", "Connection: Upgrade\r\nUpgrade: websocket\r\n", false)]
    public async Task The_application_can_tell_whether_there_may_be_a_body(ServerKind server, string method, string fields, bool can)
    {
        AppHost host = await hosts.OnAsync(server);
        string bytes = fields.Contains("chunked", StringComparison.Ordinal) ? "1\r\nx\r\n0\r\n\r\n" : can ? "x" : "";
        Echo echo = Echo.Of(await host.ExchangeAsync($"{method} / HTTP/1.1\r\nHost: a\r\n{fields}\r\n{bytes}"));
        Assert.Equal(can, echo.CanHaveBody);
    }

    [Theory, BothServers]
    [Trait("Feature", "R1.1"), Trait("Rfc", "9112 7.1.2")]
    [Trait("Feature", "B46")]
    public async Task Trailers_are_there_when_the_body_was_read(ServerKind server)
    {
        AppHost host = await hosts.OnAsync(server);
        Echo echo = Echo.Of(await host.ExchangeAsync(
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: Check\r\n\r\n3\r\nabc\r\n0\r\nCheck: \t sum \r\nCheck: 2\r\n\r\n"));
        Assert.Equal("abc", echo.Body);
        Assert.Equal(["sum", "2"], echo.Trailers!["Check"]);
        Assert.DoesNotContain("Check", echo.Headers.Keys);
    }

    [Theory, BothServers]
    [Trait("Feature", "R1.4"), Trait("Defect", "BODY-7")]
    public async Task Trailers_of_one_request_are_not_seen_in_the_next(ServerKind server)
    {
        AppHost host = await hosts.OnAsync(server);
        await using RawClient client = await host.ConnectAsync();
        await client.SendAsync("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nCheck: 1\r\n\r\n");
        Assert.Equal(["1"], Echo.Of(await client.ReadResponseAsync()).Trailers!["Check"]);
        await client.SendAsync("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nb");
        Assert.True(Echo.Of(await client.ReadResponseAsync()).Trailers is not { Count: > 0 });
    }

    [Theory, BothServers]
    public async Task Trailers_may_not_be_asked_for_before_the_end_of_the_body(ServerKind server)
    {
        await using AppHost host = await AppHost.StartAsync(server, app => app.Run(async context =>
        {
            IHttpRequestTrailersFeature trailers = context.Features.GetRequiredFeature<IHttpRequestTrailersFeature>();
            Assert.False(trailers.Available);
            Assert.Throws<InvalidOperationException>(() => trailers.Trailers);
            await context.Request.Body.CopyToAsync(Stream.Null);
            Assert.True(trailers.Available);
            await context.Response.WriteAsync(trailers.Trailers["Check"].ToString());
        }));
        RawResponse response = await host.ExchangeAsync("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nCheck: ok\r\n\r\n");
        Assert.Equal((200, "ok"), (response.Status, response.Text));
    }

    [Theory]
    [BothServers(false)]
    [BothServers(true)]
    public async Task A_body_of_20_MB_arrives_unchanged(ServerKind server, bool chunked)
    {
        await using AppHost host = await AppHost.StartAsync(server, app => app.Run(async context =>
        {
            byte[] hash = await SHA256.HashDataAsync(context.Request.Body);
            await context.Response.WriteAsync(Convert.ToHexString(hash));
        }));
        byte[] body = new byte[20 * 1024 * 1024 + 7];
        new Random(7).NextBytes(body);
        await using RawClient client = await host.ConnectAsync();
        if (chunked)
        {
            await client.SendAsync("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
            const int Size = 65_537;
            for (int at = 0; at < body.Length; at += Size)
            {
                int count = Math.Min(Size, body.Length - at);
                await client.SendAsync($"{count:x}\r\n");
                await client.SendAsync(body.AsMemory(at, count));
                await client.SendAsync("\r\n");
            }

            await client.SendAsync("0\r\n\r\n");
        }
        else
        {
            await client.SendAsync($"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {body.Length}\r\n\r\n");
            await client.SendAsync(body);
        }

        Assert.Equal(Convert.ToHexString(SHA256.HashData(body)), (await client.ReadResponseAsync()).Text);
    }

    [Theory]
    [BothServers("Content-Length: 5", "hello")]
    [BothServers("Transfer-Encoding: chunked", "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n")]
    public async Task The_body_can_be_read_as_a_pipe_with_a_look_first(ServerKind server, string framing, string bytes)
    {
        await using AppHost host = await AppHost.StartAsync(server, app => app.Run(async context =>
        {
            PipeReader reader = context.Request.BodyReader;
            ReadResult read = await reader.ReadAsync();
            while (!read.IsCompleted)
            {
                reader.AdvanceTo(read.Buffer.Start, read.Buffer.End);
                read = await reader.ReadAsync();
            }

            string whole = Encoding.ASCII.GetString(read.Buffer.ToArray());
            reader.AdvanceTo(read.Buffer.GetPosition(2));
            read = await reader.ReadAsync();
            string rest = Encoding.ASCII.GetString(read.Buffer.ToArray());
            reader.AdvanceTo(read.Buffer.End);
            await context.Response.WriteAsync(whole + "|" + rest);
        }));
        await using RawClient client = await host.ConnectAsync();
        await client.SendCutAsync($"POST / HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n{bytes}", $"POST / HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n".Length + 4);
        Assert.Equal("hello|llo", (await client.ReadResponseAsync()).Text);
    }

    [Theory, BothServers]
    public async Task Reading_after_the_end_gives_nothing_and_a_zero_byte_read_waits_for_data(ServerKind server)
    {
        await using AppHost host = await AppHost.StartAsync(server, app => app.Run(async context =>
        {
            byte[] buffer = new byte[100];
            int none = await context.Request.Body.ReadAsync(Memory<byte>.Empty);
            int all = await context.Request.Body.ReadAtLeastAsync(buffer, 3, throwOnEndOfStream: false);
            int end = await context.Request.Body.ReadAsync(buffer);
            int again = await context.Request.Body.ReadAsync(buffer);
            await context.Response.WriteAsync($"{none} {all} {end} {again}");
        }));
        await using RawClient client = await host.ConnectAsync();
        string head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n";
        await client.SendCutAsync(head + "abc", head.Length);
        Assert.Equal("0 3 0 0", (await client.ReadResponseAsync()).Text);
    }

    [Theory]
    [BothServers("Content-Length: 10", "abc")]
    [BothServers("Transfer-Encoding: chunked", "a\r\nabc")]
    [BothServers("Transfer-Encoding: chunked", "3\r\nabc\r\n")]
    public async Task A_body_cut_off_by_the_end_of_the_connection_throws_at_the_reader(ServerKind server, string framing, string bytes)
    {
        var seen = new TaskCompletionSource<Exception>(TaskCreationOptions.RunContinuationsAsynchronously);
        await using AppHost host = await AppHost.StartAsync(server, app => app.Run(async context =>
        {
            try
            {
                await context.Request.Body.CopyToAsync(Stream.Null);
                seen.TrySetException(new InvalidOperationException("The body ended as if it were whole."));
            }
            catch (Exception error)
            {
                seen.TrySetResult(error);
                throw;
            }
        }));
        host.ErrorsExpected = true;
        await using RawClient client = await host.ConnectAsync();
        await client.SendAsync($"POST / HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n{bytes}");
        client.ShutdownSend();
        Exception thrown = await seen.Task.WaitAsync(Guard.Time);
        BadHttpRequestException bad = Assert.IsAssignableFrom<BadHttpRequestException>(thrown);
        Assert.Equal(400, bad.StatusCode);
    }

    [Theory]
    [BothServers("Content-Length: 300000")]
    [BothServers("Transfer-Encoding: chunked")]
    [Trait("Defect", "BODY-16")]
    public async Task An_unread_body_is_drained_before_the_next_request(ServerKind server, string framing)
    {
        await using AppHost host = await AppHost.StartAsync(server, app => app.Run(context => context.Response.WriteAsync(context.Request.Path)));
        await using RawClient client = await host.ConnectAsync();
        string body = new('x', 300_000);
        string bytes = framing.Contains("chunked", StringComparison.Ordinal) ? $"{body.Length:x}\r\n{body}\r\n0\r\n\r\n" : body;
        await client.SendAsync($"POST /one HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n{bytes}GET /two HTTP/1.1\r\nHost: a\r\n\r\n");
        Assert.Equal("/one", (await client.ReadResponseAsync()).Text);
        Assert.Equal("/two", (await client.ReadResponseAsync()).Text);
    }

    [Theory, BothServers]
    public async Task A_body_that_comes_in_pieces_is_handed_over_in_pieces(ServerKind server)
    {
        await using AppHost host = await AppHost.StartAsync(server, app => app.Run(async context =>
        {
            byte[] buffer = new byte[100];
            for (int read; (read = await context.Request.Body.ReadAsync(buffer)) > 0;)
            {
                await context.Response.Body.WriteAsync(buffer.AsMemory(0, read));
                await context.Response.Body.FlushAsync();
            }
        }));
        await using RawClient client = await host.ConnectAsync();
        await client.SendAsync("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
        foreach (string piece in new[] { "one", "three", "five" })
        {
            await client.SendAsync($"{piece.Length}\r\n{piece}\r\n");
            if (piece == "one")
            {
                Assert.StartsWith("HTTP/1.1 200 OK", await client.ReadHeadAsync(), StringComparison.Ordinal);
            }

            // The echo of this piece is out before the next one is sent: full duplex.
            Assert.Equal(piece.Length.ToString(System.Globalization.CultureInfo.InvariantCulture), await client.ReadLineAsync());
            Assert.Equal(piece, await client.ReadLineAsync());
        }

        await client.SendAsync("0\r\n\r\n");
        Assert.Equal("0\r\n\r\n", await client.ReadTextAsync(5));
    }

    [Theory, BothServers]
    public async Task A_cancelled_read_of_the_pipe_is_told_and_can_be_repeated(ServerKind server)
    {
        await using AppHost host = await AppHost.StartAsync(server, app => app.Run(async context =>
        {
            PipeReader reader = context.Request.BodyReader;
            ValueTask<ReadResult> pending = reader.ReadAsync();
            reader.CancelPendingRead();
            ReadResult first = await pending;
            reader.AdvanceTo(first.Buffer.Start, first.Buffer.End);
            await context.Response.WriteAsync($"{first.IsCanceled} ");
            await context.Response.Body.FlushAsync();
            ReadResult second = await reader.ReadAsync();
            await context.Response.WriteAsync($"{second.IsCanceled} {second.Buffer.Length}");
            reader.AdvanceTo(second.Buffer.End);
        }));
        await using RawClient client = await host.ConnectAsync();
        await client.SendAsync("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n");
        await client.ReadHeadAsync();
        Assert.Equal("5", await client.ReadLineAsync());
        Assert.Equal("True ", await client.ReadLineAsync());
        await client.SendAsync("abc");
        await client.ReadLineAsync();
        Assert.Equal("False 3", await client.ReadLineAsync());
    }

    [Theory, BothServers]
    public async Task Several_small_reads_give_the_whole_body(ServerKind server)
    {
        await using AppHost host = await AppHost.StartAsync(server, app => app.Run(async context =>
        {
            var text = new StringBuilder();
            byte[] one = new byte[1];
            while (await context.Request.Body.ReadAsync(one) == 1)
            {
                text.Append((char)one[0]);
            }

            await context.Response.WriteAsync(text.ToString());
        }));
        string body = string.Concat(Enumerable.Range(0, 500).Select(i => (char)('a' + (i % 26))));
        RawResponse response = await host.ExchangeAsync($"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {body.Length}\r\n\r\n{body}");
        Assert.Equal(body, response.Text);
    }
}
