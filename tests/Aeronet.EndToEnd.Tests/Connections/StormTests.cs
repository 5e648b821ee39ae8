using System;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Net.Sockets;
using System.Text;
using System.Threading;
using System.Threading.Tasks;
using Aeronet.EndToEnd.Tests.Columns;
using Aeronet.TestSupport.Hosting;
using Aeronet.TestSupport.Wire;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Logging;
using Xunit;
using Xunit.Abstractions;

namespace Aeronet.EndToEnd.Tests.Connections;

/// <summary>Everything at once: well-behaved clients get their bytes, whatever the others do, and nothing is left after the stop.</summary>
[Collection(Alone.Name)]
public sealed class StormTests(ITestOutputHelper output)
{
    private const int Clients = 36;
    private static readonly TimeSpan s_duration = TimeSpan.FromSeconds(10);

    [Theory, AeronetOnly]
    public async Task Correct_clients_get_correct_bytes_in_a_storm_and_nothing_is_left_behind(ServerKind server)
    {
        int seed = Random.Shared.Next();
        output.WriteLine($"seed {seed.ToString(CultureInfo.InvariantCulture)}");
        int loopsBefore = LoopThreads();
        AppHost host = await AppHost.StartAsync(server, app => app.Run(AnswerAsync), quiet: true);
        int served = 0;
        using (var stop = new CancellationTokenSource())
        {
            Task<int>[] clients = [.. Enumerable.Range(0, Clients).Select(index => Task.Run(() => RunClientAsync(host, new Random(seed + index), stop.Token)))];
            Task all = Task.WhenAll(clients);
            await Task.WhenAny(all, Task.Delay(s_duration));
            await stop.CancelAsync();
            await all.WaitAsync(TimeSpan.FromSeconds(60));
            served = clients.Sum(client => client.Result);
        }

        output.WriteLine($"{served} exchanges checked");
        Assert.True(served > Clients);
        // Some requests hang in the server when it stops.
        RawClient[] left = new RawClient[8];
        for (int i = 0; i < left.Length; i++)
        {
            left[i] = await host.ConnectAsync();
            await left[i].SendAsync(i % 2 == 0 ? "GET /hang HTTP/1.1\r\nHost: a\r\n\r\n" : "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nx");
        }

        using (var patience = new CancellationTokenSource(TimeSpan.FromSeconds(1)))
        {
            await host.StopAsync(patience.Token);
        }

        LogEntry? error = host.Logs.Entries.FirstOrDefault(entry => entry.Level >= LogLevel.Error);
        Assert.Null(error);
        await host.DisposeAsync();
        Assert.True(SpinWait.SpinUntil(() => LoopThreads() <= loopsBefore, Guard.Time), "A loop's thread lives on: it has a connection or a listener left.");
        foreach (RawClient client in left)
        {
            try
            {
                await client.ReadToEndAsync(); // the server's end of it is closed
            }
            catch (IOException)
            {
                // Aborted: as good an end.
            }

            await client.DisposeAsync();
        }
    }

    private static async Task AnswerAsync(HttpContext context)
    {
        HttpRequest request = context.Request;
        HttpResponse response = context.Response;
        switch (request.Path.Value)
        {
            case "/hello":
                await response.WriteAsync("hello " + request.QueryString.Value);
                break;
            case "/async":
                await Task.Yield();
                await response.WriteAsync("first");
                await Task.Delay(1);
                await response.WriteAsync("second " + request.QueryString.Value);
                break;
            case "/large":
                byte[] block = new byte[50_000];
                for (int i = 0; i < 6; i++)
                {
                    block.AsSpan().Fill((byte)('a' + i));
                    await response.Body.WriteAsync(block, context.RequestAborted);
                }

                break;
            case "/echo":
                byte[] buffer = new byte[7000];
                int read;
                using (var copy = new MemoryStream())
                {
                    while ((read = await request.Body.ReadAsync(buffer, context.RequestAborted)) > 0)
                    {
                        copy.Write(buffer, 0, read);
                    }

                    response.ContentLength = copy.Length;
                    await response.Body.WriteAsync(copy.ToArray());
                }

                break;
            case "/ignore": // leaves the content to the server
                await response.WriteAsync("ignored");
                break;
            case "/leave": // leaves a read and a write behind
                _ = request.Body.ReadAsync(new byte[100]).AsTask().ContinueWith(static read => read.Exception, TaskScheduler.Default);
                _ = response.WriteAsync("left");
                break;
            case "/abort":
                Task abort = Task.Run(context.Abort);
                await response.WriteAsync("perhaps");
                await abort;
                break;
            case "/upgrade":
                Stream duplex = await context.Features.GetRequiredFeature<IHttpUpgradeFeature>().UpgradeAsync();
                byte[] piece = new byte[512];
                int got;
                while ((got = await duplex.ReadAsync(piece)) > 0)
                {
                    await duplex.WriteAsync(piece.AsMemory(0, got));
                }

                break;
            default:
                try
                {
                    await Task.Delay(Timeout.Infinite, context.RequestAborted);
                }
                catch (OperationCanceledException)
                {
                    // The server stops, or the client has gone.
                }

                break;
        }
    }

    // A row of connections, one scenario each, until the time is over. Returns how many exchanges were checked.
    private static async Task<int> RunClientAsync(AppHost host, Random random, CancellationToken stop)
    {
        int served = 0;
        while (!stop.IsCancellationRequested)
        {
            int scenario = random.Next(10);
            try
            {
                await using RawClient client = await host.ConnectAsync(scenario == 3 ? 4096 : null);
                served += await RunScenarioAsync(scenario, client, random);
            }
            catch (Exception exception) when (exception is not IOException and not SocketException || scenario < 6)
            {
                throw new InvalidOperationException($"Scenario {scenario.ToString(CultureInfo.InvariantCulture)} failed.", exception);
            }
            catch (Exception exception) when (exception is IOException or SocketException)
            {
                // The scenario provokes the server into closing.
            }
        }

        return served;
    }

    // Below 6: well-behaved, every byte is checked.
    private static async Task<int> RunScenarioAsync(int scenario, RawClient client, Random random)
    {
        switch (scenario)
        {
            case 0: // keep-alive
                int count = random.Next(1, 20);
                for (int i = 0; i < count; i++)
                {
                    string path = random.Next(2) == 0 ? "hello" : "async";
                    await client.SendCutAtAsync($"GET /{path}?{i} HTTP/1.1\r\nHost: a\r\n\r\n", random);
                    Assert.Equal((path == "hello" ? "hello" : "firstsecond") + $" ?{i}", (await client.ReadResponseAsync()).Text);
                }

                return count;
            case 1: // a pipelined batch
                int batch = random.Next(2, 100);
                var requests = new StringBuilder();
                for (int i = 0; i < batch; i++)
                {
                    requests.Append(CultureInfo.InvariantCulture, $"GET /{(i % 7 == 3 ? "async" : "hello")}?{i} HTTP/1.1\r\nHost: a\r\n\r\n");
                }

                await client.SendCutAtAsync(requests.ToString(), random);
                for (int i = 0; i < batch; i++)
                {
                    Assert.Equal((i % 7 == 3 ? "firstsecond" : "hello") + $" ?{i}", (await client.ReadResponseAsync()).Text);
                }

                return batch;
            case 2: // uploads, both framings
                for (int i = 0; i < 4; i++)
                {
                    string content = new((char)('a' + random.Next(26)), random.Next(1, 60_000));
                    string head = "POST /echo HTTP/1.1\r\nHost: a\r\n";
                    await client.SendCutAtAsync(
                        random.Next(2) == 0 ? $"{head}Content-Length: {content.Length}\r\n\r\n{content}" : $"{head}Transfer-Encoding: chunked\r\n\r\n{content.Length:x}\r\n{content}\r\n0\r\n\r\n",
                        random);
                    Assert.Equal(content, (await client.ReadResponseAsync()).Text);
                }

                return 4;
            case 3: // a slow reader of a large response, and a pipelined one behind it
                await client.SendAsync("GET /large HTTP/1.1\r\nHost: a\r\n\r\nGET /hello?x HTTP/1.1\r\nHost: a\r\n\r\n");
                await Task.Delay(random.Next(60));
                RawResponse large = await client.ReadResponseAsync();
                Assert.Equal(300_000, large.Body.Length);
                Assert.True(large.Body.Select((value, index) => value == 'a' + (index / 50_000)).All(same => same));
                Assert.Equal("hello ?x", (await client.ReadResponseAsync()).Text);
                return 2;
            case 4: // content that the application ignores, then another request
                string ignored = new('z', random.Next(20_000));
                await client.SendCutAtAsync($"POST /ignore HTTP/1.1\r\nHost: a\r\nContent-Length: {ignored.Length}\r\n\r\n{ignored}GET /hello HTTP/1.1\r\nHost: a\r\n\r\n", random);
                Assert.Equal("ignored", (await client.ReadResponseAsync()).Text);
                Assert.Equal("hello ", (await client.ReadResponseAsync()).Text);
                return 2;
            case 5: // request and FIN
                await client.SendAsync("GET /async HTTP/1.1\r\nHost: a\r\n\r\nGET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
                client.ShutdownSend();
                Assert.Equal("firstsecond ", (await client.ReadResponseAsync()).Text);
                Assert.Equal("hello ", (await client.ReadResponseAsync()).Text);
                await client.ExpectCloseAsync();
                return 2;
            case 6: // gone in the middle of the request or of the response
                string[] starts = ["GET /hel", "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9000\r\n\r\nabc", "GET /large HTTP/1.1\r\nHost: a\r\n\r\n", "GET /async HTTP/1.1\r\nHost: a\r\n\r\n", "GET /hang HTTP/1.1\r\nHost: a\r\n\r\n", "BAD\r\n\r\n"];
                await client.SendAsync(starts[random.Next(starts.Length)]);
                await Task.Delay(random.Next(4));
                if (random.Next(3) == 0)
                {
                    client.ShutdownSend();
                    await Task.Delay(random.Next(4));
                }

                client.Reset();
                return 0;
            case 7: // a handler that aborts from another thread while it writes
                await client.SendAsync("GET /abort HTTP/1.1\r\nHost: a\r\n\r\nGET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
                client.ShutdownSend();
                await client.ReadToEndOrResetAsync();
                return 0;
            case 8: // a handler that leaves a read behind
                await client.SendAsync("POST /leave HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n");
                await client.SendAsync("0123456789");
                client.ShutdownSend();
                await client.ReadToEndOrResetAsync();
                return 0;
            default: // an upgrade, ended by either side's FIN or by a reset
                await client.SendAsync("GET /upgrade HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nfirst");
                await client.ReadHeadAsync();
                Assert.Equal("first", await client.ReadTextAsync(5));
                string more = new('m', random.Next(1, 3000));
                await client.SendCutAtAsync(more, random);
                Assert.Equal(more, await client.ReadTextAsync(more.Length));
                if (random.Next(2) == 0)
                {
                    client.Reset();
                    return 1;
                }

                client.ShutdownSend();
                await client.ExpectCloseAsync();
                return 1;
        }
    }

    // The server's threads carry its name: one per loop that still has something to do.
    private static int LoopThreads()
    {
        int loops = 0;
        foreach (string task in Directory.EnumerateDirectories("/proc/self/task"))
        {
            try
            {
                loops += File.ReadAllText(Path.Combine(task, "comm")).StartsWith("Aeronet loop", StringComparison.Ordinal) ? 1 : 0;
            }
            catch (IOException)
            {
                // A thread that has just ended.
            }
        }

        return loops;
    }
}

/// <summary>What a storm's client does besides.</summary>
internal static class StormClient
{
    /// <summary>Sends in up to three segments, cut anywhere.</summary>
    public static async Task SendCutAtAsync(this RawClient client, string text, Random random)
    {
        int at = 0;
        for (int i = 0; i < 2 && at < text.Length; i++)
        {
            int next = random.Next(at, text.Length);
            if (next > at)
            {
                await client.SendAsync(text[at..next]);
            }

            at = next;
            await Task.Yield();
        }

        await client.SendAsync(text[at..]);
    }

    public static async Task ReadToEndOrResetAsync(this RawClient client)
    {
        try
        {
            await client.ReadToEndAsync();
        }
        catch (IOException)
        {
            // Reset: as good an end.
        }
    }
}
