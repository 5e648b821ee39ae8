using System;
using System.Globalization;
using System.Linq;
using System.Text;
using System.Threading.Tasks;
using Aeronet.EndToEnd.Tests.Columns;
using Aeronet.TestSupport.Hosting;
using Aeronet.TestSupport.Wire;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Xunit;

namespace Aeronet.EndToEnd.Tests.Responses;

/// <summary>Response field lines: what the application sets and what the engine adds.</summary>
[NeedsNoSocket]
public sealed class ResponseHeaderTests
{
    private const string Get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

    [Theory, BothServers]
    [Trait("Feature", "B97"), Trait("Feature", "B98"), Trait("Rfc", "9110 6.6.1")]
    public async Task Date_and_Server_are_added(ServerKind server)
    {
        RawResponse response = await ExchangeAsync(server, _ => Task.CompletedTask);
        Assert.Equal(WantedDifferences.ServerHeader.On(server), response["Server"]);
        Assert.True(DateTimeOffset.TryParseExact(response["Date"], "r", CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out DateTimeOffset date));
        Assert.InRange(DateTimeOffset.UtcNow - date, TimeSpan.FromMinutes(-1), TimeSpan.FromMinutes(1));
    }

    [Theory, BothServers]
    public async Task The_Server_field_can_be_switched_off(ServerKind server)
    {
        await using AppHost host = await AppHost.StartAsync(server, app => app.Run(_ => Task.CompletedTask), kestrel: options => options.AddServerHeader = false);
        Assert.Null((await host.ExchangeAsync(Get))["Server"]);
        Assert.Null((await Expect.RefusedAsync(host, "BAD\r\n\r\n", 400))["Server"]);
    }

    [Theory, BothServers]
    public async Task Engine_made_errors_have_Date_and_Server_too(ServerKind server)
    {
        await using AppHost host = await AppHost.StartAsync(server, app => app.Run(_ => Task.CompletedTask));
        RawResponse response = await Expect.RefusedAsync(host, "BAD\r\n\r\n", 400);
        Assert.Equal(WantedDifferences.ServerHeader.On(server), response["Server"]);
    }

    [Theory, BothServers]
    [Trait("Defect", "RESP-6")]
    public async Task The_application_own_values_win(ServerKind server)
    {
        RawResponse response = await ExchangeAsync(server, context =>
        {
            context.Response.Headers.Server = "Mine";
            context.Response.Headers.Date = "Tue, 01 Jan 2030 00:00:00 GMT";
            return Task.CompletedTask;
        });
        Assert.Equal(["Mine"], response.All("Server"));
        Assert.Equal(["Tue, 01 Jan 2030 00:00:00 GMT"], response.All("Date"));
    }

    [Theory, BothServers]
    public async Task Several_values_are_several_lines(ServerKind server)
    {
        RawResponse response = await ExchangeAsync(server, context =>
        {
            context.Response.Headers["X-Own"] = new[] { "1", "2" };
            context.Response.Headers.Append("Set-Cookie", "a=1");
            context.Response.Headers.Append("Set-Cookie", "b=2");
            context.Response.Headers.Append("Vary", "Origin");
            context.Response.Headers.AppendCommaSeparatedValues("Vary", "Accept");
            return Task.CompletedTask;
        });
        Assert.Equal(["1", "2"], response.All("X-Own"));
        Assert.Equal(["a=1", "b=2"], response.All("Set-Cookie"));
        Assert.Equal("Origin,Accept", string.Join(',', response.All("Vary")));
    }

    [Theory, BothServers]
    public async Task Casing_of_unknown_names_is_kept_and_lookup_ignores_it(ServerKind server)
    {
        RawResponse response = await ExchangeAsync(server, context =>
        {
            context.Response.Headers["x-OWN-Name"] = "1";
            Assert.Equal("1", context.Response.Headers["X-Own-NAME"].ToString());
            context.Response.Headers["gone"] = "1";
            context.Response.Headers.Remove("GONE");
            context.Response.Headers["empty"] = "1";
            context.Response.Headers["empty"] = default;
            return Task.CompletedTask;
        });
        Assert.Contains(response.Fields, field => field.Key == "x-OWN-Name");
        Assert.Null(response["gone"]);
        Assert.Null(response["empty"]);
    }

    [Theory]
    [BothServers("X-Own", "a\rb")]
    [BothServers("X-Own", "a\nb")]
    [BothServers("X-Own", "a\r\nInjected: yes")]
    [BothServers("X-Own", "a\0b")]
    [BothServers("X-Own", "a\u007fb")]
    [BothServers("X-Own", "a\u0001b")]
    [BothServers("X-Own", "caf\u00e9")]
    [BothServers("X-Own", "\u20ac")]
    [BothServers("X\r\nInjected", "a")]
    [BothServers("X Own", "a")]
    [BothServers("X:Own", "a")]
    [BothServers("X\u00e9", "a")]
    [BothServers("Location", "/a\r\nInjected: yes")]
    [BothServers("Content-Type", "text/\u00e9")]
    [Trait("Defect", "RESP-14")]
    public async Task Invalid_names_and_values_throw_when_set(ServerKind server, string name, string value)
    {
        RawResponse response = await ExchangeAsync(server, context =>
        {
            Assert.Throws<InvalidOperationException>(() => context.Response.Headers[name] = value);
            Assert.Throws<InvalidOperationException>(() => context.Response.Headers.Append(name, value));
            return context.Response.WriteAsync("safe");
        });
        Assert.Equal((200, "safe"), (response.Status, response.Text));
        Assert.Null(response["Injected"]);
    }

    [Theory, BothServers]
    public async Task The_encoding_selector_allows_other_characters(ServerKind server)
    {
        await using AppHost host = await AppHost.StartAsync(
            server,
            app => app.Run(context =>
            {
                context.Response.Headers["X-Utf8"] = "\u20ac";
                context.Response.Headers["X-Latin"] = "\u00e9";
                return Task.CompletedTask;
            }),
            kestrel: options => options.ResponseHeaderEncodingSelector = name => name switch { "X-Utf8" => Encoding.UTF8, "X-Latin" => Encoding.Latin1, _ => null });
        RawResponse response = await host.ExchangeAsync(Get);
        Assert.Equal("\u20ac", Encoding.UTF8.GetString(Encoding.Latin1.GetBytes(response["X-Utf8"]!)));
        Assert.Equal("\u00e9", response["X-Latin"]);
    }

    [Theory, BothServers]
    public async Task After_the_start_nothing_can_be_changed(ServerKind server)
    {
        RawResponse response = await ExchangeAsync(server, async context =>
        {
            context.Response.Headers["X-Own"] = "before";
            await context.Response.WriteAsync("x");
            await context.Response.Body.FlushAsync();
            IHeaderDictionary headers = context.Response.Headers;
            Assert.True(context.Response.HasStarted);
            Assert.True(headers.IsReadOnly);
            Assert.Throws<InvalidOperationException>(() => headers["X-Own"] = "after");
            Assert.Throws<InvalidOperationException>(() => headers.Remove("X-Own"));
            Assert.Throws<InvalidOperationException>(() => headers.Clear());
            Assert.Throws<InvalidOperationException>(() => headers.ContentLength = 3);
            Assert.Throws<InvalidOperationException>(() => context.Response.StatusCode = 500);
            Assert.Throws<InvalidOperationException>(() => context.Features.GetRequiredFeature<IHttpResponseFeature>().ReasonPhrase = "No");
            Assert.Throws<InvalidOperationException>(() => context.Response.OnStarting(() => Task.CompletedTask));
        });
        Assert.Equal((200, "x", "before"), (response.Status, response.Text, response["X-Own"]));
    }

    [Theory]
    [BothServers(200, "Fine")]
    [BothServers(799, "Unheard Of")]
    public async Task The_application_may_choose_the_reason(ServerKind server, int status, string reason)
    {
        RawResponse response = await ExchangeAsync(server, context =>
        {
            context.Response.StatusCode = status;
            context.Features.GetRequiredFeature<IHttpResponseFeature>().ReasonPhrase = reason;
            return Task.CompletedTask;
        });
        Assert.Equal((status, reason), (response.Status, response.Reason));
    }

    [Theory, BothServers]
    [Trait("Defect", "RESP-2")]
    public async Task An_unknown_status_has_an_empty_reason(ServerKind server)
    {
        RawResponse response = await ExchangeAsync(server, context =>
        {
            context.Response.StatusCode = 299;
            return Task.CompletedTask;
        });
        Assert.Equal((299, ""), (response.Status, response.Reason));
    }

    [Theory, BothServers]
    public async Task Every_header_of_a_full_set_arrives(ServerKind server)
    {
        RawResponse response = await ExchangeAsync(server, context =>
        {
            for (int i = 0; i < 200; i++)
            {
                context.Response.Headers[$"X-{i}"] = new string((char)('a' + (i % 26)), i * 3);
            }

            context.Response.ContentType = "text/html; charset=utf-8";
            context.Response.Headers.CacheControl = "no-store";
            context.Response.Headers.ETag = "\"e\"";
            context.Response.Headers.LastModified = "Tue, 01 Jan 2030 00:00:00 GMT";
            return context.Response.WriteAsync("x");
        });
        Assert.All(Enumerable.Range(1, 199), i => Assert.Equal(new string((char)('a' + (i % 26)), i * 3), response[$"X-{i}"]));
        Assert.Equal(("text/html; charset=utf-8", "no-store", "\"e\""), (response["Content-Type"], response["Cache-Control"], response["ETag"]));
    }

    [Theory, BothServers]
    [Trait("Defect", "PARSE-22")]
    public async Task Headers_of_one_response_are_not_in_the_next(ServerKind server)
    {
        await using AppHost host = await AppHost.StartAsync(server, app => app.Run(context =>
        {
            if (context.Request.Path == "/first")
            {
                context.Response.StatusCode = 201;
                context.Response.Headers["X-Own"] = "1";
                context.Response.ContentType = "text/plain";
                context.Response.Headers.ETag = "\"1\"";
                context.Features.GetRequiredFeature<IHttpResponseFeature>().ReasonPhrase = "Special";
            }

            return Task.CompletedTask;
        }));
        await using RawClient client = await host.ConnectAsync();
        await client.SendAsync("GET /first HTTP/1.1\r\nHost: a\r\n\r\n");
        RawResponse first = await client.ReadResponseAsync();
        Assert.Equal((201, "Special", "1"), (first.Status, first.Reason, first["X-Own"]));
        await client.SendAsync(Get);
        RawResponse second = await client.ReadResponseAsync();
        Assert.Equal((200, "OK"), (second.Status, second.Reason));
        Assert.Equal(["Content-Length", "Date", "Server"], second.Fields.Select(field => field.Key).Order(StringComparer.Ordinal));
    }

    private static async Task<RawResponse> ExchangeAsync(ServerKind server, RequestDelegate app)
    {
        await using AppHost host = await AppHost.StartAsync(server, web => web.Run(app));
        return await host.ExchangeAsync(Get);
    }
}
