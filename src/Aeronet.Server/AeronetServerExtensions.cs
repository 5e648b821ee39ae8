using System;
using Aeronet.Server;
using Aeronet.Server.Https;
using Aeronet.Server.Tunnels;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Options;

namespace Microsoft.AspNetCore.Hosting;

/// <summary>Puts an application on Aeronet.</summary>
public static class AeronetServerExtensions
{
    /// <summary>Makes Aeronet the server of this host, in place of Kestrel. What the application configures for Kestrel goes on working.</summary>
    /// <remarks>The last server registered is the one that runs: a later <c>UseKestrel(...)</c> takes over again, which is logged as a warning at start.</remarks>
    /// <param name="builder">The web host's builder, e.g. <c>WebApplicationBuilder.WebHost</c>.</param>
    /// <returns>The same builder.</returns>
    public static IWebHostBuilder UseAeronet(this IWebHostBuilder builder)
    {
        ArgumentNullException.ThrowIfNull(builder);

        // Kestrel's own registration keeps everything alive that reads its configuration (ConfigureKestrel, the section "Kestrel", listen options); its server is replaced below.
        return builder.UseKestrelCore().ConfigureServices(static services => services.AddAeronetServer());
    }

    /// <summary>Registers Aeronet as the last server of a service collection in which Kestrel is registered already: for test hosts, where no web host builder is at hand any more.</summary>
    /// <param name="services">The host's services.</param>
    /// <returns>The same collection.</returns>
    public static IServiceCollection AddAeronetServer(this IServiceCollection services)
    {
        ArgumentNullException.ThrowIfNull(services);
        services.TryAddEnumerable(ServiceDescriptor.Singleton<IConfigureOptions<AeronetServerOptions>, AeronetServerOptionsSetup>());
        services.TryAddEnumerable(ServiceDescriptor.Singleton<IValidateOptions<AeronetServerOptions>, AeronetServerOptionsValidator>());
        services.TryAddEnumerable(ServiceDescriptor.Singleton<IStartupFilter, ConnectTunnels>());
        services.AddOptions<AeronetServerOptions>().ValidateOnStart();
        services.TryAddSingleton<TlsControl>();
        services.TryAddSingleton<IAeronetTls>(static provider => provider.GetRequiredService<TlsControl>());
        services.AddSingleton<IServer, AeronetServer>();
        services.AddHostedService<ServerReplacementCheck>();
        return services;
    }

    /// <summary>Makes Aeronet the server of this host and sets its options.</summary>
    /// <param name="builder">The web host's builder.</param>
    /// <param name="configureOptions">Sets Aeronet's own options; runs after the configuration section <c>Aeronet</c>.</param>
    /// <returns>The same builder.</returns>
    public static IWebHostBuilder UseAeronet(this IWebHostBuilder builder, Action<AeronetServerOptions> configureOptions)
    {
        ArgumentNullException.ThrowIfNull(configureOptions);
        return builder.UseAeronet().ConfigureServices(services => services.Configure(configureOptions));
    }

    /// <summary>Makes Aeronet the server of this host and sets its options.</summary>
    /// <param name="builder">The web host's builder.</param>
    /// <param name="configureOptions">Sets Aeronet's own options from the host's environment and configuration; runs after the configuration section <c>Aeronet</c>.</param>
    /// <returns>The same builder.</returns>
    public static IWebHostBuilder UseAeronet(this IWebHostBuilder builder, Action<WebHostBuilderContext, AeronetServerOptions> configureOptions)
    {
        ArgumentNullException.ThrowIfNull(configureOptions);
        return builder.UseAeronet().ConfigureServices((context, services) => services.Configure<AeronetServerOptions>(options => configureOptions(context, options)));
    }
}
