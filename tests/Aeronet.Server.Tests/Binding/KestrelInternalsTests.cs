using System;
using System.Collections.Generic;
using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Aeronet.Server.Binding;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using Xunit;

namespace Aeronet.Server.Tests.Binding;

/// <summary>Every name of Kestrel's that only reflection can see exists and means what we take it for: the first tests to fail on a new Kestrel.</summary>
public sealed class KestrelInternalsTests
{
    [Fact]
    public void Endpoints_of_code_are_found_in_order()
    {
        KestrelServerOptions options = Options(static kestrel =>
        {
            kestrel.Listen(IPAddress.Loopback, 5001);
            kestrel.ListenAnyIP(5002);
            kestrel.ListenLocalhost(5003);
            kestrel.ListenUnixSocket("/tmp/a.sock");
            kestrel.ListenHandle(7);
        });
        List<ListenOptions> found = KestrelInternals.GetCodeBackedListenOptions(options);
        Assert.Equal(5, found.Count);
        Assert.Equal(new IPEndPoint(IPAddress.Loopback, 5001), found[0].EndPoint);
        Assert.True(KestrelInternals.IsAnyIP(found[1]));
        Assert.True(KestrelInternals.IsLocalhost(found[2]));
        Assert.Equal("http://localhost:5003", KestrelInternals.GetDisplayName(found[2]));
        Assert.Equal("http://unix:/tmp/a.sock", KestrelInternals.GetDisplayName(found[3]));
        Assert.Equal(7ul, found[4].FileHandle);
    }

    [Fact]
    public void Endpoints_of_configuration_are_found_after_the_load_and_follow_a_reload()
    {
        KestrelServerOptions options = Options(static _ => { }, ("Endpoints:A:Url", "http://127.0.0.1:5004"));
        options.ConfigurationLoader!.Load();
        Assert.Equal(new IPEndPoint(IPAddress.Loopback, 5004), Assert.Single(KestrelInternals.GetConfigurationBackedListenOptions(options)).EndPoint);
        Assert.True(KestrelInternals.GetReloadOnChange(options.ConfigurationLoader));

        options.ConfigurationLoader.Configuration["Endpoints:A:Url"] = "http://127.0.0.1:5005";
        KestrelInternals.Reload(options.ConfigurationLoader);
        Assert.Equal(5005, Assert.Single(KestrelInternals.GetConfigurationBackedListenOptions(options)).IPEndPoint!.Port);
    }

    [Fact]
    public void Listen_options_can_be_made_and_take_the_endpoint_defaults()
    {
        KestrelServerOptions options = Options(static kestrel => kestrel.ConfigureEndpointDefaults(static listen => listen.Protocols = HttpProtocols.Http1));
        ListenOptions listen = KestrelInternals.CreateListenOptions(new IPEndPoint(IPAddress.Loopback, 5006));
        Assert.False(KestrelInternals.GetProtocolsSetExplicitly(listen));
        KestrelInternals.ApplyEndpointDefaults(options, listen);
        Assert.Equal(HttpProtocols.Http1, listen.Protocols);
        Assert.True(KestrelInternals.GetProtocolsSetExplicitly(listen));
        Assert.False(KestrelInternals.GetIsTls(listen));
        Assert.Empty(KestrelInternals.GetMiddleware(listen));

        listen.Use(static next => next);
        Assert.Single(KestrelInternals.GetMiddleware(listen));
        KestrelInternals.SetEndPoint(listen, new IPEndPoint(IPAddress.Loopback, 5007));
        Assert.Equal(5007, listen.IPEndPoint!.Port);
    }

    [Fact]
    public void A_tls_endpoint_is_known_as_such()
    {
        KestrelServerOptions options = Options(static kestrel => kestrel.Listen(IPAddress.Loopback, 5008, static listen => listen.UseHttps(CreateCertificate())));
        Assert.True(KestrelInternals.GetIsTls(Assert.Single(KestrelInternals.GetCodeBackedListenOptions(options))));
    }

    internal static X509Certificate2 CreateCertificate()
    {
        using RSA key = RSA.Create(2048);
        return new CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1)
            .CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
    }

    /// <summary>Kestrel's options as an application under Aeronet gets them.</summary>
    internal static KestrelServerOptions Options(Action<KestrelServerOptions> configure, params (string Key, string Value)[] section)
    {
        WebApplicationBuilder builder = WebApplication.CreateBuilder();
        builder.WebHost.UseAeronet().ConfigureKestrel(configure);
        foreach ((string key, string value) in section)
        {
            builder.Configuration[$"Kestrel:{key}"] = value;
        }
        return builder.Build().Services.GetRequiredService<IOptions<KestrelServerOptions>>().Value;
    }
}
