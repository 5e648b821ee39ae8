using System;
using System.Collections.Concurrent;
using System.Collections.Generic;
using System.Diagnostics;
using System.Linq;
using System.Threading.Tasks;
using Aeronet.EndToEnd.Tests.Columns;
using Aeronet.TestSupport.Hosting;
using Aeronet.TestSupport.Wire;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Xunit;

namespace Aeronet.EndToEnd.Tests.Diagnostics;

/// <summary>What operators see of bad requests and of hosting's own events.</summary>
[NeedsNoSocket]
public sealed class LoggingTests
{
    [Theory]
    [BothServers("BAD\r\n\r\n", 400)]
    [BothServers("GET / HTTP/1.1\r\n\r\n", 400)]
    [BothServers("GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505)]
    [BothServers("GET / HTTP/1.1\r\nHost: a\r\nFoo : x\r\n\r\n", 400)]
    [Trait("Defect", "HOST-27"), Trait("Feature", "R4")]
    public async Task A_refused_request_is_logged_at_Debug_with_id_17(ServerKind server, string request, int status)
    {
        await using AppHost host = await AppHost.StartAsync(server, app => app.Run(_ => Task.CompletedTask));
        await Expect.RefusedAsync(host, request, status);
        LogEntry entry = await host.Logs.WaitForAsync(log => log.Id == 17 && log.Category.EndsWith("BadRequests", StringComparison.Ordinal));
        Assert.Equal(LogLevel.Debug, entry.Level);
        Assert.StartsWith(WantedDifferences.LogCategories.On(server), entry.Category, StringComparison.Ordinal);
        Assert.DoesNotContain(host.Logs.Entries, log => log.Level >= LogLevel.Warning);
    }

    [Theory]
    [AeronetOnly("GE\u001b[31mT / HTTP/1.1\r\nHost: a\r\n\r\n")]
    [AeronetOnly("GET /\u0007 HTTP/1.1\r\nHost: a b\u001b[0m\r\n\r\n")]
    [AeronetOnly("GET / HTTP/1.1\r\nHost: a\r\nF\u0001oo\u0002: x\r\n\r\n")]
    [AeronetOnly("\u0000\u0001\u0002\u007f\u00ff\r\n\r\n")]
    [Trait("Defect", "PARSE-12")]
    public async Task Bytes_of_the_peer_are_escaped_in_what_the_server_logs(ServerKind server, string request)
    {
        // Kestrel escapes most of them, but not a Host value.
        await using AppHost host = await AppHost.StartAsync(server, app => app.Run(_ => Task.CompletedTask));
        await using RawClient client = await host.ConnectAsync();
        await client.SendAsync(request);
        Assert.Equal(400, (await client.ReadResponseAsync()).Status);
        await host.Logs.WaitForAsync(log => log.Id == 17);
        Assert.All(
            host.Logs.Entries.Where(log => log.Category.StartsWith(WantedDifferences.LogCategories.On(server), StringComparison.Ordinal)),
            log => Assert.DoesNotContain(log.Message, one => (char.IsControl(one) && one is not '\r' and not '\n') || one > 0x7e));
    }

    [Theory, BothServers]
    [Trait("Defect", "HOST-26")]
    public async Task The_BadRequest_event_carries_the_features_of_the_request(ServerKind server)
    {
        await using AppHost host = await AppHost.StartAsync(server, app => app.Run(_ => Task.CompletedTask));
        var events = new ConcurrentQueue<Exception?>();
        using IDisposable subscription = host.Services.GetRequiredService<DiagnosticListener>().Subscribe(new Collector(events));
        await Expect.RefusedAsync(host, "GET / HTTP/1.1\r\n\r\n", 400);
        Exception? error = Assert.Single(events);
        Assert.Equal(400, Assert.IsAssignableFrom<BadHttpRequestException>(error).StatusCode);
    }

    [Theory, BothServers]
    public async Task Hosting_logs_start_and_end_of_a_request_with_its_identifiers(ServerKind server)
    {
        await using AppHost host = await AppHost.StartAsync(server, app => app.Run(context => context.Response.WriteAsync("x")));
        await host.ExchangeAsync("GET /path?q HTTP/1.1\r\nHost: a\r\n\r\n");
        await host.Logs.WaitForAsync(entry => entry.Message.StartsWith($"Request starting HTTP/1.1 GET {server.Scheme()}://a/path?q", StringComparison.Ordinal));
        await host.Logs.WaitForAsync(entry => entry.Message.StartsWith($"Request finished HTTP/1.1 GET {server.Scheme()}://a/path?q - 200", StringComparison.Ordinal));
    }

    [Theory, BothServers]
    public async Task An_unhandled_exception_is_logged_at_Error_with_id_13(ServerKind server)
    {
        await using AppHost host = await AppHost.StartAsync(server, app => app.Run(_ => throw new InvalidOperationException("told")));
        host.ErrorsExpected = true;
        await host.ExchangeAsync("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        LogEntry entry = await host.Logs.WaitForAsync(log => log is { Id: 13, Level: LogLevel.Error });
        Assert.Equal("told", entry.Error?.Message);
        Assert.StartsWith(WantedDifferences.LogCategories.On(server), entry.Category, StringComparison.Ordinal);
    }

    [Theory, BothServers]
    [Trait("Feature", "B129")]
    public async Task Hosting_starts_an_activity_per_request(ServerKind server)
    {
        Activity? seen = null;
        await using AppHost host = await AppHost.StartAsync(server, app => app.Run(context =>
        {
            seen = Activity.Current;
            return Task.CompletedTask;
        }));
        await host.ExchangeAsync("GET / HTTP/1.1\r\nHost: a\r\ntraceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n\r\n");
        Assert.Equal("0af7651916cd43dd8448eb211c80319c", seen?.TraceId.ToString());
    }

    private sealed class Collector(ConcurrentQueue<Exception?> events) : IObserver<KeyValuePair<string, object?>>
    {
        public void OnCompleted()
        {
        }

        public void OnError(Exception error)
        {
        }

        public void OnNext(KeyValuePair<string, object?> value)
        {
            // The features are those of the connection: they are reset after the event, so look at them now.
            if (value.Key == "Microsoft.AspNetCore.Server.Kestrel.BadRequest")
            {
                events.Enqueue((value.Value as IFeatureCollection)?.Get<IBadRequestExceptionFeature>()?.Error);
            }
        }
    }
}
