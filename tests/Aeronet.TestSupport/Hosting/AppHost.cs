using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Net;
using System.Net.Http;
using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using System.Threading;
using System.Threading.Tasks;
using Aeronet.TestSupport.Connections;
using Aeronet.TestSupport.Tls;
using Aeronet.TestSupport.Wire;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Aeronet.TestSupport.Hosting;

/// <summary>A real web application on a real socket (<see cref="ServerKind.AeronetInMemory"/>: on pipes), on the server under test.</summary>
/// <remarks>Disposing it stops the application and fails when the server logged an error that the test did not allow.
/// A fault of the peer that the application let through is none.</remarks>
public sealed class AppHost : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly InMemoryTransport? _transport; // null: real sockets

    private AppHost(ServerKind server, WebApplication app, LogCapture logs, InMemoryTransport? transport)
    {
        Server = server;
        _transport = transport;
        _app = app;
        Logs = logs;
    }

    /// <summary>The server under test.</summary>
    public ServerKind Server { get; }

    /// <summary>Everything the host logged, from Debug on.</summary>
    public LogCapture Logs { get; }

    /// <summary>The application's services.</summary>
    public IServiceProvider Services => _app.Services;

    /// <summary>True when the test provokes errors that the server has to log at Error or above.</summary>
    public bool ErrorsExpected { get; set; }

    /// <summary>Bound addresses, ports resolved.</summary>
    public IReadOnlyList<string> Addresses =>
        [.. _app.Services.GetRequiredService<IServer>().Features.GetRequiredFeature<IServerAddressesFeature>().Addresses];

    /// <summary>The first bound address as a URI.</summary>
    public Uri Url => new(Addresses[0]);

    /// <summary>The first bound address as an endpoint to connect to.</summary>
    public IPEndPoint EndPoint => new(IPAddress.Parse(Url.Host), Url.Port);

    /// <summary>For clients: by address, not by name; whose certificate it is, the TLS tests ask.</summary>
    public static bool Trust(object sender, X509Certificate? certificate, X509Chain? chain, SslPolicyErrors errors) => RawClient.Trust(sender, certificate, chain, errors);

    private bool IsHttps => Server.IsHttps() && Url.Scheme == Uri.UriSchemeHttps;

    /// <summary>Builds an application and starts it on 127.0.0.1 with a free port, unless the test binds on its own.</summary>
    /// <remarks><c>quiet</c> keeps logs below Warning out: for load.</remarks>
    public static async Task<AppHost> StartAsync(
        ServerKind server,
        Action<WebApplication> app,
        Action<WebApplicationBuilder>? configure = null,
        Action<KestrelServerOptions>? kestrel = null,
        BuilderShape shape = BuilderShape.Slim,
        bool listen = true,
        string[]? args = null,
        bool quiet = false)
    {
        ArgumentNullException.ThrowIfNull(app);
        AppHost host = Build(server, app, configure, kestrel, shape, listen, args, quiet);
        try
        {
            await host._app.StartAsync().WaitAsync(Guard.Time).ConfigureAwait(false);
        }
        catch
        {
            host.ErrorsExpected = true;
            await host._app.DisposeAsync().ConfigureAwait(false);
            throw;
        }

        return host;
    }

    /// <summary>As <see cref="StartAsync"/> without starting.</summary>
    public static AppHost Build(
        ServerKind server,
        Action<WebApplication> app,
        Action<WebApplicationBuilder>? configure = null,
        Action<KestrelServerOptions>? kestrel = null,
        BuilderShape shape = BuilderShape.Slim,
        bool listen = true,
        string[]? args = null,
        bool quiet = false)
    {
        ArgumentNullException.ThrowIfNull(app);

        // One inotify instance per host would soon exhaust the user's quota.
        string[] arguments = ["--hostBuilder:reloadConfigOnChange=false", .. args ?? []];
        var options = new WebApplicationOptions { Args = arguments, EnvironmentName = Environments.Production, ContentRootPath = AppContext.BaseDirectory };
        WebApplicationBuilder builder = shape switch
        {
            BuilderShape.Full => WebApplication.CreateBuilder(options),
            BuilderShape.Empty => WebApplication.CreateEmptyBuilder(options),
            _ => WebApplication.CreateSlimBuilder(options),
        };

        var logs = new LogCapture();
        builder.Logging.ClearProviders().AddProvider(logs).SetMinimumLevel(quiet ? LogLevel.Warning : LogLevel.Debug);
        builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout = TimeSpan.FromSeconds(5));
        if (shape == BuilderShape.Empty)
        {
            builder.Services.AddRoutingCore();
        }

        ServerChoice.Use(builder.WebHost, server, shape);
        InMemoryTransport? transport = server == ServerKind.AeronetInMemory ? new InMemoryTransport(static endpoint => endpoint is IPEndPoint) : null;
        if (transport is not null)
        {
            builder.Services.AddSingleton<IConnectionListenerFactory>(transport);
        }
        builder.WebHost.ConfigureKestrel(options =>
        {
            if (listen)
            {
                options.Listen(IPAddress.Loopback, 0, endpoint =>
                {
                    if (server.IsHttps())
                    {
                        endpoint.UseHttps(TestCertificates.Shared.Server(TestKey.P256, "localhost"));
                    }
                });
            }

            kestrel?.Invoke(options);
        });
        configure?.Invoke(builder);
        WebApplication application = builder.Build();
        app(application);
        return new AppHost(server, application, logs, transport);
    }

    /// <summary>Starts a host made by <see cref="Build"/>.</summary>
    public Task StartAsync() => _app.StartAsync().WaitAsync(Guard.Time);

    /// <summary>A scripted client, connected. On pipes the buffer is what it is.</summary>
    public Task<RawClient> ConnectAsync(int? receiveBuffer = null, EndPoint? from = null) =>
        _transport is null ? RawClient.ConnectAsync(EndPoint, receiveBuffer, from, isTls: IsHttps) : Task.FromResult(RawClient.Over(_transport.Connect(EndPoint)));

    /// <summary>An HttpClient of its own connections with the host's address.</summary>
    public HttpClient CreateClient(Action<SocketsHttpHandler>? configure = null)
    {
        var handler = new SocketsHttpHandler { AllowAutoRedirect = false, UseProxy = false };
        if (IsHttps)
        {
            handler.SslOptions.RemoteCertificateValidationCallback = Trust;
        }

        if (_transport is not null)
        {
            handler.ConnectCallback = (_, _) => ValueTask.FromResult<Stream>(_transport.Connect(EndPoint));
        }

        configure?.Invoke(handler);
        return new HttpClient(handler) { BaseAddress = Url, Timeout = Guard.Time };
    }

    /// <summary>Sends one scripted request on a connection of its own and reads the one response to it.</summary>
    public async Task<RawResponse> ExchangeAsync(string request, bool head = false)
    {
        await using RawClient client = await ConnectAsync().ConfigureAwait(false);
        await client.SendAsync(request).ConfigureAwait(false);
        return await client.ReadResponseAsync(head).ConfigureAwait(false);
    }

    /// <summary>Stops as the host does on SIGTERM; the token is the deadline for running requests.</summary>
    public Task StopAsync(CancellationToken deadline = default) => _app.StopAsync(deadline);

    /// <inheritdoc />
    public async ValueTask DisposeAsync()
    {
        using (var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(5)))
        {
            await _app.StopAsync(deadline.Token).WaitAsync(Guard.Time).ConfigureAwait(false);
        }

        await _app.DisposeAsync().AsTask().WaitAsync(Guard.Time).ConfigureAwait(false);
        LogEntry? error = ErrorsExpected ? null : Logs.Entries.FirstOrDefault(
            entry => entry.Level >= LogLevel.Error && entry.Error is not Microsoft.AspNetCore.Http.BadHttpRequestException);
        if (error is not null)
        {
            throw new InvalidOperationException($"{Server} logged an error that the test did not expect: {error}");
        }
    }
}
