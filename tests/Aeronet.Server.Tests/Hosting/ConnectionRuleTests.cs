using System;
using System.Linq;
using System.Text;
using System.Threading;
using System.Threading.Tasks;
using Aeronet.TestSupport.Hosting;
using Aeronet.TestSupport.Wire;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Aeronet.Server.Tests.Hosting;

/// <summary>What connections may do to each other, and how they end, over real sockets.</summary>
public sealed class ConnectionRuleTests
{
    private const string Get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

    [Fact]
    [Trait("Feature", "C9"), Trait("Rfc", "9112 9.3")]
    public async Task Without_keep_alive_every_response_closes()
    {
        await using AppHost host = await StartAsync(static context => context.Response.WriteAsync("ok"), static options => options.EnableKeepAlive = false);
        await using RawClient client = await host.ConnectAsync();
        await client.SendAsync(Get + Get);
        Assert.True((await client.ReadResponseAsync()).Closes);
        await client.ExpectCloseAsync();
    }

    [Fact]
    [Trait("Defect", "LOOP-31"), Trait("Feature", "B72a")]
    public async Task A_handler_that_blocks_its_thread_does_not_stop_the_other_connections_of_its_loop()
    {
        using var release = new ManualResetEventSlim();
        var entered = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using AppHost host = await StartAsync(
            context =>
            {
                if (context.Request.Path == "/block")
                {
                    entered.SetResult();
                    release.Wait(Guard.Time);
                }
                return context.Response.WriteAsync("ok");
            },
            static options => options.Transport.IOThreadCount = 1);
        await using RawClient blocked = await host.ConnectAsync();
        await blocked.SendAsync("GET /block HTTP/1.1\r\nHost: a\r\n\r\n");
        await entered.Task.WaitAsync(Guard.Time);
        for (int i = 0; i < 3; i++)
        {
            Assert.Equal("ok", (await host.ExchangeAsync(Get)).Text);
        }
        release.Set();
        Assert.Equal("ok", (await blocked.ReadResponseAsync()).Text);
    }

    [Fact]
    [Trait("Defect", "DRAIN-13"), Trait("Feature", "B89")]
    public async Task A_refused_client_that_neither_reads_nor_closes_is_closed_all_the_same()
    {
        await using AppHost host = await StartAsync(static context => context.Response.WriteAsync("ok"), static options => options.Limits.LingerTimeout = TimeSpan.FromMilliseconds(50));
        await using RawClient client = await host.ConnectAsync();
        await client.SendAsync("BAD\r\n\r\n");
        await host.Logs.WaitForAsync(static entry => entry is { Category: "Aeronet.Connections", Id: 2 });
    }

    [Fact]
    [Trait("Defect", "HOST-30")]
    public async Task The_socket_feature_is_the_connections_own_socket()
    {
        await using AppHost host = await StartAsync(static context =>
            context.Response.WriteAsync(context.Features.GetRequiredFeature<IConnectionSocketFeature>().Socket.RemoteEndPoint!.ToString()!));
        await using RawClient client = await host.ConnectAsync();
        for (int i = 0; i < 2; i++)
        {
            await client.SendAsync(Get);
            Assert.Equal(client.LocalEndPoint.ToString(), (await client.ReadResponseAsync()).Text);
        }
    }

    [Fact]
    [Trait("Defect", "RESP-31"), Trait("Feature", "B35")]
    public async Task A_response_behind_a_file_waits_for_its_end()
    {
        string path = System.IO.Path.GetTempFileName();
        byte[] content = new byte[3_000_000];
        new Random(31).NextBytes(content);
        await System.IO.File.WriteAllBytesAsync(path, content);
        try
        {
            await using AppHost host = await StartAsync(context => context.Request.Path == "/file" ? context.Response.SendFileAsync(path) : context.Response.WriteAsync("next"));
            await using RawClient client = await host.ConnectAsync();
            await client.SendAsync("GET /file HTTP/1.1\r\nHost: a\r\n\r\n" + Get);
            Assert.Equal(content, (await client.ReadResponseAsync()).Body);
            Assert.Equal("next", (await client.ReadResponseAsync()).Text);
        }
        finally
        {
            System.IO.File.Delete(path);
        }
    }

    [Theory]
    [InlineData(100)]
    [InlineData(8 * 1024)]
    [InlineData(8 * 1024 + 1)]
    [InlineData(300_000)]
    [Trait("Feature", "B78"), Trait("Feature", "B16"), Trait("Feature", "B72d")]
    public async Task Content_is_the_same_whether_it_is_copied_or_lent(int size)
    {
        byte[] content = new byte[size];
        new Random(size).NextBytes(content);
        byte[] expected = content.ToArray();
        await using AppHost host = await StartAsync(async context =>
        {
            context.Response.ContentLength = size;
            await context.Response.Body.WriteAsync(content);
            await context.Response.CompleteAsync();
            Array.Clear(content); // the write is over: its memory is the application's again
        });
        Assert.Equal(expected, (await host.ExchangeAsync(Get)).Body);
    }

    [Fact]
    [Trait("Defect", "RESP-7"), Trait("Feature", "R1.6")]
    public async Task Many_trailers_can_be_added_while_the_response_streams()
    {
        await using AppHost host = await StartAsync(static async context =>
        {
            await context.Response.StartAsync();
            for (int i = 0; i < 500; i++)
            {
                await context.Response.WriteAsync($"{i},");
                await context.Response.Body.FlushAsync();
                context.Response.AppendTrailer($"X-Trailer-{i}", new string('v', i + 1));
            }
        });
        RawResponse response = await host.ExchangeAsync("GET / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: TE\r\n\r\n");
        Assert.Equal(500, response.Text.Count(static c => c == ','));
        Assert.Equal(Enumerable.Range(0, 500).Select(static i => $"X-Trailer-{i}: {new string('v', i + 1)}"), response.Trailers.Select(static field => $"{field.Key}: {field.Value}"));
    }

    [Fact]
    [Trait("Feature", "R1.6"), Trait("Rfc", "9110 6.5.1")]
    public async Task A_client_that_did_not_ask_for_trailers_gets_none_although_the_response_is_chunked()
    {
        string body = new('b', 300_000); // more than is held back: the head has gone, and the response is chunked
        await using AppHost host = await StartAsync(async context =>
        {
            await context.Response.WriteAsync(body);
            context.Response.AppendTrailer("X-Unasked", "1");
            await context.Response.WriteAsync("more");
        });
        await using RawClient client = await host.ConnectAsync();
        await client.SendAsync(Get + Get);
        for (int i = 0; i < 2; i++)
        {
            RawResponse response = await client.ReadResponseAsync();
            Assert.Equal((body + "more", BodyFraming.Chunked), (response.Text, response.Framing));
            Assert.Empty(response.Trailers);
        }
    }

    [Fact]
    [Trait("Feature", "R1.9")]
    public async Task Trailers_behind_a_declared_length_are_dropped_with_a_warning()
    {
        await using AppHost host = await StartAsync(static async context =>
        {
            context.Response.ContentLength = 2;
            await context.Response.WriteAsync("ok");
            await context.Response.Body.FlushAsync();
            context.Response.AppendTrailer("X-Late", "1");
        });
        await using RawClient client = await host.ConnectAsync();
        await client.SendAsync(Get + Get);
        for (int i = 0; i < 2; i++)
        {
            RawResponse response = await client.ReadResponseAsync();
            Assert.Equal(("ok", BodyFraming.ContentLength), (response.Text, response.Framing));
            Assert.Empty(response.Trailers);
        }
        LogEntry warning = await host.Logs.WaitForAsync(static entry => entry is { Category: "Aeronet.Server", Id: 41 });
        Assert.Contains("X-Late", warning.Message, StringComparison.Ordinal);
    }

    [Fact]
    [Trait("Defect", "DRAIN-8"), Trait("Feature", "B97"), Trait("Feature", "B74b")]
    public async Task The_date_goes_on_while_the_server_waits_for_its_last_request()
    {
        var entered = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using AppHost host = await StartAsync(async context =>
        {
            entered.SetResult();
            DateTimeOffset begun = DateTimeOffset.UtcNow;
            DateTimeOffset until = DateTimeOffset.FromUnixTimeSeconds(begun.ToUnixTimeSeconds()).AddMilliseconds(2100); // a line may be used for some milliseconds more: the clocks are coarse
            while (DateTimeOffset.UtcNow < until)
            {
                await Task.Delay(50); // the clock of the Date field is the system's: only time makes it advance
            }
            await context.Response.WriteAsync(begun.ToUnixTimeSeconds().ToString(System.Globalization.CultureInfo.InvariantCulture));
        });
        await using RawClient client = await host.ConnectAsync();
        await client.SendAsync(Get);
        await entered.Task.WaitAsync(Guard.Time);
        Task stop = host.StopAsync();
        RawResponse response = await client.ReadResponseAsync();
        DateTimeOffset date = DateTimeOffset.Parse(response["Date"]!, System.Globalization.CultureInfo.InvariantCulture);
        Assert.True(date.ToUnixTimeSeconds() >= long.Parse(response.Text, System.Globalization.CultureInfo.InvariantCulture) + 2);
        Assert.True(response.Closes);
        await stop.WaitAsync(Guard.Time);
    }

    [Fact]
    [Trait("Feature", "B96")]
    public async Task The_application_may_set_what_the_engine_owns_and_the_response_says_each_thing_once()
    {
        await using AppHost host = await StartAsync(static async context =>
        {
            IHeaderDictionary headers = context.Response.Headers;
            headers.Date = "Thu, 01 Jan 1970 00:00:00 GMT";
            headers.ContentLength = 2;
            headers.Connection = "close";
            headers.Trailer = "X-Sum";
            headers.TE = "trailers";
            headers.Upgrade = "x";
            headers.KeepAlive = "timeout=5";
            headers.Server = "mine";
            await context.Response.WriteAsync("ok");
        });
        await using RawClient client = await host.ConnectAsync();
        await client.SendAsync(Get);
        RawResponse response = await client.ReadResponseAsync();
        Assert.Equal(("ok", "Thu, 01 Jan 1970 00:00:00 GMT", "close", "mine"), (response.Text, response["Date"], response["Connection"], response["Server"]));
        Assert.Equal(response.Fields.Count, response.Fields.Select(static field => field.Key).Distinct(StringComparer.OrdinalIgnoreCase).Count());
        await client.ExpectCloseAsync();
    }

    [Fact]
    [Trait("Feature", "B126"), Trait("Feature", "B75c")]
    public async Task HEAD_is_routed_where_it_is_mapped_and_an_ambiguous_route_is_an_error()
    {
        await using AppHost host = await AppHost.StartAsync(ServerKind.Aeronet, static app =>
        {
            app.MapGet("/get", static () => "get");
            app.MapMethods("/both", ["GET", "HEAD"], static () => "both");
            foreach (string answer in (string[])["one", "two"])
            {
                app.MapGet("/twice", () => answer);
            }
        });
        host.ErrorsExpected = true;
        RawResponse get = await host.ExchangeAsync("HEAD /get HTTP/1.1\r\nHost: a\r\n\r\n", head: true);
        Assert.Equal((405, "GET"), (get.Status, get["Allow"]));
        RawResponse both = await host.ExchangeAsync("HEAD /both HTTP/1.1\r\nHost: a\r\n\r\n", head: true);
        Assert.Equal((200, "4", ""), (both.Status, both["Content-Length"], both.Text));
        Assert.Equal(500, (await host.ExchangeAsync("GET /twice HTTP/1.1\r\nHost: a\r\n\r\n")).Status);
    }

    [Fact]
    [Trait("Defect", "PARSE-28"), Trait("Defect", "PARSE-20")]
    public async Task Any_target_gets_an_answer_from_an_application_with_routes()
    {
        await using AppHost host = await AppHost.StartAsync(ServerKind.Aeronet, static app =>
        {
            app.MapGet("/", static () => "root");
            app.MapGet("/users/{id:int}", static (int id) => $"{id}");
            app.MapGet("/files/{**path}", static (string? path) => path ?? "");
            app.MapGet("/a/{b}/c/{d?}", static (string b, string? d) => b + d);
        });
        string[] pieces = ["/", "//", "users", "files", "a", "c", "1", "..", ".", "%2F", "%2e", "%25", "%", "%zz", "%c3%a9", "?", "#", "*", ":", "http://a", "@", "[::1]", "\u00e9", "\t", "\u007f", ";", "+", "~"];
        var random = new Random(28);
        for (int i = 0; i < 300; i++)
        {
            string target = string.Concat(Enumerable.Range(0, random.Next(1, 7)).Select(_ => pieces[random.Next(pieces.Length)]));
            RawResponse response = await host.ExchangeAsync($"GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
            Assert.True(response.Status is 200 or 400 or 404 or 405, $"{target}: {response}");
        }
    }

    [Fact]
    [Trait("Feature", "B92")]
    public async Task A_stop_without_patience_closes_what_is_open_at_once()
    {
        await using AppHost host = await StartAsync(static context => Task.Delay(Timeout.Infinite, context.RequestAborted));
        await using RawClient idle = await host.ConnectAsync();
        await using RawClient busy = await host.ConnectAsync();
        await busy.SendAsync(Get);
        await host.Logs.WaitForAsync(static entry => entry.Message.StartsWith("Request starting", StringComparison.Ordinal));
        await host.StopAsync(new CancellationToken(canceled: true)).WaitAsync(Guard.Time);
        await idle.ExpectCloseAsync();
        await busy.ExpectCloseAsync();
    }

    [Fact]
    [Trait("Feature", "B44"), Trait("Feature", "B33"), Trait("Defect", "PARSE-2")]
    public async Task A_request_in_one_byte_segments_and_one_in_a_single_segment_are_the_same_request()
    {
        await using AppHost host = await StartAsync(static async context =>
        {
            using var reader = new System.IO.StreamReader(context.Request.Body, Encoding.Latin1);
            await context.Response.WriteAsync($"{context.Request.Method} {context.Request.Path.Value} {context.Request.Headers["x-y"]} {await reader.ReadToEndAsync()}");
        });
        const string Request = "POST /a%20b HTTP/1.1\r\nHost: a\r\nX-Y: z\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
        await using RawClient client = await host.ConnectAsync();
        await client.SendByteByByteAsync(Request);
        Assert.Equal("POST /a b z abc", (await client.ReadResponseAsync()).Text);
        await client.SendAsync(Request);
        Assert.Equal("POST /a b z abc", (await client.ReadResponseAsync()).Text);
    }

    private static Task<AppHost> StartAsync(RequestDelegate handler, Action<AeronetServerOptions>? configure = null) => AppHost.StartAsync(
        ServerKind.Aeronet,
        app => app.Run(handler),
        builder => builder.Services.Configure(configure ?? (static _ => { })));
}
