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
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Aeronet.EndToEnd.Tests.Hosting;

/// <summary>Stopping with clients connected.</summary>
[NeedsNoSocket]
public sealed class GracefulStopTests
{
    private const string Get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

    [Theory, BothServers]
    [Trait("Feature", "B91")]
    public async Task Idle_connections_are_closed_at_once(ServerKind server)
    {
        await using AppHost host = await AppHost.StartAsync(server, app => app.Run(context => context.Response.WriteAsync("x")));
        await using RawClient used = await host.ConnectAsync();
        await using RawClient silent = await host.ConnectAsync();
        await used.SendAsync(Get);
        await used.ReadResponseAsync();
        await host.StopAsync().WaitAsync(Guard.Time);
        await used.ExpectCloseAsync();
        await silent.ExpectCloseAsync();
    }

    [Theory, BothServers]
    [Trait("Feature", "B22")]
    public async Task A_running_request_ends_with_Connection_close_and_stop_waits_for_it(ServerKind server)
    {
        var running = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var release = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using AppHost host = await AppHost.StartAsync(server, app => app.Run(async context =>
        {
            CancellationToken closing = context.Features.GetRequiredFeature<IConnectionLifetimeNotificationFeature>().ConnectionClosedRequested;
            using IDisposable told = closing.Register(() => release.TrySetResult());
            running.SetResult();
            await release.Task;
            await context.Response.WriteAsync("finished");
        }));
        await using RawClient client = await host.ConnectAsync();
        await client.SendAsync(Get);
        await running.Task.WaitAsync(Guard.Time);
        Task stop = host.StopAsync();
        RawResponse response = await client.ReadResponseAsync();
        Assert.Equal(("finished", "close"), (response.Text, response["Connection"]));
        await client.ExpectCloseAsync();
        await stop.WaitAsync(Guard.Time);
    }

    [Theory, BothServers]
    [Trait("Defect", "DRAIN-24")]
    public async Task After_the_deadline_what_is_left_is_aborted(ServerKind server)
    {
        var running = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var aborted = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using AppHost host = await AppHost.StartAsync(server, app => app.Run(async context =>
        {
            using IDisposable gone = context.RequestAborted.Register(() => aborted.TrySetResult());
            running.SetResult();
            await aborted.Task;
        }));
        host.ErrorsExpected = true;
        await using RawClient client = await host.ConnectAsync();
        await client.SendAsync(Get);
        await running.Task.WaitAsync(Guard.Time);
        using var deadline = new CancellationTokenSource(TimeSpan.FromMilliseconds(300));
        await Record.ExceptionAsync(() => host.StopAsync(deadline.Token).WaitAsync(Guard.Time));
        await aborted.Task.WaitAsync(Guard.Time);
        await client.ExpectCloseAsync();
        await host.Logs.WaitForAsync(entry => entry.Id == 16);
    }

    [Theory, BothServers]
    [Trait("Defect", "DRAIN-4")]
    public async Task After_the_stop_nobody_listens(ServerKind server)
    {
        AppHost host = await AppHost.StartAsync(server, app => app.Run(_ => Task.CompletedTask));
        System.Net.IPEndPoint address = host.EndPoint;
        Assert.Equal(200, (await host.ExchangeAsync(Get)).Status);
        await host.DisposeAsync();
        SocketException error = await Assert.ThrowsAsync<SocketException>(() => RawClient.ConnectAsync(address));
        Assert.Equal(SocketError.ConnectionRefused, error.SocketErrorCode);
    }

    [Theory, BothServers]
    [Trait("Defect", "DRAIN-12")]
    public async Task Stopping_several_times_at_once_and_disposing_is_allowed(ServerKind server)
    {
        await using AppHost host = await AppHost.StartAsync(server, app => app.Run(_ => Task.CompletedTask));
        IServer running = host.Services.GetRequiredService<IServer>();
        await Task.WhenAll(running.StopAsync(default), running.StopAsync(default), running.StopAsync(default)).WaitAsync(Guard.Time);
        await running.StopAsync(default).WaitAsync(Guard.Time);
        running.Dispose();
        running.Dispose();
    }

    [Theory, BothServers]
    public async Task A_request_that_had_begun_when_the_stop_came_is_served(ServerKind server)
    {
        var running = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using AppHost host = await AppHost.StartAsync(server, app => app.Run(async context =>
        {
            running.SetResult();
            await context.Request.Body.CopyToAsync(Stream.Null);
            await context.Response.WriteAsync("uploaded");
        }));
        await using RawClient client = await host.ConnectAsync();
        await client.SendAsync("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc");
        await running.Task.WaitAsync(Guard.Time);
        Task stop = host.StopAsync();
        await client.SendAsync("def");
        RawResponse response = await client.ReadResponseAsync();
        Assert.Equal("uploaded", response.Text);
        await stop.WaitAsync(Guard.Time);
    }

    [Theory, BothServers]
    [Trait("Feature", "B20")]
    public async Task Starting_twice_throws(ServerKind server)
    {
        await using AppHost host = await AppHost.StartAsync(server, app => app.Run(_ => Task.CompletedTask));
        IServer running = host.Services.GetRequiredService<IServer>();
        await Assert.ThrowsAsync<InvalidOperationException>(() => running.StartAsync(new TinyApplication(), default));
    }

    [Theory, BothServers]
    [Trait("Feature", "B21"), Trait("Defect", "DRAIN-5")]
    public async Task A_stopped_server_can_be_started_again_on_the_same_port(ServerKind server)
    {
        await using AppHost host = await AppHost.StartAsync(server, app => app.Run(_ => Task.CompletedTask));
        IServer running = host.Services.GetRequiredService<IServer>();
        System.Net.IPEndPoint address = host.EndPoint;
        for (int i = 0; i < 3; i++)
        {
            await running.StopAsync(default).WaitAsync(Guard.Time);
            if (!WantedDifferences.Restart.On(server))
            {
                await Assert.ThrowsAnyAsync<Exception>(() => running.StartAsync(new TinyApplication(), default));
                return;
            }

            await running.StartAsync(new TinyApplication(), default).WaitAsync(Guard.Time);
            Assert.Equal(address, host.EndPoint);
            Assert.Equal(("tiny", 200), ((await host.ExchangeAsync(Get)).Text, 200));
        }
    }

    [Theory, AeronetOnly]
    [Trait("Defect", "DRAIN-8")]
    public async Task Timers_go_on_while_the_server_drains(ServerKind server)
    {
        // Kestrel stops its heartbeat first, its timers freeze.
        await using AppHost host = await AppHost.StartAsync(
            server,
            app => app.Run(context => context.Request.Body.CopyToAsync(Stream.Null)),
            kestrel: options => options.Limits.MinRequestBodyDataRate = new Microsoft.AspNetCore.Server.Kestrel.Core.MinDataRate(1000, TimeSpan.FromSeconds(1.1)));
        await using RawClient client = await host.ConnectAsync();
        await client.SendAsync("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nx");
        await host.Logs.WaitForAsync(entry => entry.Message.StartsWith("Request starting", StringComparison.Ordinal));
        Task stop = host.StopAsync();
        Assert.Equal(408, (await client.ReadResponseAsync()).Status);
        await stop.WaitAsync(Guard.Time);
    }

    [Theory, BothServers]
    [Trait("Defect", "HOST-10")]
    public async Task Two_hosts_in_one_process_do_not_disturb_each_other(ServerKind server)
    {
        await using AppHost one = await AppHost.StartAsync(server, app => app.Run(context => context.Response.WriteAsync("one")));
        await using AppHost two = await AppHost.StartAsync(server, app => app.Run(context => context.Response.WriteAsync("two")));
        await using RawClient client = await two.ConnectAsync();
        await client.SendAsync(Get);
        Assert.Equal("two", (await client.ReadResponseAsync()).Text);
        Assert.Equal("one", (await one.ExchangeAsync(Get)).Text);
        await one.StopAsync().WaitAsync(Guard.Time);
        await client.SendAsync(Get);
        Assert.Equal("two", (await client.ReadResponseAsync()).Text);
    }

    private sealed class TinyApplication : IHttpApplication<IFeatureCollection>
    {
        public IFeatureCollection CreateContext(IFeatureCollection contextFeatures) => contextFeatures;

        public async Task ProcessRequestAsync(IFeatureCollection context) =>
            await context.GetRequiredFeature<IHttpResponseBodyFeature>().Stream.WriteAsync("tiny"u8.ToArray());

        public void DisposeContext(IFeatureCollection context, Exception? exception)
        {
        }
    }
}
