// A reverse proxy on Aeronet: everything that arrives goes to the servers named on the command line.
//   dotnet run --project samples/ReverseProxy -- --urls http://127.0.0.1:8080 --servers:0 http://127.0.0.1:5000 --servers:1 http://127.0.0.1:5001
using System;
using System.Collections.Generic;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Yarp.ReverseProxy.Configuration;

WebApplicationBuilder builder = WebApplication.CreateBuilder(args);
builder.WebHost.UseAeronet();

var destinations = new Dictionary<string, DestinationConfig>();
foreach (IConfigurationSection server in builder.Configuration.GetSection("servers").GetChildren())
{
    destinations[server.Key] = new DestinationConfig { Address = server.Value ?? throw new InvalidOperationException("An address is empty.") };
}

if (destinations.Count == 0)
{
    throw new InvalidOperationException("Name the servers to forward to: --servers:0 http://127.0.0.1:5000");
}

builder.Services.AddReverseProxy().LoadFromMemory(
    [new RouteConfig { RouteId = "all", ClusterId = "servers", Match = new RouteMatch { Path = "{**rest}" } }],
    [new ClusterConfig { ClusterId = "servers", LoadBalancingPolicy = "RoundRobin", Destinations = destinations }]);

WebApplication app = builder.Build();
app.MapReverseProxy();
app.Run();
