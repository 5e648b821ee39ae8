using System;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Routing;

namespace Everything;

/// <summary>Routing and the binding of route values, query, headers and bodies in minimal APIs.</summary>
internal static class Routes
{
    public static void Map(IEndpointRouteBuilder app)
    {
        RouteGroupBuilder routes = app.MapGroup("/routes");
        routes.MapGet("/users/{id:int}/posts/{post}", (int id, string post) => new { id, post });
        routes.MapGet("/search", (string q, int page = 1, [FromHeader(Name = "Accept-Language")] string? language = null) => new { q, page, language });
        routes.MapPost("/orders", (Order order) => TypedResults.Created($"/routes/orders/{order.Id}", order));
        routes.MapMethods("/any", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"], (HttpContext context) => context.Request.Method);
        routes.MapGet("/files/{**path}", (string path) => path);
        routes.MapGet("/throws", IResult () => throw new InvalidOperationException("thrown on purpose: the client sees a 500 without this text"));
        app.MapGet("/cors", () => "readable from https://example.com");
    }

    private sealed record Order(int Id, string Item, decimal Price);
}
