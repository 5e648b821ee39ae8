using System;
using System.Linq;
using System.Net.Http;
using Aeronet.Transport.Connect;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

WebApplicationBuilder builder = WebApplication.CreateBuilder(args);
builder.WebHost.UseAeronetTransport(); // Kestrel keeps its HTTP, Aeronet brings the sockets

// Outgoing requests on the same loops.
builder.Services.AddSingleton(static services =>
{
    IConnectionFactory connections = services.GetRequiredService<IConnectionFactory>();
    return new HttpClient(new SocketsHttpHandler
    {
        ConnectCallback = async (context, cancellationToken) => new ConnectionStream(await connections.ConnectAsync(context.DnsEndPoint, cancellationToken)),
    });
});

WebApplication app = builder.Build();
app.MapGet("/", (HttpContext context) => $"Kestrel on Aeronet, connection {context.Connection.Id}");
app.MapGet("/self", (HttpClient client) => client.GetStringAsync(new Uri(app.Urls.First())));
app.Run();
