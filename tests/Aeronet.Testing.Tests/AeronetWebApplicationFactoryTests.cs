using System;
using System.Net.Http;
using System.Threading.Tasks;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc.Testing;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Aeronet.Testing.Tests;

public sealed class AeronetWebApplicationFactoryTests
{
    [Fact]
    [Trait("Defect", "HOST-7")]
    public async Task The_application_runs_on_Aeronet_over_a_real_socket()
    {
        await using var factory = new AeronetWebApplicationFactory<Program>();
        using HttpClient client = factory.CreateClient();
        using HttpResponseMessage response = await client.GetAsync(new Uri("/plaintext", UriKind.Relative));
        Assert.Equal("Hello, World!", await response.Content.ReadAsStringAsync());
        Assert.Equal("Aeronet", response.Headers.Server.ToString());
        Assert.Equal("AeronetServer", factory.Services.GetRequiredService<IServer>().GetType().Name);
    }

    [Fact]
    public async Task The_base_address_is_where_a_foreign_client_finds_the_application()
    {
        await using var factory = new AeronetWebApplicationFactory<Program>();
        Assert.Equal("127.0.0.1", factory.BaseAddress.Host);
        Assert.NotEqual(0, factory.Port);
        using var client = new HttpClient();
        Assert.Equal("Hello from Aeronet", await client.GetStringAsync(factory.BaseAddress));
    }

    [Fact]
    [Trait("Defect", "HOST-10")]
    public async Task Two_factories_run_side_by_side()
    {
        await using var one = new AeronetWebApplicationFactory<Program>();
        await using var two = new AeronetWebApplicationFactory<Program>();
        Assert.NotEqual(one.Port, two.Port);
        using HttpClient client = two.CreateClient();
        await one.DisposeAsync();
        Assert.Equal("Hello from Aeronet", await client.GetStringAsync(new Uri("/", UriKind.Relative)));
    }

    [Fact]
    public async Task A_derived_factory_changes_the_host_and_Kestrels_options_hold()
    {
        await using var factory = new TinyBodies();
        using HttpClient client = factory.CreateClient();
        using var content = new StringContent("more than four bytes");
        using HttpResponseMessage response = await client.PostAsync(new Uri("/echo", UriKind.Relative), content);
        Assert.Equal(413, (int)response.StatusCode);
    }

    [Fact]
    [Trait("Defect", "HOST-7")]
    public async Task The_plain_factory_still_runs_its_in_memory_server()
    {
        await using var factory = new WebApplicationFactory<Program>();
        using HttpClient client = factory.CreateClient();
        Assert.Equal("Hello from Aeronet", await client.GetStringAsync(new Uri("/", UriKind.Relative)));
        Assert.Equal("TestServer", factory.Services.GetRequiredService<IServer>().GetType().Name);
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(65_536)]
    public void A_port_out_of_range_is_refused(int port)
        => Assert.Throws<ArgumentOutOfRangeException>(() => new AeronetWebApplicationFactory<Program>(port));

    private sealed class TinyBodies : AeronetWebApplicationFactory<Program>
    {
        protected override void ConfigureWebHost(IWebHostBuilder builder) => builder
            .ConfigureKestrel(static kestrel => kestrel.Limits.MaxRequestBodySize = 4)
            .ConfigureServices(static services => services.AddSingleton<IStartupFilter, EchoFilter>());

        private sealed class EchoFilter : IStartupFilter
        {
            public Action<IApplicationBuilder> Configure(Action<IApplicationBuilder> next) => application =>
            {
                application.Run(static async context =>
                {
                    await context.Request.Body.CopyToAsync(context.Response.Body, context.RequestAborted);
                });
                next(application);
            };
        }
    }
}
