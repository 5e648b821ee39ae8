using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;

WebApplicationBuilder builder = WebApplication.CreateBuilder(args);
builder.WebHost.UseAeronet(); // the only line that is not in every other ASP.NET Core application

WebApplication app = builder.Build();
app.MapGet("/", () => "Hello from Aeronet");
app.MapGet("/plaintext", () => "Hello, World!");
app.MapGet("/json", () => TypedResults.Json(new Greeting("Hello, World!")));
app.Run();

internal sealed record Greeting(string Message);
