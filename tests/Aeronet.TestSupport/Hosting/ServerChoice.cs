using System;
using System.IO.Pipelines;
using Aeronet.Server;
using Aeronet.Transport;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;

namespace Aeronet.TestSupport.Hosting;

/// <summary>The one place that knows how each server under test is put in place.</summary>
public static class ServerChoice
{
    /// <summary>Registers the server. A builder with defaults has Kestrel already.</summary>
    public static void Use(IWebHostBuilder web, ServerKind server, BuilderShape shape)
    {
        switch (server)
        {
            case ServerKind.Kestrel when shape == BuilderShape.Empty:
                web.UseKestrelCore();
                break;
            case ServerKind.Kestrel:
                break;
            case ServerKind.KestrelOnAeronet when shape == BuilderShape.Empty:
                web.UseAeronetTransport().UseKestrelCore(); // in this order here, in the other one with a builder that has Kestrel
                break;
            case ServerKind.KestrelOnAeronet:
                web.UseAeronetTransport();
                break;
            case ServerKind.KestrelOnAeronetHttps when shape == BuilderShape.Empty:
                web.UseAeronetTransportTls().UseKestrelCore();
                break;
            case ServerKind.KestrelOnAeronetHttps:
                web.UseAeronetTransportTls();
                break;
            case ServerKind.AeronetThreadPool:
                web.UseAeronet(options => options.ApplicationMode = ApplicationMode.ThreadPool);
                break;
            case ServerKind.AeronetHandOff:
                web.UseAeronet(options => options.HandOffProbe = static () => Random.Shared.Next(2) == 0);
                break;
            case ServerKind.AeronetSockets:
                web.UseAeronet(options => options.Transport.Backend = TransportBackend.Sockets);
                break;
            case ServerKind.AeronetMiddleware:
                web.UseAeronet().ConfigureKestrel(static options => options.ConfigureEndpointDefaults(static endpoint => endpoint.Use(Wrap)));
                break;
            default:
                web.UseAeronet();
                break;
        }
    }

    private static ConnectionDelegate Wrap(ConnectionDelegate next) => connection =>
    {
        connection.Transport = new StreamPipes(PipeReader.Create(connection.Transport.Input.AsStream()), PipeWriter.Create(connection.Transport.Output.AsStream()));
        return next(connection);
    };

    private sealed record StreamPipes(PipeReader Input, PipeWriter Output) : IDuplexPipe;
}
