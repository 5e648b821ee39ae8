using System;
using System.Collections.Generic;
using System.IO;
using System.Net.Http;
using System.Threading;
using System.Threading.Tasks;
using Aeronet.EndToEnd.Tests.Columns;
using Aeronet.Server;
using Aeronet.TestSupport.Hosting;
using Aeronet.TestSupport.Wire;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Aeronet.EndToEnd.Tests.Connections;

/// <summary>Handlers that keep their thread, on a server with one loop: each waits for something that only another request, or the loop itself, can bring.</summary>
[Trait("Defect", "HOST-6")]
[NeedsNoSocket]
public sealed class BlockingTests
{
    private const int EndpointMoved = 3012;

    [Theory, BothServers]
    public async Task A_handler_that_waits_is_released_by_a_request_on_another_connection(ServerKind server)
    {
        using SemaphoreSlim gate = new(0);
        await using AppHost host = await StartAsync(server, app =>
        {
            app.MapGet("/wait", () => { gate.Wait(); return "waited"; });
            app.MapGet("/release", () => { gate.Release(); return "released"; });
        });
        await ReleaseAsync(host, "waited");
    }

    [Theory, BothServers]
    public async Task A_handler_that_computes_is_stopped_by_a_request_on_another_connection(ServerKind server)
    {
        bool stop = false;
        await using AppHost host = await StartAsync(server, app =>
        {
            app.MapGet("/wait", () =>
            {
                while (!Volatile.Read(ref stop))
                {
                }

                return "computed";
            });
            app.MapGet("/release", () => { Volatile.Write(ref stop, true); return "released"; });
        });
        await ReleaseAsync(host, "computed");
    }

    [Theory, BothServers]
    public async Task Handlers_that_wait_for_one_lock_are_served_when_it_is_free(ServerKind server)
    {
        Lock contended = new();
        using SemaphoreSlim gate = new(0);
        await using AppHost host = await StartAsync(server, app =>
        {
            app.MapGet("/wait", () =>
            {
                lock (contended)
                {
                    gate.Wait();
                    return "locked";
                }
            });
            app.MapGet("/release", () => { gate.Release(5); return "released"; });
        });
        RawClient[] waiting = new RawClient[5];
        for (int i = 0; i < waiting.Length; i++)
        {
            waiting[i] = await host.ConnectAsync();
            await waiting[i].SendAsync(Request("/wait"));
        }

        Assert.Equal("released", await AskAsync(host, "/release"));
        foreach (RawClient client in waiting)
        {
            Assert.Equal("locked", Text(await client.ReadResponseAsync()));
            await client.DisposeAsync();
        }
    }

    [Theory]
    [BothServers(true)]
    [BothServers(false)]
    public async Task A_handler_that_blocks_on_its_own_requests_content_gets_it(ServerKind server, bool synchronous)
    {
        using SemaphoreSlim reading = new(0);
        await using AppHost host = await StartAsync(
            server,
            app => app.MapPost("/wait", (HttpContext context) =>
            {
                using StreamReader reader = new(context.Request.Body);
                reading.Release();
#pragma warning disable xUnit1031, CA1849 // blocking is what is tested
                return synchronous ? reader.ReadToEnd() : reader.ReadToEndAsync().Result;
#pragma warning restore xUnit1031, CA1849
            }),
            options => options.AllowSynchronousIO = true);
        await using RawClient client = await host.ConnectAsync();
        await client.SendAsync("POST /wait HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\nhello");
        Assert.True(await reading.WaitAsync(Guard.Time));
        await client.SendAsync(" world");
        Assert.Equal("hello world", Text(await client.ReadResponseAsync()));
        await StillServesAsync(client);
    }

    [Theory, BothServers, NeedsSocket]
    public async Task A_handler_that_blocks_on_a_request_to_its_own_server_gets_the_answer(ServerKind server)
    {
        HttpClient? http = null;
        await using AppHost host = await StartAsync(server, app =>
        {
            app.MapGet("/wait", () =>
            {
#pragma warning disable xUnit1031, CA1849 // blocking is what is tested
                return "inner said " + http!.GetStringAsync(new Uri("/inner", UriKind.Relative)).Result;
#pragma warning restore xUnit1031, CA1849
            });
            app.MapGet("/inner", () => "hello");
        });
        using HttpClient inner = http = host.CreateClient();
        Assert.Equal("inner said hello", await AskAsync(host, "/wait"));
    }

    [Theory, BothServers]
    public async Task What_was_flushed_before_the_handler_began_to_wait_reaches_the_client(ServerKind server)
    {
        using SemaphoreSlim gate = new(0);
        await using AppHost host = await StartAsync(server, app => app.Run(async context =>
        {
            if (context.Request.Path == "/release")
            {
                gate.Release();
                return;
            }

            await context.Response.WriteAsync("first|");
            await context.Response.Body.FlushAsync();
            gate.Wait();
            await context.Response.WriteAsync("second");
        }));
        await using RawClient client = await host.ConnectAsync();
        await client.SendAsync(Request("/wait"));
        await client.ReadHeadAsync();
        Assert.Equal("6", await client.ReadLineAsync());
        Assert.Equal("first|", await client.ReadLineAsync());
        Assert.Equal("", await AskAsync(host, "/release"));
        Assert.Equal("6", await client.ReadLineAsync());
        Assert.Equal("second", await client.ReadLineAsync());
    }

    [Theory, BothServers]
    public async Task Requests_pipelined_behind_one_that_waits_are_answered_in_order(ServerKind server)
    {
        using SemaphoreSlim gate = new(0);
        await using AppHost host = await StartAsync(server, app =>
        {
            app.MapGet("/wait", () => { gate.Wait(); return "waited"; });
            app.MapGet("/next", () => "next");
            app.MapGet("/release", () => { gate.Release(); return "released"; });
        });
        await using RawClient client = await host.ConnectAsync();
        await client.SendAsync(Request("/next") + Request("/wait") + Request("/next") + Request("/next"));
        Assert.Equal("released", await AskAsync(host, "/release"));
        foreach (string expected in new[] { "next", "waited", "next", "next" })
        {
            Assert.Equal(expected, Text(await client.ReadResponseAsync()));
        }
    }

    [Theory, BothServers]
    public async Task What_a_request_left_in_AsyncLocals_and_in_its_thread_is_not_seen_by_others(ServerKind server)
    {
        AsyncLocal<string?> local = new();
        using SemaphoreSlim gate = new(0);
        await using AppHost host = await StartAsync(server, app =>
        {
            app.MapGet("/wait", () =>
            {
                local.Value = "mine";
                SynchronizationContext.SetSynchronizationContext(new SynchronizationContext());
                gate.Wait();
                return "waited";
            });
            app.MapGet("/release", () => { string seen = local.Value ?? "nothing"; gate.Release(); return seen; });
            app.MapGet("/look", () => (local.Value ?? "nothing") + (SynchronizationContext.Current is null ? "" : " and a context"));
        });
        for (int i = 0; i < 20; i++)
        {
            await using RawClient waiting = await host.ConnectAsync();
            await waiting.SendAsync(Request("/wait"));
            Assert.Equal("nothing", await AskAsync(host, "/release"));
            await waiting.ReadResponseAsync();
            Assert.Equal("nothing", await AskAsync(host, "/look"));
        }
    }

    [Theory, BothServers]
    public async Task Many_handlers_may_wait_at_once(ServerKind server)
    {
        const int Count = 40;
        using SemaphoreSlim gate = new(0);
        await using AppHost host = await StartAsync(server, app =>
        {
            app.MapGet("/wait", () => { gate.Wait(); return "waited"; });
            app.MapGet("/release", () => { gate.Release(Count); return "released"; });
        });
        RawClient[] clients = new RawClient[Count];
        for (int i = 0; i < Count; i++)
        {
            clients[i] = await host.ConnectAsync();
            await clients[i].SendAsync(Request("/wait"));
        }

        Assert.Equal("released", await AskAsync(host, "/release"));
        foreach (RawClient client in clients)
        {
            Assert.Equal("waited", Text(await client.ReadResponseAsync()));
            await client.DisposeAsync();
        }
    }

    [Theory, BothServers]
    public async Task An_endpoint_may_say_where_it_runs(ServerKind server)
    {
        using SemaphoreSlim gate = new(0);
        await using AppHost host = await StartAsync(server, app =>
        {
            app.MapGet("/wait", () => { gate.Wait(); return "waited"; }).RunOnThreadPool();
            app.MapGet("/release", () => { gate.Release(); return "released"; }).RunInline();
        });
        for (int i = 0; i < 10; i++)
        {
            await ReleaseAsync(host, "waited");
        }

        // Nothing had to be learned of the two; what is compiled before routing may have been slow at first, which is charged elsewhere.
        Assert.DoesNotContain(host.Logs.Entries, entry => entry.Id == EndpointMoved && (entry.Message.Contains("/wait", StringComparison.Ordinal) || entry.Message.Contains("/release", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task An_endpoint_that_keeps_waiting_is_named_in_the_log_and_leaves_the_loop_by_itself()
    {
        using SemaphoreSlim gate = new(0);
        await using AppHost host = await StartAsync(ServerKind.Aeronet, app =>
        {
            app.MapGet("/wait", () => { gate.Wait(); return "waited"; });
            app.MapGet("/release", () => { gate.Release(); return "released"; });
        });
        for (int i = 0; i < 10; i++)
        {
            await ReleaseAsync(host, "waited");
        }

        Assert.Single(host.Logs.Entries, entry => entry.Id == EndpointMoved && entry.Message.Contains("/wait", StringComparison.Ordinal));
    }

    [Fact]
    public async Task An_application_without_endpoints_that_keeps_waiting_leaves_the_loop_as_a_whole()
    {
        using SemaphoreSlim gate = new(0);
        await using AppHost host = await StartAsync(ServerKind.Aeronet, app => app.Use(async (HttpContext context, RequestDelegate _) =>
        {
            bool waits = context.Request.Path == "/wait";
            if (waits)
            {
                gate.Wait();
            }
            else if (context.Request.Path == "/release")
            {
                gate.Release();
            }

            context.Response.StatusCode = context.Request.Path == "/nowhere" ? 404 : 200;
            await context.Response.WriteAsync(waits ? "waited" : "released");
        }));
        for (int i = 0; i < 10; i++)
        {
            await ReleaseAsync(host, "waited");
        }

        Assert.Single(host.Logs.Entries, entry => entry.Id == EndpointMoved && entry.Message.Contains("without an endpoint", StringComparison.Ordinal));
    }

    [Fact]
    public async Task When_no_thread_is_left_for_loops_requests_start_on_the_thread_pool()
    {
        using SemaphoreSlim gate = new(0);
        await using AppHost host = await StartAsync(
            ServerKind.Aeronet,
            app =>
            {
                app.MapGet("/wait", () => { gate.Wait(); return "waited"; });
                app.MapGet("/where", () => Thread.CurrentThread.IsThreadPoolThread ? "pool" : "loop");
                app.MapGet("/release", () => { gate.Release(20); return "released"; });
            },
            threads: 1);
        Assert.Equal("loop", await AskAsync(host, "/where"));
        // More than one, because a request may have started on the pool, too, while the thread of the first one was on its way back.
        List<RawClient> clients = [];
        string where = "loop";
        while (where == "loop" && clients.Count < 20)
        {
            clients.Add(await host.ConnectAsync());
            await clients[^1].SendAsync(Request("/wait"));
            where = await AskAsync(host, "/where");
        }

        Assert.Equal("pool", where);
        Assert.Equal("released", await AskAsync(host, "/release"));
        foreach (RawClient client in clients)
        {
            Assert.Equal("waited", Text(await client.ReadResponseAsync()));
            await client.DisposeAsync();
        }
    }

    private static Task<AppHost> StartAsync(ServerKind server, Action<WebApplication> app, Action<KestrelServerOptions>? kestrel = null, int threads = 1024) =>
        AppHost.StartAsync(
            server,
            app,
            builder => builder.Services.Configure<AeronetServerOptions>(options =>
            {
                options.Transport.IOThreadCount = 1;
                options.Transport.MaxApplicationThreads = threads;
            }),
            kestrel);

    private static async Task ReleaseAsync(AppHost host, string expected)
    {
        await using RawClient waiting = await host.ConnectAsync();
        await waiting.SendAsync(Request("/wait"));
        Assert.Equal("released", await AskAsync(host, "/release"));
        Assert.Equal(expected, Text(await waiting.ReadResponseAsync()));
        await StillServesAsync(waiting);
    }

    private static async Task<string> AskAsync(AppHost host, string path)
    {
        await using RawClient client = await host.ConnectAsync();
        await client.SendAsync(Request(path));
        return Text(await client.ReadResponseAsync());
    }

    private static string Request(string path) => $"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n";

    private static async Task StillServesAsync(RawClient client)
    {
        await client.SendAsync(Request("/nowhere"));
        Assert.Equal(404, (await client.ReadResponseAsync()).Status);
    }

    private static string Text(RawResponse response)
    {
        Assert.Equal(200, response.Status);
        return response.Utf8Text;
    }
}
