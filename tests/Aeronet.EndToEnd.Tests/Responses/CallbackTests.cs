using System;
using System.Collections.Generic;
using System.Threading.Tasks;
using Aeronet.EndToEnd.Tests.Columns;
using Aeronet.TestSupport.Hosting;
using Aeronet.TestSupport.Wire;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Xunit;

namespace Aeronet.EndToEnd.Tests.Responses;

/// <summary>OnStarting and OnCompleted: when, in which order, and what an exception in them does.</summary>
[NeedsNoSocket]
public sealed class CallbackTests
{
    private const string Get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

    [Theory, BothServers]
    public async Task Callbacks_run_last_registered_first_around_the_response(ServerKind server)
    {
        var order = new List<string>();
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using AppHost host = await AppHost.StartAsync(server, app => app.Run(async context =>
        {
            context.Response.OnCompleted(() =>
            {
                order.Add("completed 1");
                done.SetResult();
                return Task.CompletedTask;
            });
            context.Response.OnCompleted(() => Add("completed 2"));
            context.Response.OnStarting(() => Add("starting 1"));
            context.Response.OnStarting(async () =>
            {
                await Task.Yield();
                await Add("starting 2");
                context.Response.Headers["X-Own"] = "set in OnStarting";
                context.Response.StatusCode = 202;
            });
            await Add("before");
            await context.Response.WriteAsync("x");
            await Add("after");

            Task Add(string what)
            {
                order.Add(what);
                return Task.CompletedTask;
            }
        }));
        RawResponse response = await host.ExchangeAsync(Get);
        await done.Task.WaitAsync(Guard.Time);
        Assert.Equal((202, "set in OnStarting"), (response.Status, response["X-Own"]));
        Assert.Equal(["before", "starting 2", "starting 1", "after", "completed 2", "completed 1"], order);
    }

    [Theory, BothServers]
    public async Task Callbacks_run_for_a_response_without_a_body(ServerKind server)
    {
        var done = new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);
        await using AppHost host = await AppHost.StartAsync(server, app => app.Run(context =>
        {
            bool started = false;
            context.Response.OnStarting(() =>
            {
                started = true;
                context.Response.StatusCode = 204;
                return Task.CompletedTask;
            });
            context.Response.OnCompleted(() =>
            {
                done.SetResult(started);
                return Task.CompletedTask;
            });
            return Task.CompletedTask;
        }));
        Assert.Equal(204, (await host.ExchangeAsync(Get)).Status);
        Assert.True(await done.Task.WaitAsync(Guard.Time));
    }

    [Theory]
    [BothServers(true)]
    [BothServers(false)]
    public async Task An_exception_in_OnStarting_becomes_a_500(ServerKind server, bool write)
    {
        await using AppHost host = await AppHost.StartAsync(server, app => app.Run(async context =>
        {
            context.Response.Headers["X-Own"] = "gone with the 500";
            context.Response.OnStarting(() => throw new InvalidOperationException("in OnStarting"));
            if (write)
            {
                await context.Response.WriteAsync("x");
            }
        }));
        host.ErrorsExpected = true;
        RawResponse response = await host.ExchangeAsync(Get);
        Assert.Equal((500, "0", null), (response.Status, response["Content-Length"], response["X-Own"]));
    }

    [Theory, BothServers]
    public async Task An_exception_in_OnCompleted_is_logged_and_the_others_run(ServerKind server)
    {
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using AppHost host = await AppHost.StartAsync(server, app => app.Run(context =>
        {
            context.Response.OnCompleted(() =>
            {
                done.TrySetResult();
                return Task.CompletedTask;
            });
            context.Response.OnCompleted(() => throw new InvalidOperationException("in OnCompleted"));
            return context.Response.WriteAsync("x");
        }));
        host.ErrorsExpected = true;
        await using RawClient client = await host.ConnectAsync();
        await client.SendAsync(Get);
        Assert.Equal("x", (await client.ReadResponseAsync()).Text);
        await done.Task.WaitAsync(Guard.Time);
        await host.Logs.WaitForAsync(entry => entry.Error?.Message == "in OnCompleted");
        await client.SendAsync(Get);
        Assert.Equal("x", (await client.ReadResponseAsync()).Text);
    }

    [Theory, BothServers]
    public async Task OnCompleted_runs_when_the_application_threw(ServerKind server)
    {
        var done = new TaskCompletionSource<int>(TaskCreationOptions.RunContinuationsAsynchronously);
        await using AppHost host = await AppHost.StartAsync(server, app => app.Run(context =>
        {
            context.Response.OnCompleted(() =>
            {
                done.TrySetResult(context.Response.StatusCode);
                return Task.CompletedTask;
            });
            throw new InvalidOperationException("app");
        }));
        host.ErrorsExpected = true;
        Assert.Equal(500, (await host.ExchangeAsync(Get)).Status);
        Assert.Equal(500, await done.Task.WaitAsync(Guard.Time));
    }

    [Theory, BothServers]
    public async Task Objects_registered_for_disposal_are_disposed_after_the_response(ServerKind server)
    {
        var sync = new Probe();
        var async = new Probe();
        await using AppHost host = await AppHost.StartAsync(server, app => app.Run(context =>
        {
            context.Response.RegisterForDispose(sync);
            context.Response.RegisterForDisposeAsync(async);
            return context.Response.WriteAsync("x");
        }));
        await host.ExchangeAsync(Get);
        await sync.Disposed.Task.WaitAsync(Guard.Time);
        await async.Disposed.Task.WaitAsync(Guard.Time);
    }

    private sealed class Probe : IDisposable, IAsyncDisposable
    {
        public TaskCompletionSource Disposed { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public void Dispose() => Disposed.TrySetResult();

        public ValueTask DisposeAsync()
        {
            Disposed.TrySetResult();
            return default;
        }
    }
}
