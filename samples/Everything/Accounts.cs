using System.Security.Claims;
using System.Threading.Tasks;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authentication.Cookies;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace Everything;

/// <summary>Cookie authentication and sessions.</summary>
internal static class Accounts
{
    public static void AddServices(IServiceCollection services)
    {
        services.AddAuthentication(CookieAuthenticationDefaults.AuthenticationScheme).AddCookie(cookie =>
        {
            // An API client wants the status, not a redirect to a login page.
            cookie.Events.OnRedirectToLogin = redirect =>
            {
                redirect.Response.StatusCode = StatusCodes.Status401Unauthorized;
                return Task.CompletedTask;
            };
        });
        services.AddAuthorization();
    }

    public static void Map(IEndpointRouteBuilder app)
    {
        app.MapPost("/login/{name}", (string name) => TypedResults.SignIn(
            new ClaimsPrincipal(new ClaimsIdentity([new Claim(ClaimTypes.Name, name)], CookieAuthenticationDefaults.AuthenticationScheme))));
        app.MapPost("/logout", () => TypedResults.SignOut());
        app.MapGet("/me", (ClaimsPrincipal user) => new { name = user.Identity?.Name }).RequireAuthorization();

        app.MapGet("/session", (HttpContext context) =>
        {
            int visits = (context.Session.GetInt32("visits") ?? 0) + 1;
            context.Session.SetInt32("visits", visits);
            return new { visits };
        });
    }
}
