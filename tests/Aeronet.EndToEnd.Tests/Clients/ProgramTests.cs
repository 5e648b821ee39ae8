using System;
using System.Diagnostics;
using System.IO;
using System.Linq;
using System.Text.RegularExpressions;
using System.Threading.Tasks;
using Aeronet.EndToEnd.Tests.Columns;
using Aeronet.TestSupport.Hosting;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Xunit;
using Xunit.Abstractions;

namespace Aeronet.EndToEnd.Tests.Clients;

/// <summary>Programs that others wrote. Missing ones are told loudly, and are a failure where CI=true promises them.</summary>
[Collection(nameof(ProgramTests))]
public sealed partial class ProgramTests(ITestOutputHelper output)
{
    [Theory, BothServers]
    public async Task Curl_gets_posts_and_reuses_its_connection(ServerKind server)
    {
        await using AppHost host = await AppHost.StartAsync(server, app => app.Run(Echo.RespondAsync));
        string? get = await RunAsync("curl", $"-sSk --http1.1 --max-time 20 {host.Url}a%20b?q {host.Url}second -w %{{num_connects}}|%{{http_code}};");
        if (get is null)
        {
            return;
        }

        Assert.Contains("\"Path\":\"/a b\"", get, StringComparison.Ordinal);
        Assert.Contains("\"Path\":\"/second\"", get, StringComparison.Ordinal);
        Assert.Contains("1|200;", get, StringComparison.Ordinal);
        Assert.Contains("0|200;", get, StringComparison.Ordinal);
        string? post = await RunAsync("curl", $"-sSk --http1.1 --max-time 20 -d x=1 -H Expect:100-continue {host.Url}");
        Assert.Contains("\"Body\":\"x=1\"", post, StringComparison.Ordinal);
        string? chunked = await RunAsync("curl", $"-sSk --http1.1 --max-time 20 -H Transfer-Encoding:chunked -d chunky {host.Url}");
        Assert.Contains("\"Body\":\"chunky\"", chunked, StringComparison.Ordinal);
        string? old = await RunAsync("curl", $"-sSk --max-time 20 -0 {host.Url}");
        Assert.Contains("\"Protocol\":\"HTTP/1.0\"", old, StringComparison.Ordinal);
        string? head = await RunAsync("curl", $"-sSkI --http1.1 --max-time 20 {host.Url}");
        Assert.Contains("Content-Type: application/json", head, StringComparison.Ordinal);
    }

    [Theory, AeronetOnly]
    public async Task Wrk_drives_512_connections_for_10_seconds_without_an_error(ServerKind server)
    {
        await using AppHost host = await AppHost.StartAsync(server, app => app.Run(context => context.Response.WriteAsync("hello")), quiet: true);
        string? report = await RunAsync("wrk", $"-t1 -c512 -d10s --timeout 10s {host.Url}");
        if (report is null)
        {
            return;
        }

        output.WriteLine(report);
        Assert.DoesNotContain("Socket errors", report, StringComparison.Ordinal);
        Assert.DoesNotContain("Non-2xx", report, StringComparison.Ordinal);
        Match requests = RequestCount().Match(report);
        Assert.True(int.Parse(requests.Groups[1].Value, System.Globalization.CultureInfo.InvariantCulture) > 1000, report);
    }

    [Theory, BothServers]
    public async Task After_many_connections_and_a_stop_no_descriptor_and_no_thread_is_left(ServerKind server)
    {
        await RunOnceAsync(server);
        (int descriptors, int threads) before = Count();
        for (int i = 0; i < 3; i++)
        {
            await RunOnceAsync(server);
        }

        using var guard = new System.Threading.CancellationTokenSource(Guard.Time);
        while (Count() is var now && (now.Descriptors > before.descriptors + 5 || now.LoopThreads > before.threads))
        {
            // Threads end and descriptors close a moment after the host is disposed.
            GC.Collect();
            GC.WaitForPendingFinalizers();
            try
            {
                await Task.Delay(50, guard.Token);
            }
            catch (OperationCanceledException)
            {
                Assert.Fail($"Before {before}, after {now}.");
            }
        }

        static async Task RunOnceAsync(ServerKind server)
        {
            await using AppHost host = await AppHost.StartAsync(server, app => app.Run(context => context.Response.WriteAsync("x")), quiet: true);
            for (int i = 0; i < 100; i++)
            {
                await using TestSupport.Wire.RawClient client = await host.ConnectAsync();
                await client.SendAsync("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
                Assert.Equal("x", (await client.ReadResponseAsync()).Text);
                if (i % 2 == 0)
                {
                    client.Reset();
                }
            }
        }

        static (int Descriptors, int LoopThreads) Count() => (
            Directory.GetFiles("/proc/self/fd").Length,
            Directory.GetDirectories("/proc/self/task").Count(task => Read(task).StartsWith("Aeronet", StringComparison.Ordinal)));

        static string Read(string task)
        {
            try
            {
                return File.ReadAllText(Path.Combine(task, "comm"));
            }
            catch (IOException)
            {
                // The thread has ended.
                return "";
            }
        }
    }

    [GeneratedRegex("([0-9]+) requests in")]
    private static partial Regex RequestCount();

    private async Task<string?> RunAsync(string program, string arguments)
    {
        string? path = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Select(folder => Path.Combine(folder, program)).FirstOrDefault(File.Exists);
        if (path is null)
        {
            output.WriteLine($"SKIPPED: {program} is not installed.");
            Console.Error.WriteLine($"SKIPPED: {program} is not installed, a test with it did not run.");
            Assert.False(string.Equals(Environment.GetEnvironmentVariable("CI"), "true", StringComparison.OrdinalIgnoreCase), $"{program} is not installed.");
            return null;
        }

        using Process process = Process.Start(new ProcessStartInfo(path, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        Task<string> text = process.StandardOutput.ReadToEndAsync();
        Task<string> errors = process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync().WaitAsync(TimeSpan.FromSeconds(60));
        Assert.True(process.ExitCode == 0, $"{program} {arguments}: {process.ExitCode} {await errors}");
        return await text;
    }

    /// <summary>These take the whole machine: nothing else runs beside them.</summary>
    [CollectionDefinition(nameof(ProgramTests), DisableParallelization = true)]
    public sealed class Alone;
}
