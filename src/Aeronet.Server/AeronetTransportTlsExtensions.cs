using System;
using Aeronet.Server;
using Aeronet.Server.Https;
using Aeronet.Transport;
using Aeronet.Transport.Tls;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Options;

namespace Microsoft.AspNetCore.Hosting;

/// <summary>Kestrel on Aeronet's sockets and behind Aeronet's TLS.</summary>
public static class AeronetTransportTlsExtensions
{
    /// <summary>Kestrel keeps its HTTP/1.1 and HTTP/2 and gets Aeronet's sockets; the TLS of its https endpoints is ended on Aeronet's loops, from the same configuration. Calls <c>UseAeronetTransport()</c>.</summary>
    /// <remarks>
    /// What <c>UseHttps</c>, <c>ConfigureHttpsDefaults</c> and the section <c>Kestrel</c> say holds; what Kestrel has no word for comes from the section <c>Aeronet:Tls</c> and <paramref name="configureOptions"/>.
    /// <see cref="IAeronetTls"/> reloads. An endpoint with other connection middleware in front of <c>UseHttps</c>, or whose names have HTTP protocols of their own, keeps Kestrel's TLS, as do all where
    /// there is no epoll: that is logged at start, and stops it if TLS options are set that Kestrel cannot honour.
    /// Requests have <c>ITlsConnectionFeature</c> and <c>ITlsHandshakeFeature</c>, but no <c>ISslStreamFeature</c>: there is no <c>SslStream</c>. Needs OpenSSL 3 (libssl).
    /// </remarks>
    /// <param name="builder">The web host's builder, e.g. <c>WebApplicationBuilder.WebHost</c>.</param>
    /// <param name="configureOptions">Sets Aeronet's TLS options; runs after the configuration section. Null: nothing to set.</param>
    /// <returns>The same builder.</returns>
    public static IWebHostBuilder UseAeronetTransportTls(this IWebHostBuilder builder, Action<AeronetTlsOptions>? configureOptions = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.UseAeronetTransport().ConfigureServices(services =>
        {
            services.TryAddEnumerable(ServiceDescriptor.Singleton<IConfigureOptions<AeronetServerOptions>, AeronetServerOptionsSetup>());
            services.TryAddEnumerable(ServiceDescriptor.Singleton<IValidateOptions<AeronetServerOptions>, AeronetServerOptionsValidator>());
            services.AddOptions<AeronetServerOptions>().ValidateOnStart();
            services.TryAddSingleton<TlsControl>();
            services.TryAddSingleton<IAeronetTls>(static provider => provider.GetRequiredService<TlsControl>());
            services.TryAddSingleton<KestrelTransportTls>();
            services.TryAddSingleton<ITransportTls>(static provider => provider.GetRequiredService<KestrelTransportTls>());
            services.TryAddEnumerable(ServiceDescriptor.Singleton<IStartupFilter, KestrelTransportTls>(static provider => provider.GetRequiredService<KestrelTransportTls>()));
            if (configureOptions is not null)
            {
                services.Configure<AeronetServerOptions>(options => configureOptions(options.Tls));
            }
        });
    }
}
