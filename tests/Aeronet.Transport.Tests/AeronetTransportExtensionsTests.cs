using System;
using System.Linq;
using System.Net;
using System.Threading.Tasks;
using Aeronet.Transport.Connect;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using Xunit;

namespace Aeronet.Transport.Tests;

public sealed class AeronetTransportExtensionsTests
{
    [Fact]
    public void Is_the_last_factory_once_and_leaves_Kestrels_own_for_what_it_declines()
    {
        using ServiceProvider services = new ServiceCollection().AddAeronetTransport().AddAeronetTransport().BuildServiceProvider();
        IConnectionListenerFactory[] factories = services.GetServices<IConnectionListenerFactory>().ToArray();
        Assert.Equal([typeof(SocketTransportFactory), typeof(AeronetTransportFactory)], factories.Select(static factory => factory.GetType()));
    }

    [Fact]
    public void Stays_last_behind_Kestrels_registration()
    {
        ServiceCollection collection = new();
        collection.AddSingleton<IConnectionListenerFactory, SocketTransportFactory>(); // as a builder with defaults has done
        using ServiceProvider services = collection.AddAeronetTransport().BuildServiceProvider();
        Assert.IsType<AeronetTransportFactory>(services.GetServices<IConnectionListenerFactory>().Last());
        Assert.Equal(2, services.GetServices<IConnectionListenerFactory>().Count());
    }

    [Fact]
    public void What_was_set_for_Kestrels_sockets_holds_and_own_settings_win()
    {
        ServiceCollection collection = new();
        collection.Configure<SocketTransportOptions>(sockets =>
        {
            sockets.NoDelay = false;
            sockets.Backlog = 77;
            sockets.MaxReadBufferSize = 0;
            sockets.MaxWriteBufferSize = null;
        });
        using ServiceProvider services = collection.AddAeronetTransport(options => options.Backlog = 78).BuildServiceProvider();
        AeronetTransportOptions set = services.GetRequiredService<IOptions<AeronetTransportOptions>>().Value;
        Assert.False(set.NoDelay);
        Assert.Equal(78, set.Backlog);
        Assert.Null(set.MaxReadBufferSize);
        Assert.Null(set.MaxWriteBufferSize);
    }

    [Fact]
    public void Wrong_options_are_all_named()
    {
        using ServiceProvider services = new ServiceCollection().AddAeronetTransport(options =>
        {
            options.IOThreadCount = 0;
            options.MaxReadBufferSize = 0;
            options.PipeScheduling = (PipeScheduling)7;
        }).BuildServiceProvider();
        OptionsValidationException exception = Assert.Throws<OptionsValidationException>(() => services.GetRequiredService<IOptions<AeronetTransportOptions>>().Value);
        Assert.Equal(3, exception.Failures.Count());
        Assert.Contains("AeronetTransportOptions.PipeScheduling is 7; allowed: Inline or ThreadPool.", exception.Failures);
        Assert.Contains("AeronetTransportOptions.MaxReadBufferSize is 0; allowed: null (no limit) or 1 or more.", exception.Failures);
    }

    [Fact]
    public async Task Listeners_and_outgoing_connections_of_one_container_share_the_loops()
    {
        await using ServiceProvider services = new ServiceCollection().AddAeronetTransport(static options => options.IOThreadCount = 1).BuildServiceProvider();
        IConnectionListenerFactory listeners = services.GetServices<IConnectionListenerFactory>().Last();
        await using IConnectionListener listener = await listeners.BindAsync(new IPEndPoint(IPAddress.Loopback, 0));
        IConnectionFactory outgoing = services.GetRequiredService<IConnectionFactory>();
        Assert.IsType<AeronetConnectionFactory>(outgoing);
        Task<ConnectionContext?> accepting = listener.AcceptAsync().AsTask();
        await using ConnectionContext client = await outgoing.ConnectAsync(listener.EndPoint);
        await using ConnectionContext? server = await accepting.WaitAsync(TestSupport.Hosting.Guard.Time);
        await client.Transport.Output.WriteAsync("ping"u8.ToArray());
        System.IO.Pipelines.ReadResult result = await server!.Transport.Input.ReadAtLeastAsync(4).AsTask().WaitAsync(TestSupport.Hosting.Guard.Time);
        Assert.Equal(4, result.Buffer.Length);
        Assert.Same(
            ((Transport.Connections.AeronetConnectionContext)client).Loop,
            ((Transport.Connections.AeronetConnectionContext)server).Loop);
    }
}
