using System;
using System.Collections.Concurrent;
using System.Threading.Tasks;
using Aeronet.TestSupport.Hosting;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Xunit;

namespace Aeronet.EndToEnd.Tests.Columns;

/// <summary>One host per server for all tests of a class whose application keeps no state.</summary>
public abstract class HostFixture : IAsyncLifetime
{
    private readonly ConcurrentDictionary<ServerKind, Lazy<Task<AppHost>>> _hosts = new();

    /// <summary>The shared host on a server.</summary>
    public Task<AppHost> OnAsync(ServerKind server) => _hosts.GetOrAdd(server, kind => new Lazy<Task<AppHost>>(
        () => AppHost.StartAsync(kind, Map, Configure, Kestrel))).Value;

    /// <inheritdoc />
    public Task InitializeAsync() => Task.CompletedTask;

    /// <inheritdoc />
    public async Task DisposeAsync()
    {
        foreach (Lazy<Task<AppHost>> host in _hosts.Values)
        {
            AppHost started = await host.Value;
            started.ErrorsExpected |= ErrorsExpectedOn(started.Server);
            await started.DisposeAsync();
        }
    }

    /// <summary>The application.</summary>
    protected abstract void Map(WebApplication app);

    /// <summary>Services and configuration.</summary>
    protected virtual void Configure(WebApplicationBuilder builder)
    {
    }

    /// <summary>Server options.</summary>
    protected virtual void Kestrel(KestrelServerOptions options)
    {
    }

    /// <summary>True when the tests of the class make the application throw on that server.</summary>
    protected virtual bool ErrorsExpectedOn(ServerKind server) => false;
}
