using System;
using System.IO;
using System.Threading.Tasks;
using Aeronet.EndToEnd.Tests.Columns;
using Aeronet.TestSupport.Hosting;
using Aeronet.TestSupport.Wire;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Http.Metadata;
using Microsoft.AspNetCore.Mvc;
using Xunit;

namespace Aeronet.EndToEnd.Tests.Bodies;

/// <summary>The limit on request bodies: who may set it, when, and what the client gets.</summary>
[Trait("Defect", "BODY-18")]
[NeedsNoSocket]
public sealed class MaxRequestBodySizeTests
{
    private const long Max = 10;

    [Theory]
    [BothServers(10, 200)]
    [BothServers(11, 413)]
    [BothServers(1_000_000, 413)]
    public async Task A_length_above_the_limit_is_refused_at_the_first_read(ServerKind server, int length, int status)
    {
        await using AppHost host = await StartAsync(server);
        await using RawClient client = await host.ConnectAsync();
        await client.SendAsync($"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n");
        await client.TrySendAsync(new string('x', Math.Min(length, 100)));
        RawResponse response = await client.ReadResponseAsync();
        Assert.Equal(status, response.Status);
        Assert.Equal(status == 413, response.Closes);
    }

    [Theory]
    [BothServers("5\r\nabcde\r\n0\r\n\r\n", 200)]
    [BothServers("b\r\nabcdefghijk\r\n0\r\n\r\n", 413)]
    [BothServers("1\r\na\r\n1\r\na\r\n1\r\na\r\n1\r\na\r\n0\r\n\r\n", 413)]
    [BothServers("5;aaaaaaaaaaaaaaaaaaaa\r\nabcde\r\n0\r\n\r\n", 413)]
    [Trait("Defect", "BODY-5")]
    public async Task Chunk_framing_counts_towards_the_limit(ServerKind server, string chunks, int status)
    {
        await using AppHost host = await StartAsync(server, 15);
        RawResponse response = await host.ExchangeAsync($"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}");
        Assert.True(status == response.Status, response.ToString());
    }

    [Theory, BothServers]
    public async Task The_application_may_raise_lower_or_lift_the_limit_before_it_reads(ServerKind server)
    {
        await using AppHost host = await AppHost.StartAsync(
            server,
            app => app.Run(context =>
            {
                IHttpMaxRequestBodySizeFeature limit = context.Features.GetRequiredFeature<IHttpMaxRequestBodySizeFeature>();
                Assert.Equal(Max, limit.MaxRequestBodySize);
                Assert.False(limit.IsReadOnly);
                limit.MaxRequestBodySize = context.Request.Query["max"] == "null" ? null : long.Parse(context.Request.Query["max"]!, System.Globalization.CultureInfo.InvariantCulture);
                return ReadAllAsync(context);
            }),
            kestrel: options => options.Limits.MaxRequestBodySize = Max);
        string body = "Host: a\r\nContent-Length: 20\r\n\r\n" + new string('x', 20);
        Assert.Equal(200, (await host.ExchangeAsync("POST /?max=20 HTTP/1.1\r\n" + body)).Status);
        Assert.Equal(413, (await host.ExchangeAsync("POST /?max=19 HTTP/1.1\r\n" + body)).Status);
        Assert.Equal(200, (await host.ExchangeAsync("POST /?max=null HTTP/1.1\r\n" + body)).Status);

        // A value set for one request is gone in the next on the same connection (the assertion above sees it).
        await using RawClient client = await host.ConnectAsync();
        await client.SendAsync("POST /?max=20 HTTP/1.1\r\n" + body);
        Assert.Equal(200, (await client.ReadResponseAsync()).Status);
        await client.SendAsync("POST /?max=20 HTTP/1.1\r\n" + body);
        Assert.Equal(200, (await client.ReadResponseAsync()).Status);
    }

    [Theory, BothServers]
    public async Task The_limit_is_fixed_once_reading_has_begun(ServerKind server)
    {
        await using AppHost host = await AppHost.StartAsync(server, app => app.Run(async context =>
        {
            IHttpMaxRequestBodySizeFeature limit = context.Features.GetRequiredFeature<IHttpMaxRequestBodySizeFeature>();
            Assert.Throws<ArgumentOutOfRangeException>(() => limit.MaxRequestBodySize = -1);
            await context.Request.Body.ReadExactlyAsync(new byte[1]);
            Assert.True(limit.IsReadOnly);
            Assert.Throws<InvalidOperationException>(() => limit.MaxRequestBodySize = 5);
            await context.Response.WriteAsync("ok");
        }));
        RawResponse response = await host.ExchangeAsync("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc");
        Assert.Equal((200, "ok"), (response.Status, response.Text));
    }

    [Theory, BothServers]
    public async Task The_exception_tells_the_status_and_may_be_handled(ServerKind server)
    {
        await using AppHost host = await AppHost.StartAsync(
            server,
            app => app.Run(async context =>
            {
                BadHttpRequestException error = await Assert.ThrowsAnyAsync<BadHttpRequestException>(() => context.Request.Body.CopyToAsync(Stream.Null));
                context.Response.StatusCode = 418;
                await context.Response.WriteAsync($"{error.StatusCode}");
            }),
            kestrel: options => options.Limits.MaxRequestBodySize = Max);
        RawResponse response = await host.ExchangeAsync("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\nabcdefghijk");
        Assert.Equal((418, "413"), (response.Status, response.Text));
        Assert.True(response.Closes);
    }

    [Theory, BothServers]
    public async Task Endpoint_metadata_sets_the_limit(ServerKind server)
    {
        await using AppHost host = await AppHost.StartAsync(
            server,
            app =>
            {
                app.MapPost("/small", ReadAllAsync).WithMetadata(new RequestSizeLimitAttribute(5));
                app.MapPost("/free", ReadAllAsync).WithMetadata(new DisableRequestSizeLimitAttribute());
            },
            kestrel: options => options.Limits.MaxRequestBodySize = Max);
        const string Body = "Host: a\r\nContent-Length: 20\r\n\r\nxxxxxxxxxxxxxxxxxxxx";
        Assert.Equal(413, (await host.ExchangeAsync("POST /small HTTP/1.1\r\n" + Body)).Status);
        Assert.Equal(200, (await host.ExchangeAsync("POST /free HTTP/1.1\r\n" + Body)).Status);
        Assert.Equal(200, (await host.ExchangeAsync("POST /small HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabcde")).Status);
    }

    [Theory, BothServers]
    [Trait("Defect", "BODY-15")]
    public async Task An_over_limit_body_that_nobody_reads_does_not_spoil_the_response(ServerKind server)
    {
        await using AppHost host = await AppHost.StartAsync(
            server,
            app => app.Run(context => context.Response.WriteAsync("fine")),
            kestrel: options => options.Limits.MaxRequestBodySize = Max);
        await using RawClient client = await host.ConnectAsync();
        await client.SendAsync("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\nabcdefghijk");
        RawResponse response = await client.ReadResponseAsync();
        Assert.Equal((200, "fine"), (response.Status, response.Text));
        await client.ExpectCloseAsync();
    }

    [Theory, BothServers]
    [Trait("Defect", "BODY-14")]
    public async Task The_413_is_readable_while_the_client_is_still_uploading(ServerKind server)
    {
        await using AppHost host = await StartAsync(server);
        await using RawClient client = await host.ConnectAsync();
        await client.SendAsync("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 400000\r\n\r\n");
        await client.TrySendAsync(new string('x', 200_000));
        Assert.Equal(413, (await client.ReadResponseAsync()).Status);
    }

    private static Task<AppHost> StartAsync(ServerKind server, long max = Max) => AppHost.StartAsync(
        server,
        app => app.Run(ReadAllAsync),
        kestrel: options => options.Limits.MaxRequestBodySize = max);

    private static async Task ReadAllAsync(HttpContext context)
    {
        await context.Request.Body.CopyToAsync(Stream.Null);
        await context.Response.WriteAsync("read");
    }
}
