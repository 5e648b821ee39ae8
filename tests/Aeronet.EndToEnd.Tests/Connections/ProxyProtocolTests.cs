using System;
using System.Diagnostics.Metrics;
using System.Linq;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Threading.Tasks;
using Aeronet.EndToEnd.Tests.Columns;
using Aeronet.TestSupport.Hosting;
using Aeronet.TestSupport.Wire;
using Aeronet.Transport.ProxyProtocol;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Aeronet.EndToEnd.Tests.Connections;

/// <summary><c>UseProxyProtocol</c> on every server: a gate on the loops, connection middleware elsewhere.</summary>
[NeedsNoSocket]
public sealed class ProxyProtocolTests
{
    private const string Get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    private const string Version1 = "PROXY TCP4 192.0.2.7 192.0.2.8 7 8\r\n";
    private const string Seen = "192.0.2.7:7 192.0.2.8:8";
    private const string Outcomes = "aeronet.proxy_protocol.connections";

    // Signature, PROXY, TCP over IPv4, 12 bytes of addresses and a field 0x02 "a.example".
    private static readonly string s_version2 = "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x18" + "\xC0\0\x02\x07\xC0\0\x02\x08\0\x07\0\x08" + "\x02\0\x09" + "a.example";

    [Theory, BothServers]
    public async Task The_client_that_the_proxy_names_is_what_the_request_sees(ServerKind server)
    {
        await using AppHost host = await StartAsync(server);
        await using RawClient client = await host.ConnectAsync();
        await client.SendAsync(Version1 + Get);
        Assert.Equal($"{Seen} v1", (await client.ReadResponseAsync()).Text);
        await client.SendAsync(Get); // once per connection
        Assert.Equal($"{Seen} v1", (await client.ReadResponseAsync()).Text);
        Assert.Equal($"{Seen} v2 a.example", (await host.ExchangeAsync(s_version2 + Get)).Text);
    }

    [Theory, BothServers]
    public async Task The_header_may_come_byte_by_byte(ServerKind server)
    {
        await using AppHost host = await StartAsync(server);
        foreach (string header in new[] { Version1, s_version2 })
        {
            await using RawClient client = await host.ConnectAsync();
            await client.SendByteByByteAsync(header + Get);
            Assert.StartsWith(Seen, (await client.ReadResponseAsync()).Text, StringComparison.Ordinal);
        }
    }

    [Theory]
    [BothServers("PROXY UNKNOWN\r\n", " v1")]
    [BothServers("\r\n\r\n\0\r\nQUIT\n\x20\x00\0\0", " v2 local")]
    public async Task A_proxy_that_speaks_for_itself_leaves_the_addresses_of_the_connection(ServerKind server, string header, string expected)
    {
        await using AppHost host = await StartAsync(server);
        await using RawClient client = await host.ConnectAsync();
        await client.SendAsync(header + Get);
        Assert.Equal($"{client.LocalEndPoint} {host.EndPoint}{expected}", (await client.ReadResponseAsync()).Text);
    }

    [Theory]
    [BothServers(Get, "Absent")]
    [BothServers("PROXY TCP4 nonsense\r\n", "Malformed")]
    [BothServers("\r\n\r\n\0\r\nQUIT\n\x21\x11\xFF\xFF", "TooLarge")]
    [BothServers("\r\n\r\n\0\r\nQUIT\n\x42", "Malformed")]
    public async Task A_connection_that_does_not_begin_as_it_must_is_ended_and_counted(ServerKind server, string bytes, string outcome)
    {
        await using AppHost host = await StartAsync(server);
        using var meters = new MeterCapture(host.Services.GetRequiredService<IMeterFactory>(), Outcomes);
        await using RawClient client = await host.ConnectAsync();
        await client.SendAsync(bytes);
        await client.ExpectCloseAsync();
        await meters.WaitForAsync(Outcomes, seen => seen.Any(measurement => (string?)measurement.Tags["outcome"] == outcome));
        Assert.StartsWith(Seen, (await host.ExchangeAsync(Version1 + Get)).Text, StringComparison.Ordinal); // nobody else notices
    }

    [Theory]
    [BothServers("")]
    [BothServers("PROXY TC")]
    [BothServers("\r\n\r\n\0\r\nQUI")]
    public async Task A_header_that_does_not_come_in_time_ends_the_connection(ServerKind server, string part)
    {
        await using AppHost host = await StartAsync(server, static options => options.Timeout = TimeSpan.FromMilliseconds(50));
        using var meters = new MeterCapture(host.Services.GetRequiredService<IMeterFactory>(), Outcomes);
        await using RawClient client = await host.ConnectAsync();
        await client.TrySendAsync(part); // its time may be over already
        await client.ExpectCloseAsync();
        await meters.WaitForAsync(Outcomes, static seen => seen.Any(static measurement => (string?)measurement.Tags["outcome"] == "TimedOut"));
    }

    [Theory]
    [BothServers("")]
    [BothServers("PROXY TC")]
    public async Task A_peer_that_leaves_before_the_header_is_whole_is_counted(ServerKind server, string part)
    {
        await using AppHost host = await StartAsync(server);
        using var meters = new MeterCapture(host.Services.GetRequiredService<IMeterFactory>(), Outcomes);
        await using RawClient client = await host.ConnectAsync();
        await client.SendAsync(part);
        client.ShutdownSend();
        await client.ExpectCloseAsync();
        await meters.WaitForAsync(Outcomes, static seen => seen.Any(static measurement => (string?)measurement.Tags["outcome"] == "Closed"));
    }

    [Theory, BothServers]
    public async Task A_stop_does_not_wait_for_a_header_that_does_not_come(ServerKind server)
    {
        await using AppHost host = await StartAsync(server, static options => options.Timeout = TimeSpan.FromMinutes(10));
        await using RawClient silent = await host.ConnectAsync();
        await using RawClient speaking = await host.ConnectAsync();
        await speaking.SendAsync(Version1 + Get); // accepted behind the silent one
        Assert.StartsWith(Seen, (await speaking.ReadResponseAsync()).Text, StringComparison.Ordinal);
        await host.StopAsync().WaitAsync(Guard.Time);
        await silent.ExpectCloseAsync();
    }

    [Theory, BothServers]
    public async Task Optional_lets_connections_without_a_header_pass(ServerKind server)
    {
        await using AppHost host = await StartAsync(server, static options => options.IsRequired = false);
        await using RawClient client = await host.ConnectAsync();
        await client.SendAsync(Get);
        Assert.Equal($"{client.LocalEndPoint} {host.EndPoint}", (await client.ReadResponseAsync()).Text);
        Assert.Equal($"{Seen} v1", (await host.ExchangeAsync(Version1 + Get)).Text);
    }

    [Theory, BothServers]
    public async Task A_peer_that_is_not_trusted_cannot_name_a_client(ServerKind server)
    {
        await using (AppHost strict = await StartAsync(server, Elsewhere))
        {
            using var meters = new MeterCapture(strict.Services.GetRequiredService<IMeterFactory>(), Outcomes);
            try
            {
                await using RawClient refused = await strict.ConnectAsync();
                await refused.TrySendAsync(Version1 + Get);
                await refused.ExpectCloseAsync();
            }
            catch (SocketException)
            {
                // Reset before the client's connect had returned.
            }
            await meters.WaitForAsync(Outcomes, static seen => seen.Any(static measurement => (string?)measurement.Tags["outcome"] == "Untrusted"));
        }
        await using AppHost host = await StartAsync(server, static options =>
        {
            Elsewhere(options);
            options.IsRequired = false;
        });
        await using RawClient client = await host.ConnectAsync();
        await client.SendAsync(Get);
        Assert.Equal($"{client.LocalEndPoint} {host.EndPoint}", (await client.ReadResponseAsync()).Text);
        Assert.Equal(400, (await host.ExchangeAsync(Version1 + Get)).Status);

        static void Elsewhere(ProxyProtocolOptions options)
        {
            options.TrustedNetworks.Clear();
            options.TrustedNetworks.Add(IPNetwork.Parse("192.0.2.0/24"));
        }
    }

    [Theory, BothServers]
    public async Task Trusting_nobody_stops_the_start(ServerKind server)
    {
        ArgumentException fault = await Assert.ThrowsAsync<ArgumentException>(() => StartAsync(server, static options => options.TrustedNetworks.Clear()));
        Assert.Contains("TrustedNetworks is empty", fault.Message, StringComparison.Ordinal);
    }

    [Theory, BothServers]
    public async Task The_limit_per_address_behind_it_counts_the_clients_that_the_proxy_names(ServerKind server)
    {
        await using AppHost host = await AppHost.StartAsync(server, static app => app.Run(RespondAsync), kestrel: static kestrel => kestrel.Listen(IPAddress.Loopback, 0, static listen =>
            listen.UseProxyProtocol(Trust).UseConnectionLimitPerAddress(1)), listen: false);
        await using RawClient first = await host.ConnectAsync();
        await first.SendAsync(Version1 + Get);
        Assert.StartsWith(Seen, (await first.ReadResponseAsync()).Text, StringComparison.Ordinal);
        await using RawClient second = await host.ConnectAsync();
        await second.TrySendAsync(Version1 + Get);
        await second.ExpectCloseAsync();
        RawResponse other = await host.ExchangeAsync("PROXY TCP4 192.0.2.9 192.0.2.8 7 8\r\n" + Get);
        Assert.StartsWith("192.0.2.9:7", other.Text, StringComparison.Ordinal);
    }

    private static Task<AppHost> StartAsync(ServerKind server, Action<ProxyProtocolOptions>? configure = null) => AppHost.StartAsync(
        server,
        static app => app.Run(RespondAsync),
        kestrel: kestrel => kestrel.Listen(IPAddress.Loopback, 0, listen => listen.UseProxyProtocol(options =>
        {
            Trust(options);
            configure?.Invoke(options);
        })),
        listen: false);

    private static void Trust(ProxyProtocolOptions options) => options.TrustedNetworks.Add(IPNetwork.Parse("127.0.0.0/8"));

    private static Task RespondAsync(HttpContext context)
    {
        ConnectionInfo connection = context.Connection;
        string text = $"{connection.RemoteIpAddress}:{connection.RemotePort} {connection.LocalIpAddress}:{connection.LocalPort}";
        if (context.Features.Get<IProxyProtocolFeature>() is { } proxy)
        {
            text += $" v{proxy.Version}{(proxy.IsLocal ? " local" : "")}{string.Concat(proxy.Fields.Select(static field => " " + Encoding.ASCII.GetString(field.Value.Span)))}";
        }
        return context.Response.WriteAsync(text);
    }
}
