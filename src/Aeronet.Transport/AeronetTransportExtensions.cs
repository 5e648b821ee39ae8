using System;
using Aeronet.Transport;
using Aeronet.Transport.Connect;
using Aeronet.Transport.Loop;
using Aeronet.Transport.Tls;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Microsoft.AspNetCore.Hosting;

/// <summary>Puts Kestrel, or anything else that takes connections from an <see cref="IConnectionListenerFactory"/>, on Aeronet's sockets.</summary>
public static class AeronetTransportExtensions
{
    /// <summary>Kestrel keeps its HTTP and gets Aeronet's sockets. Before or after Kestrel's own registration.</summary>
    /// <remarks>What was configured for Kestrel's sockets (<see cref="SocketTransportOptions"/>: NoDelay, Backlog, buffer limits, CreateBoundListenSocket) still holds; how its threads work (IOQueueCount, UnsafePreferInlineScheduling, WaitForDataBeforeAllocatingBuffer) means nothing here. Endpoints that Aeronet cannot bind go to Kestrel's sockets.</remarks>
    /// <param name="builder">The web host's builder, e.g. <c>WebApplicationBuilder.WebHost</c>.</param>
    /// <returns>The same builder.</returns>
    public static IWebHostBuilder UseAeronetTransport(this IWebHostBuilder builder)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.ConfigureServices(static services => services.AddAeronetTransport());
    }

    /// <summary>Kestrel keeps its HTTP and gets Aeronet's sockets, with options.</summary>
    /// <param name="builder">The web host's builder.</param>
    /// <param name="configureOptions">Sets the transport's options; runs after Kestrel's socket options were taken over.</param>
    /// <returns>The same builder.</returns>
    public static IWebHostBuilder UseAeronetTransport(this IWebHostBuilder builder, Action<AeronetTransportOptions> configureOptions)
    {
        ArgumentNullException.ThrowIfNull(builder);
        ArgumentNullException.ThrowIfNull(configureOptions);
        return builder.ConfigureServices(services => services.AddAeronetTransport(configureOptions));
    }

    /// <summary>Registers <see cref="AeronetTransportFactory"/> as the last <see cref="IConnectionListenerFactory"/>, and <see cref="AeronetConnectionFactory"/> for outgoing connections: for use without a web host, or where only services are at hand.</summary>
    /// <param name="services">The services.</param>
    /// <param name="configureOptions">Sets the transport's options.</param>
    /// <returns>The same collection.</returns>
    public static IServiceCollection AddAeronetTransport(this IServiceCollection services, Action<AeronetTransportOptions>? configureOptions = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        services.AddLogging();
        services.AddMetrics();
        services.TryAddEnumerable(ServiceDescriptor.Singleton<IConfigureOptions<AeronetTransportOptions>, AeronetTransportOptionsSetup>());
        services.TryAddEnumerable(ServiceDescriptor.Singleton<IValidateOptions<AeronetTransportOptions>, AeronetTransportOptionsValidator>());
        services.AddOptions<AeronetTransportOptions>().ValidateOnStart();
        if (configureOptions is not null)
        {
            services.Configure(configureOptions);
        }
        services.TryAddSingleton<SharedLoops>();
        // Kestrel asks the last one first. Its own UseSockets() adds a factory only where there is none, so it is added here for what we decline.
        services.TryAddSingleton<IConnectionListenerFactory, SocketTransportFactory>();
        services.TryAddEnumerable(ServiceDescriptor.Singleton<IConnectionListenerFactory, AeronetTransportFactory>(static provider => new AeronetTransportFactory(
            provider.GetRequiredService<IOptions<AeronetTransportOptions>>(),
            provider.GetRequiredService<ILoggerFactory>(),
            provider.GetRequiredService<SharedLoops>(),
            provider.GetService<ITransportTls>())));
        services.TryAddSingleton(static provider => new AeronetConnectionFactory(
            provider.GetRequiredService<IOptions<AeronetTransportOptions>>(),
            provider.GetRequiredService<ILoggerFactory>(),
            provider.GetRequiredService<SharedLoops>()));
        services.TryAddSingleton<IConnectionFactory>(static provider => provider.GetRequiredService<AeronetConnectionFactory>());
        return services;
    }
}
