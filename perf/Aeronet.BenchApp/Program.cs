using System;
using System.IO;
using System.Linq;
using System.Threading;
using Aeronet.BenchApp;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

// The one application that every server of a comparison runs: Aeronet.BenchApp --server NAME [--urls URL] [--echo true], names in ServerChoice
WebApplicationBuilder builder = WebApplication.CreateSlimBuilder(args);
builder.Logging.ClearProviders(); // a console log would be the costliest part of every request

string server = builder.Configuration["server"] ?? "kestrel";
if (!ServerChoice.TryUse(builder.WebHost, server))
{
    Console.Error.WriteLine($"--server {server}: use {string.Join(", ", ServerChoice.Names)}");
    return 2;
}

if (builder.Configuration["echo"] == "true")
{
    builder.WebHost.ConfigureKestrel(EchoConnections.Use);
}

if (builder.Configuration["https-key"] is { } key)
{
    BenchTls.Listen(builder.WebHost, builder.Configuration, key);
}
else if (builder.Configuration["urls"] is null)
{
    builder.WebHost.UseUrls("http://127.0.0.1:0");
}

WebApplication app = builder.Build();
BenchEndpoints.Map(app);
StatisticsEndpoints.Map(app);
await app.StartAsync();

string address = app.Services.GetRequiredService<IServer>().Features.GetRequiredFeature<IServerAddressesFeature>().Addresses.First();
Console.WriteLine($"ready {new Uri(address).Port}");

// The laboratory holds the other end of standard input: when it dies, for whatever reason, the pipe closes and no server is left behind.
Thread watcher = new(() =>
{
    using Stream input = Console.OpenStandardInput();
    Span<byte> ignored = stackalloc byte[64];
    while (input.Read(ignored) > 0)
    {
    }

    Environment.Exit(0);
})
{ IsBackground = true, Name = "parent watcher" };
watcher.Start();

await app.WaitForShutdownAsync();
return 0;
