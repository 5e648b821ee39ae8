using System;
using System.Linq;
using System.Net;
using System.Threading.Tasks;
using Aeronet.Server.Tests.Diagnostics;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Xunit;

namespace Aeronet.Server.Tests.Hosting;

public sealed class RegistrationTests
{
    [Fact]
    public void CreateBuilder_gets_Aeronet()
    {
        WebApplicationBuilder builder = WebApplication.CreateBuilder();
        builder.WebHost.UseAeronet();
        Assert.IsType<AeronetServer>(builder.Build().Services.GetRequiredService<IServer>());
    }

    [Fact]
    [Trait("Defect", "HOST-17")]
    public void CreateSlimBuilder_gets_Aeronet()
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.UseAeronet();
        Assert.IsType<AeronetServer>(builder.Build().Services.GetRequiredService<IServer>());
    }

    [Fact]
    [Trait("Defect", "HOST-18")]
    public void CreateEmptyBuilder_gets_Aeronet_and_Kestrels_options_can_read_configuration_there()
    {
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        IConfigurationRoot configuration = new ConfigurationBuilder().AddInMemoryCollection([new("Endpoints:A:Url", "http://127.0.0.1:5001")]).Build();
        builder.WebHost.UseAeronet().ConfigureKestrel(kestrel => kestrel.Configure(configuration));
        WebApplication application = builder.Build();
        Assert.IsType<AeronetServer>(application.Services.GetRequiredService<IServer>());
        application.Services.GetRequiredService<IOptions<KestrelServerOptions>>().Value.ConfigurationLoader!.Load();
    }

    [Fact]
    public void The_generic_host_gets_Aeronet()
    {
        using IHost host = new HostBuilder().ConfigureWebHost(static web => web.UseAeronet().Configure(static _ => { })).Build();
        Assert.IsType<AeronetServer>(host.Services.GetRequiredService<IServer>());
    }

    [Fact]
    public void The_generic_host_with_web_defaults_gets_Aeronet()
    {
        using IHost host = Host.CreateDefaultBuilder().ConfigureWebHostDefaults(static web => web.UseAeronet().Configure(static _ => { })).Build();
        Assert.IsType<AeronetServer>(host.Services.GetRequiredService<IServer>());
    }

    [Fact]
    public void UseKestrel_before_does_not_matter()
    {
        WebApplicationBuilder builder = WebApplication.CreateBuilder();
        builder.WebHost.UseKestrel(static kestrel => kestrel.Limits.MaxRequestBodySize = 5);
        builder.WebHost.UseAeronet();
        WebApplication application = builder.Build();
        Assert.IsType<AeronetServer>(application.Services.GetRequiredService<IServer>());
        Assert.Equal(5, application.Services.GetRequiredService<IOptions<KestrelServerOptions>>().Value.Limits.MaxRequestBodySize);
    }

    [Fact]
    public void ConfigureKestrel_is_read_before_and_after()
    {
        WebApplicationBuilder builder = WebApplication.CreateBuilder();
        builder.WebHost.ConfigureKestrel(static kestrel => kestrel.Limits.MaxRequestBodySize = 5);
        builder.WebHost.UseAeronet();
        builder.WebHost.ConfigureKestrel(static kestrel => kestrel.AddServerHeader = false);
        KestrelServerOptions options = builder.Build().Services.GetRequiredService<IOptions<KestrelServerOptions>>().Value;
        Assert.Equal(5, options.Limits.MaxRequestBodySize);
        Assert.False(options.AddServerHeader);
    }

    [Fact]
    [Trait("Defect", "HOST-7")]
    public async Task A_later_UseKestrel_wins_and_the_start_warns_about_it()
    {
        using var log = new RecordingLoggerFactory();
        WebApplicationBuilder builder = WebApplication.CreateBuilder();
        builder.Logging.ClearProviders().AddProvider(log);
        builder.WebHost.UseAeronet().UseKestrel().UseUrls("http://127.0.0.1:0");
        await using WebApplication application = builder.Build();
        await application.StartAsync();
        Assert.Contains("KestrelServerImpl", Assert.Single(log.Of(3010)).Message, StringComparison.Ordinal);
        await application.StopAsync();
    }

    [Fact]
    public void Calling_UseAeronet_twice_registers_each_service_once_but_the_server()
    {
        WebApplicationBuilder builder = WebApplication.CreateBuilder();
        builder.WebHost.UseAeronet().UseAeronet();
        Assert.Single(builder.Services, static service => service.ImplementationType == typeof(AeronetServerOptionsSetup));
        Assert.Single(builder.Services, static service => service.ImplementationType == typeof(AeronetServerOptionsValidator));
        Assert.Single(builder.Services, static service => service.ImplementationType == typeof(ServerReplacementCheck));
    }

    [Fact]
    [Trait("Defect", "HOST-11")]
    public void Addresses_are_there_before_the_start_and_can_be_changed()
    {
        WebApplicationBuilder builder = WebApplication.CreateBuilder();
        builder.WebHost.UseAeronet();
        IServerAddressesFeature addresses = builder.Build().Services.GetRequiredService<IServer>().Features.GetRequiredFeature<IServerAddressesFeature>();
        addresses.Addresses.Add("http://127.0.0.1:1");
        addresses.PreferHostingUrls = true;
        Assert.Equal("http://127.0.0.1:1", Assert.Single(addresses.Addresses));
    }

    [Fact]
    [Trait("Defect", "HOST-15")]
    public void Limits_are_not_read_from_the_Kestrel_section_as_on_Kestrel()
    {
        WebApplicationBuilder builder = WebApplication.CreateBuilder();
        builder.Configuration["Kestrel:Limits:MaxRequestBodySize"] = "5";
        builder.WebHost.UseAeronet();
        Assert.Equal(30_000_000, builder.Build().Services.GetRequiredService<IOptions<KestrelServerOptions>>().Value.Limits.MaxRequestBodySize);
    }

    [Fact]
    public void Settings_without_effect_are_named_and_only_those()
    {
        WebApplicationBuilder builder = WebApplication.CreateBuilder();
        builder.WebHost.UseAeronet().ConfigureKestrel(static kestrel =>
        {
            kestrel.Limits.Http2.MaxStreamsPerConnection = 7;
            kestrel.AllowAlternateSchemes = true;
            kestrel.Limits.MaxRequestLineSize = 100;
        });
        IServiceProvider services = builder.Build().Services;
        Assert.Equal(
            ["AllowAlternateSchemes", "Limits.Http2.MaxStreamsPerConnection"],
            Aeronet.Server.Binding.UnusedSettings.Find(services.GetRequiredService<IOptions<KestrelServerOptions>>().Value, services.GetRequiredService<IOptions<AeronetServerOptions>>().Value));
    }
}
