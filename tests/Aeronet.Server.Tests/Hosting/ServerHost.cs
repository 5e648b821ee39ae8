using System;
using System.Linq;
using System.Net;
using System.Net.Http;
using System.Net.Sockets;
using System.Threading;
using System.Threading.Tasks;
using Aeronet.Server.Tests.Diagnostics;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Aeronet.Server.Tests.Hosting;

/// <summary>A server with a one-line application, started and stopped by hand.</summary>
internal sealed class ServerHost : IAsyncDisposable
{
    private readonly WebApplication _host;
    private readonly Application _application;

    public ServerHost(Action<WebApplicationBuilder>? configure = null, RequestDelegate? handler = null, params string[] urls)
    {
        WebApplicationBuilder builder = WebApplication.CreateBuilder();
        builder.Logging.ClearProviders().AddProvider(Log).SetMinimumLevel(LogLevel.Debug);
        builder.WebHost.UseAeronet();
        configure?.Invoke(builder);
        _host = builder.Build();
        _application = new Application(handler ?? (static context => context.Response.WriteAsync("ok")));
        Server = (AeronetServer)_host.Services.GetRequiredService<IServer>();
        foreach (string url in urls)
        {
            AddressesFeature.Addresses.Add(url);
        }
    }

    public RecordingLoggerFactory Log { get; } = new(LogLevel.Debug);

    public AeronetServer Server { get; }

    public IServiceProvider Services => _host.Services;

    public IServerAddressesFeature AddressesFeature => Server.Features.GetRequiredFeature<IServerAddressesFeature>();

    public string[] Addresses => AddressesFeature.Addresses.ToArray();

    public Task StartAsync() => Server.StartAsync(_application, CancellationToken.None);

    public Task StopAsync() => Server.StopAsync(CancellationToken.None);

    public async ValueTask DisposeAsync()
    {
        Server.Dispose();
        await _host.DisposeAsync();
    }

    /// <summary>One request on a connection of its own.</summary>
    public static async Task<string> GetAsync(string address)
    {
        using var client = new HttpClient { Timeout = TimeSpan.FromSeconds(20) };
        return await client.GetStringAsync(new Uri(address));
    }

    public static bool CanConnect(string address)
    {
        var uri = new Uri(address);
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            socket.Connect(IPAddress.Loopback, uri.Port);
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }

    private sealed class Application(RequestDelegate handler) : IHttpApplication<DefaultHttpContext>
    {
        public DefaultHttpContext CreateContext(IFeatureCollection contextFeatures) => new(contextFeatures);

        public void DisposeContext(DefaultHttpContext context, Exception? exception)
        {
        }

        public Task ProcessRequestAsync(DefaultHttpContext context) => handler(context);
    }
}
