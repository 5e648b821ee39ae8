using System;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Net.Http;
using System.Threading;
using System.Threading.Tasks;
using Aeronet.EndToEnd.Tests.Columns;
using Aeronet.Server;
using Aeronet.TestSupport.Hosting;
using Aeronet.TestSupport.Wire;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Xunit;
using Xunit.Abstractions;

namespace Aeronet.EndToEnd.Tests.Connections;

/// <summary>Handlers that keep their threads in every way, mixed at random over few loops: every client gets its answer, nothing hangs, nothing is left.</summary>
[Collection(Alone.Name)]
public sealed class BlockingStormTests(ITestOutputHelper output) : IDisposable
{
    private const int Clients = 24;
    private static readonly TimeSpan s_duration = TimeSpan.FromSeconds(30);
    private static readonly string[] s_kinds = ["quick", "sleep", "spin", "lock", "read-sync", "read-result", "self", "async", "flush-block", "post-block", "pipelined", "reset"];

    private readonly Lock _contended = new();
    private readonly HttpClient _http = new();
    private Uri? _inner;

    [Theory]
    [InlineData(ServerKind.Aeronet, 1)]
    [InlineData(ServerKind.AeronetHandOff, 2)]
    public async Task Every_client_gets_its_answer(ServerKind server, int loops)
    {
        int seed = Random.Shared.Next();
        output.WriteLine($"seed {seed.ToString(CultureInfo.InvariantCulture)}");
        AppHost host = await AppHost.StartAsync(
            server,
            Map,
            builder => builder.Services.Configure<AeronetServerOptions>(options => options.Transport.IOThreadCount = loops),
            kestrel => kestrel.AllowSynchronousIO = true,
            quiet: true);
        _inner = new Uri(host.Url, "/quick?inner");
        using var stop = new CancellationTokenSource();
        Task<int>[] clients = [.. Enumerable.Range(0, Clients).Select(index => Task.Run(() => RunClientAsync(host, new Random(seed + index), stop.Token)))];
        Task all = Task.WhenAll(clients);
        await Task.WhenAny(all, Task.Delay(s_duration));
        await stop.CancelAsync();
        await all.WaitAsync(TimeSpan.FromSeconds(60));
        int served = clients.Sum(client => client.Result);
        output.WriteLine($"{served.ToString(CultureInfo.InvariantCulture)} answers");
        Assert.True(served > Clients * 10);
        await host.StopAsync(CancellationToken.None);
        LogEntry? error = host.Logs.Entries.FirstOrDefault(entry => entry.Level >= LogLevel.Error);
        Assert.True(error is null, error?.ToString());
        await host.DisposeAsync();
    }

    public void Dispose() => _http.Dispose();

    private void Map(WebApplication app)
    {
        app.MapGet("/quick", (HttpContext context) => Answer(context));
        app.MapGet("/sleep", (HttpContext context) =>
        {
            Thread.Sleep(Random.Shared.Next(6));
            return Answer(context);
        });
        app.MapGet("/spin", (HttpContext context) =>
        {
            Thread.SpinWait(Random.Shared.Next(400_000));
            return Answer(context);
        });
        app.MapGet("/lock", (HttpContext context) =>
        {
            lock (_contended)
            {
                Thread.Sleep(Random.Shared.Next(2));
                return Answer(context);
            }
        });
        app.MapPost("/read-sync", (HttpContext context) =>
        {
            using StreamReader reader = new(context.Request.Body);
            return reader.ReadToEnd();
        });
#pragma warning disable CA1849 // blocking is what is tested
        app.MapPost("/read-result", (HttpContext context) =>
        {
            using StreamReader reader = new(context.Request.Body);
            return reader.ReadToEndAsync().Result;
        });
        app.MapGet("/self", (HttpContext context) => _http.GetStringAsync(_inner).Result == "inner" ? Answer(context) : "wrong inner answer");
#pragma warning restore CA1849
        app.MapGet("/async", async (HttpContext context) =>
        {
            await Task.Delay(1);
            Thread.Sleep(Random.Shared.Next(3));
            return Answer(context);
        });
        app.MapGet("/flush-block", async (HttpContext context) =>
        {
            await context.Response.StartAsync();
            await context.Response.Body.FlushAsync();
            Thread.Sleep(Random.Shared.Next(4));
            await context.Response.WriteAsync(Answer(context));
        });
        app.MapPost("/post-block", async (HttpContext context) =>
        {
            byte[] block = new byte[1000];
            int read;
            while ((read = await context.Request.Body.ReadAsync(block)) > 0)
            {
                Thread.Sleep(Random.Shared.Next(2));
                context.Response.Body.Write(block, 0, read);
            }
        });
    }

    private static string Answer(HttpContext context) => context.Request.QueryString.Value![1..];

    private static async Task<int> RunClientAsync(AppHost host, Random random, CancellationToken stop)
    {
        int served = 0;
        while (!stop.IsCancellationRequested)
        {
            await using RawClient client = await host.ConnectAsync();
            for (int left = random.Next(1, 20); left > 0 && !stop.IsCancellationRequested; left--)
            {
                string kind = s_kinds[random.Next(s_kinds.Length)];
                if (kind == "reset")
                {
                    await client.SendAsync(Get("sleep", "gone"));
                    client.Reset();
                    break;
                }

                served += await ExchangeAsync(client, kind, random);
            }
        }

        return served;
    }

    private static async Task<int> ExchangeAsync(RawClient client, string kind, Random random)
    {
        string token = random.Next().ToString(CultureInfo.InvariantCulture);
        switch (kind)
        {
            case "pipelined":
                await client.SendAsync(Get("quick", token + "a") + Get("sleep", token + "b") + Get("quick", token + "c"));
                foreach (string part in new[] { "a", "b", "c" })
                {
                    await ExpectAsync(client, token + part);
                }

                return 3;
            case "read-sync" or "read-result" or "post-block":
                string content = string.Concat(Enumerable.Repeat(token, random.Next(1, 600)));
                int cut = random.Next(content.Length);
                await client.SendAsync($"POST /{kind} HTTP/1.1\r\nHost: a\r\nContent-Length: {content.Length.ToString(CultureInfo.InvariantCulture)}\r\n\r\n{content[..cut]}");
                await client.SendAsync(content[cut..]);
                await ExpectAsync(client, content);
                return 1;
            default:
                await client.SendAsync(Get(kind, token));
                await ExpectAsync(client, token);
                return 1;
        }
    }

    private static string Get(string kind, string token) => $"GET /{kind}?{token} HTTP/1.1\r\nHost: a\r\n\r\n";

    private static async Task ExpectAsync(RawClient client, string text)
    {
        RawResponse response = await client.ReadResponseAsync();
        Assert.Equal(200, response.Status);
        Assert.Equal(text, response.Text);
    }
}
