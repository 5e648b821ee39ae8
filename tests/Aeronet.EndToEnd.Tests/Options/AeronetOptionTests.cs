using System;
using System.Linq;
using System.Threading.Tasks;
using Aeronet.EndToEnd.Tests.Columns;
using Aeronet.Server;
using Aeronet.TestSupport.Hosting;
using Aeronet.TestSupport.Wire;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using Xunit;

namespace Aeronet.EndToEnd.Tests.Options;

/// <summary>Options that only Aeronet has: each changes what a client sees.</summary>
public sealed class AeronetOptionTests
{
    private const string Get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

    [Fact]
    [Trait("Defect", "PARSE-17")]
    public async Task Line_feed_terminators_can_be_allowed()
    {
        await using AppHost host = await StartAsync(options => options.AllowLineFeedTerminators = true);
        Assert.Equal("/p", Echo.Of(await host.ExchangeAsync("GET /p HTTP/1.1\nHost: a\nFoo: x\n\n")).Path);
        await Expect.RefusedAsync(host, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;x\ny\r\na\r\n0\r\n\r\n", 400);
    }

    [Fact]
    [Trait("Feature", "B37")]
    public async Task The_status_line_for_1_0_can_be_Kestrels()
    {
        await using AppHost host = await StartAsync(options => options.Http10StatusLine = Http10StatusLine.Http11);
        Assert.Equal("HTTP/1.1", (await host.ExchangeAsync("GET / HTTP/1.0\r\n\r\n")).Version);
    }

    [Fact]
    [Trait("Defect", "DRAIN-15")]
    public async Task A_half_closed_client_can_be_treated_as_Kestrel_does()
    {
        var aborted = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using AppHost host = await AppHost.StartAsync(
            ServerKind.Aeronet,
            app => app.Run(async context =>
            {
                using IDisposable gone = context.RequestAborted.Register(() => aborted.TrySetResult());
                await aborted.Task;
                await context.Response.WriteAsync("nobody listens");
            }),
            builder => builder.Services.Configure<AeronetServerOptions>(options => options.HalfClosedClients = HalfClosedClients.Abort));
        await using RawClient client = await host.ConnectAsync();
        await client.SendAsync(Get);
        client.ShutdownSend();
        await aborted.Task.WaitAsync(Guard.Time);
        await client.ExpectCloseAsync();
    }

    [Fact]
    [Trait("Feature", "B53")]
    public async Task The_server_can_answer_OPTIONS_asterisk_itself()
    {
        await using AppHost host = await StartAsync(options =>
        {
            options.OptionsAsterisk = OptionsAsteriskPolicy.Answer;
            options.AllowedMethods.Clear();
            options.AllowedMethods.Add("GET");
            options.AllowedMethods.Add("PUT");
        });
        RawResponse response = await host.ExchangeAsync("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n");
        Assert.Equal((200, "GET,PUT"), (response.Status, response["Allow"]?.Replace(" ", "", StringComparison.Ordinal)));
    }

    [Theory]
    [InlineData(TracePolicy.PassThrough, 200)]
    [InlineData(TracePolicy.Disabled, 405)]
    [InlineData(TracePolicy.EnabledPlainOnly, 200)]
    [InlineData(TracePolicy.EnabledPlainAndTLS, 200)]
    [Trait("Feature", "B123"), Trait("Feature", "B54")]
    public async Task TRACE_follows_its_policy(TracePolicy policy, int status)
    {
        await using AppHost host = await StartAsync(options => options.TracePolicy = policy);
        RawResponse response = await host.ExchangeAsync("TRACE /x HTTP/1.1\r\nHost: a\r\nFoo: bar\r\n\r\n");
        Assert.Equal(status, response.Status);
        if (policy is TracePolicy.EnabledPlainOnly or TracePolicy.EnabledPlainAndTLS)
        {
            Assert.Equal("message/http", response["Content-Type"]);
            Assert.Contains("TRACE /x HTTP/1.1\r\n", response.Text, StringComparison.Ordinal);
        }
    }

    [Fact]
    [Trait("Feature", "B62")]
    public async Task Unknown_methods_can_be_refused_with_501()
    {
        await using AppHost host = await StartAsync(options => options.RejectUnknownMethods = true);
        Assert.Equal(501, (await host.ExchangeAsync("BREW / HTTP/1.1\r\nHost: a\r\n\r\n")).Status);
        Assert.Equal(200, (await host.ExchangeAsync("PATCH / HTTP/1.1\r\nHost: a\r\n\r\n")).Status);
    }

    [Fact]
    [Trait("Rfc", "9110 10.1.1")]
    public async Task Unknown_expectations_can_be_refused_with_417()
    {
        await using AppHost host = await StartAsync(options => options.RejectUnknownExpectations = true);
        Assert.Equal(417, (await host.ExchangeAsync("GET / HTTP/1.1\r\nHost: a\r\nExpect: tea\r\n\r\n")).Status);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [Trait("Defect", "DRAIN-7"), Trait("Feature", "B42")]
    public async Task The_number_of_requests_of_a_connection_can_be_limited(int limit)
    {
        await using AppHost host = await StartAsync(options => options.Limits.MaxRequestsPerConnection = limit);
        await using RawClient client = await host.ConnectAsync();
        for (int i = 1; i <= limit; i++)
        {
            await client.SendAsync(Get);
            Assert.Equal(i == limit, (await client.ReadResponseAsync()).Closes);
        }

        await client.ExpectCloseAsync();
    }

    [Fact]
    [Trait("Feature", "B98"), Trait("Feature", "C20")]
    public async Task Global_headers_are_on_every_response_and_do_not_override_its_own()
    {
        await using AppHost host = await AppHost.StartAsync(
            ServerKind.Aeronet,
            app => app.Run(context =>
            {
                context.Response.Headers["X-Own"] = "mine";
                return Task.CompletedTask;
            }),
            builder => builder.Services.Configure<AeronetServerOptions>(options =>
            {
                options.GlobalHeaders["X-Global"] = "yes";
                options.GlobalHeaders["X-Own"] = "global";
            }));
        RawResponse response = await host.ExchangeAsync(Get);
        Assert.Equal(["yes"], response.All("X-Global"));
        Assert.Equal(["mine"], response.All("X-Own"));
        Assert.Equal("yes", (await Expect.RefusedAsync(host, "BAD\r\n\r\n", 400))["X-Global"]);
    }

    [Fact]
    [Trait("Defect", "HOST-14")]
    public async Task A_connection_above_the_limit_can_be_told_503()
    {
        await using AppHost host = await AppHost.StartAsync(
            ServerKind.Aeronet,
            app => app.Run(Echo.RespondAsync),
            builder => builder.Services.Configure<AeronetServerOptions>(options => options.RejectedConnectionResponse = RejectedConnectionResponse.ServiceUnavailable),
            kestrel: options => options.Limits.MaxConcurrentConnections = 1);
        await using RawClient first = await host.ConnectAsync();
        await first.SendAsync(Get);
        Assert.Equal(200, (await first.ReadResponseAsync()).Status);
        await using RawClient second = await host.ConnectAsync();
        Assert.Equal(503, (await second.ReadResponseAsync()).Status);
    }

    [Fact]
    [Trait("Defect", "BODY-16")]
    public async Task A_body_that_never_comes_is_waited_for_only_so_long()
    {
        await using AppHost host = await AppHost.StartAsync(
            ServerKind.Aeronet,
            app => app.Run(context => context.Response.WriteAsync("early")),
            builder => builder.Services.Configure<AeronetServerOptions>(options => options.Limits.BodyDrainTimeout = TimeSpan.FromSeconds(1)));
        await using RawClient client = await host.ConnectAsync();
        await client.SendAsync("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc");
        Assert.Equal("early", (await client.ReadResponseAsync()).Text);
        await client.ExpectCloseAsync();
    }

    [Fact]
    [Trait("Defect", "HOST-12")]
    public async Task Wrong_options_fail_the_start_all_at_once()
    {
        OptionsValidationException error = await Assert.ThrowsAsync<OptionsValidationException>(() => StartAsync(options =>
        {
            options.Limits.MaxRequestsPerConnection = 0;
            options.Limits.InlineBodyThreshold = -1;
        }));
        Assert.Equal(2, error.Failures.Count());
        Assert.Contains(error.Failures, failure => failure.Contains("MaxRequestsPerConnection", StringComparison.Ordinal));
        Assert.Contains(error.Failures, failure => failure.Contains("InlineBodyThreshold", StringComparison.Ordinal));
    }

    private static Task<AppHost> StartAsync(Action<AeronetServerOptions> configure) => AppHost.StartAsync(
        ServerKind.Aeronet,
        app => app.Run(Echo.RespondAsync),
        builder => builder.Services.Configure(configure));
}
