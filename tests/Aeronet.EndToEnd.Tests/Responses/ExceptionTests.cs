using System;
using System.Threading.Tasks;
using Aeronet.EndToEnd.Tests.Columns;
using Aeronet.TestSupport.Hosting;
using Aeronet.TestSupport.Wire;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Diagnostics;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Xunit;

namespace Aeronet.EndToEnd.Tests.Responses;

/// <summary>An application that throws.</summary>
[NeedsNoSocket]
public sealed class ExceptionTests
{
    private const string Get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

    [Theory]
    [BothServers(true)]
    [BothServers(false)]
    [Trait("Feature", "B67"), Trait("Defect", "RESP-11")]
    public async Task Before_the_start_the_client_gets_an_empty_500(ServerKind server, bool later)
    {
        await using AppHost host = await AppHost.StartAsync(server, app => app.Run(async context =>
        {
            context.Response.Headers["X-Own"] = "gone";
            context.Response.StatusCode = 201;
            if (later)
            {
                await Task.Yield();
            }

            throw new InvalidOperationException("secret text");
        }));
        host.ErrorsExpected = true;
        await using RawClient client = await host.ConnectAsync();
        for (int i = 0; i < 2; i++)
        {
            await client.SendAsync(Get);
            RawResponse response = await client.ReadResponseAsync();
            Assert.Equal((500, "Internal Server Error", "0", null, false), (response.Status, response.Reason, response["Content-Length"], response["X-Own"], response.Closes));
            Assert.DoesNotContain("secret", response.ToString(), StringComparison.Ordinal);
        }

        LogEntry entry = await host.Logs.WaitForAsync(log => log is { Level: LogLevel.Error, Id: 13 });
        Assert.Equal("secret text", entry.Error?.Message);
    }

    [Theory, BothServers]
    [Trait("Defect", "RESP-19")]
    public async Task After_the_start_a_chunked_response_is_cut_off_without_its_end(ServerKind server)
    {
        await using AppHost host = await AppHost.StartAsync(server, app => app.Run(async context =>
        {
            await context.Response.WriteAsync("part");
            await context.Response.Body.FlushAsync();
            throw new InvalidOperationException("late");
        }));
        host.ErrorsExpected = true;
        await using RawClient client = await host.ConnectAsync();
        await client.SendAsync(Get);
        await client.ReadHeadAsync();
        Assert.Equal("4\r\npart\r\n", await client.ReadTextAsync(9));
        await client.ExpectCloseAsync();
    }

    [Theory, BothServers]
    [Trait("Defect", "RESP-19")]
    public async Task After_the_start_a_response_of_known_length_is_cut_off(ServerKind server)
    {
        await using AppHost host = await AppHost.StartAsync(server, app => app.Run(async context =>
        {
            context.Response.ContentLength = 10;
            await context.Response.WriteAsync("part");
            throw new InvalidOperationException("late");
        }));
        host.ErrorsExpected = true;
        await using RawClient client = await host.ConnectAsync();
        await client.SendAsync(Get + Get);
        await client.ReadHeadAsync();
        Assert.Equal("part", await client.ReadTextAsync(4));
        await client.ExpectCloseAsync();
    }

    [Theory, BothServers]
    public async Task An_exception_while_the_body_is_still_coming_gives_500_and_the_body_is_drained(ServerKind server)
    {
        await using AppHost host = await AppHost.StartAsync(server, app => app.Run(context =>
            context.Request.Path == "/throw" ? throw new InvalidOperationException("early") : context.Response.WriteAsync("fine")));
        host.ErrorsExpected = true;
        await using RawClient client = await host.ConnectAsync();
        await client.SendAsync("POST /throw HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n");
        Assert.Equal(500, (await client.ReadResponseAsync()).Status);
        await client.SendAsync("hello" + Get);
        Assert.Equal("fine", (await client.ReadResponseAsync()).Text);
    }

    [Theory, BothServers]
    public async Task Exception_handling_middleware_makes_the_answer(ServerKind server)
    {
        await using AppHost host = await AppHost.StartAsync(server, app =>
        {
            app.UseExceptionHandler(handler => handler.Run(context =>
                context.Response.WriteAsync("handled " + context.Features.Get<IExceptionHandlerFeature>()?.Error.Message)));
            app.Run(async context =>
            {
                context.Response.Headers["X-Own"] = "gone";
                await Task.Yield();
                throw new InvalidOperationException("text");
            });
        });
        host.ErrorsExpected = true;
        RawResponse response = await host.ExchangeAsync(Get);
        Assert.Equal((500, "handled text", null), (response.Status, response.Text, response["X-Own"]));
    }

    [Theory]
    [BothServers(400)]
    [BothServers(413)]
    [BothServers(418)]
    public async Task A_BadHttpRequestException_gives_its_status(ServerKind server, int status)
    {
        await using AppHost host = await AppHost.StartAsync(server, app => app.Run(_ => throw new BadHttpRequestException("no", status)));
        host.ErrorsExpected = true;
        RawResponse response = await host.ExchangeAsync(Get);
        Assert.Equal((status, "0"), (response.Status, response["Content-Length"]));
    }

    [Theory, BothServers]
    public async Task A_cancelled_task_is_an_exception_as_any_other(ServerKind server)
    {
        await using AppHost host = await AppHost.StartAsync(server, app => app.Run(_ => Task.FromCanceled(new System.Threading.CancellationToken(true))));
        host.ErrorsExpected = true;
        Assert.Equal(500, (await host.ExchangeAsync(Get)).Status);
    }
}
