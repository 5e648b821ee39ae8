using System;
using System.Threading.Tasks;
using Aeronet.EndToEnd.Tests.Columns;
using Aeronet.TestSupport.Hosting;
using Aeronet.TestSupport.Wire;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Xunit;

namespace Aeronet.EndToEnd.Tests.Responses;

/// <summary>Responses that have no body by their status or by HEAD. RFC 9110 6.4.1, 9.3.2.</summary>
[Trait("Defect", "RESP-18"), Trait("Defect", "RESP-1"), Trait("Rfc", "9110 6.4.1")]
[NeedsNoSocket]
public sealed class NoBodyTests
{
    [Theory]
    [BothServers(200, 5L)]
    [BothServers(200, null)]
    [BothServers(404, null)]
    [Trait("Feature", "B49"), Trait("Rfc", "9110 9.3.2")]
    public async Task HEAD_gets_the_head_of_GET_and_no_body(ServerKind server, int status, long? length)
    {
        await using AppHost host = await AppHost.StartAsync(server, app => app.Run(async context =>
        {
            context.Response.StatusCode = status;
            context.Response.ContentLength = length;
            context.Response.ContentType = "text/plain";
            await context.Response.WriteAsync("hello");
            await context.Response.Body.FlushAsync();
        }));
        await using RawClient client = await host.ConnectAsync();
        await client.SendAsync("HEAD / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
        RawResponse head = await client.ReadResponseAsync(head: true);
        RawResponse get = await client.ReadResponseAsync();
        Assert.Equal("hello", get.Text);
        Assert.Equal((status, "text/plain", get["Content-Length"]), (head.Status, head["Content-Type"], head["Content-Length"]));
        Assert.Empty(head.Body);
    }

    [Theory, BothServers]
    public async Task HEAD_without_any_write_has_no_length(ServerKind server)
    {
        await using AppHost host = await AppHost.StartAsync(server, app => app.Run(_ => Task.CompletedTask));
        RawResponse response = await host.ExchangeAsync("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", head: true);
        Assert.Equal((200, null, null), (response.Status, response["Content-Length"], response["Transfer-Encoding"]));
    }

    [Theory, BothServers]
    public async Task HEAD_may_declare_a_length_and_write_nothing(ServerKind server)
    {
        await using AppHost host = await AppHost.StartAsync(server, app => app.Run(context =>
        {
            context.Response.ContentLength = 12345;
            return Task.CompletedTask;
        }));
        await using RawClient client = await host.ConnectAsync();
        for (int i = 0; i < 2; i++)
        {
            await client.SendAsync("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
            RawResponse response = await client.ReadResponseAsync(head: true);
            Assert.Equal("12345", response["Content-Length"]);
        }
    }

    [Theory]
    [BothServers(204, "GET")]
    [BothServers(204, "POST")]
    [BothServers(205, "GET")]
    [BothServers(304, "GET")]
    [BothServers(304, "HEAD")]
    [BothServers(204, "HEAD")]
    public async Task Without_a_write_the_connection_goes_on_and_no_framing_is_added(ServerKind server, int status, string method)
    {
        await using AppHost host = await AppHost.StartAsync(server, app => app.Run(context =>
        {
            context.Response.StatusCode = status;
            return Task.CompletedTask;
        }));
        await using RawClient client = await host.ConnectAsync();
        for (int i = 0; i < 2; i++)
        {
            await client.SendAsync($"{method} / HTTP/1.1\r\nHost: a\r\n{(method == "POST" ? "Content-Length: 0\r\n" : "")}\r\n");
            RawResponse response = await client.ReadResponseAsync(head: method == "HEAD" || status == 205);
            Assert.Equal(status, response.Status);
            Assert.Null(response["Transfer-Encoding"]);
            Assert.Equal(status == 205 ? "0" : null, response["Content-Length"]);
        }
    }

    [Theory]
    [BothServers(204)]
    [BothServers(205)]
    [BothServers(304)]
    public async Task A_write_throws_to_the_application(ServerKind server, int status)
    {
        await using AppHost host = await AppHost.StartAsync(server, app => app.Run(async context =>
        {
            context.Response.StatusCode = status;
            await Assert.ThrowsAsync<InvalidOperationException>(() => context.Response.WriteAsync("body"));
        }));
        host.ErrorsExpected = true;
        await using RawClient client = await host.ConnectAsync();
        await client.SendAsync("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        RawResponse response = await client.ReadResponseAsync(head: status == 205);
        Assert.Equal((status, 0), (response.Status, response.Body.Length));
    }

    [Theory]
    [BothServers(204)]
    [BothServers(304)]
    public async Task A_declared_length_is_allowed_for_304_only(ServerKind server, int status)
    {
        await using AppHost host = await AppHost.StartAsync(server, app => app.Run(context =>
        {
            context.Response.StatusCode = status;
            context.Response.ContentLength = 42;
            return Task.CompletedTask;
        }));
        host.ErrorsExpected = true;
        RawResponse response = await host.ExchangeAsync("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        Assert.Equal(status == 304 ? (304, "42") : (500, "0"), (response.Status, response["Content-Length"]));
    }

    [Theory]
    [BothServers(100)]
    [BothServers(101)]
    [BothServers(102)]
    public async Task An_interim_status_as_the_final_one_keeps_HTTP_in_step(ServerKind server, int status)
    {
        await using AppHost host = await AppHost.StartAsync(server, app => app.Run(context =>
        {
            context.Response.StatusCode = status;
            return Task.CompletedTask;
        }));
        host.ErrorsExpected = true;
        await using RawClient client = await host.ConnectAsync();
        await client.SendAsync("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        RawResponse response = await client.ReadResponseAsync();
        Assert.Equal(status, response.Status);
        Assert.Null(response["Content-Length"]);
        Assert.Null(response["Transfer-Encoding"]);
    }
}
