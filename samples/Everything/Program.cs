using System;
using Everything;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

WebApplicationBuilder builder = WebApplication.CreateBuilder(args);

// dotnet run --project samples/Everything -- --server kestrel|aeronet
string server = builder.Configuration["server"] ?? "aeronet";
switch (server)
{
    case "aeronet":
        builder.WebHost.UseAeronet();
        break;
    case "kestrel":
        break; // what WebApplication.CreateBuilder has set up already
    default:
        Console.Error.WriteLine($"--server {server}: use kestrel or aeronet");
        return 1;
}

builder.Services.AddControllers();
builder.Services.AddCors(cors => cors.AddDefaultPolicy(policy => policy.WithOrigins("https://example.com").AllowAnyHeader().AllowAnyMethod()));
builder.Services.AddHealthChecks();
builder.Services.AddResponseCompression();
builder.Services.AddDistributedMemoryCache();
builder.Services.AddSession();
builder.Services.AddAntiforgery();
builder.Services.AddSignalR();
Caching.AddServices(builder.Services);
Accounts.AddServices(builder.Services);

WebApplication app = builder.Build();

app.UseResponseCompression();
app.UseDefaultFiles();
app.UseStaticFiles();
app.UseWebSockets();
app.UseRouting();
app.UseCors();
app.UseRateLimiter();
app.UseAuthentication();
app.UseAuthorization();
app.UseAntiforgery();
app.UseSession();
app.UseOutputCache();

app.MapGet("/server", (HttpContext context) => new { server, protocol = context.Request.Protocol, environment = app.Environment.EnvironmentName });
app.MapHealthChecks("/healthz");
app.MapControllers();
Routes.Map(app);
Accounts.Map(app);
Caching.Map(app);
Forms.Map(app);
Streams.Map(app);
Live.Map(app);

app.Run();
return 0;
