using System;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Text;
using System.Threading.Tasks;
using Aeronet.EndToEnd.Tests.Columns;
using Aeronet.TestSupport.Hosting;
using Aeronet.TestSupport.Wire;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.FileProviders;
using Xunit;

namespace Aeronet.EndToEnd.Tests.Responses;

/// <summary>Files through SendFileAsync, Results.File and the static files middleware, of every size at which their way through the server changes.</summary>
[NeedsNoSocket]
[Trait("Feature", "B15"), Trait("Feature", "B73b")]
public sealed class FileTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("aeronet-e2e-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [BothServers(0)]
    [BothServers(1)]
    [BothServers(64 * 1024)]
    [BothServers((64 * 1024) + 1)]
    [BothServers(2 * 1024 * 1024)]
    [BothServers(5_000_001)]
    public async Task A_file_is_sent_whole_with_and_without_a_length(ServerKind server, int size)
    {
        byte[] content = Write("file.bin", size);
        await using AppHost host = await AppHost.StartAsync(server, app => app.Run(context =>
        {
            if (context.Request.Path == "/length")
            {
                context.Response.ContentLength = size;
            }

            return context.Response.SendFileAsync(Path.Combine(_folder, "file.bin"));
        }));
        await using RawClient client = await host.ConnectAsync();
        foreach (string path in new[] { "/length", "/none", "/length" })
        {
            await client.SendAsync($"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
            RawResponse response = await client.ReadResponseAsync();
            Assert.Equal(200, response.Status);
            Assert.True(content.AsSpan().SequenceEqual(response.Body));
        }
    }

    [Theory, BothServers]
    public async Task A_client_that_takes_its_time_gets_every_byte(ServerKind server)
    {
        byte[] content = Write("file.bin", 8_000_000);
        await using AppHost host = await AppHost.StartAsync(server, app => app.Run(context => context.Response.SendFileAsync(Path.Combine(_folder, "file.bin"))));
        await using RawClient client = await host.ConnectAsync(receiveBuffer: 8 * 1024);
        await client.SendAsync("GET / HTTP/1.0\r\n\r\n");
        await client.ReadHeadAsync();
        for (int at = 0; at < content.Length; at += 100_000)
        {
            Assert.Equal(Encoding.Latin1.GetString(content, at, 100_000), await client.ReadTextAsync(100_000));
        }

        await client.ExpectCloseAsync();
    }

    [Theory, BothServers]
    public async Task A_client_that_leaves_in_the_middle_of_a_file_ends_the_request(ServerKind server)
    {
        Write("file.bin", 20_000_000);
        TaskCompletionSource<Exception?> ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
        await using AppHost host = await AppHost.StartAsync(server, app => app.Run(async context =>
        {
            try
            {
                await context.Response.SendFileAsync(Path.Combine(_folder, "file.bin"), context.RequestAborted);
                ended.SetResult(null);
            }
            catch (Exception exception)
            {
                ended.SetResult(exception);
                throw;
            }
        }));
        await using (RawClient client = await host.ConnectAsync(receiveBuffer: 8 * 1024))
        {
            await client.SendAsync("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
            await client.ReadHeadAsync();
            client.Reset();
        }

        Exception? exception = await ended.Task.WaitAsync(Guard.Time);
        Assert.True(exception is null or OperationCanceledException, exception?.ToString());
    }

    [Theory, BothServers]
    public async Task Files_that_the_kernel_makes_up_are_sent(ServerKind server)
    {
        const string Path = "/proc/version"; // of length zero, and not empty
        if (!File.Exists(Path))
        {
            return; // no Linux
        }

        await using AppHost host = await AppHost.StartAsync(server, app => app.Run(static context => context.Response.SendFileAsync(Path)));
        Assert.Equal(await File.ReadAllTextAsync(Path), (await host.ExchangeAsync("GET / HTTP/1.1\r\nHost: a\r\n\r\n")).Utf8Text);
    }

    [Theory, BothServers]
    public async Task Static_files_have_ranges_conditions_and_HEAD(ServerKind server)
    {
        byte[] content = Write("file.txt", 3_000_000);
        await using AppHost host = await AppHost.StartAsync(server, app => app.UseStaticFiles(new StaticFileOptions { FileProvider = new PhysicalFileProvider(_folder) }));
        RawResponse whole = await host.ExchangeAsync("GET /file.txt HTTP/1.1\r\nHost: a\r\n\r\n");
        Assert.True(content.AsSpan().SequenceEqual(whole.Body));
        Assert.Equal("3000000", whole["Content-Length"]);

        RawResponse head = await host.ExchangeAsync("HEAD /file.txt HTTP/1.1\r\nHost: a\r\n\r\n", head: true);
        Assert.Equal("3000000", head["Content-Length"]);

        foreach ((int from, int to) in new[] { (0, 0), (1_000, 200_999), (2_999_990, 2_999_999) })
        {
            RawResponse range = await host.ExchangeAsync(string.Create(CultureInfo.InvariantCulture, $"GET /file.txt HTTP/1.1\r\nHost: a\r\nRange: bytes={from}-{to}\r\n\r\n"));
            Assert.Equal(206, range.Status);
            Assert.True(content.AsSpan(from, to - from + 1).SequenceEqual(range.Body));
        }

        RawResponse unchanged = await host.ExchangeAsync($"GET /file.txt HTTP/1.1\r\nHost: a\r\nIf-None-Match: {whole["ETag"]}\r\n\r\n");
        Assert.Equal(304, unchanged.Status);
        Assert.Equal(416, (await host.ExchangeAsync("GET /file.txt HTTP/1.1\r\nHost: a\r\nRange: bytes=3000000-\r\n\r\n")).Status);
    }

    [Theory, BothServers]
    public async Task A_file_between_two_writes_keeps_its_place_also_when_many_are_under_way(ServerKind server)
    {
        byte[] content = Write("file.bin", 400_000);
        await using AppHost host = await AppHost.StartAsync(server, app => app.Run(async context =>
        {
            await context.Response.WriteAsync("begin ");
            await context.Response.SendFileAsync(Path.Combine(_folder, "file.bin"), 100, 300_000);
            await context.Response.WriteAsync(" end");
        }));
        byte[] expected = [.. "begin "u8, .. content.AsSpan(100, 300_000), .. " end"u8];
        RawResponse[] responses = await Task.WhenAll(Enumerable.Range(0, 16).Select(_ => host.ExchangeAsync("GET / HTTP/1.1\r\nHost: a\r\n\r\n")));
        Assert.All(responses, response => Assert.True(expected.AsSpan().SequenceEqual(response.Body)));
    }

    [Theory]
    [BothServers(1_000)]
    [BothServers(200_000)]
    public async Task A_callback_at_the_start_may_send_a_file(ServerKind server, int size)
    {
        byte[] content = Write("file.bin", size);
        await using AppHost host = await AppHost.StartAsync(server, app => app.Run(context =>
        {
            context.Response.OnStarting(() => context.Response.SendFileAsync(Path.Combine(_folder, "file.bin")));
            return Task.CompletedTask;
        }));
        RawResponse response = await host.ExchangeAsync("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        Assert.True(content.AsSpan().SequenceEqual(response.Body));
    }

    [Theory, AeronetOnly]
    public async Task A_file_of_more_than_one_part_is_sent_whole(ServerKind server)
    {
        const long Size = (1L << 30) + 10; // a chunk has at most a gibibyte
        using (FileStream file = File.Create(Path.Combine(_folder, "file.bin")))
        {
            file.SetLength(Size); // takes no space on the disk
        }

        await using AppHost host = await AppHost.StartAsync(server, app => app.Run(context => context.Response.SendFileAsync(Path.Combine(_folder, "file.bin"))));
        await using RawClient client = await host.ConnectAsync();
        await client.SendAsync("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        await client.ReadHeadAsync();
        Assert.Equal("40000000", await client.ReadLineAsync());
        await client.SkipAsync(1L << 30);
        Assert.Equal("", await client.ReadLineAsync());
        Assert.Equal("A", await client.ReadLineAsync());
        await client.SkipAsync(10);
        Assert.Equal("", await client.ReadLineAsync());
        Assert.Equal("0", await client.ReadLineAsync());
    }

    private byte[] Write(string name, int size)
    {
        byte[] content = new byte[size];
        new Random(size).NextBytes(content);
        File.WriteAllBytes(Path.Combine(_folder, name), content);
        return content;
    }
}
