using System;
using System.IO;
using System.Net;
using System.Net.Http;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Threading.Tasks;
using Aeronet.TestSupport.Tls;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.Configuration;
using Xunit;

namespace Aeronet.Server.Tests.Hosting;

public sealed class ReloadTests
{
    private static readonly TimeSpan s_guard = TimeSpan.FromSeconds(30);

    [Fact]
    public async Task A_changed_endpoint_is_replaced_and_the_others_stay()
    {
        ConfigurationManager? configuration = null;
        int[] ports = FreePorts(3);
        await using ServerHost host = Create(manager => configuration = manager, ("A", $"http://127.0.0.1:{ports[0]}"), ("B", $"http://127.0.0.1:{ports[1]}"));
        await host.StartAsync();

        Change(configuration!, "A", $"http://127.0.0.1:{ports[2]}");
        await WaitForLogAsync(host, 3006, 1);
        Assert.Equal([$"http://127.0.0.1:{ports[1]}", $"http://127.0.0.1:{ports[2]}"], host.Addresses);
        Assert.Equal("ok", await ServerHost.GetAsync($"http://127.0.0.1:{ports[1]}"));
        Assert.Equal("ok", await ServerHost.GetAsync($"http://127.0.0.1:{ports[2]}"));
        Assert.False(ServerHost.CanConnect($"http://127.0.0.1:{ports[0]}"));
    }

    [Fact]
    public async Task Endpoints_can_be_added_and_moved()
    {
        ConfigurationManager? configuration = null;
        int[] ports = FreePorts(2);
        await using ServerHost host = Create(manager => configuration = manager, ("A", $"http://127.0.0.1:{ports[0]}"));
        await host.StartAsync();

        Change(configuration!, "B", $"http://127.0.0.1:{ports[1]}");
        await WaitForLogAsync(host, 3006, 1);
        Assert.Equal("ok", await ServerHost.GetAsync($"http://127.0.0.1:{ports[1]}"));

        int third = FreePorts(1)[0];
        Change(configuration!, "B", $"http://127.0.0.1:{third}");
        await WaitForLogAsync(host, 3006, 2);
        Assert.False(ServerHost.CanConnect($"http://127.0.0.1:{ports[1]}"));
        Assert.Equal("ok", await ServerHost.GetAsync($"http://127.0.0.1:{third}"));
    }

    [Fact]
    [Trait("Defect", "HOST-38")]
    public async Task An_endpoint_that_cannot_be_bound_leaves_the_old_one_and_is_tried_again_with_the_next_change()
    {
        ConfigurationManager? configuration = null;
        using var taken = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        taken.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        taken.Listen();
        int[] ports = FreePorts(2);
        await using ServerHost host = Create(manager => configuration = manager, ("A", $"http://127.0.0.1:{ports[0]}"));
        await host.StartAsync();

        Change(configuration!, "A", $"http://{taken.LocalEndPoint}");
        await WaitForLogAsync(host, 3007, 1);
        Assert.Equal($"http://127.0.0.1:{ports[0]}", Assert.Single(host.Addresses));
        Assert.Equal("ok", await ServerHost.GetAsync(host.Addresses[0]));

        Change(configuration!, "A", $"http://127.0.0.1:{ports[1]}");
        await WaitForLogAsync(host, 3006, 1);
        Assert.Equal($"http://127.0.0.1:{ports[1]}", Assert.Single(host.Addresses));
        Assert.Equal("ok", await ServerHost.GetAsync(host.Addresses[0]));
        Assert.False(ServerHost.CanConnect($"http://127.0.0.1:{ports[0]}"));
    }

    [Fact]
    [Trait("Defect", "HOST-34")]
    public async Task An_https_endpoint_that_cannot_be_served_leaves_everything_as_it_was()
    {
        ConfigurationManager? configuration = null;
        int[] ports = FreePorts(1);
        await using ServerHost host = Create(manager => configuration = manager, ("A", $"http://127.0.0.1:{ports[0]}"));
        await host.StartAsync();
        configuration!["Kestrel:Endpoints:A:Certificate:Path"] = "/nowhere/at-all.pfx";
        Change(configuration, "A", "https://127.0.0.1:1");
        await WaitForLogAsync(host, 3008, 1);
        Assert.Equal("ok", await ServerHost.GetAsync(Assert.Single(host.Addresses)));
    }

    [Fact]
    public async Task An_endpoint_can_change_from_cleartext_to_https_and_back()
    {
        ConfigurationManager? configuration = null;
        int[] ports = FreePorts(1);
        string file = Path.GetTempFileName();
        await File.WriteAllBytesAsync(file, TestCertificates.Shared.Server().Export(X509ContentType.Pkcs12, "p"));
        try
        {
            await using ServerHost host = Create(manager => configuration = manager, ("A", $"http://127.0.0.1:{ports[0]}"));
            await host.StartAsync();
            configuration!["Kestrel:Endpoints:A:Certificate:Path"] = file;
            configuration["Kestrel:Endpoints:A:Certificate:Password"] = "p";
            Change(configuration, "A", $"https://127.0.0.1:{ports[0]}");
            await WaitForLogAsync(host, 3006, 1);
            Assert.Equal($"https://127.0.0.1:{ports[0]}", Assert.Single(host.Addresses));
            using (var client = new HttpClient(new SocketsHttpHandler { SslOptions = { RemoteCertificateValidationCallback = static (_, certificate, _, _) => certificate?.Subject == "CN=localhost" } }) { Timeout = s_guard })
            {
                Assert.Equal("ok", await client.GetStringAsync(new Uri(host.Addresses[0])));
            }

            configuration["Kestrel:Endpoints:A:Certificate:Path"] = null;
            configuration["Kestrel:Endpoints:A:Certificate:Password"] = null;
            Change(configuration, "A", $"http://127.0.0.1:{ports[0]}");
            await WaitForLogAsync(host, 3006, 2);
            Assert.Equal("ok", await ServerHost.GetAsync(Assert.Single(host.Addresses)));
        }
        finally
        {
            File.Delete(file);
        }
    }

    [Fact]
    public async Task Other_settings_of_the_same_address_keep_the_listener()
    {
        ConfigurationManager? configuration = null;
        int[] ports = FreePorts(1);
        await using ServerHost host = Create(manager => configuration = manager, ("A", $"http://127.0.0.1:{ports[0]}"));
        await host.StartAsync();
        using var kept = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await kept.ConnectAsync(IPAddress.Loopback, ports[0]);

        configuration!["Kestrel:Endpoints:A:Protocols"] = "Http1";
        ((IConfigurationRoot)configuration).Reload();
        configuration!["Kestrel:Endpoints:A:Certificate:Path"] = "/nowhere/at-all.pfx";
        Change(configuration, "A", "https://127.0.0.1:1");
        await WaitForLogAsync(host, 3008, 1); // the second change was looked at, so the first is done

        await kept.SendAsync("GET / HTTP/1.1\r\nHost: a\r\n\r\n"u8.ToArray());
        byte[] answer = new byte[1024];
        int count = await kept.ReceiveAsync(answer).WaitAsync(s_guard);
        Assert.StartsWith("HTTP/1.1 200", System.Text.Encoding.ASCII.GetString(answer, 0, count), StringComparison.Ordinal);
        Assert.Empty(host.Log.Of(3007));
        Assert.Empty(host.Log.Of(3006));
    }

    [Fact]
    public async Task Preferred_hosting_addresses_switch_reloading_off()
    {
        ConfigurationManager? configuration = null;
        int[] ports = FreePorts(2);
        await using ServerHost host = Create(manager => configuration = manager, ("A", $"http://127.0.0.1:{ports[0]}"));
        host.AddressesFeature.Addresses.Add("http://127.0.0.1:0");
        host.AddressesFeature.PreferHostingUrls = true;
        await host.StartAsync();
        Change(configuration!, "A", $"http://127.0.0.1:{ports[1]}");
        await host.StopAsync().WaitAsync(s_guard); // any change would have been applied before
        Assert.Single(host.Addresses);
        Assert.Empty(host.Log.Of(3006));
    }

    [Fact]
    public async Task A_gate_that_changes_with_the_configuration_is_the_one_in_force()
    {
        ConfigurationManager? configuration = null;
        int[] ports = FreePorts(1);
        await using ServerHost host = new(builder =>
        {
            configuration = builder.Configuration;
            configuration["Kestrel:Endpoints:A:Url"] = $"http://127.0.0.1:{ports[0]}";
            configuration["Kestrel:Endpoints:A:Proxies"] = "127.0.0.0/8";
            builder.WebHost.ConfigureKestrel(kestrel => kestrel.Configure(builder.Configuration.GetSection("Kestrel"), reloadOnChange: true)
                .Endpoint("A", static endpoint => endpoint.ListenOptions.UseProxyProtocol(options => options.TrustedNetworks.Add(IPNetwork.Parse(endpoint.ConfigSection["Proxies"]!)))));
        });
        await host.StartAsync();
        Assert.StartsWith("HTTP/1.1 200", await AskThroughProxyAsync(ports[0]), StringComparison.Ordinal);
        configuration!["Kestrel:Endpoints:A:Proxies"] = "192.0.2.0/24";
        ((IConfigurationRoot)configuration).Reload();
        await WaitForLogAsync(host, 3006, 1);
        Assert.Equal("", await AskThroughProxyAsync(ports[0]));
    }

    private static async Task<string> AskThroughProxyAsync(int port)
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            await socket.ConnectAsync(IPAddress.Loopback, port).WaitAsync(s_guard);
            await socket.SendAsync("PROXY TCP4 192.0.2.7 192.0.2.8 7 8\r\nGET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"u8.ToArray());
            byte[] answer = new byte[1000];
            return Encoding.ASCII.GetString(answer, 0, await socket.ReceiveAsync(answer).WaitAsync(s_guard));
        }
        catch (SocketException)
        {
            return ""; // reset
        }
    }

    private static ServerHost Create(Action<ConfigurationManager> keep, params (string Name, string Url)[] endpoints) => new(builder =>
    {
        keep(builder.Configuration);
        foreach ((string name, string url) in endpoints)
        {
            builder.Configuration[$"Kestrel:Endpoints:{name}:Url"] = url;
        }
    });

    private static void Change(ConfigurationManager configuration, string name, string url)
    {
        configuration[$"Kestrel:Endpoints:{name}:Url"] = url;
        ((IConfigurationRoot)configuration).Reload();
    }

    // The change is applied on other threads; its log entry is the signal. The delay only yields, the guard only bounds a failure.
    private static async Task WaitForLogAsync(ServerHost host, int eventId, int count)
    {
        long end = Environment.TickCount64 + (long)s_guard.TotalMilliseconds;
        while (host.Log.Of(eventId).Count < count)
        {
            Assert.True(Environment.TickCount64 < end, $"Event {eventId} was not logged: {string.Join(Environment.NewLine, host.Log.Entries)}");
            await Task.Delay(5);
        }
    }

    private static int[] FreePorts(int count)
    {
        var probes = new Socket[count];
        try
        {
            for (int i = 0; i < count; i++)
            {
                probes[i] = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
                probes[i].Bind(new IPEndPoint(IPAddress.Loopback, 0));
            }
            return Array.ConvertAll(probes, static probe => ((IPEndPoint)probe.LocalEndPoint!).Port);
        }
        finally
        {
            foreach (Socket probe in probes)
            {
                probe?.Dispose();
            }
        }
    }
}
