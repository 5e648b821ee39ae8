using System;
using System.IO;
using System.Net.Sockets;
using System.Threading;
using System.Threading.Tasks;
using Aeronet.EndToEnd.Tests.Columns;
using Aeronet.TestSupport.Hosting;
using Aeronet.TestSupport.Wire;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Xunit;

namespace Aeronet.EndToEnd.Tests.Connections;

/// <summary>Connections that end before their time, by either side.</summary>
[NeedsNoSocket]
public sealed class AbortTests
{
    private const string Get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

    [Theory]
    [BothServers(false)]
    [BothServers(true)]
    public async Task A_reset_by_the_client_fires_RequestAborted(ServerKind server, bool started)
    {
        var aborted = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var running = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using AppHost host = await AppHost.StartAsync(server, app => app.Run(async context =>
        {
            using IDisposable gone = context.RequestAborted.Register(() => aborted.TrySetResult());
            if (started)
            {
                await context.Response.WriteAsync("part");
                await context.Response.Body.FlushAsync();
            }

            running.SetResult();
            await aborted.Task.WaitAsync(Guard.Time);
        }));
        await using RawClient client = await host.ConnectAsync();
        await client.SendAsync(Get);
        await running.Task.WaitAsync(Guard.Time);
        client.Reset();
        await aborted.Task.WaitAsync(Guard.Time);
    }

    [Theory, BothServers]
    public async Task A_reset_while_the_body_is_read_throws_at_the_reader(ServerKind server)
    {
        var seen = new TaskCompletionSource<Exception>(TaskCreationOptions.RunContinuationsAsynchronously);
        var running = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using AppHost host = await AppHost.StartAsync(server, app => app.Run(async context =>
        {
            try
            {
                await context.Request.Body.ReadExactlyAsync(new byte[1]);
                running.SetResult();
                await context.Request.Body.CopyToAsync(Stream.Null);
                seen.SetResult(new InvalidOperationException("The body ended."));
            }
            catch (Exception error)
            {
                seen.SetResult(error);
            }
        }));

        // Kestrel may report the body reader that nobody can drain any more (id 67).
        host.ErrorsExpected = !server.IsAeronet();
        await using RawClient client = await host.ConnectAsync();
        await client.SendAsync("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc");
        await running.Task.WaitAsync(Guard.Time);
        client.Reset();
        Exception thrown = await seen.Task.WaitAsync(Guard.Time);
        Assert.True(thrown is IOException or OperationCanceledException, thrown.ToString());
    }

    [Theory]
    [BothServers(false)]
    [BothServers(true)]
    public async Task Abort_ends_the_connection_without_the_end_of_the_response(ServerKind server, bool started)
    {
        await using AppHost host = await AppHost.StartAsync(server, app => app.Run(async context =>
        {
            if (started)
            {
                await context.Response.WriteAsync("part");
                await context.Response.Body.FlushAsync();
            }

            context.Abort();
            Assert.True(context.RequestAborted.WaitHandle.WaitOne(Guard.Time));
        }));
        await using RawClient client = await host.ConnectAsync();
        await client.SendAsync(Get);
        string all = "";
        try
        {
            all = await client.ReadToEndAsync();
        }
        catch (IOException error) when (error.InnerException is SocketException)
        {
            // A reset is as good an end.
        }

        Assert.DoesNotContain("0\r\n\r\n", all, StringComparison.Ordinal);
        if (!started)
        {
            Assert.Equal("", all);
        }
    }

    [Theory, BothServers]
    [Trait("Defect", "DRAIN-14")]
    public async Task A_pipelined_request_after_Abort_is_not_executed(ServerKind server)
    {
        int runs = 0;
        var left = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using (AppHost host = await AppHost.StartAsync(server, app => app.Run(context =>
        {
            Interlocked.Increment(ref runs);
            context.Abort();
            left.TrySetResult();
            return Task.CompletedTask;
        })))
        {
            await using RawClient client = await host.ConnectAsync();
            await client.SendAsync(Get + Get + Get);
            await left.Task.WaitAsync(Guard.Time);
            await client.ExpectCloseAsync();
        }

        if (!WantedDifferences.PipelinedRequestAfterAbort.On(server))
        {
            Assert.Equal(1, runs);
        }
    }

    [Theory, BothServers]
    [Trait("Defect", "RESP-9")]
    public async Task Writes_after_the_client_left_do_not_fail(ServerKind server)
    {
        var done = new TaskCompletionSource<Exception?>(TaskCreationOptions.RunContinuationsAsynchronously);
        var running = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using AppHost host = await AppHost.StartAsync(server, app => app.Run(async context =>
        {
            var aborted = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            using IDisposable gone = context.RequestAborted.Register(() => aborted.TrySetResult());
            running.SetResult();
            await aborted.Task.WaitAsync(Guard.Time);
            done.SetResult(await Record.ExceptionAsync(async () =>
            {
                for (int i = 0; i < 100; i++)
                {
                    await context.Response.Body.WriteAsync(new byte[10_000]);
                }
            }));
        }));
        await using RawClient client = await host.ConnectAsync();
        await client.SendAsync(Get);
        await running.Task.WaitAsync(Guard.Time);
        client.Reset();
        Assert.Null(await done.Task.WaitAsync(Guard.Time));
    }

    [Theory, BothServers]
    public async Task A_write_with_the_aborted_token_is_cancelled(ServerKind server)
    {
        var done = new TaskCompletionSource<Exception?>(TaskCreationOptions.RunContinuationsAsynchronously);
        var running = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using AppHost host = await AppHost.StartAsync(server, app => app.Run(async context =>
        {
            running.SetResult();
            done.SetResult(await Record.ExceptionAsync(async () =>
            {
                byte[] block = new byte[100_000];
                while (true)
                {
                    await context.Response.Body.WriteAsync(block, context.RequestAborted);
                }
            }));
        }));
        await using RawClient client = await host.ConnectAsync();
        await client.SendAsync(Get);
        await running.Task.WaitAsync(Guard.Time);
        await client.ReadHeadAsync();
        client.Reset();
        Assert.IsAssignableFrom<OperationCanceledException>(await done.Task.WaitAsync(Guard.Time));
    }

    [Theory, BothServers]
    public async Task RequestAborted_does_not_fire_for_a_request_that_ends_well(ServerKind server)
    {
        int fired = 0;
        await using AppHost host = await AppHost.StartAsync(server, app => app.Run(context =>
        {
            context.RequestAborted.Register(() => Interlocked.Increment(ref fired));
            return context.Response.WriteAsync("x");
        }));
        await using (RawClient client = await host.ConnectAsync())
        {
            for (int i = 0; i < 3; i++)
            {
                await client.SendAsync(Get);
                await client.ReadResponseAsync();
            }
        }

        Assert.Equal(0, fired);
    }

    [Theory, BothServers]
    public async Task The_connection_features_tell_of_the_end_of_the_connection(ServerKind server)
    {
        var closed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using AppHost host = await AppHost.StartAsync(server, app => app.Run(context =>
        {
            context.Features.GetRequiredFeature<IConnectionLifetimeFeature>().ConnectionClosed.Register(() => closed.TrySetResult());
            return context.Response.WriteAsync("x");
        }));
        await using (RawClient client = await host.ConnectAsync())
        {
            await client.SendAsync(Get);
            await client.ReadResponseAsync();
        }

        await closed.Task.WaitAsync(Guard.Time);
    }

    [Theory, BothServers]
    public async Task RequestClose_ends_the_connection_after_the_response(ServerKind server)
    {
        await using AppHost host = await AppHost.StartAsync(server, app => app.Run(context =>
        {
            context.Features.GetRequiredFeature<IConnectionLifetimeNotificationFeature>().RequestClose();
            return context.Response.WriteAsync("last");
        }));
        await using RawClient client = await host.ConnectAsync();
        await client.SendAsync(Get);
        RawResponse response = await client.ReadResponseAsync();
        Assert.Equal(("last", "close"), (response.Text, response["Connection"]));
        await client.ExpectCloseAsync();
    }

    [Theory, BothServers]
    [Trait("Defect", "LOOP-18")]
    public async Task Many_clients_that_reset_leave_the_server_well(ServerKind server)
    {
        await using AppHost host = await AppHost.StartAsync(server, app => app.Run(context => context.Response.WriteAsync("x")));
        for (int i = 0; i < 200; i++)
        {
            RawClient client = await host.ConnectAsync();
            await client.SendAsync(i % 3 == 0 ? "GET / HT" : Get);
            client.Reset();
            await client.DisposeAsync();
        }

        Assert.Equal("x", (await host.ExchangeAsync(Get)).Text);
    }
}
