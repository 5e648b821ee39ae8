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

    [Theory]
    [InlineData("NORMAL:-VERS-ALL:+VERS-TLS1.2", TestKey.Rsa2048, SslProtocols.Tls12)]
    [InlineData("NORMAL:-VERS-ALL:+VERS-TLS1.2", TestKey.P256, SslProtocols.Tls12)]
    [InlineData("NORMAL:-VERS-ALL:+VERS-TLS1.3", TestKey.Rsa2048, SslProtocols.Tls13)]
    [InlineData("NORMAL:-VERS-ALL:+VERS-TLS1.3", TestKey.P384, SslProtocols.Tls13)]
    public async Task GnuTLS_gets_a_page_and_resumes(string priority, TestKey key, SslProtocols version)
    {
        await using TlsServer server = TlsServer.Start(TlsServer.Identity(key));
        // -r: connects, closes, connects again with the session of the first.
        ProgramResult? client = await ExternalProgram.TryRunAsync(
            "gnutls-cli",
            ["--no-ca-verification", "--priority", priority, "--alpn", "http/1.1", "-r", "--waitresumption", "-p", $"{server.Port}", "localhost"],
            "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
            holdsInputOpen: "hello over https");
        if (client is null)
        {
            return;
        }

        Assert.Contains("hello over https", client.All, StringComparison.Ordinal);
        TlsOutcome first = server.NextOutcome();
        TlsOutcome second = server.NextOutcome();
        Assert.Equal((TlsFailure.None, version, "http/1.1", false), (first.Failure, first.Protocol, first.ApplicationProtocol, first.IsResumed));
        Assert.Equal((TlsFailure.None, version, "http/1.1", true), (second.Failure, second.Protocol, second.ApplicationProtocol, second.IsResumed));
    }

    [Theory]
    [InlineData("TLSv1.2", SslProtocols.Tls12)]
    [InlineData("TLSv1.3", SslProtocols.Tls13)]
    public async Task Node_gets_and_posts_over_one_connection(string name, SslProtocols version)
    {
        await using TlsServer server = TlsServer.Start(TlsServer.Identity(), TlsTransferTests.Echo);
        string script = $$"""
            const https = require('https');
            const agent = new https.Agent({ keepAlive: true, maxSockets: 1, rejectUnauthorized: false, minVersion: '{{name}}', maxVersion: '{{name}}' });
            function post(body, then) {
              const request = https.request({ host: 'localhost', family: 4, port: {{server.Port}}, method: 'POST', agent }, response => {
                const all = [];
                const protocol = response.socket.getProtocol();
                response.on('data', part => all.push(part));
                response.on('end', () => then(Buffer.concat(all), protocol));
              });
              request.end(body);
            }
            const large = Buffer.alloc(300000, 'x');
            post('hello', (answer, protocol) => { console.log(answer.toString(), protocol); post(large, echo => { console.log(echo.equals(large)); agent.destroy(); }); });
            """;
        ProgramResult? node = await ExternalProgram.TryRunAsync("node", ["-e", script]);
        if (node is null)
        {
            return;
        }

        Assert.True(node.ExitCode == 0, node.Errors);
        Assert.Equal($"hello {name}\ntrue\n", node.Output);
        TlsOutcome outcome = server.NextOutcome();
        Assert.Equal((TlsFailure.None, version), (outcome.Failure, outcome.Protocol));
        Assert.Equal(1, server.HandshakesStarted);
    }
}
