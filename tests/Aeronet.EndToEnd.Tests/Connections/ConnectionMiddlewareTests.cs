using System;
using System.Buffers;
using System.IO;
using System.IO.Pipelines;
using System.Linq;
using System.Net;
using System.Threading;
using System.Threading.Tasks;
using Aeronet.EndToEnd.Tests.Columns;
using Aeronet.TestSupport.Hosting;
using Aeronet.TestSupport.Wire;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Xunit;

namespace Aeronet.EndToEnd.Tests.Connections;

/// <summary>Connection middleware (<c>ListenOptions.Use</c> and what is built on it) in front of HTTP, and in place of it.</summary>
[NeedsNoSocket]
public sealed class ConnectionMiddlewareTests
{
    private const string Get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

    [Theory, BothServers]
    public async Task It_runs_once_per_connection_and_what_it_leaves_on_the_connection_reaches_the_request(ServerKind server)
    {
        int connections = 0;
        await using AppHost host = await StartAsync(server, listen => listen.Use(next => async context =>
        {
            context.Items["number"] = Interlocked.Increment(ref connections);
            context.Features.Set<Mark>(new Mark(context.ConnectionId));
            await next(context);
        }), async context =>
        {
            object? number = context.Features.Get<IConnectionItemsFeature>()!.Items["number"];
            await context.Response.WriteAsync($"{number} {context.Features.Get<Mark>()!.Id == context.Connection.Id}");
        });
        await using RawClient client = await host.ConnectAsync();
        for (int i = 0; i < 3; i++)
        {
            await client.SendAsync(Get);
            Assert.Equal("1 True", (await client.ReadResponseAsync()).Text);
        }
        Assert.Equal("2 True", (await host.ExchangeAsync(Get)).Text);
    }

    [Theory, BothServers]
    public async Task It_can_replace_the_addresses_that_the_request_sees(ServerKind server)
    {
        await using AppHost host = await StartAsync(server, listen => listen.Use(next => context =>
        {
            context.RemoteEndPoint = new IPEndPoint(IPAddress.Parse("192.0.2.7"), 7);
            context.LocalEndPoint = new IPEndPoint(IPAddress.Parse("192.0.2.8"), 8);
            return next(context);
        }), context => context.Response.WriteAsync(
            $"{context.Connection.RemoteIpAddress}:{context.Connection.RemotePort} {context.Connection.LocalIpAddress}:{context.Connection.LocalPort}"));
        Assert.Equal("192.0.2.7:7 192.0.2.8:8", (await host.ExchangeAsync(Get)).Text);
    }

    [Theory, BothServers]
    public async Task A_connection_that_it_does_not_pass_on_is_closed_without_a_byte(ServerKind server)
    {
        await using AppHost host = await StartAsync(server, listen => listen.Use(_ => _ => Task.CompletedTask), NoRequest);
        await using RawClient client = await host.ConnectAsync();
        await client.ExpectCloseAsync();
    }

    [Theory, BothServers]
    public async Task An_exception_in_it_ends_its_connection_only(ServerKind server)
    {
        int connections = 0;
        await using AppHost host = await StartAsync(
            server,
            listen => listen.Use(next => context => Interlocked.Increment(ref connections) == 1 ? throw new InvalidOperationException("no") : next(context)),
            context => context.Response.WriteAsync("served"));
        host.ErrorsExpected = true;
        await using (RawClient client = await host.ConnectAsync())
        {
            await client.ExpectCloseAsync();
        }
        await host.Logs.WaitForAsync(static entry => entry.Level == LogLevel.Error && entry.Error is InvalidOperationException { Message: "no" });
        Assert.Equal("served", (await host.ExchangeAsync(Get)).Text);
    }

    [Theory, BothServers]
    public async Task It_can_change_every_byte_in_both_directions(ServerKind server)
    {
        await using AppHost host = await StartAsync(server, static listen => listen.Use(XorAsync), async context =>
        {
            using var body = new MemoryStream();
            await context.Request.Body.CopyToAsync(body);
            context.Response.ContentLength = body.Length;
            await context.Response.Body.WriteAsync(body.ToArray());
        });
        await using RawClient client = await host.ConnectAsync();
        string content = string.Concat(Enumerable.Range(0, 30_000).Select(static i => $"{i:D6}"));
        string request = $"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {content.Length}\r\n\r\n{content}";
        Task sending = client.SendAsync(Xor(request + request.Replace("Host: a", "Host: a\r\nConnection: close", StringComparison.Ordinal)));
        string answer = Xor(await client.ReadToEndAsync());
        await sending;
        string[] parts = answer.Split("\r\n\r\n");
        Assert.Equal(3, parts.Length);
        Assert.StartsWith(content, parts[1], StringComparison.Ordinal);
        Assert.Equal(content, parts[2]);
    }

    [Theory, BothServers]
    public async Task A_write_of_it_that_blocks_stops_no_other_connection(ServerKind server)
    {
        byte[] content = new byte[16 * 1024];
        await using AppHost host = await StartAsync(
            server,
            static listen => listen.Use(static next => context =>
            {
                context.Transport = new Duplex(context.Transport.Input, PipeWriter.Create(new BlockingWrites(context.Transport.Output.AsStream())));
                return next(context);
            }),
            context => context.Response.Body.WriteAsync(content).AsTask());
        await using RawClient stuck = await host.ConnectAsync(receiveBuffer: 4096);
        await stuck.SendAsync(string.Concat(Enumerable.Repeat(Get, 1000))); // 16 MB that nobody reads: more than socket buffers hold
        for (int i = 0; i < 2 * Environment.ProcessorCount; i++) // some of them on its loop
        {
            Assert.Equal(content.Length, (await host.ExchangeAsync(Get)).Body.Length);
        }
        for (int i = 0; i < 1000; i++)
        {
            Assert.Equal(content.Length, (await stuck.ReadResponseAsync()).Body.Length);
        }
    }

    [Theory, BothServers]
    public async Task UseConnectionLogging_logs_what_is_read_and_written(ServerKind server)
    {
        await using AppHost host = await StartAsync(server, static listen => listen.UseConnectionLogging(), static context => context.Response.WriteAsync("logged"));
        Assert.Equal("logged", (await host.ExchangeAsync(Get)).Text);
        await host.Logs.WaitForAsync(static entry => entry.Message.Contains("ReadAsync", StringComparison.Ordinal) && entry.Message.Contains("47 45 54 20 2F", StringComparison.Ordinal));
        await host.Logs.WaitForAsync(static entry => entry.Message.Contains("WriteAsync", StringComparison.Ordinal) && entry.Message.Contains("48 54 54 50 2F", StringComparison.Ordinal));
    }

    [Theory, BothServers]
    public async Task UseConnectionHandler_serves_another_protocol_than_HTTP(ServerKind server)
    {
        await using AppHost host = await StartAsync(server, static listen => listen.UseConnectionHandler<EchoHandler>(), NoRequest, static builder => builder.Services.AddSingleton<Handlers>());
        await using RawClient client = await host.ConnectAsync();
        foreach (string text in new[] { "one", "two", new string('x', 200_000) })
        {
            Task sending = client.SendAsync(text);
            Assert.Equal(text, await client.ReadTextAsync(text.Length));
            await sending;
        }
        client.ShutdownSend();
        await client.ExpectCloseAsync();
        await host.Services.GetRequiredService<Handlers>().Ended.Task.WaitAsync(Guard.Time);
    }

    [Theory, BothServers]
    public async Task A_stop_tells_the_handler_of_another_protocol_and_waits_for_it(ServerKind server)
    {
        AppHost host = await StartAsync(server, static listen => listen.UseConnectionHandler<EchoHandler>(), NoRequest, static builder => builder.Services.AddSingleton<Handlers>());
        await using RawClient client = await host.ConnectAsync();
        await client.SendAsync("x");
        Assert.Equal("x", await client.ReadTextAsync(1));
        await host.DisposeAsync();
        Assert.Equal("bye", await client.ReadToEndAsync());
    }

    [Theory, BothServers]
    public async Task A_stop_closes_idle_connections_behind_middleware_and_lets_a_request_finish(ServerKind server)
    {
        var started = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var finish = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        AppHost host = await StartAsync(server, static listen => listen.Use(static next => next), async context =>
        {
            if (context.Request.Path == "/slow")
            {
                started.SetResult();
                await finish.Task;
            }
            await context.Response.WriteAsync("done");
        });
        await using RawClient idle = await host.ConnectAsync();
        await idle.SendAsync(Get);
        Assert.Equal("done", (await idle.ReadResponseAsync()).Text);
        await using RawClient busy = await host.ConnectAsync();
        await busy.SendAsync("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n");
        await started.Task.WaitAsync(Guard.Time);
        Task stopping = host.StopAsync();
        await idle.ExpectCloseAsync();
        finish.SetResult();
        Assert.Equal("done", (await busy.ReadResponseAsync()).Text);
        await busy.ExpectCloseAsync();
        await stopping;
        await host.DisposeAsync();
    }

    [Theory, BothServers]
    public async Task An_abort_of_the_connection_aborts_the_request(ServerKind server)
    {
        ConnectionContext? connection = null;
        var aborted = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using AppHost host = await StartAsync(server, listen => listen.Use(next => context =>
        {
            connection = context;
            return next(context);
        }), async context =>
        {
            using CancellationTokenRegistration registration = context.RequestAborted.Register(() => aborted.TrySetResult());
            connection!.Abort();
            await aborted.Task;
        });
        await using RawClient client = await host.ConnectAsync();
        await client.SendAsync(Get);
        await client.ExpectCloseAsync();
        await aborted.Task.WaitAsync(Guard.Time);
    }

    [Theory, BothServers]
    public async Task The_limit_of_connections_counts_those_in_middleware(ServerKind server)
    {
        var inside = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var leave = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using AppHost host = await AppHost.StartAsync(server, app => app.Run(NoRequest), kestrel: kestrel =>
        {
            kestrel.Limits.MaxConcurrentConnections = 1;
            kestrel.Listen(IPAddress.Loopback, 0, listen => listen.Use(_ => async _ =>
            {
                inside.TrySetResult();
                await leave.Task;
            }));
        }, listen: false);
        await using RawClient first = await host.ConnectAsync();
        await inside.Task.WaitAsync(Guard.Time);
        await using RawClient second = await host.ConnectAsync();
        await second.ExpectCloseAsync();
        leave.SetResult();
        await first.ExpectCloseAsync();
    }

    private static Task<AppHost> StartAsync(ServerKind server, Action<ListenOptions> listen, RequestDelegate application, Action<WebApplicationBuilder>? configure = null) =>
        AppHost.StartAsync(server, app => app.Run(application), configure, kestrel => kestrel.Listen(IPAddress.Loopback, 0, listen), listen: false);

    private static Task NoRequest(HttpContext context) => throw new InvalidOperationException("No request was to reach the application.");

    private static string Xor(string text) => string.Concat(text.Select(static c => (char)(c ^ 0x55)));

    private static ConnectionDelegate XorAsync(ConnectionDelegate next) => async context =>
    {
        IDuplexPipe original = context.Transport;
        var stream = new XorStream(original);
        var changed = new Duplex(PipeReader.Create(stream, new StreamPipeReaderOptions(leaveOpen: true)), PipeWriter.Create(stream, new StreamPipeWriterOptions(leaveOpen: true)));
        context.Transport = changed;
        try
        {
            await next(context);
        }
        finally
        {
            context.Transport = original;
        }
    };

    private sealed record Mark(string Id);

    private sealed record Duplex(PipeReader Input, PipeWriter Output) : IDuplexPipe;

    private sealed class Handlers
    {
        public TaskCompletionSource Ended { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }

    private sealed class EchoHandler(Handlers handlers) : ConnectionHandler
    {
        public override async Task OnConnectedAsync(ConnectionContext connection)
        {
            CancellationToken stopping = connection.Features.Get<IConnectionLifetimeNotificationFeature>()!.ConnectionClosedRequested;
            try
            {
                while (true)
                {
                    ReadResult read = await connection.Transport.Input.ReadAsync(stopping);
                    foreach (ReadOnlyMemory<byte> segment in read.Buffer)
                    {
                        await connection.Transport.Output.WriteAsync(segment, CancellationToken.None);
                    }
                    connection.Transport.Input.AdvanceTo(read.Buffer.End);
                    if (read.IsCompleted)
                    {
                        break;
                    }
                }
            }
            catch (OperationCanceledException) when (stopping.IsCancellationRequested)
            {
                await connection.Transport.Output.WriteAsync("bye"u8.ToArray(), CancellationToken.None);
            }
            handlers.Ended.TrySetResult();
        }
    }

    // As much middleware is written: asynchronous by its name only.
    private sealed class BlockingWrites(Stream output) : Stream
    {
        public override bool CanRead => false;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => throw new NotSupportedException();

        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        {
            output.Write(buffer.Span);
            output.Flush();
            return ValueTask.CompletedTask;
        }

        public override void Flush()
        {
        }

        public override Task FlushAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => output.Write(buffer, offset, count);

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();
    }

    private sealed class XorStream(IDuplexPipe pipes) : Stream
    {
        private readonly Stream _input = pipes.Input.AsStream(leaveOpen: true);

        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => throw new NotSupportedException();

        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            int count = await _input.ReadAsync(buffer, cancellationToken);
            Change(buffer.Span[..count]);
            return count;
        }

        public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        {
            byte[] changed = buffer.ToArray();
            Change(changed);
            await pipes.Output.WriteAsync(changed, cancellationToken);
        }

        public override void Flush()
        {
        }

        public override Task FlushAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        private static void Change(Span<byte> bytes)
        {
            foreach (ref byte one in bytes)
            {
                one ^= 0x55;
            }
        }
    }
}
