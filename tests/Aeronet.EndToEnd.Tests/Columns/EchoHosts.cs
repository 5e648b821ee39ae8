using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Text;
using System.Text.Json;
using System.Threading.Tasks;
using Aeronet.TestSupport.Hosting;
using Aeronet.TestSupport.Wire;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace Aeronet.EndToEnd.Tests.Columns;

/// <summary>Hosts whose application answers with what it saw of the request.</summary>
public sealed class EchoHosts : HostFixture
{
    /// <inheritdoc />
    protected override void Map(WebApplication app) => app.Run(Echo.RespondAsync);

    /// <inheritdoc />
    /// <remarks>Kestrel answers some faults of the peer by an exception out of the body read.</remarks>
    protected override bool ErrorsExpectedOn(ServerKind server) => !server.IsAeronet();
}

/// <summary>The request as the application saw it.</summary>
/// <param name="Method">IHttpRequestFeature.Method.</param>
/// <param name="Protocol">IHttpRequestFeature.Protocol.</param>
/// <param name="Scheme">IHttpRequestFeature.Scheme.</param>
/// <param name="RawTarget">IHttpRequestFeature.RawTarget.</param>
/// <param name="PathBase">IHttpRequestFeature.PathBase.</param>
/// <param name="Path">IHttpRequestFeature.Path.</param>
/// <param name="Query">IHttpRequestFeature.QueryString.</param>
/// <param name="Headers">Every header with all its values.</param>
/// <param name="Trailers">Request trailers; null when the feature says there are none.</param>
/// <param name="CanHaveBody">IHttpRequestBodyDetectionFeature.CanHaveBody.</param>
/// <param name="Body">The body as Latin-1.</param>
internal sealed record Echo(
    string Method,
    string Protocol,
    string Scheme,
    string RawTarget,
    string PathBase,
    string Path,
    string Query,
    Dictionary<string, string[]> Headers,
    Dictionary<string, string[]>? Trailers,
    bool CanHaveBody,
    string Body)
{
    public static async Task RespondAsync(HttpContext context)
    {
        IHttpRequestFeature request = context.Features.GetRequiredFeature<IHttpRequestFeature>();
        var body = new MemoryStream();
        await request.Body.CopyToAsync(body);
        IHttpRequestTrailersFeature? trailers = context.Features.Get<IHttpRequestTrailersFeature>();
        var echo = new Echo(
            request.Method,
            request.Protocol,
            request.Scheme,
            request.RawTarget,
            request.PathBase,
            request.Path,
            request.QueryString,
            Copy(request.Headers),
            trailers is { Available: true } ? Copy(trailers.Trailers) : null,
            context.Features.Get<IHttpRequestBodyDetectionFeature>()?.CanHaveBody ?? false,
            Encoding.Latin1.GetString(body.ToArray()));
        byte[] json = JsonSerializer.SerializeToUtf8Bytes(echo);
        context.Response.ContentType = "application/json";
        context.Response.ContentLength = json.Length;
        if (!HttpMethods.IsHead(request.Method))
        {
            await context.Response.Body.WriteAsync(json);
        }
    }

    public static Echo Of(RawResponse response) => response.Status == 200
        ? JsonSerializer.Deserialize<Echo>(response.Body)!
        : throw new InvalidOperationException("Expected 200, got:\n" + response);

    private static Dictionary<string, string[]> Copy(IHeaderDictionary headers) =>
        headers.ToDictionary(header => header.Key, header => header.Value.Select(value => value ?? "").ToArray(), StringComparer.OrdinalIgnoreCase);
}
