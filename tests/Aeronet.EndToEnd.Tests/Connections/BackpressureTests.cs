using System;
using System.IO;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Threading.Tasks;
using Aeronet.EndToEnd.Tests.Columns;
using Aeronet.TestSupport.Hosting;
using Aeronet.TestSupport.Wire;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Xunit;

namespace Aeronet.EndToEnd.Tests.Connections;

/// <summary>A fast side waits for the slow one.</summary>
[Trait("Defect", "RESP-16"), Trait("Feature", "B40"), Trait("Feature", "B125")]
[NeedsNoSocket]
public sealed class BackpressureTests
{
    [Theory, BothServers]
    [Trait("Feature", "B72e")]
    public async Task A_writer_waits_for_a_client_that_does_not_read(ServerKind server)
    {
        const int Block = 100_000, Blocks = 400;
        var paused = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using AppHost host = await AppHost.StartAsync(server, app => app.Run(async context =>
        {
            byte[] block = new byte[Block];
            context.Response.ContentLength = (long)Block * Blocks;
            for (int i = 0; i < Blocks; i++)
            {
                ValueTask write = context.Response.Body.WriteAsync(block);
                if (!write.IsCompleted)
                {
                    paused.TrySetResult();
                }

                await write;
            }

            paused.TrySetException(new InvalidOperationException("The server took everything without waiting."));
        }));
        await using RawClient client = await host.ConnectAsync(receiveBuffer: 8192);
        await client.SendAsync("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        await paused.Task.WaitAsync(Guard.Time);
        Assert.Equal(Block * Blocks, (await client.ReadResponseAsync()).Body.Length);
    }

    [Theory]
    [BothServers(false)]
    [BothServers(true)]
    [Trait("Defect", "LOOP-1")]
    public async Task An_upload_waits_for_an_application_that_does_not_read(ServerKind server, bool chunked)
    {
        const int Block = 100_000, Blocks = 600;
        var read = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using AppHost host = await AppHost.StartAsync(
            server,
            app => app.Run(async context =>
            {
                context.Features.GetRequiredFeature<IHttpMaxRequestBodySizeFeature>().MaxRequestBodySize = null;
                await read.Task;
                byte[] hash = await SHA256.HashDataAsync(context.Request.Body);
                await context.Response.WriteAsync(Convert.ToHexString(hash));
            }),
            kestrel: options =>
            {
                options.Limits.MaxRequestBufferSize = 64 * 1024;
                options.Limits.MinRequestBodyDataRate = null;
            });
        byte[] block = new byte[Block];
        new Random(1).NextBytes(block);
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        for (int i = 0; i < Blocks; i++)
        {
            hash.AppendData(block);
        }

        await using RawClient client = await host.ConnectAsync();
        Task upload = Task.Run(async () =>
        {
            await client.SendAsync($"POST / HTTP/1.1\r\nHost: a\r\n{(chunked ? "Transfer-Encoding: chunked" : $"Content-Length: {(long)Block * Blocks}")}\r\n\r\n");
            for (int i = 0; i < Blocks; i++)
            {
                await client.SendAsync(chunked ? $"{Block:x}\r\n" : "");
                await client.SendAsync(block);
                await client.SendAsync(chunked ? "\r\n" : "");
            }

            await client.SendAsync(chunked ? "0\r\n\r\n" : "");
        });

        // 60 MB fit in no socket buffer: the upload can only be through if the server swallowed it.
        await Task.WhenAny(upload, Task.Delay(TimeSpan.FromMilliseconds(700)));
        Assert.False(upload.IsCompleted, "The server took the whole upload although nobody reads it.");
        read.SetResult();
        await upload.WaitAsync(Guard.Time);
        Assert.Equal(Convert.ToHexString(hash.GetHashAndReset()), (await client.ReadResponseAsync()).Text);
    }

    [Theory, BothServers]
    public async Task A_client_that_never_reads_does_not_stall_its_neighbours(ServerKind server)
    {
        byte[] block = new byte[1_000_000];
        var busy = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using AppHost host = await AppHost.StartAsync(server, app => app.Run(async context =>
        {
            if (context.Request.Path == "/big")
            {
                for (int i = 0; i < 100 && !context.RequestAborted.IsCancellationRequested; i++)
                {
                    ValueTask write = context.Response.Body.WriteAsync(block);
                    if (!write.IsCompleted)
                    {
                        busy.TrySetResult();
                    }

                    await write;
                }
            }
            else
            {
                await context.Response.WriteAsync("small");
            }
        }));
        await using RawClient silent = await host.ConnectAsync(receiveBuffer: 8192);
        await silent.SendAsync("GET /big HTTP/1.1\r\nHost: a\r\n\r\n");
        await busy.Task.WaitAsync(Guard.Time);
        for (int i = 0; i < 8; i++)
        {
            Assert.Equal("small", (await host.ExchangeAsync("GET / HTTP/1.1\r\nHost: a\r\n\r\n")).Text);
        }

        silent.Reset();
    }

    [Theory, BothServers, NeedsSocket]
    public async Task A_slow_reader_gets_every_byte(ServerKind server)
    {
        byte[] body = new byte[5_000_000];
        new Random(2).NextBytes(body);
        await using AppHost host = await AppHost.StartAsync(server, app => app.Run(context => context.Response.Body.WriteAsync(body).AsTask()));
        await using RawClient client = await host.ConnectAsync(receiveBuffer: 4096);
        await client.SendAsync("GET / HTTP/1.0\r\n\r\n");
        var all = new MemoryStream();
        byte[] piece = new byte[7001];
        for (int read; (read = await client.Stream.ReadAsync(piece).AsTask().WaitAsync(Guard.Time)) > 0;)
        {
            all.Write(piece, 0, read);
            await Task.Yield();
        }

        Assert.True(all.ToArray().AsSpan().EndsWith(body));
    }
}
