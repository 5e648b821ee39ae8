using System;
using System.Threading.Tasks;
using Aeronet.TestSupport.Hosting;
using Aeronet.TestSupport.Wire;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Aeronet.Server.Tests.Hosting;

/// <summary>The statuses that the engine gives by itself, one request each: status, the close, and the entry in the log with reason and offset.</summary>
public sealed class StatusTests
{
    private const string Host = "Host: a\r\n";

    public static TheoryData<string, int, string> Refused => new()
    {
        { "GET\r\n\r\n", 400, "B55" },
        { "GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n", 400, "B32" },
        { "POST / HTTP/1.1\r\n" + Host + "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400, "B55" },
        { "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400, "B56" },
        { "POST / HTTP/1.1\r\n" + Host + "Transfer-Encoding: gzip, chunked\r\n\r\n", 501, "B62" },
        { "POST / HTTP/1.1\r\n" + Host + "Transfer-Encoding: gzip\r\n\r\n", 400, "B62" },
        { "POST / HTTP/1.1\r\n" + Host + "Transfer-Encoding: chunked, gzip\r\n\r\n", 400, "B62" },
        { "GET / HTTP/2.0\r\n" + Host + "\r\n", 505, "B63" },
        { "GET / HTTP/1.2\r\n" + Host + "\r\n", 505, "B63" },
        { "GET /" + new string('x', 8200) + " HTTP/1.1\r\n" + Host + "\r\n", 414, "C3" },
        { "GET / HTTP/1.1\r\n" + Host + "X: " + new string('x', 33_000) + "\r\n\r\n", 431, "B61" },
        { "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400, "B99" },
    };

    [Theory]
    [MemberData(nameof(Refused))]
    [Trait("Feature", "B31"), Trait("Feature", "B32"), Trait("Feature", "B55"), Trait("Feature", "B56"), Trait("Feature", "B61"), Trait("Feature", "B74a"), Trait("Feature", "B62"), Trait("Feature", "B63"), Trait("Feature", "B89"), Trait("Feature", "B99")]
    [Trait("Defect", "HOST-27")]
    public async Task A_refused_request_gets_its_status_a_close_and_a_line_in_the_log(string request, int status, string row)
    {
        await using AppHost host = await AppHost.StartAsync(ServerKind.Aeronet, static app => app.Run(static _ => throw new InvalidOperationException("not to be reached")));
        await using RawClient client = await host.ConnectAsync();
        await client.TrySendAsync(request);
        RawResponse response = await client.ReadResponseAsync();
        Assert.True(response.Status == status, $"{row}: {response}");
        Assert.True(response.Closes);
        Assert.Empty(response.Body);
        Assert.Equal("0", response["Content-Length"]);
        await client.ExpectCloseAsync();

        LogEntry entry = await host.Logs.WaitForAsync(static entry => entry.Id == 17);
        Assert.Contains($"Status {status}, ", entry.Message, StringComparison.Ordinal);
        Assert.Contains(" at byte ", entry.Message, StringComparison.Ordinal);
        Assert.Contains("(RFC ", entry.Message, StringComparison.Ordinal);
    }

    [Fact]
    [Trait("Feature", "B58"), Trait("Feature", "B43")]
    public async Task Content_above_the_limit_gets_413_when_it_is_read()
    {
        await using AppHost host = await AppHost.StartAsync(
            ServerKind.Aeronet,
            static app => app.Run(static context => context.Request.Body.CopyToAsync(System.IO.Stream.Null)),
            kestrel: static options => options.Limits.MaxRequestBodySize = 3);
        Assert.Equal(200, (await host.ExchangeAsync("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc")).Status);
        RawResponse refused = await host.ExchangeAsync("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nabcd");
        Assert.Equal((413, true), (refused.Status, refused.Closes));
    }

    [Fact]
    [Trait("Feature", "R1.2")]
    public async Task Trailers_above_the_limit_of_the_head_get_431()
    {
        await using AppHost host = await AppHost.StartAsync(ServerKind.Aeronet, static app => app.Run(static context => context.Request.Body.CopyToAsync(System.IO.Stream.Null)));
        RawResponse refused = await host.ExchangeAsync("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: " + new string('x', 33_000) + "\r\n\r\n");
        Assert.Equal((431, true), (refused.Status, refused.Closes));
    }

    [Fact]
    [Trait("Feature", "B67"), Trait("Defect", "RESP-11")]
    public async Task An_exception_becomes_an_empty_500_that_keeps_the_connection()
    {
        await using AppHost host = await AppHost.StartAsync(ServerKind.Aeronet, static app => app.Run(static _ => throw new InvalidOperationException("secret")));
        host.ErrorsExpected = true;
        RawResponse response = await host.ExchangeAsync("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        Assert.Equal((500, "0", false), (response.Status, response["Content-Length"], response.Closes));
        Assert.DoesNotContain("secret", response.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    [Trait("Defect", "HOST-36")]
    public async Task A_client_that_went_away_is_seen_as_499_and_nothing_is_sent()
    {
        var entered = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var status = new TaskCompletionSource<int>(TaskCreationOptions.RunContinuationsAsynchronously);
        await using AppHost host = await AppHost.StartAsync(ServerKind.Aeronet, app => app.Run(async context =>
        {
            context.Response.OnCompleted(() =>
            {
                status.SetResult(context.Response.StatusCode);
                return Task.CompletedTask;
            });
            var gone = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            using IDisposable registration = context.RequestAborted.Register(gone.SetResult);
            entered.SetResult();
            await gone.Task;
        }));
        RawClient client = await host.ConnectAsync();
        await client.SendAsync("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        await entered.Task.WaitAsync(Guard.Time);
        client.Reset();
        Assert.Equal(499, await status.Task.WaitAsync(Guard.Time));
    }

    [Fact]
    [Trait("Feature", "B123"), Trait("Defect", "RESP-3")]
    public async Task The_only_content_that_the_engine_makes_has_type_and_length_and_no_credentials()
    {
        await using AppHost host = await AppHost.StartAsync(
            ServerKind.Aeronet,
            static app => app.Run(static _ => throw new InvalidOperationException("not to be reached")),
            static builder => builder.Services.Configure<AeronetServerOptions>(static options => options.TracePolicy = TracePolicy.EnabledPlainAndTLS));
        RawResponse response = await host.ExchangeAsync("TRACE /x?y HTTP/1.1\r\nHost: a\r\nCookie: secret\r\nAuthorization: secret\r\nMax-Forwards: 0\r\n\r\n");
        Assert.Equal("message/http", response["Content-Type"]);
        Assert.Equal(BodyFraming.ContentLength, response.Framing);
        Assert.Equal("TRACE /x?y HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\n\r\n", response.Text);
    }

    [Theory]
    [InlineData(299)]
    [InlineData(599)]
    [InlineData(600)]
    [InlineData(999)]
    [Trait("Defect", "RESP-1"), Trait("Defect", "RESP-2")]
    public async Task A_status_of_the_applications_own_is_sent(int status)
    {
        await using AppHost host = await AppHost.StartAsync(ServerKind.Aeronet, app => app.Run(context =>
        {
            context.Response.StatusCode = status;
            return Task.CompletedTask;
        }));
        foreach (string version in (string[])["1.0", "1.1"])
        {
            RawResponse response = await host.ExchangeAsync($"GET / HTTP/{version}\r\nHost: a\r\n\r\n");
            Assert.Equal((status, "", "0"), (response.Status, response.Reason, response["Content-Length"]));
        }
    }

    [Fact]
    [Trait("Feature", "B53")]
    public async Task OPTIONS_asterisk_lists_the_methods_without_spaces()
    {
        await using AppHost host = await AppHost.StartAsync(
            ServerKind.Aeronet,
            static app => app.Run(static _ => throw new InvalidOperationException("not to be reached")),
            static builder => builder.Services.Configure<AeronetServerOptions>(static options => options.OptionsAsterisk = OptionsAsteriskPolicy.Answer));
        Assert.Equal("GET,HEAD,POST,PUT,DELETE,CONNECT,OPTIONS,TRACE,PATCH", (await host.ExchangeAsync("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"))["Allow"]);
    }

    [Fact]
    [Trait("Defect", "HOST-35")]
    public async Task CONNECT_opens_nothing_by_itself_the_application_answers()
    {
        await using AppHost host = await AppHost.StartAsync(ServerKind.Aeronet, static app => app.Run(static context =>
        {
            context.Response.StatusCode = StatusCodes.Status403Forbidden;
            return context.Response.WriteAsync(context.Features.GetRequiredFeature<IHttpRequestFeature>().RawTarget);
        }));
        RawResponse response = await host.ExchangeAsync($"CONNECT {host.EndPoint} HTTP/1.1\r\nHost: {host.EndPoint}\r\n\r\n");
        Assert.Equal((403, host.EndPoint.ToString()), (response.Status, response.Text));
    }
}
