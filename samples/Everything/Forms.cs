using System;
using System.IO.Pipelines;
using System.Linq;
using System.Security.Cryptography;
using System.Threading.Tasks;
using Microsoft.AspNetCore.Antiforgery;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Routing;

namespace Everything;

/// <summary>Forms and file uploads under antiforgery, and a raw upload that never holds the body.</summary>
internal static class Forms
{
    public static void Map(IEndpointRouteBuilder app)
    {
        app.MapGet("/forms/token", (HttpContext context, IAntiforgery antiforgery) =>
        {
            AntiforgeryTokenSet tokens = antiforgery.GetAndStoreTokens(context);
            return new { field = tokens.FormFieldName, token = tokens.RequestToken };
        });
        app.MapPost("/forms/contact", ([FromForm] string name, [FromForm] string message) => new { name, length = message.Length });
        app.MapPost("/forms/upload", (IFormFileCollection files) => files.Select(file => new { file.Name, file.FileName, file.ContentType, file.Length }));
        app.MapPut("/upload", HashAsync);
    }

    // Reads the body as it arrives, in whatever pieces, and trailers after it when the client sent some.
    private static async Task<object> HashAsync(HttpRequest request)
    {
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        long length = 0;
        while (true)
        {
            ReadResult read = await request.BodyReader.ReadAsync();
            foreach (ReadOnlyMemory<byte> piece in read.Buffer)
            {
                hash.AppendData(piece.Span);
                length += piece.Length;
            }

            request.BodyReader.AdvanceTo(read.Buffer.End);
            if (read.IsCompleted)
            {
                break;
            }
        }

        string? checksum = request.CheckTrailersAvailable() ? request.GetTrailer("Checksum").ToString() : null;
        return new { length, sha256 = Convert.ToHexStringLower(hash.GetHashAndReset()), checksum };
    }
}
