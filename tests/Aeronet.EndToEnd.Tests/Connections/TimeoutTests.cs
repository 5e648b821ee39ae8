using System;
using System.IO;
using System.Threading.Tasks;
using Aeronet.EndToEnd.Tests.Columns;
using Aeronet.TestSupport.Hosting;
using Aeronet.TestSupport.Wire;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Core.Features;
using Microsoft.AspNetCore.Http.Features;
using Xunit;

namespace Aeronet.EndToEnd.Tests.Connections;

/// <summary>Timers with small values; the guards are generous because nothing here measures speed.</summary>
[NeedsNoSocket]
public sealed class TimeoutTests
{
    private const string Get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

    [Theory, BothServers]
    [Trait("Defect", "DRAIN-17"), Trait("Feature", "C10")]
    public async Task An_idle_connection_is_closed_between_requests(ServerKind server)
    {
        await using AppHost host = await StartAsync(server, limits => limits.KeepAliveTimeout = TimeSpan.FromSeconds(1));
        await using RawClient client = await host.ConnectAsync();
        await client.SendAsync(Get);
        Assert.Equal("x", (await client.ReadResponseAsync()).Text);
        await client.ExpectCloseAsync();
    }

    [Theory, BothServers]
    [Trait("Defect", "DRAIN-17")]
    public async Task A_connection_that_never_says_anything_is_closed(ServerKind server)
    {
        await using AppHost host = await StartAsync(server, limits => limits.KeepAliveTimeout = TimeSpan.FromSeconds(1));
        await using RawClient client = await host.ConnectAsync();
        await client.ExpectCloseAsync();
    }

    [Theory, BothServers]
    [Trait("Defect", "DRAIN-2")]
    public async Task A_slow_application_is_not_cut_off_by_the_keep_alive_timeout(ServerKind server)
    {
        await using AppHost host = await AppHost.StartAsync(
            server,
            app => app.Run(async context =>
            {
                await Task.Delay(TimeSpan.FromSeconds(3.5));
                await context.Response.WriteAsync(new string('x', 300_000));
            }),
            kestrel: options => options.Limits.KeepAliveTimeout = TimeSpan.FromSeconds(1));
        Assert.Equal(300_000, (await host.ExchangeAsync(Get)).Body.Length);
    }

    [Theory]
    [BothServers("GET / HT")]
    [BothServers("GET / HTTP/1.1\r\n")]
    [BothServers("GET / HTTP/1.1\r\nHost: a\r\n")]
    [Trait("Feature", "B41"), Trait("Defect", "DRAIN-16")]
    [Trait("Feature", "B72f")]
    public async Task A_head_that_does_not_come_to_its_end_gets_408(ServerKind server, string part)
    {
        await using AppHost host = await StartAsync(server, limits => limits.RequestHeadersTimeout = TimeSpan.FromSeconds(1));
        await using RawClient client = await host.ConnectAsync();
        await client.SendAsync(part);
        await Expect.RefusedAsync(client, 408);
    }

    [Theory, BothServers]
    [Trait("Defect", "DRAIN-16")]
    [Trait("Feature", "B74c")]
    public async Task Trickling_bytes_do_not_restart_the_header_timer(ServerKind server)
    {
        await using AppHost host = await StartAsync(server, limits => limits.RequestHeadersTimeout = TimeSpan.FromSeconds(1));
        await using RawClient client = await host.ConnectAsync();
        await client.SendAsync("GET / HTTP/1.1\r\nHost: a\r\nX: ");
        Task<RawResponse> answer = client.ReadResponseAsync();
        while (!answer.IsCompleted)
        {
            await client.TrySendAsync("x");
            await Task.WhenAny(answer, Task.Delay(100));
        }

        Assert.Equal(408, (await answer).Status);
    }

    [Theory]
    [BothServers("Content-Length: 100")]
    [BothServers("Transfer-Encoding: chunked")]
    [Trait("Defect", "BODY-17")]
    [Trait("Feature", "B74c")]
    public async Task A_body_below_the_minimum_rate_gets_408(ServerKind server, string framing)
    {
        await using AppHost host = await AppHost.StartAsync(
            server,
            app => app.Run(context => context.Request.Body.CopyToAsync(Stream.Null)),
            kestrel: options => options.Limits.MinRequestBodyDataRate = new MinDataRate(1000, TimeSpan.FromSeconds(1.1)));
        await using RawClient client = await host.ConnectAsync();
        await client.SendAsync($"POST / HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n1\r\nx");
        RawResponse response = await client.ReadResponseAsync();
        Assert.Equal((408, true), (response.Status, response.Closes));
        await client.ExpectCloseAsync();
    }

    [Theory, BothServers]
    [Trait("Defect", "BODY-17")]
    public async Task An_application_that_does_not_read_is_not_the_fault_of_the_client(ServerKind server)
    {
        await using AppHost host = await AppHost.StartAsync(
            server,
            app => app.Run(async context =>
            {
                await Task.Delay(TimeSpan.FromSeconds(3));
                var body = new MemoryStream();
                await context.Request.Body.CopyToAsync(body);
                await context.Response.WriteAsync($"{body.Length}");
            }),
            kestrel: options => options.Limits.MinRequestBodyDataRate = new MinDataRate(1000, TimeSpan.FromSeconds(1.1)));
        RawResponse response = await host.ExchangeAsync("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
        Assert.Equal((200, "5"), (response.Status, response.Text));
    }

    [Theory, BothServers]
    public async Task The_minimum_rate_of_a_request_can_be_switched_off(ServerKind server)
    {
        await using AppHost host = await AppHost.StartAsync(
            server,
            app => app.Run(async context =>
            {
                context.Features.GetRequiredFeature<IHttpMinRequestBodyDataRateFeature>().MinDataRate = null;
                await context.Request.Body.CopyToAsync(Stream.Null);
                await context.Response.WriteAsync("patient");
            }),
            kestrel: options => options.Limits.MinRequestBodyDataRate = new MinDataRate(1000, TimeSpan.FromSeconds(1.1)));
        await using RawClient client = await host.ConnectAsync();
        await client.SendAsync("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nx");
        await Task.Delay(TimeSpan.FromSeconds(3));
        await client.SendAsync("y");
        Assert.Equal("patient", (await client.ReadResponseAsync()).Text);
    }

    [Theory, BothServers]
    [Trait("Defect", "RESP-17")]
    public async Task A_client_that_stops_reading_is_cut_off(ServerKind server)
    {
        var aborted = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using AppHost host = await AppHost.StartAsync(
            server,
            app => app.Run(async context =>
            {
                using IDisposable gone = context.RequestAborted.Register(() => aborted.TrySetResult());
                byte[] block = new byte[100_000];
                while (!aborted.Task.IsCompleted)
                {
                    await context.Response.Body.WriteAsync(block);
                }
            }),
            kestrel: options => options.Limits.MinResponseDataRate = new MinDataRate(100_000_000, TimeSpan.FromSeconds(1.1)));
        await using RawClient client = await host.ConnectAsync(receiveBuffer: 4096);
        await client.SendAsync("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        await aborted.Task.WaitAsync(Guard.Time);
        await host.Logs.WaitForAsync(entry => entry.Id == 28);
    }

    [Theory, BothServers]
    [Trait("Defect", "DRAIN-1"), Trait("Feature", "B3")]
    public async Task A_request_in_time_is_not_hurt_by_any_timer(ServerKind server)
    {
        await using AppHost host = await StartAsync(server, limits =>
        {
            limits.KeepAliveTimeout = TimeSpan.FromSeconds(5);
            limits.RequestHeadersTimeout = TimeSpan.FromSeconds(5);
        });
        await using RawClient client = await host.ConnectAsync();
        for (int i = 0; i < 4; i++)
        {
            await client.SendAsync(Get);
            Assert.Equal("x", (await client.ReadResponseAsync()).Text);
            await Task.Delay(TimeSpan.FromMilliseconds(600));
        }
    }

    private static Task<AppHost> StartAsync(ServerKind server, Action<KestrelServerLimits> limits) => AppHost.StartAsync(
        server,
        app => app.Run(context => context.Response.WriteAsync("x")),
        kestrel: options => limits(options.Limits));
}
