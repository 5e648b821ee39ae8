using System;
using System.Linq;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Mvc.Testing;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Aeronet.Testing;

/// <summary>A <see cref="WebApplicationFactory{TEntryPoint}"/> that runs the application on Aeronet, over a real socket on 127.0.0.1.</summary>
/// <remarks>
/// The application need not call <c>UseAeronet()</c>. <c>CreateClient()</c> returns an ordinary client with <see cref="BaseAddress"/>.
/// To change the host, derive from this class and override <c>ConfigureWebHost</c>: a factory made with <c>WithWebHostBuilder</c> does not know the port,
/// and calling <c>UseKestrel</c> on such a factory does not help (limits of the base class).
/// </remarks>
/// <typeparam name="TEntryPoint">A type of the application's assembly, usually <c>Program</c>.</typeparam>
public class AeronetWebApplicationFactory<TEntryPoint> : WebApplicationFactory<TEntryPoint>
    where TEntryPoint : class
{
    private readonly int _port;

    /// <summary>A factory whose server gets a free port.</summary>
    public AeronetWebApplicationFactory()
        : this(port: 0)
    {
    }

    /// <summary>A factory whose server gets this port.</summary>
    /// <param name="port">0 to 65,535; 0 stands for a free port.</param>
    public AeronetWebApplicationFactory(int port)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(port);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(port, 65_535);
        // The base class knows two modes, its in-memory server and "a real one, which is Kestrel". The second is right but for the server itself: CreateHost replaces that.
        UseKestrel(port);
        _port = port;
    }

    /// <summary>Where the server listens, e.g. <c>http://127.0.0.1:43210/</c>. Starts the server if needed.</summary>
    public Uri BaseAddress
    {
        get
        {
            StartServer();
            IServerAddressesFeature addresses = Services.GetRequiredService<IServer>().Features.GetRequiredFeature<IServerAddressesFeature>();
            return new Uri(addresses.Addresses.Last());
        }
    }

    /// <summary>The server's port. Starts the server if needed.</summary>
    public int Port => BaseAddress.Port;

    /// <summary>Registers Aeronet as the last server, then builds and starts the host.</summary>
    /// <param name="builder">The application's host builder.</param>
    /// <returns>The running host.</returns>
    protected override IHost CreateHost(IHostBuilder builder)
    {
        ArgumentNullException.ThrowIfNull(builder);
        builder.ConfigureServices(static services => services.AddAeronetServer());
        // The base class sets the port while the application's own thread is starting the server already; as the host's configuration it cannot come too late.
        builder.ConfigureHostConfiguration(configuration => configuration.AddInMemoryCollection([new(WebHostDefaults.ServerUrlsKey, $"http://127.0.0.1:{_port}"), new(WebHostDefaults.PreferHostingUrlsKey, "true")]));
        return base.CreateHost(builder);
    }
}
