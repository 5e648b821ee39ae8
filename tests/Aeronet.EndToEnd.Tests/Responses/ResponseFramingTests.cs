using System;
using System.Buffers;
using System.Globalization;
using System.IO;
using System.IO.Pipelines;
using System.Linq;
using System.Text;
using System.Threading;
using System.Threading.Tasks;
using Aeronet.EndToEnd.Tests.Columns;
using Aeronet.TestSupport.Hosting;
using Aeronet.TestSupport.Wire;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Logging;
using Xunit;

namespace Aeronet.EndToEnd.Tests.Responses;

/// <summary>How the end of a response is marked, and when bytes leave. RFC 9112 6.</summary>
[NeedsNoSocket]
public sealed class ResponseFramingTests
{
    private const string Get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

    [Theory, BothServers]
    [Trait("Defect", "RESP-1")]
    public Task An_untouched_response_has_length_zero(ServerKind server) =>
        CheckAsync(server, _ => Task.CompletedTask, BodyFraming.ContentLength, "");

    [Theory]
    [BothServers(200)]
    [BothServers(201)]
    [BothServers(301)]
    [BothServers(400)]
    [BothServers(404)]
    [BothServers(418)]
    [BothServers(500)]
    [BothServers(599)]
    [Trait("Defect", "RESP-1"), Trait("Defect", "RESP-2")]
    public async Task Every_status_without_a_body_has_length_zero(ServerKind server, int status)
    {
        RawResponse response = await ExchangeAsync(server, context =>
        {
            context.Response.StatusCode = status;
            return Task.CompletedTask;
        });
        Assert.Equal((status, "0"), (response.Status, response["Content-Length"]));
        Assert.Equal(Microsoft.AspNetCore.WebUtilities.ReasonPhrases.GetReasonPhrase(status), response.Reason);
    }

    [Theory, BothServers]
    [Trait("Feature", "B48")]
    public Task A_declared_length_is_kept(ServerKind server) => CheckAsync(
        server,
        context =>
        {
            context.Response.ContentLength = 5;
            return context.Response.WriteAsync("hello");
        },
        BodyFraming.ContentLength,
        "hello");

    [Theory, BothServers]
    [Trait("Feature", "B50"), Trait("Feature", "B124")]
    public async Task Flushed_pieces_without_a_length_are_chunks(ServerKind server)
    {
        using var gate = new SemaphoreSlim(0);
        await using AppHost host = await AppHost.StartAsync(server, app => app.Run(async context =>
        {
            await context.Response.WriteAsync("one ");
            await context.Response.Body.FlushAsync();
            await gate.WaitAsync();
            await context.Response.WriteAsync("two");
            await context.Response.Body.FlushAsync();
        }));
        await using RawClient client = await host.ConnectAsync();
        await client.SendAsync(Get);
        string head = await client.ReadHeadAsync();
        Assert.Contains("Transfer-Encoding: chunked", head, StringComparison.Ordinal);
        Assert.DoesNotContain("Content-Length", head, StringComparison.Ordinal);
        Assert.Equal(("4", "one "), (await client.ReadLineAsync(), await client.ReadLineAsync()));
        gate.Release();
        Assert.Equal(("3", "two"), (await client.ReadLineAsync(), await client.ReadLineAsync()));
        Assert.Equal(("0", ""), (await client.ReadLineAsync(), await client.ReadLineAsync()));
    }

    [Theory, BothServers]
    public Task A_response_of_one_write_without_a_flush_is_framed_as_the_server_likes_it_best(ServerKind server) => CheckAsync(
        server,
        context => context.Response.WriteAsync("one write"),
        WantedDifferences.ResponseCompleteInOneTurn.On(server),
        "one write");

    [Theory, BothServers]
    public async Task A_flush_before_the_first_byte_sends_the_head(ServerKind server)
    {
        var goOn = new TaskCompletionSource();
        await using AppHost host = await StartAsync(server, async context =>
        {
            await context.Response.Body.FlushAsync();
            await goOn.Task;
            await context.Response.WriteAsync("late");
        });
        await using RawClient client = await host.ConnectAsync();
        await client.SendAsync(Get);
        Assert.StartsWith("HTTP/1.1 200 OK", await client.ReadHeadAsync(), StringComparison.Ordinal);
        goOn.SetResult();
        Assert.Equal("4\r\nlate\r\n0\r\n\r\n", await client.ReadTextAsync(14));
    }

    [Theory, BothServers]
    public async Task A_write_that_is_awaited_by_a_handler_that_goes_on_waiting_reaches_the_client(ServerKind server)
    {
        var goOn = new TaskCompletionSource();
        await using AppHost host = await StartAsync(server, async context =>
        {
            await context.Response.WriteAsync("now");
            await goOn.Task;
            await context.Response.WriteAsync("then");
        });
        await using RawClient client = await host.ConnectAsync();
        await client.SendAsync(Get);
        await client.ReadHeadAsync();
        Assert.Equal("3\r\nnow\r\n", await client.ReadTextAsync(8));
        goOn.SetResult();
        Assert.Equal("4\r\nthen\r\n0\r\n\r\n", await client.ReadTextAsync(14));
    }

    [Theory, BothServers]
    public async Task Every_kind_of_write_is_in_order(ServerKind server) => await CheckAsync(
        server,
        async context =>
        {
            HttpResponse response = context.Response;
            await response.Body.WriteAsync("1"u8.ToArray());
            Span(response.BodyWriter, "2");
            await response.BodyWriter.FlushAsync();
            await response.WriteAsync("3");
            await response.BodyWriter.WriteAsync("4"u8.ToArray());
            Span(response.BodyWriter, "5");
            await response.Body.WriteAsync("6"u8.ToArray().AsMemory());
            Span(response.BodyWriter, "7");
            await response.WriteAsync("8");
        },
        null,
        "12345678");

    [Theory]
    [BothServers(1)]
    [BothServers(100)]
    [BothServers(4096)]
    [BothServers(5000)]
    [BothServers(70_000)]
    public async Task Memory_of_any_size_can_be_taken_and_partly_used(ServerKind server, int size) => await CheckAsync(
        server,
        async context =>
        {
            PipeWriter writer = context.Response.BodyWriter;
            Memory<byte> memory = writer.GetMemory(size);
            Assert.True(memory.Length >= size);
            memory.Span[..size].Fill((byte)'x');
            writer.Advance(size);
            Span<byte> second = writer.GetSpan(size);
            second[0] = (byte)'y';
            writer.Advance(1);
            writer.GetMemory(10);
            writer.Advance(0);
            await writer.FlushAsync();
        },
        size < 60_000 ? null : BodyFraming.Chunked,
        new string('x', size) + "y");

    [Theory, BothServers]
    public async Task Bytes_that_were_advanced_are_sent_without_a_flush(ServerKind server)
    {
        RawResponse response = await ExchangeAsync(server, context =>
        {
            Span(context.Response.BodyWriter, "unflushed");
            return Task.CompletedTask;
        });
        Assert.Equal("unflushed", response.Text);
    }

    [Theory, BothServers]
    public async Task Unflushed_bytes_are_counted(ServerKind server)
    {
        RawResponse response = await ExchangeAsync(server, async context =>
        {
            PipeWriter writer = context.Response.BodyWriter;
            Assert.True(writer.CanGetUnflushedBytes);
            Assert.Equal(0, writer.UnflushedBytes);
            Span(writer, "12345");
            Assert.Equal(5, writer.UnflushedBytes);
            await writer.FlushAsync();
            Assert.Equal(0, writer.UnflushedBytes);
        });
        Assert.Equal((200, "12345"), (response.Status, response.Text));
    }

    [Theory]
    [BothServers(false)]
    [BothServers(true)]
    public async Task A_write_of_no_bytes_is_no_end_of_the_body(ServerKind server, bool flush) => await CheckAsync(
        server,
        async context =>
        {
            await context.Response.Body.WriteAsync(Array.Empty<byte>());
            await context.Response.WriteAsync("a");
            await context.Response.Body.WriteAsync(Array.Empty<byte>());
            if (flush)
            {
                await context.Response.Body.FlushAsync();
                await context.Response.Body.FlushAsync();
            }

            await context.Response.WriteAsync("b");
        },
        null,
        "ab");

    [Theory, BothServers]
    [Trait("Defect", "RESP-15")]
    public async Task One_large_write_arrives_whole(ServerKind server)
    {
        byte[] body = Encoding.ASCII.GetBytes(string.Concat(Enumerable.Range(0, 40_000).Select(i => i.ToString(CultureInfo.InvariantCulture))));
        RawResponse response = await ExchangeAsync(server, context => context.Response.Body.WriteAsync(body).AsTask());
        Assert.Equal(body, response.Body);
    }

    [Theory]
    [BothServers(true)]
    [BothServers(false)]
    [Trait("Defect", "RESP-5")]
    public async Task A_body_of_20_MB_arrives_unchanged(ServerKind server, bool length)
    {
        byte[] body = new byte[20 * 1024 * 1024 + 3];
        new Random(3).NextBytes(body);
        RawResponse response = await ExchangeAsync(server, async context =>
        {
            context.Response.ContentLength = length ? body.Length : null;
            for (int at = 0; at < body.Length; at += 200_003)
            {
                await context.Response.Body.WriteAsync(body.AsMemory(at, Math.Min(200_003, body.Length - at)));
            }
        });
        Assert.Equal(length ? BodyFraming.ContentLength : BodyFraming.Chunked, response.Framing);
        Assert.True(body.AsSpan().SequenceEqual(response.Body));
    }

    [Theory, BothServers]
    [Trait("Defect", "RESP-13")]
    public async Task Too_many_bytes_throw_and_end_the_connection(ServerKind server)
    {
        await using AppHost host = await StartAsync(server, async context =>
        {
            context.Response.ContentLength = 3;
            await Assert.ThrowsAsync<InvalidOperationException>(() => context.Response.WriteAsync("four"));
            await context.Response.WriteAsync("ok!");
        });
        host.ErrorsExpected = true;
        RawResponse response = await host.ExchangeAsync(Get);
        Assert.Equal((200, "ok!"), (response.Status, response.Text));
    }

    [Theory, BothServers]
    [Trait("Defect", "RESP-13")]
    public async Task Too_many_bytes_before_the_start_become_a_500(ServerKind server)
    {
        await using AppHost host = await StartAsync(server, context =>
        {
            context.Response.ContentLength = 3;
            return context.Response.Body.WriteAsync("four"u8.ToArray()).AsTask();
        });
        host.ErrorsExpected = true;
        await using RawClient client = await host.ConnectAsync();
        await client.SendAsync(Get);
        RawResponse response = await client.ReadResponseAsync();
        Assert.Equal((500, "0"), (response.Status, response["Content-Length"]));
    }

    [Theory, BothServers]
    [Trait("Defect", "RESP-13")]
    public async Task Too_few_bytes_end_the_connection_and_are_logged(ServerKind server)
    {
        await using AppHost host = await StartAsync(server, context =>
        {
            context.Response.ContentLength = 10;
            return context.Response.WriteAsync("short");
        });
        host.ErrorsExpected = true;
        await using RawClient client = await host.ConnectAsync();
        await client.SendAsync(Get);
        Assert.Contains("Content-Length: 10", await client.ReadHeadAsync(), StringComparison.Ordinal);
        Assert.Equal("short", await client.ReadTextAsync(5));
        await client.ExpectCloseAsync();
        LogEntry entry = await host.Logs.WaitForAsync(log => log is { Id: 13, Level: LogLevel.Error });
        Assert.IsType<InvalidOperationException>(entry.Error);
    }

    [Theory, BothServers]
    [Trait("Defect", "RESP-13")]
    public async Task A_declared_length_without_any_byte_becomes_a_500(ServerKind server)
    {
        await using AppHost host = await StartAsync(server, context =>
        {
            context.Response.ContentLength = 10;
            return Task.CompletedTask;
        });
        host.ErrorsExpected = true;
        RawResponse response = await host.ExchangeAsync(Get);
        Assert.Equal((500, "0"), (response.Status, response["Content-Length"]));
    }

    [Theory, BothServers]
    public async Task StartAsync_sends_the_head_at_the_next_flush_and_fixes_it(ServerKind server) => await CheckAsync(
        server,
        async context =>
        {
            Assert.False(context.Response.HasStarted);
            await context.Response.StartAsync();
            Assert.True(context.Response.HasStarted);
            Assert.True(context.Response.Headers.IsReadOnly);
            Assert.Throws<InvalidOperationException>(() => context.Response.StatusCode = 201);
            Assert.Throws<InvalidOperationException>(() => context.Response.Headers["X"] = "y");
            await context.Response.StartAsync();
            await context.Response.WriteAsync("x");
        },
        null,
        "x");

    [Theory, BothServers]
    public async Task CompleteAsync_ends_the_response_while_the_application_runs_on(ServerKind server)
    {
        var goOn = new TaskCompletionSource();
        await using AppHost host = await StartAsync(server, async context =>
        {
            await context.Response.WriteAsync("whole");
            await context.Response.CompleteAsync();
            await context.Response.CompleteAsync();
            await goOn.Task;
        });
        await using RawClient client = await host.ConnectAsync();
        await client.SendAsync(Get);
        Assert.Equal("whole", (await client.ReadResponseAsync()).Text);
        goOn.SetResult();
        await client.SendAsync(Get);
        Assert.Equal("whole", (await client.ReadResponseAsync()).Text);
    }

    [Theory, BothServers]
    public async Task CompleteAsync_of_an_untouched_response_gives_length_zero(ServerKind server) =>
        await CheckAsync(server, context => context.Response.CompleteAsync(), BodyFraming.ContentLength, "");

    [Theory, BothServers]
    public async Task Writing_after_CompleteAsync_throws(ServerKind server)
    {
        var seen = new TaskCompletionSource<Exception?>(TaskCreationOptions.RunContinuationsAsynchronously);
        await using AppHost host = await StartAsync(server, async context =>
        {
            await context.Response.WriteAsync("a");
            await context.Response.CompleteAsync();
            seen.SetResult(await Record.ExceptionAsync(() => context.Response.Body.WriteAsync("b"u8.ToArray()).AsTask()));
        });
        RawResponse response = await host.ExchangeAsync(Get);
        Assert.Equal("a", response.Text);
        Assert.IsType<InvalidOperationException>(await seen.Task.WaitAsync(Guard.Time));
    }

    [Theory]
    [BothServers(0L, null)]
    [BothServers(10L, null)]
    [BothServers(1_000L, 50_000L)]
    [Trait("Feature", "B15")]
    public async Task SendFileAsync_sends_the_range(ServerKind server, long offset, long? count)
    {
        string path = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());
        byte[] content = new byte[300_000];
        new Random(5).NextBytes(content);
        await File.WriteAllBytesAsync(path, content);
        try
        {
            RawResponse response = await ExchangeAsync(server, async context =>
            {
                await context.Response.WriteAsync("<");
                await context.Response.SendFileAsync(path, offset, count);
                await context.Response.WriteAsync(">");
            });
            byte[] expected = [(byte)'<', .. content.AsSpan((int)offset, (int)(count ?? content.Length - offset)), (byte)'>'];
            Assert.True(expected.AsSpan().SequenceEqual(response.Body));
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Theory, BothServers]
    public async Task SendFileAsync_of_a_missing_file_or_a_wrong_range_throws_before_the_start(ServerKind server)
    {
        RawResponse response = await ExchangeAsync(server, async context =>
        {
            await Assert.ThrowsAsync<FileNotFoundException>(() => context.Response.SendFileAsync("/no/such/file/here.txt"));
            await Assert.ThrowsAsync<FileNotFoundException>(() => context.Response.SendFileAsync(Path.Combine(Path.GetTempPath(), "no-such-file-here.txt")));
            await Assert.ThrowsAsync<FileNotFoundException>(() => context.Response.SendFileAsync(Path.GetTempPath()));
            await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => context.Response.SendFileAsync(typeof(ResponseFramingTests).Assembly.Location, 0, long.MaxValue));
            context.Response.Clear();
            await context.Response.WriteAsync("recovered");
        });
        Assert.Equal("recovered", response.Text);
    }

    [Theory, BothServers]
    public async Task The_feature_hands_out_stream_and_writer_of_the_same_body(ServerKind server)
    {
        RawResponse response = await ExchangeAsync(server, async context =>
        {
            IHttpResponseBodyFeature body = context.Features.GetRequiredFeature<IHttpResponseBodyFeature>();
            body.DisableBuffering();
            await body.StartAsync();
            await body.Stream.WriteAsync("a"u8.ToArray());
            await body.Writer.WriteAsync("b"u8.ToArray());
            await body.CompleteAsync();
        });
        Assert.Equal("ab", response.Text);
    }

    [Theory, BothServers]
    public async Task A_response_buffered_by_middleware_replaces_the_body_stream(ServerKind server)
    {
        RawResponse response = await ExchangeAsync(server, async context =>
        {
            Stream original = context.Response.Body;
            var buffer = new MemoryStream();
            context.Response.Body = buffer;
            await context.Response.WriteAsync("buffered");
            context.Response.Body = original;
            context.Response.ContentLength = buffer.Length;
            await original.WriteAsync(buffer.ToArray());
        });
        Assert.Equal(("buffered", "8"), (response.Text, response["Content-Length"]));
    }

    [Theory, BothServers]
    [Trait("Feature", "B30")]
    public async Task An_application_that_says_chunked_itself_writes_the_framing_itself(ServerKind server)
    {
        await using AppHost host = await StartAsync(server, context =>
        {
            context.Response.Headers.TransferEncoding = "chunked";
            return context.Response.WriteAsync("3\r\nabc\r\n0\r\n\r\n");
        });
        await using RawClient client = await host.ConnectAsync();
        await client.SendAsync(Get);
        RawResponse response = await client.ReadResponseAsync();
        Assert.Equal("abc", response.Text);
        await client.SendAsync(Get);
        Assert.Equal("abc", (await client.ReadResponseAsync()).Text);
    }

    private static void Span(IBufferWriter<byte> writer, string text)
    {
        Span<byte> span = writer.GetSpan(text.Length);
        Encoding.ASCII.GetBytes(text, span);
        writer.Advance(text.Length);
    }

    private static Task<AppHost> StartAsync(ServerKind server, RequestDelegate app) => AppHost.StartAsync(server, web => web.Run(app));

    private static async Task<RawResponse> ExchangeAsync(ServerKind server, RequestDelegate app)
    {
        await using AppHost host = await StartAsync(server, app);
        return await host.ExchangeAsync(Get);
    }

    // Twice on one connection: the framing must leave the connection usable.
    private static async Task<RawResponse> CheckAsync(ServerKind server, RequestDelegate app, BodyFraming? framing, string body)
    {
        await using AppHost host = await StartAsync(server, app);
        await using RawClient client = await host.ConnectAsync();
        RawResponse? response = null;
        for (int i = 0; i < 2; i++)
        {
            await client.SendAsync(Get);
            response = await client.ReadResponseAsync();
            Assert.True(response.Status == 200, response.ToString());
            Assert.Equal(body, response.Text);
            if (framing is not null || !server.IsAeronet())
            {
                Assert.Equal(framing ?? BodyFraming.Chunked, response.Framing);
            }
            else
            {
                // Length or chunks: what the application flushed before the server looked decides.
                Assert.True(response.Framing is BodyFraming.ContentLength or BodyFraming.Chunked, response.ToString());
            }

            Assert.False(response.Closes);
        }

        return response!;
    }
}
