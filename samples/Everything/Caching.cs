using System;
using System.Linq;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.RateLimiting;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace Everything;

/// <summary>Output caching, response compression and rate limiting.</summary>
internal static class Caching
{
    private const string FewRequests = "few";

    public static void AddServices(IServiceCollection services)
    {
        services.AddOutputCache();
        services.AddRateLimiter(limiter =>
        {
            limiter.RejectionStatusCode = StatusCodes.Status429TooManyRequests;
            limiter.AddFixedWindowLimiter(FewRequests, window =>
            {
                window.PermitLimit = 3;
                window.Window = TimeSpan.FromSeconds(10);
            });
        });
    }

    public static void Map(IEndpointRouteBuilder app)
    {
        app.MapGet("/cached", () => new { madeAt = DateTimeOffset.UtcNow }).CacheOutput(policy => policy.Expire(TimeSpan.FromSeconds(10)));
        app.MapGet("/limited", () => "one of three in ten seconds").RequireRateLimiting(FewRequests);
        app.MapGet("/compressed", () => string.Join('\n', Enumerable.Range(1, 500).Select(line => $"line {line} of a text that compresses well")));
    }
}
