using System;
using System.IO;
using System.Linq;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Threading;
using System.Threading.Tasks;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Xunit;

namespace Aeronet.Server.Tests.Hosting;

public sealed class StartStopTests
{
    private const string AnyPort = "http://127.0.0.1:0";
    private static readonly TimeSpan s_guard = TimeSpan.FromSeconds(30);

    [Fact]
    [Trait("Defect", "HOST-11"), Trait("Feature", "B8"), Trait("Feature", "B19"), Trait("Feature", "B28")]
    public async Task A_dynamic_port_is_published_and_answers_at_once()
    {
        await using var host = new ServerHost(urls: [AnyPort, AnyPort]);
        await host.StartAsync();
        Assert.Equal(2, host.Addresses.Distinct().Count());
        Assert.DoesNotContain(AnyPort, host.Addresses);
        foreach (string address in host.Addresses)
        {
            Assert.Equal("ok", await ServerHost.GetAsync(address));
        }
    }

    [Fact]
    public async Task Listen_options_carry_the_resolved_port_after_the_start()
    {
        ListenOptions? kept = null;
        await using var host = new ServerHost(builder => builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0, listen => kept = listen)));
        await host.StartAsync();
        Assert.Equal($"http://{kept!.IPEndPoint}", Assert.Single(host.Addresses));
        Assert.NotEqual(0, kept.IPEndPoint!.Port);
    }

    [Fact]
    [Trait("Feature", "B20")]
    public async Task A_second_start_is_refused()
    {
        await using var host = new ServerHost(urls: AnyPort);
        await host.StartAsync();
        await Assert.ThrowsAsync<InvalidOperationException>(host.StartAsync);
        Assert.Equal("ok", await ServerHost.GetAsync(host.Addresses[0]));
    }

    [Fact]
    [Trait("Defect", "DRAIN-12")]
    public async Task Stop_may_come_before_the_start_twice_concurrently_and_before_dispose()
    {
        await using var host = new ServerHost(urls: AnyPort);
        await host.StopAsync();
        await host.StartAsync();
        await Task.WhenAll(host.StopAsync(), host.StopAsync(), Task.Run(host.StopAsync)).WaitAsync(s_guard);
        await host.StopAsync();
        host.Server.Dispose();
        host.Server.Dispose();
        await Assert.ThrowsAsync<ObjectDisposedException>(host.StartAsync);
    }

    [Fact]
    [Trait("Defect", "DRAIN-4")]
    public async Task After_the_stop_nobody_listens()
    {
        await using var host = new ServerHost(urls: AnyPort);
        await host.StartAsync();
        string address = host.Addresses[0];
        Assert.True(ServerHost.CanConnect(address));
        await host.StopAsync().WaitAsync(s_guard);
        Assert.False(ServerHost.CanConnect(address));
    }

    [Fact]
    [Trait("Feature", "B21"), Trait("Feature", "B94"), Trait("Feature", "B106"), Trait("Feature", "C1")]
    public async Task A_restart_keeps_the_dynamic_port_and_serves()
    {
        await using var host = new ServerHost(urls: AnyPort);
        await host.StartAsync();
        string first = Assert.Single(host.Addresses);
        await host.StopAsync().WaitAsync(s_guard);
        await host.StartAsync();
        Assert.Equal(first, Assert.Single(host.Addresses));
        Assert.Equal("ok", await ServerHost.GetAsync(first));
    }

    [Fact]
    public async Task A_restart_of_configured_endpoints_does_not_warn_about_its_own_addresses()
    {
        await using var host = new ServerHost(static builder => builder.WebHost.ConfigureKestrel(static kestrel => kestrel.Listen(IPAddress.Loopback, 0)));
        await host.StartAsync();
        string first = Assert.Single(host.Addresses);
        await host.StopAsync().WaitAsync(s_guard);
        await host.StartAsync();
        Assert.Equal(first, Assert.Single(host.Addresses));
        Assert.Empty(host.Log.Of(3003));
    }

    [Fact]
    public async Task A_restart_goes_where_the_addresses_were_changed_to()
    {
        await using var host = new ServerHost(urls: AnyPort);
        await host.StartAsync();
        string first = Assert.Single(host.Addresses);
        await host.StopAsync().WaitAsync(s_guard);
        host.AddressesFeature.Addresses.Clear();
        host.AddressesFeature.Addresses.Add("http://[::1]:0");
        await host.StartAsync();
        Assert.StartsWith("http://[::1]:", Assert.Single(host.Addresses), StringComparison.Ordinal);
        Assert.False(ServerHost.CanConnect(first));
    }

    [Fact]
    [Trait("Defect", "HOST-12")]
    [Trait("Defect", "HOST-22")]
    public async Task An_address_in_use_fails_the_start_and_leaves_nothing_bound()
    {
        using var taken = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        taken.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        taken.Listen();
        string busy = $"http://{taken.LocalEndPoint}";
        int free = FreePort();

        await using var host = new ServerHost(urls: [$"http://127.0.0.1:{free}", busy]);
        IOException failure = await Assert.ThrowsAsync<IOException>(host.StartAsync);
        Assert.Equal($"Failed to bind to address {busy}: address already in use.", failure.Message);
        Assert.IsType<AddressInUseException>(failure.InnerException);
        Assert.False(ServerHost.CanConnect($"http://127.0.0.1:{free}"));
        Assert.Equal([$"http://127.0.0.1:{free}", busy], host.Addresses);

        // The same server can be started once the address is free.
        taken.Dispose();
        await host.StartAsync();
        Assert.Equal("ok", await ServerHost.GetAsync(busy));
    }

    [Fact]
    [Trait("Defect", "HOST-10")]
    [Trait("Defect", "HOST-22")]
    public async Task Another_server_of_ours_on_the_same_address_counts_as_in_use()
    {
        await using var one = new ServerHost(urls: AnyPort);
        await one.StartAsync();
        await using var two = new ServerHost(urls: one.Addresses[0]);
        IOException failure = await Assert.ThrowsAsync<IOException>(two.StartAsync);
        Assert.IsType<AddressInUseException>(failure.InnerException);
        Assert.Equal("ok", await ServerHost.GetAsync(one.Addresses[0]));
    }

    [Fact]
    [Trait("Defect", "HOST-10")]
    public async Task Two_servers_in_one_process_do_not_see_each_other()
    {
        await using var one = new ServerHost(handler: static context => context.Response.WriteAsync("one"), urls: AnyPort);
        await using var two = new ServerHost(handler: static context => context.Response.WriteAsync("two"), urls: AnyPort);
        await one.StartAsync();
        await two.StartAsync();
        Assert.Equal("one", await ServerHost.GetAsync(one.Addresses[0]));
        await one.StopAsync().WaitAsync(s_guard);
        Assert.Equal("two", await ServerHost.GetAsync(two.Addresses[0]));
    }

    [Fact]
    [Trait("Defect", "HOST-20")]
    public async Task Localhost_is_one_address_on_both_loopbacks()
    {
        int port = FreePort();
        await using var host = new ServerHost(urls: $"http://localhost:{port}");
        await host.StartAsync();
        Assert.Equal($"http://localhost:{port}", Assert.Single(host.Addresses));
        Assert.Equal("ok", await ServerHost.GetAsync($"http://127.0.0.1:{port}"));
        if (Socket.OSSupportsIPv6 && host.Log.Of(3005).Count == 0)
        {
            Assert.Equal("ok", await ServerHost.GetAsync($"http://[::1]:{port}"));
        }
    }

    [Fact]
    [Trait("Defect", "HOST-20")]
    public async Task Localhost_in_use_on_one_loopback_fails_and_frees_the_other()
    {
        using var taken = new Socket(AddressFamily.InterNetworkV6, SocketType.Stream, ProtocolType.Tcp);
        taken.Bind(new IPEndPoint(IPAddress.IPv6Loopback, 0));
        taken.Listen();
        int port = ((IPEndPoint)taken.LocalEndPoint!).Port;
        await using var host = new ServerHost(urls: $"http://localhost:{port}");
        await Assert.ThrowsAsync<IOException>(host.StartAsync);
        Assert.False(ServerHost.CanConnect($"http://127.0.0.1:{port}"));
    }

    [Fact]
    [Trait("Defect", "HOST-20")]
    public async Task A_wildcard_answers_on_both_families()
    {
        await using var host = new ServerHost(urls: "http://*:0");
        await host.StartAsync();
        var address = new Uri(Assert.Single(host.Addresses));
        Assert.Equal("ok", await ServerHost.GetAsync($"http://127.0.0.1:{address.Port}"));
        if (address.Host == "[::]")
        {
            Assert.Equal("ok", await ServerHost.GetAsync($"http://[::1]:{address.Port}"));
        }
    }

    [Fact]
    [Trait("Feature", "C27b"), Trait("Defect", "HOST-37")]
    public async Task A_unix_socket_answers_and_its_file_is_gone_after_the_stop()
    {
        string path = Path.Combine(Path.GetTempPath(), $"aeronet-{Guid.NewGuid():N}.sock");
        await using var host = new ServerHost(urls: $"http://unix:{path}");
        await host.StartAsync();
        Assert.Equal($"http://unix:{path}", Assert.Single(host.Addresses));
        using (var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified))
        {
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(path));
            await socket.SendAsync(Encoding.ASCII.GetBytes("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"));
            using var reader = new StreamReader(new NetworkStream(socket));
            Assert.Equal("HTTP/1.1 200 OK", await reader.ReadLineAsync().WaitAsync(s_guard));
        }
        await host.StopAsync().WaitAsync(s_guard);
        Assert.False(File.Exists(path));
    }

    [Fact]
    [Trait("Defect", "HOST-24")]
    public async Task An_inherited_listening_handle_is_served()
    {
        using var inherited = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        inherited.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        inherited.Listen();
        await using var host = new ServerHost(builder => builder.WebHost.ConfigureKestrel(kestrel => kestrel.ListenHandle((ulong)inherited.Handle)));
        await host.StartAsync();
        Assert.Equal("http://<file handle>", Assert.Single(host.Addresses));
        Assert.Equal("ok", await ServerHost.GetAsync($"http://{inherited.LocalEndPoint}"));
    }

    [Fact]
    [Trait("Feature", "B22"), Trait("Feature", "B74b")]
    public async Task Running_requests_finish_when_the_server_stops()
    {
        var entered = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var release = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var host = new ServerHost(
            handler: async context =>
            {
                entered.SetResult();
                await release.Task;
                await context.Response.WriteAsync("done");
            },
            urls: AnyPort);
        await host.StartAsync();
        Task<string> request = ServerHost.GetAsync(host.Addresses[0]);
        await entered.Task.WaitAsync(s_guard);
        Task stop = host.StopAsync();
        Assert.False(stop.IsCompleted);
        release.SetResult();
        Assert.Equal("done", await request.WaitAsync(s_guard));
        await stop.WaitAsync(s_guard);
        Assert.Empty(host.Log.Of(16));
    }

    [Fact]
    [Trait("Defect", "DRAIN-24")]
    public async Task A_request_that_does_not_end_is_aborted_when_the_token_fires()
    {
        var entered = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var aborted = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var host = new ServerHost(
            handler: async context =>
            {
                context.RequestAborted.Register(aborted.SetResult);
                entered.SetResult();
                await aborted.Task;
            },
            urls: AnyPort);
        await host.StartAsync();
        Task<string> request = ServerHost.GetAsync(host.Addresses[0]);
        await entered.Task.WaitAsync(s_guard);
        using var patience = new CancellationTokenSource();
        Task stop = host.Server.StopAsync(patience.Token);
        Assert.False(stop.IsCompleted);
        await patience.CancelAsync();
        await stop.WaitAsync(s_guard);
        await aborted.Task.WaitAsync(s_guard);
        await Assert.ThrowsAnyAsync<Exception>(() => request);
        Assert.Single(host.Log.Of(16));
        Assert.Empty(host.Log.Of(21));
    }

    [Fact]
    [Trait("Defect", "DRAIN-24")]
    public async Task A_handler_that_ignores_the_abort_does_not_hold_up_the_stop()
    {
        var entered = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var release = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var host = new ServerHost(
            handler: async _ =>
            {
                entered.SetResult();
                await release.Task;
            },
            urls: AnyPort);
        await host.StartAsync();
        Task<string> request = ServerHost.GetAsync(host.Addresses[0]);
        await entered.Task.WaitAsync(s_guard);
        await host.Server.StopAsync(new CancellationToken(canceled: true)).WaitAsync(s_guard);
        Assert.Single(host.Log.Of(21));
        release.SetResult();
        await Assert.ThrowsAnyAsync<Exception>(() => request);
    }

    [Fact]
    [Trait("Defect", "DRAIN-23")]
    public async Task A_second_stop_with_less_patience_shortens_the_first()
    {
        var entered = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var host = new ServerHost(
            handler: async context =>
            {
                entered.SetResult();
                await Task.Delay(Timeout.Infinite, context.RequestAborted);
            },
            urls: AnyPort);
        await host.StartAsync();
        Task<string> request = ServerHost.GetAsync(host.Addresses[0]);
        await entered.Task.WaitAsync(s_guard);
        Task patient = host.StopAsync();
        await host.Server.StopAsync(new CancellationToken(canceled: true)).WaitAsync(s_guard);
        await patient.WaitAsync(s_guard);
        await Assert.ThrowsAnyAsync<Exception>(() => request);
    }

    [Fact]
    [Trait("Defect", "DRAIN-5")]
    public async Task Starts_and_stops_from_many_threads_leave_the_server_usable()
    {
        await using var host = new ServerHost(urls: AnyPort);
        async Task Churn()
        {
            for (int i = 0; i < 10; i++)
            {
                try
                {
                    await host.StartAsync();
                }
                catch (InvalidOperationException)
                {
                    // Somebody else has started it.
                }
                await host.StopAsync();
            }
        }
        await Task.WhenAll(Task.Run(Churn), Task.Run(Churn), Task.Run(Churn)).WaitAsync(TimeSpan.FromSeconds(60));
        await host.StartAsync();
        Assert.Equal("ok", await ServerHost.GetAsync(host.Addresses[0]));
    }

    [Fact]
    [Trait("Defect", "HOST-13")]
    public async Task The_limit_of_connections_counts_per_endpoint()
    {
        await using var host = new ServerHost(static builder => builder.WebHost.ConfigureKestrel(static kestrel => kestrel.Limits.MaxConcurrentConnections = 1), urls: [AnyPort, AnyPort]);
        await host.StartAsync();
        using Socket first = await ConnectAsync(host.Addresses[0]);
        using Socket second = await ConnectAsync(host.Addresses[1]);
        Assert.StartsWith("HTTP/1.1 200", await ExchangeAsync(first), StringComparison.Ordinal);
        Assert.StartsWith("HTTP/1.1 200", await ExchangeAsync(second), StringComparison.Ordinal);
        using Socket third = await ConnectAsync(host.Addresses[0]);
        Assert.Equal("", await ExchangeAsync(third));
        Assert.Single(host.Log.Of(24));
    }

    [Fact]
    [Trait("Defect", "HOST-14")]
    public async Task A_connection_above_the_limit_can_be_told_503()
    {
        await using var host = new ServerHost(
            static builder => builder.WebHost
                .ConfigureKestrel(static kestrel => kestrel.Limits.MaxConcurrentConnections = 1)
                .UseAeronet(static options => options.RejectedConnectionResponse = RejectedConnectionResponse.ServiceUnavailable),
            urls: AnyPort);
        await host.StartAsync();
        using Socket first = await ConnectAsync(host.Addresses[0]);
        Assert.StartsWith("HTTP/1.1 200", await ExchangeAsync(first), StringComparison.Ordinal);
        using Socket second = await ConnectAsync(host.Addresses[0]);
        Assert.StartsWith("HTTP/1.1 503", await ReadAsync(second), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Limits_that_contradict_each_other_fail_the_start_all_at_once()
    {
        await using var host = new ServerHost(
            static builder => builder.WebHost.ConfigureKestrel(static kestrel => kestrel.Limits.MaxRequestBufferSize = 100),
            urls: AnyPort);
        InvalidOperationException failure = await Assert.ThrowsAsync<InvalidOperationException>(host.StartAsync);
        Assert.Contains("MaxRequestLineSize (8192)", failure.Message, StringComparison.Ordinal);
        Assert.Contains("MaxRequestHeadersTotalSize (32768)", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Settings_without_effect_are_named_in_one_warning()
    {
        await using var host = new ServerHost(static builder => builder.WebHost.ConfigureKestrel(static kestrel =>
        {
            kestrel.Limits.Http2.MaxFrameSize = 20_000;
            kestrel.AllowAlternateSchemes = true;
        }), urls: AnyPort);
        await host.StartAsync();
        string message = Assert.Single(host.Log.Of(3001)).Message;
        Assert.Contains("AllowAlternateSchemes, Limits.Http2.MaxFrameSize", message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Cleartext_endpoints_serve_HTTP_1_1_only_and_say_so_when_more_was_asked_for()
    {
        await using var host = new ServerHost(static builder => builder.WebHost.ConfigureKestrel(static kestrel =>
        {
            kestrel.Listen(IPAddress.Loopback, 0);
            kestrel.Listen(IPAddress.Loopback, 0, static listen => listen.Protocols = HttpProtocols.Http1AndHttp2AndHttp3);
        }));
        await host.StartAsync();
        Assert.Single(host.Log.Of(64));
        Assert.Single(host.Log.Of(65));
        Assert.Equal("ok", await ServerHost.GetAsync(host.Addresses[1]));
    }

    private static int FreePort()
    {
        using var probe = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        probe.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return ((IPEndPoint)probe.LocalEndPoint!).Port;
    }

    private static async Task<Socket> ConnectAsync(string address)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(IPAddress.Loopback, new Uri(address).Port);
        return socket;
    }

    private static async Task<string> ExchangeAsync(Socket socket)
    {
        try
        {
            await socket.SendAsync(Encoding.ASCII.GetBytes("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
        }
        catch (SocketException)
        {
            return "";
        }
        return await ReadAsync(socket);
    }

    private static async Task<string> ReadAsync(Socket socket)
    {
        byte[] buffer = new byte[4096];
        try
        {
            int count = await socket.ReceiveAsync(buffer).WaitAsync(s_guard);
            return Encoding.ASCII.GetString(buffer, 0, count);
        }
        catch (SocketException)
        {
            return "";
        }
    }
}
