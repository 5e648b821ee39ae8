using System;
using System.Linq;
using System.Net;
using System.Net.Http;
using System.Threading;
using System.Threading.Tasks;
using Aeronet.EndToEnd.Tests.Columns;
using Aeronet.TestSupport.Hosting;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Xunit;

namespace Aeronet.EndToEnd.Tests.Clients;

/// <summary>.NET's own client.</summary>
[NeedsNoSocket]
public sealed class HttpClientTests(EchoHosts hosts) : IClassFixture<EchoHosts>
{
    [Theory]
    [BothServers("GET", false)]
    [BothServers("POST", false)]
    [BothServers("POST", true)]
    [BothServers("PUT", true)]
    [BothServers("DELETE", false)]
    [BothServers("PATCH", true)]
    public async Task Every_method_and_framing_works(ServerKind server, string method, bool chunked)
    {
        using HttpClient client = (await hosts.OnAsync(server)).CreateClient();
        using var request = new HttpRequestMessage(new HttpMethod(method), "/path%20x?q=%C3%A9");
        if (method is not "GET" and not "DELETE")
        {
            request.Content = new StringContent("content");
            request.Headers.TransferEncodingChunked = chunked;
        }

        using HttpResponseMessage response = await client.SendAsync(request);
        Echo echo = System.Text.Json.JsonSerializer.Deserialize<Echo>(await response.Content.ReadAsStreamAsync())!;
        Assert.Equal((method, "/path x", "?q=%C3%A9", request.Content is null ? "" : "content"), (echo.Method, echo.Path, echo.Query, echo.Body));
    }

    [Theory, BothServers]
    public async Task Many_requests_at_once_share_few_connections(ServerKind server)
    {
        using HttpClient client = (await hosts.OnAsync(server)).CreateClient(handler => handler.MaxConnectionsPerServer = 8);
        string[] answers = await Task.WhenAll(Enumerable.Range(0, 500).Select(i => client.GetStringAsync(new Uri($"/{i}", UriKind.Relative))));
        Assert.All(answers.Select((answer, i) => (answer, i)), pair => Assert.Contains($"\"Path\":\"/{pair.i}\"", pair.answer, StringComparison.Ordinal));
    }

    [Theory, BothServers]
    public async Task Expect_continue_is_understood(ServerKind server)
    {
        using HttpClient client = (await hosts.OnAsync(server)).CreateClient(handler => handler.Expect100ContinueTimeout = Guard.Time);
        using var request = new HttpRequestMessage(HttpMethod.Post, "/") { Content = new StringContent(new string('x', 100_000)) };
        request.Headers.ExpectContinue = true;
        using HttpResponseMessage response = await client.SendAsync(request);
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
    }

    [Theory, BothServers]
    public async Task A_cancelled_request_reaches_the_application(ServerKind server)
    {
        var running = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var aborted = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using AppHost host = await AppHost.StartAsync(server, app => app.Run(async context =>
        {
            using IDisposable gone = context.RequestAborted.Register(() => aborted.TrySetResult());
            running.SetResult();
            await aborted.Task.WaitAsync(Guard.Time);
        }));
        using HttpClient client = host.CreateClient();
        using var cancel = new CancellationTokenSource();
        Task<HttpResponseMessage> sending = client.GetAsync(new Uri("/", UriKind.Relative), cancel.Token);
        await running.Task.WaitAsync(Guard.Time);
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => sending);
        await aborted.Task.WaitAsync(Guard.Time);
    }
}
