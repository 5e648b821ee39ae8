using System;
using System.Diagnostics.Metrics;
using System.IO;
using System.Linq;
using System.Threading.Tasks;
using Aeronet.EndToEnd.Tests.Columns;
using Aeronet.TestSupport.Hosting;
using Aeronet.TestSupport.Wire;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Xunit;

namespace Aeronet.EndToEnd.Tests.Connections;

/// <summary>Connections opened, used and ended in waves, half of them by a reset at any moment: nothing is left, and nothing is worth more than a Debug line.</summary>
[Collection(Alone.Name)]
public sealed class WaveTests
{
    private const string Request = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";
    private const int Waves = 10;
    private const int EndpointMoved = 3012;

    [Theory]
    [InlineData(ServerKind.Aeronet, 1000)]
    [InlineData(ServerKind.AeronetSockets, 1000)]
    [InlineData(ServerKind.KestrelOnAeronet, 1000)]
    [InlineData(ServerKind.AeronetHttps, 200)]
    [InlineData(ServerKind.KestrelOnAeronetHttps, 200)]
    public async Task Ten_waves_leave_nothing_behind(ServerKind server, int size)
    {
        int descriptors = Descriptors();
        await using (AppHost host = await AppHost.StartAsync(server, static app => app.Run(EchoAsync)))
        {
            int before = host.Logs.Entries.Count; // what the start has said
            using MeterCapture meters = new(host.Services.GetRequiredService<IMeterFactory>(), "kestrel.active_connections");
            for (int wave = 0; wave < Waves; wave++)
            {
                await Task.WhenAll(Enumerable.Range(0, size).Select(index => UseAsync(host, new Random((wave * size) + index)))).WaitAsync(Guard.Time * 3);
                await meters.WaitForAsync("kestrel.active_connections", static all => all.Sum(static change => change.Value) == 0);
            }

            // Besides an endpoint that leaves the loop because the machine is slow, which is said once.
            Assert.Empty(host.Logs.Entries.Skip(before).Where(static entry => entry.Level > LogLevel.Debug && IsServers(entry.Category) && entry.Id != EndpointMoved).Select(static entry => entry.ToString()));
        }

        // Sockets that clients have reset close a moment later. The framework's own descriptors (its socket engines, made at first use) are a few dozen.
        const int FrameworkMax = 100;
        for (long start = Environment.TickCount64; Descriptors() > descriptors + FrameworkMax; await Task.Delay(50))
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
            Assert.True(Environment.TickCount64 - start < Guard.Time.TotalMilliseconds, $"{descriptors} descriptors before, {Descriptors()} after.");
        }
    }

    private static async Task UseAsync(AppHost host, Random random)
    {
        await Task.Yield();
        await using RawClient client = await host.ConnectAsync();
        bool resets = random.Next(2) == 0;
        for (int requests = random.Next(1, 4); requests > 0; requests--)
        {
            if (resets && random.Next(3) == 0)
            {
                await client.SendAsync(Request[..random.Next(1, Request.Length)]);
                client.Reset();
                return;
            }

            await client.SendAsync(Request);
            if (resets && random.Next(3) == 0)
            {
                client.Reset();
                return;
            }

            Assert.Equal("hello", (await client.ReadResponseAsync()).Text);
        }

        if (resets)
        {
            client.Reset();
        }
    }

    private static async Task EchoAsync(HttpContext context)
    {
        try
        {
            using MemoryStream body = new();
            await context.Request.Body.CopyToAsync(body);
            await context.Response.Body.WriteAsync(body.ToArray());
        }
        catch (IOException)
        {
            // The client has gone: what an application makes of that is no matter of this test.
        }
    }

    private static bool IsServers(string category) => category.StartsWith("Aeronet", StringComparison.Ordinal) || category.StartsWith("Microsoft.AspNetCore.Server.Kestrel", StringComparison.Ordinal);

    private static int Descriptors() => Directory.GetFiles("/proc/self/fd").Length;
}
