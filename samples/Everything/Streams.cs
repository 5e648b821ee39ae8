using System;
using System.Collections.Generic;
using System.IO;
using System.Net.ServerSentEvents;
using System.Runtime.CompilerServices;
using System.Text;
using System.Threading;
using System.Threading.Tasks;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Everything;

/// <summary>Responses that take their time: server-sent events, streams, asynchronous sequences, trailers.</summary>
internal static class Streams
{
    public static void Map(IEndpointRouteBuilder app)
    {
        app.MapGet("/sse", (int? count, CancellationToken aborted) => TypedResults.ServerSentEvents(Ticks(count ?? int.MaxValue, aborted)));
        app.MapGet("/sequence", (CancellationToken aborted) => Numbers(10, aborted));
        app.MapGet("/stream", () => Results.Stream(WriteLinesAsync, "text/plain"));
        app.MapGet("/download", () => Results.Stream(new MemoryStream(Encoding.UTF8.GetBytes("a file made on the fly\n")), "text/plain", "made.txt", enableRangeProcessing: true));
        app.MapGet("/trailers", TrailersAsync);
        app.MapPost("/echo", (HttpContext context) =>
        {
            context.Response.ContentType = context.Request.ContentType;
            return context.Request.Body.CopyToAsync(context.Response.Body);
        });
    }

    private static async IAsyncEnumerable<SseItem<object>> Ticks(int count, [EnumeratorCancellation] CancellationToken aborted)
    {
        for (int number = 1; number <= count; number++)
        {
            yield return new SseItem<object>(new { number, at = DateTimeOffset.UtcNow }, "tick") { EventId = $"{number}" };
            await Task.Delay(500, aborted);
        }
    }

    private static async IAsyncEnumerable<int> Numbers(int count, [EnumeratorCancellation] CancellationToken aborted)
    {
        for (int number = 1; number <= count; number++)
        {
            await Task.Delay(20, aborted);
            yield return number;
        }
    }

    private static async Task WriteLinesAsync(Stream output)
    {
        for (int line = 1; line <= 10; line++)
        {
            await output.WriteAsync(Encoding.UTF8.GetBytes($"line {line}\n"));
            await output.FlushAsync();
            await Task.Delay(100);
        }
    }

    // Kestrel has response trailers on HTTP/2 and 3 only, Aeronet on HTTP/1.1 as well.
    private static async Task TrailersAsync(HttpContext context)
    {
        HttpResponse response = context.Response;
        bool supported = response.SupportsTrailers();
        if (supported)
        {
            response.DeclareTrailer("Lines");
        }

        await response.WriteAsync(supported ? "a trailer follows\n" : "no trailers on this connection (HTTP/1.1 on Kestrel, or no 'TE: trailers' in the request)\n");
        if (supported)
        {
            response.AppendTrailer("Lines", "1");
        }
    }
}
