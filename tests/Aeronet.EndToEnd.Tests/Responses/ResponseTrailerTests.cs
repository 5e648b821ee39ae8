using System;
using System.Threading.Tasks;
using Aeronet.EndToEnd.Tests.Columns;
using Aeronet.Server;
using Aeronet.TestSupport.Hosting;
using Aeronet.TestSupport.Wire;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Aeronet.EndToEnd.Tests.Responses;

/// <summary>Response trailers on HTTP/1.1, which Kestrel does not offer.</summary>
[Trait("Feature", "R1.6"), Trait("Defect", "RESP-30"), Trait("Rfc", "9112 7.1.2")]
[NeedsNoSocket]
public sealed class ResponseTrailerTests
{
    [Theory]
    [BothServers("TE: trailers\r\n")]
    [BothServers("TE: gzip;q=0.5, trailers\r\n")]
    public async Task A_client_that_asks_for_trailers_gets_them(ServerKind server, string te)
    {
        await using AppHost host = await AppHost.StartAsync(server, app => app.Run(async context =>
        {
            Assert.Equal(WantedDifferences.ResponseTrailers.On(server), context.Response.SupportsTrailers());
            await context.Response.WriteAsync("body");
            if (context.Response.SupportsTrailers())
            {
                context.Response.AppendTrailer("Check", "sum");
            }
        }));
        await using RawClient client = await host.ConnectAsync();
        await client.SendAsync($"GET / HTTP/1.1\r\nHost: a\r\n{te}Connection: TE\r\n\r\n");
        RawResponse response = await client.ReadResponseAsync();
        Assert.Equal("body", response.Text);
        Assert.Equal(WantedDifferences.ResponseTrailers.On(server) ? "sum" : null, response.Trailer("Check"));
        await client.SendAsync("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        Assert.Null((await client.ReadResponseAsync()).Trailer("Check"));
    }

    [Theory, BothServers]
    public async Task A_declared_trailer_is_sent_unasked_and_replaces_the_length(ServerKind server)
    {
        await using AppHost host = await AppHost.StartAsync(server, app => app.Run(async context =>
        {
            if (context.Response.SupportsTrailers())
            {
                context.Response.DeclareTrailer("Check");
            }

            context.Response.ContentLength = 4;
            await context.Response.WriteAsync("body");
            if (context.Response.SupportsTrailers())
            {
                context.Response.AppendTrailer("Check", "sum");
            }
        }));
        RawResponse response = await host.ExchangeAsync("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        bool wanted = WantedDifferences.ResponseTrailers.On(server);
        Assert.Equal(("body", wanted ? "sum" : null), (response.Text, response.Trailer("Check")));
        Assert.Equal(wanted ? BodyFraming.Chunked : BodyFraming.ContentLength, response.Framing);
    }

    [Theory, BothServers]
    [Trait("Defect", "RESP-4")]
    public async Task HEAD_has_neither_body_nor_trailers(ServerKind server)
    {
        await using AppHost host = await AppHost.StartAsync(server, app => app.Run(async context =>
        {
            await context.Response.WriteAsync("body");
            if (context.Response.SupportsTrailers())
            {
                context.Response.AppendTrailer("Check", "sum");
            }
        }));
        await using RawClient client = await host.ConnectAsync();
        await client.SendAsync("HEAD / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
        await client.ReadResponseAsync(head: true);
        Assert.Equal("body", (await client.ReadResponseAsync()).Text);
    }

    [Theory] // Kestrel never names them
    [AeronetOnly(true)]
    [AeronetOnly(false)]
    public async Task Trailers_are_named_ahead_unless_nobody_wants_that(ServerKind server, bool isNamed)
    {
        await using AppHost host = await AppHost.StartAsync(
            server,
            app => app.Run(context =>
            {
                context.Response.AppendTrailer("Check", "sum");
                return context.Response.WriteAsync("body");
            }),
            builder => builder.Services.Configure<AeronetServerOptions>(options => options.AddTrailerHeader = isNamed));
        await using RawClient client = await host.ConnectAsync();
        await client.SendAsync("GET / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\n\r\n");
        RawResponse response = await client.ReadResponseAsync();
        Assert.Equal("sum", response.Trailer("Check"));
        Assert.Equal(isNamed ? "Check" : null, response["Trailer"]);
    }

    [Theory, BothServers]
    [Trait("Feature", "R1.7")]
    public async Task A_1_0_client_gets_no_trailers(ServerKind server)
    {
        await using AppHost host = await AppHost.StartAsync(server, app => app.Run(async context =>
        {
            await context.Response.WriteAsync("body");
            if (context.Response.SupportsTrailers())
            {
                context.Response.AppendTrailer("Check", "sum");
            }
        }));
        RawResponse response = await host.ExchangeAsync("GET / HTTP/1.0\r\nTE: trailers\r\n\r\n");
        Assert.NotEqual(BodyFraming.Chunked, response.Framing);
        Assert.Equal("body", response.Text);
    }

    [Theory]
    [BothServers("Content-Length", "1")]
    [BothServers("Transfer-Encoding", "chunked")]
    [BothServers("Host", "a")]
    [BothServers("Set-Cookie", "a=1")]
    [BothServers("X Own", "a")]
    [BothServers("X-Own", "a\r\nb")]
    [Trait("Feature", "R1.8"), Trait("Defect", "RESP-12")]
    public async Task Forbidden_and_invalid_trailers_throw(ServerKind server, string name, string value)
    {
        await using AppHost host = await AppHost.StartAsync(server, app => app.Run(async context =>
        {
            Assert.Throws<InvalidOperationException>(() => context.Response.AppendTrailer(name, value));
            await context.Response.WriteAsync("body");
        }));
        RawResponse response = await host.ExchangeAsync("GET / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\n\r\n");
        Assert.Equal("body", response.Text);
        Assert.Empty(response.Trailers);
    }
}
