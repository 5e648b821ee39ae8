using System;
using System.Diagnostics.Metrics;
using System.IO;
using System.Net;
using System.Net.Sockets;
using System.Threading.Tasks;
using Aeronet.EndToEnd.Tests.Columns;
using Aeronet.Server;
using Aeronet.TestSupport.Hosting;
using Aeronet.TestSupport.Wire;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Aeronet.EndToEnd.Tests.Connections;

/// <summary>How many connections one remote address may have.</summary>
public sealed class PerAddressLimitTests
{
    private const string Get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

    [Theory]
    [AeronetOnly(false)]
    [AeronetOnly(true)]
    public async Task Above_the_options_limit_a_connection_is_closed_and_another_address_is_served(ServerKind server, bool withMiddleware)
    {
        await using AppHost host = await AppHost.StartAsync(
            server,
            static app => app.Run(static context => context.Response.WriteAsync("served")),
            static builder => builder.Services.Configure<AeronetServerOptions>(static options => options.Limits.MaxConnectionsPerAddress = 2),
            kestrel => kestrel.Listen(IPAddress.Loopback, 0, listen =>
            {
                if (withMiddleware)
                {
                    listen.Use(static next => next);
                }
            }),
            listen: false);
        await using RawClient first = await ServedAsync(host, "127.0.0.1");
        RawClient second = await ServedAsync(host, "127.0.0.1");
        await RefusedAsync(host, "127.0.0.1");
        await using RawClient other = await ServedAsync(host, "127.0.0.2");

        // A place that is given back can be taken again.
        await second.DisposeAsync();
        RawClient? again = null;
        while (again is null)
        {
            again = await TryServeAsync(host); // the server may not have noticed yet that the second is gone
        }
        await again.DisposeAsync();
    }

    [Theory, BothServers]
    public async Task The_middleware_limits_an_endpoint_of_any_server(ServerKind server)
    {
        await using AppHost host = await AppHost.StartAsync(
            server,
            static app => app.Run(static context => context.Response.WriteAsync("served")),
            kestrel: static kestrel => kestrel.Listen(IPAddress.Loopback, 0, static listen => listen.UseConnectionLimitPerAddress(1)),
            listen: false);
        using var meters = new MeterCapture(host.Services.GetRequiredService<IMeterFactory>(), "aeronet.address_limit.refused");
        await using RawClient first = await ServedAsync(host, "127.0.0.1");
        await RefusedAsync(host, "127.0.0.1");
        await meters.WaitForAsync("aeronet.address_limit.refused", static seen => seen.Count == 1);
        await using RawClient other = await ServedAsync(host, "127.0.0.2");
    }

    private static async Task<RawClient> ServedAsync(AppHost host, string from)
    {
        RawClient client = await ConnectFromAsync(host, from);
        await client.SendAsync(Get);
        Assert.Equal("served", (await client.ReadResponseAsync()).Text);
        return client;
    }

    private static async Task RefusedAsync(AppHost host, string from)
    {
        try
        {
            await using RawClient client = await ConnectFromAsync(host, from);
            await client.ExpectCloseAsync();
        }
        catch (SocketException reset) when (reset.SocketErrorCode == SocketError.ConnectionReset)
        {
            // The server was quicker than the client's connect.
        }
    }

    private static async Task<RawClient?> TryServeAsync(AppHost host)
    {
        RawClient client;
        try
        {
            client = await ConnectFromAsync(host, "127.0.0.1");
        }
        catch (SocketException reset) when (reset.SocketErrorCode == SocketError.ConnectionReset)
        {
            return null;
        }

        try
        {
            await client.SendAsync(Get);
            Assert.Equal("served", (await client.ReadResponseAsync()).Text);
            return client;
        }
        catch (Exception refused) when (refused is IOException or WireFormatException)
        {
            await client.DisposeAsync();
            return null;
        }
    }

    private static Task<RawClient> ConnectFromAsync(AppHost host, string from) => host.ConnectAsync(from: new IPEndPoint(IPAddress.Parse(from), 0));
}
