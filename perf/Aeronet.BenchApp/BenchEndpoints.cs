using System;
using System.Buffers;
using System.IO;
using System.IO.Pipelines;
using System.Runtime.CompilerServices;
using System.Threading;
using System.Threading.Tasks;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Aeronet.BenchApp;

/// <summary>One endpoint per scenario of the laboratory, written as an application would write it.</summary>
internal static class BenchEndpoints
{
    private const int StreamedBytes = 1024 * 1024;
    private const int StepsPerMillisecond = 750_000; // about, at 3 GHz: four cycles each
    private const int StreamedPieceBytes = 16 * 1024;
    private static readonly byte[] Filler = MakeFiller(StreamedPieceBytes);

    public static void Map(IEndpointRouteBuilder app)
    {
        app.MapGet("/plaintext", () => "Hello, World!");
        app.MapGet("/json", () => TypedResults.Json(new Greeting("Hello, World!")));
        app.MapPost("/echo", EchoAsync);
        app.MapPost("/upload", CountAsync);
        app.MapGet("/stream", StreamAsync);
        app.MapGet("/async", WaitForTimerAsync);
        app.MapGet("/cpu", () => Compute(StepsPerMillisecond));
        app.MapGet("/spin", () => Compute(5 * StepsPerMillisecond));
        app.MapGet("/sleep", Sleep);

        string folder = Directory.CreateTempSubdirectory("aeronet-bench").FullName;
        AppDomain.CurrentDomain.ProcessExit += (_, _) => Directory.Delete(folder, recursive: true);
        MapFile(app, "/file/100k", Path.Combine(folder, "100k.bin"), 100 * 1024);
        MapFile(app, "/file/1m", Path.Combine(folder, "1m.bin"), 1024 * 1024);
    }

    // A string body as MapGet would send it, but typed, so that the blocking endpoints differ from /plaintext in the blocking only.
    private static string Sleep()
    {
        Thread.Sleep(50);
        return "slept";
    }

    // A fixed amount of work, not of time: two threads that share a core must take twice as long. Each step waits for the one before.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static string Compute(int steps)
    {
        uint value = 1;
        for (int step = 0; step < steps; step++)
        {
            value = (value * 1664525) + 1013904223;
        }

        return value == 0 ? "zero" : "done";
    }

    private static async Task<string> WaitForTimerAsync()
    {
        await Task.Delay(1);
        return "waited";
    }

    private static Task EchoAsync(HttpContext context)
    {
        context.Response.ContentType = "application/octet-stream";
        context.Response.ContentLength = context.Request.ContentLength;
        return context.Request.BodyReader.CopyToAsync(context.Response.BodyWriter);
    }

    private static async Task<string> CountAsync(HttpRequest request)
    {
        long length = 0;
        while (true)
        {
            ReadResult read = await request.BodyReader.ReadAsync();
            length += read.Buffer.Length;
            request.BodyReader.AdvanceTo(read.Buffer.End);
            if (read.IsCompleted)
            {
                return FormattableString.Invariant($"{length}");
            }
        }
    }

    private static async Task StreamAsync(HttpResponse response)
    {
        response.ContentType = "application/octet-stream";
        for (int sent = 0; sent < StreamedBytes; sent += StreamedPieceBytes)
        {
            response.BodyWriter.Write(Filler);
            await response.BodyWriter.FlushAsync();
        }
    }

    private static void MapFile(IEndpointRouteBuilder app, string route, string path, int bytes)
    {
        File.WriteAllBytes(path, MakeFiller(bytes));
        app.MapGet(route, (HttpResponse response) =>
        {
            response.ContentType = "application/octet-stream";
            response.ContentLength = bytes;
            return response.SendFileAsync(path);
        });
    }

    private static byte[] MakeFiller(int count)
    {
        byte[] filler = new byte[count];
        for (int index = 0; index < count; index++)
        {
            filler[index] = (byte)('a' + (index % 26));
        }

        return filler;
    }

    private sealed record Greeting(string Message);
}
