using System;
using System.Net.Http;
using System.Security.Authentication;
using System.Threading.Tasks;
using Aeronet.TestSupport.Programs;
using Aeronet.TestSupport.Tls;
using Aeronet.Transport.Tls;
using Xunit;

namespace Aeronet.EndToEnd.Tests.Https;

/// <summary>Clients of other makers against the engine, settings handed over directly.</summary>
public sealed class TlsClientTests
{
    [Fact]
    public async Task Curl_gets_a_page_over_the_newest_version()
    {
        await using TlsServer server = TlsServer.Start(TlsServer.Identity());
        ProgramResult? curl = await ExternalProgram.TryRunAsync("curl", ["-sSk", "-v", $"https://localhost:{server.Port}/"]);
        if (curl is null)
        {
            return;
        }

        Assert.Equal("hello over https", curl.Output);
        TlsOutcome outcome = server.NextOutcome();
        Assert.Equal(TlsFailure.None, outcome.Failure);
        Assert.Equal(SslProtocols.Tls13, outcome.Protocol);
        Assert.Equal("localhost", outcome.ServerName);
        Assert.Equal("http/1.1", outcome.ApplicationProtocol);
    }

    [Theory]
    [InlineData(SslProtocols.Tls12)]
    [InlineData(SslProtocols.Tls13)]
    public async Task HttpClient_keeps_its_connection(SslProtocols version)
    {
        await using TlsServer server = TlsServer.Start(TlsServer.Identity());
        using HttpClient client = TlsClients.Create(server, handler => handler.SslOptions.EnabledSslProtocols = version);
        for (int i = 0; i < 3; i++)
        {
            Assert.Equal("hello over https", await client.GetStringAsync(new Uri("/", UriKind.Relative)));
        }

        Assert.Equal(version, server.NextOutcome().Protocol);
        Assert.Equal(1, server.HandshakesStarted);
    }
}
