using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Net;
using System.Net.Sockets;
using System.Threading.Tasks;
using Aeronet.EndToEnd.Tests.Columns;
using Aeronet.TestSupport.Hosting;
using Aeronet.TestSupport.Wire;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Logging;
using Xunit;

namespace Aeronet.EndToEnd.Tests.Hosting;

/// <summary>Where the server listens, by every way of saying it.</summary>
public sealed class AddressTests
{
    private const string Get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

    [Theory]
    [BothServers(BuilderShape.Slim)]
    [BothServers(BuilderShape.Full)]
    [BothServers(BuilderShape.Empty)]
    [Trait("Defect", "HOST-17"), Trait("Defect", "HOST-18")]
    public async Task Every_application_builder_works(ServerKind server, BuilderShape shape)
    {
        await using AppHost host = await AppHost.StartAsync(server, app => app.Run(context => context.Response.WriteAsync("served")), shape: shape);
        RawResponse response = await host.ExchangeAsync(Get);
        Assert.Equal(("served", WantedDifferences.ServerHeader.On(server)), (response.Text, response["Server"]));
    }

    [Theory]
    [BothServers("http://127.0.0.1:0")]
    [BothServers("http://[::1]:0")]
    [BothServers("http://*:0")]
    [BothServers("http://+:0")]
    [BothServers("http://0.0.0.0:0")]
    [BothServers("http://[::]:0")]
    [Trait("Defect", "HOST-11"), Trait("Defect", "HOST-20"), Trait("Feature", "B28")]
    public async Task Port_zero_is_resolved_when_the_start_is_done(ServerKind server, string url)
    {
        await using AppHost host = await StartOnAsync(server, url);
        Uri bound = new(Assert.Single(host.Addresses));
        Assert.NotEqual(0, bound.Port);
        IPAddress target = url.Contains("::1", StringComparison.Ordinal) ? IPAddress.IPv6Loopback : IPAddress.Loopback;
        await using RawClient client = await RawClient.ConnectAsync(new IPEndPoint(target, bound.Port));
        await client.SendAsync(Get);
        Assert.Equal("served", (await client.ReadResponseAsync()).Text);
    }

    [Theory, BothServers]
    [Trait("Defect", "HOST-20")]
    public async Task Localhost_is_both_loopback_addresses(ServerKind server)
    {
        int port = FreePort();
        await using AppHost host = await StartOnAsync(server, $"http://localhost:{port}");
        Assert.Equal([$"http://localhost:{port}"], host.Addresses);
        foreach (IPAddress address in new[] { IPAddress.Loopback, IPAddress.IPv6Loopback })
        {
            await using RawClient client = await RawClient.ConnectAsync(new IPEndPoint(address, port));
            await client.SendAsync(Get);
            Assert.Equal("served", (await client.ReadResponseAsync()).Text);
        }
    }

    [Theory, BothServers]
    public async Task Localhost_with_port_zero_is_refused(ServerKind server) =>
        await Assert.ThrowsAsync<InvalidOperationException>(() => StartOnAsync(server, "http://localhost:0"));

    [Theory]
    [BothServers("ftp://127.0.0.1:0")]
    [BothServers("http://127.0.0.1:0/base")]
    public async Task Addresses_that_make_no_sense_are_refused(ServerKind server, string url)
    {
        Exception? error = await Record.ExceptionAsync(() => StartOnAsync(server, url));
        Assert.True(error is InvalidOperationException or FormatException, $"{error}");
    }

    [Theory, BothServers]
    public async Task Several_addresses_are_all_served(ServerKind server)
    {
        await using AppHost host = await StartOnAsync(server, "http://127.0.0.1:0;http://127.0.0.1:0;http://[::1]:0");
        Assert.Equal(3, host.Addresses.Distinct().Count());
        foreach (string address in host.Addresses)
        {
            var url = new Uri(address);
            await using RawClient client = await RawClient.ConnectAsync(new IPEndPoint(IPAddress.Parse(url.Host), url.Port));
            await client.SendAsync(Get);
            Assert.Equal("served", (await client.ReadResponseAsync()).Text);
        }
    }

    [Theory, BothServers]
    [Trait("Defect", "HOST-22"), Trait("Feature", "B105")]
    public async Task An_address_in_use_fails_the_start(ServerKind server)
    {
        await using AppHost first = await StartOnAsync(server, "http://127.0.0.1:0");
        IOException error = await Assert.ThrowsAsync<IOException>(() => StartOnAsync(server, first.Addresses[0]));
        Assert.IsType<AddressInUseException>(error.InnerException);
        Assert.Equal($"Failed to bind to address {first.Addresses[0]}: address already in use.", error.Message);
    }

    [Theory, BothServers]
    [Trait("Defect", "HOST-12")]
    public async Task A_failed_start_leaves_nothing_bound(ServerKind server)
    {
        await using AppHost first = await StartOnAsync(server, "http://127.0.0.1:0");
        int free = FreePort();
        await Assert.ThrowsAsync<IOException>(() => StartOnAsync(server, $"http://127.0.0.1:{free};{first.Addresses[0]}"));
        await using AppHost again = await StartOnAsync(server, $"http://127.0.0.1:{free}");
        Assert.Equal("served", (await again.ExchangeAsync(Get)).Text);
    }

    [Theory, BothServers]
    [Trait("Defect", "HOST-21")]
    public async Task Endpoints_in_code_win_over_urls_with_a_warning(ServerKind server)
    {
        await using AppHost host = await AppHost.StartAsync(
            server,
            app => app.Run(context => context.Response.WriteAsync("served")),
            builder => builder.WebHost.UseUrls("http://127.0.0.1:1"));
        Assert.DoesNotContain("http://127.0.0.1:1", host.Addresses);
        LogEntry warning = Assert.Single(host.Logs.Entries, entry => entry.Level == LogLevel.Warning && entry.Message.StartsWith("Overriding address(es)", StringComparison.Ordinal));
        Assert.Contains("http://127.0.0.1:1", warning.Message, StringComparison.Ordinal);
        Assert.Equal("served", (await host.ExchangeAsync(Get)).Text);
    }

    [Theory, BothServers]
    [Trait("Defect", "HOST-21")]
    public async Task Preferred_urls_win_over_endpoints_in_code(ServerKind server)
    {
        await using AppHost host = await AppHost.StartAsync(
            server,
            app => app.Run(context => context.Response.WriteAsync("served")),
            builder => builder.WebHost.UseUrls("http://127.0.0.1:0").PreferHostingUrls(true),
            kestrel: options => options.ListenAnyIP(1));
        Assert.DoesNotContain(":1", host.Addresses.Select(address => address[^2..]));
        Assert.Equal("served", (await host.ExchangeAsync(Get)).Text);
    }

    [Theory, BothServers]
    public async Task The_urls_argument_is_honoured(ServerKind server)
    {
        await using AppHost host = await AppHost.StartAsync(
            server,
            app => app.Run(context => context.Response.WriteAsync("served")),
            listen: false,
            args: ["--urls", "http://127.0.0.1:0"]);
        Assert.Equal("served", (await host.ExchangeAsync(Get)).Text);
    }

    [Theory, BothServers]
    public async Task The_http_ports_setting_is_honoured(ServerKind server)
    {
        int port = FreePort();
        await using AppHost host = await AppHost.StartAsync(
            server,
            app => app.Run(context => context.Response.WriteAsync("served")),
            listen: false,
            args: ["--http_ports", $"{port}"]);
        await using RawClient client = await RawClient.ConnectAsync(new IPEndPoint(IPAddress.Loopback, port));
        await client.SendAsync(Get);
        Assert.Equal("served", (await client.ReadResponseAsync()).Text);
    }

    [Theory]
    [BothServers("http://127.0.0.1:0")]
    [BothServers("http://*:0")]
    public async Task Endpoints_of_the_Kestrel_section_are_honoured(ServerKind server, string url)
    {
        await using AppHost host = await AppHost.StartAsync(
            server,
            app => app.Run(context => context.Response.WriteAsync("served")),
            builder => builder.Configuration.AddInMemoryCollection(new Dictionary<string, string?> { ["Kestrel:Endpoints:Main:Url"] = url }),
            listen: false);
        await using RawClient client = await RawClient.ConnectAsync(new IPEndPoint(IPAddress.Loopback, host.Url.Port));
        await client.SendAsync(Get);
        Assert.Equal("served", (await client.ReadResponseAsync()).Text);
    }

    [Theory, BothServers]
    public async Task An_endpoint_without_a_url_fails_the_start(ServerKind server)
    {
        InvalidOperationException error = await Assert.ThrowsAsync<InvalidOperationException>(() => AppHost.StartAsync(
            server,
            app => app.Run(_ => Task.CompletedTask),
            builder => builder.Configuration.AddInMemoryCollection(new Dictionary<string, string?> { ["Kestrel:Endpoints:Main:Protocols"] = "Http1" }),
            listen: false));
        Assert.Equal("The endpoint Main is missing the required 'Url' parameter.", error.Message);
    }

    [Theory, BothServers]
    [Trait("Defect", "HOST-38")]
    public async Task A_changed_section_moves_the_endpoint(ServerKind server)
    {
        var source = new ReloadableSource("Kestrel:Endpoints:Main:Url", $"http://127.0.0.1:{FreePort()}");
        await using AppHost host = await AppHost.StartAsync(
            server,
            app => app.Run(context => context.Response.WriteAsync("served")),
            builder => ((IConfigurationBuilder)builder.Configuration).Add(source),
            listen: false);
        int before = host.Url.Port, after = FreePort();
        source.Change($"http://127.0.0.1:{after}");
        using var guard = new System.Threading.CancellationTokenSource(Guard.Time);
        while (true)
        {
            try
            {
                await using RawClient client = await RawClient.ConnectAsync(new IPEndPoint(IPAddress.Loopback, after));
                await client.SendAsync(Get);
                Assert.Equal("served", (await client.ReadResponseAsync()).Text);
                break;
            }
            catch (SocketException)
            {
                // Not bound yet: reload runs on its own.
                await Task.Delay(20, guard.Token);
            }
        }

        while (true)
        {
            try
            {
                await (await RawClient.ConnectAsync(new IPEndPoint(IPAddress.Loopback, before))).DisposeAsync();
                await Task.Delay(20, guard.Token);
            }
            catch (SocketException)
            {
                break;
            }
        }
    }

    [Theory]
    [BothServers(false)]
    [BothServers(true)]
    [Trait("Defect", "HOST-37")]
    public async Task A_Unix_socket_is_served(ServerKind server, bool url)
    {
        string path = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName() + ".sock");
        await using (AppHost host = await AppHost.StartAsync(
            server,
            app => app.Run(context => context.Response.WriteAsync($"served {context.Connection.RemoteIpAddress is null}")),
            builder =>
            {
                if (url)
                {
                    builder.WebHost.UseUrls("http://unix:" + path);
                }
            },
            kestrel: options =>
            {
                if (!url)
                {
                    options.ListenUnixSocket(path);
                }
            },
            listen: false))
        {
            Assert.Equal(["http://unix:" + path], host.Addresses);
            await using RawClient client = await RawClient.ConnectAsync(new UnixDomainSocketEndPoint(path));
            await client.SendAsync(Get + Get);
            Assert.Equal("served True", (await client.ReadResponseAsync()).Text);
            Assert.Equal("served True", (await client.ReadResponseAsync()).Text);
        }

        Assert.False(File.Exists(path));
    }

    [Theory, BothServers]
    [Trait("Defect", "HOST-24")]
    public async Task An_inherited_listening_socket_is_served(ServerKind server)
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        socket.Listen();
        var address = (IPEndPoint)socket.LocalEndPoint!;
        await using AppHost host = await AppHost.StartAsync(
            server,
            app => app.Run(context => context.Response.WriteAsync("served")),
            kestrel: options => options.ListenHandle((ulong)socket.Handle),
            listen: false);
        await using RawClient client = await RawClient.ConnectAsync(address);
        await client.SendAsync(Get);
        Assert.Equal("served", (await client.ReadResponseAsync()).Text);
    }

    [Theory, BothServers]
    public async Task Hosting_announces_every_address(ServerKind server)
    {
        await using AppHost host = await StartOnAsync(server, "http://127.0.0.1:0;http://[::1]:0");
        foreach (string address in host.Addresses)
        {
            Assert.Contains(host.Logs.Entries, entry => entry is { Category: "Microsoft.Hosting.Lifetime", Id: 14 } && entry.Message == $"Now listening on: {address}");
        }
    }

    [Theory, BothServers]
    [Trait("Defect", "HOST-13"), Trait("Defect", "HOST-14")]
    public async Task The_limit_of_connections_counts_per_endpoint_and_closes_without_a_word(ServerKind server)
    {
        await using AppHost host = await AppHost.StartAsync(
            server,
            app => app.Run(context => context.Response.WriteAsync("served")),
            kestrel: options =>
            {
                options.Limits.MaxConcurrentConnections = 1;
                options.Listen(IPAddress.Loopback, 0);
                options.Listen(IPAddress.Loopback, 0);
            },
            listen: false);
        int[] ports = [.. host.Addresses.Select(address => new Uri(address).Port)];
        await using RawClient first = await RawClient.ConnectAsync(new IPEndPoint(IPAddress.Loopback, ports[0]));
        await first.SendAsync(Get);
        Assert.Equal("served", (await first.ReadResponseAsync()).Text);

        await using (RawClient refused = await RawClient.ConnectAsync(new IPEndPoint(IPAddress.Loopback, ports[0])))
        {
            await refused.ExpectCloseAsync();
        }

        await using RawClient other = await RawClient.ConnectAsync(new IPEndPoint(IPAddress.Loopback, ports[1]));
        await other.SendAsync(Get);
        Assert.Equal("served", (await other.ReadResponseAsync()).Text);
        await host.Logs.WaitForAsync(entry => entry is { Id: 24, Level: LogLevel.Warning });
    }

    [Theory, BothServers]
    public async Task A_closed_connection_gives_its_place_back(ServerKind server)
    {
        await using AppHost host = await AppHost.StartAsync(
            server,
            app => app.Run(context => context.Response.WriteAsync("served")),
            kestrel: options => options.Limits.MaxConcurrentConnections = 1);
        for (int i = 0; i < 5; i++)
        {
            // The place is free when the server has closed, which it does at once after this response.
            RawResponse response = await host.ExchangeAsync("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
            Assert.Equal("served", response.Text);
            await WaitForStopAsync(host, i + 1);
        }
    }

    private static async Task WaitForStopAsync(AppHost host, int count)
    {
        int seen = 0;
        await host.Logs.WaitForAsync(entry => entry.Id == 2 && entry.Category.EndsWith("Connections", StringComparison.Ordinal) && ++seen >= count);
    }

    private static Task<AppHost> StartOnAsync(ServerKind server, string urls) => AppHost.StartAsync(
        server,
        app => app.Run(context => context.Response.WriteAsync("served")),
        builder => builder.WebHost.UseUrls(urls.Split(';')),
        listen: false);

    private static int FreePort()
    {
        using var probe = new Socket(AddressFamily.InterNetworkV6, SocketType.Stream, ProtocolType.Tcp) { DualMode = true };
        probe.Bind(new IPEndPoint(IPAddress.IPv6Any, 0));
        return ((IPEndPoint)probe.LocalEndPoint!).Port;
    }

    private sealed class ReloadableSource(string key, string value) : ConfigurationProvider, IConfigurationSource
    {
        public IConfigurationProvider Build(IConfigurationBuilder builder)
        {
            Set(key, value);
            return this;
        }

        public void Change(string changed)
        {
            Set(key, changed);
            OnReload();
        }
    }
}
