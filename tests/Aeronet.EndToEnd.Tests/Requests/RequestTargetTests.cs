using System.Threading.Tasks;
using Aeronet.EndToEnd.Tests.Columns;
using Aeronet.TestSupport.Hosting;
using Aeronet.TestSupport.Wire;
using Xunit;

namespace Aeronet.EndToEnd.Tests.Requests;

/// <summary>What the application sees of the request target.</summary>
[NeedsNoSocket]
public sealed class RequestTargetTests(EchoHosts hosts) : IClassFixture<EchoHosts>
{
    [Theory]
    [BothServers("/", "/")]
    [BothServers("/a/b", "/a/b")]
    [BothServers("/a%20b", "/a b")]
    [BothServers("/a+b", "/a+b")]
    [BothServers("/%41%42", "/AB")]
    [BothServers("/a%2Fb", "/a%2Fb")]
    [BothServers("/a%2fb", "/a%2fb")]
    [BothServers("/a%5Cb", "/a\\b")]
    [BothServers("/%25", "/%")]
    [BothServers("/%2541", "/%41")]
    [BothServers("/%252F", "/%2F")]
    [BothServers("/%C3%A9", "/\u00e9")]
    [BothServers("/%E2%82%AC", "/\u20ac")]
    [BothServers("/%F0%9F%98%80", "/\ud83d\ude00")]
    [BothServers("/%FF", "/%FF")]
    [BothServers("/%C3", "/%C3")]
    [BothServers("/%C0%AF", "/%C0%AF")]
    [BothServers("/a/./b", "/a/b")]
    [BothServers("/a/../b", "/b")]
    [BothServers("/a/b/../../c", "/c")]
    [BothServers("/../a", "/a")]
    [BothServers("/a/..", "/")]
    [BothServers("/a/.", "/a/")]
    [BothServers("/.", "/")]
    [BothServers("/..", "/")]
    [BothServers("/a/%2E%2E/b", "/b")]
    [BothServers("/a/%2e/b", "/a/b")]
    [BothServers("/a/..b/c", "/a/..b/c")]
    [BothServers("/a/.../b", "/a/.../b")]
    [BothServers("/a//b", "/a//b")]
    [BothServers("//a", "//a")]
    [BothServers("/a;p=1/b", "/a;p=1/b")]
    [BothServers("/!$&'()*,:@~-._", "/!$&'()*,:@~-._")]
    [BothServers("/\"<>\\^`{|}", "/\"<>\\^`{|}")]
    [Trait("Defect", "PARSE-2"), Trait("Feature", "B102")]
    public async Task The_path_is_decoded_once_and_has_no_dot_segments(ServerKind server, string target, string path)
    {
        Echo echo = await GetAsync(server, target);
        Assert.Equal(path, echo.Path);
        Assert.Equal(target, echo.RawTarget);
        Assert.Equal("", echo.Query);
        Assert.Equal("", echo.PathBase);
    }

    [Theory]
    [BothServers("/a?b=c", "/a", "?b=c")]
    [BothServers("/a?", "/a", "?")]
    [BothServers("/a??b", "/a", "??b")]
    [BothServers("/a?b=%20+%2B%zz", "/a", "?b=%20+%2B%zz")]
    [BothServers("/a%3Fb?c", "/a?b", "?c")]
    [BothServers("/a?b/../c", "/a", "?b/../c")]
    [BothServers("/a/../b?/../", "/b", "?/../")]
    [Trait("Feature", "B103")]
    public async Task The_query_stays_as_it_was_sent(ServerKind server, string target, string path, string query)
    {
        Echo echo = await GetAsync(server, target);
        Assert.Equal((path, query, target), (echo.Path, echo.Query, echo.RawTarget));
    }

    [Theory]
    [BothServers("http://a/p/q?r=s", "/p/q", "?r=s")]
    [BothServers("http://a", "/", "")]
    [BothServers("http://a/", "/", "")]
    [BothServers("http://a?x", "/", "?x")]
    [BothServers("http://a/p%20q/../r", "/r", "")]
    [Trait("Rfc", "9112 3.2.2"), Trait("Defect", "PARSE-8")]
    public async Task The_absolute_form_gives_path_and_query(ServerKind server, string target, string path, string query)
    {
        Echo echo = await GetAsync(server, target);
        Assert.Equal((path, query, target), (echo.Path, echo.Query, echo.RawTarget));
        Assert.Equal(["a"], echo.Headers["Host"]);
    }

    [Theory]
    [BothServers("http://a:8080/", "a:8080", 200)]
    [BothServers("http://a:80/", "a", 200)]
    [BothServers("http://a:8080/", "a", 400)]
    [BothServers("http://A/", "a", 200)]
    [BothServers("http://b/", "a", 400)]
    [Trait("Rfc", "9112 3.2.2")]
    public async Task The_authority_of_the_absolute_form_must_be_the_Host(ServerKind server, string target, string field, int status)
    {
        AppHost host = await hosts.OnAsync(server);
        RawResponse response = await host.ExchangeAsync($"GET {target} HTTP/1.1\r\nHost: {field}\r\n\r\n");
        Assert.True(status == response.Status, response.ToString());
    }

    [Theory, BothServers]
    [Trait("Rfc", "9110 4.2.4")]
    public async Task Userinfo_in_the_absolute_form_is_an_error(ServerKind server)
    {
        AppHost host = await hosts.OnAsync(server);
        RawResponse response = await host.ExchangeAsync("GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n");
        Assert.Equal(WantedDifferences.UserinfoInTarget.On(server), response.Status);
    }

    [Theory, BothServers]
    [Trait("Rfc", "9112 3.2.4")]
    public async Task The_asterisk_form_has_an_empty_path(ServerKind server)
    {
        AppHost host = await hosts.OnAsync(server);
        Echo echo = Echo.Of(await host.ExchangeAsync("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"));
        Assert.Equal(("OPTIONS", "", "*", ""), (echo.Method, echo.Path, echo.RawTarget, echo.Query));
    }

    [Theory]
    [BothServers("GET * HTTP/1.1", "OPTIONS")]
    [BothServers("GET a:80 HTTP/1.1", "CONNECT")]
    public async Task The_wrong_method_for_a_form_is_told_the_right_one(ServerKind server, string line, string allow)
    {
        AppHost host = await hosts.OnAsync(server);
        RawResponse response = await Expect.RefusedAsync(host, $"{line}\r\nHost: a:80\r\n\r\n", 405);
        Assert.Equal(allow, response["Allow"]);
    }

    [Theory]
    [BothServers("GET", "HTTP/1.1")]
    [BothServers("PUT", "HTTP/1.1")]
    [BothServers("PURGE", "HTTP/1.1")]
    [BothServers("get", "HTTP/1.1")]
    [BothServers("GET", "HTTP/1.0")]
    [BothServers("TRACE", "HTTP/1.1")]
    public async Task Method_protocol_and_scheme_are_those_of_the_request(ServerKind server, string method, string protocol)
    {
        AppHost host = await hosts.OnAsync(server);
        Echo echo = Echo.Of(await host.ExchangeAsync($"{method} / {protocol}\r\nHost: a\r\nContent-Length: 0\r\n\r\n"));
        Assert.Equal((method, protocol, server.Scheme()), (echo.Method, echo.Protocol, echo.Scheme));
    }

    [Theory, BothServers]
    [Trait("Defect", "PARSE-2")]
    public async Task A_late_body_does_not_decode_the_path_again(ServerKind server)
    {
        AppHost host = await hosts.OnAsync(server);
        await using RawClient client = await host.ConnectAsync();
        string head = "POST /a%2541?x=1%2B1 HTTP/1.1\r\nHost: a\r\nFoo: 1\r\nFoo: 2\r\nContent-Length: 3\r\n\r\n";
        await client.SendCutAsync(head + "abc", head.Length);
        Echo echo = Echo.Of(await client.ReadResponseAsync());
        Assert.Equal(("/a%41", "?x=1%2B1", "abc"), (echo.Path, echo.Query, echo.Body));
        Assert.Equal(["1", "2"], echo.Headers["Foo"]);
    }

    [Theory, BothServers]
    [Trait("Defect", "PARSE-25")]
    public async Task The_HTTP_2_preface_gets_a_GOAWAY_that_asks_for_HTTP_1_1(ServerKind server)
    {
        AppHost host = await hosts.OnAsync(server);
        const string Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
        for (int cut = 1; cut < Preface.Length; cut += 5)
        {
            await using RawClient client = await host.ConnectAsync();
            await client.SendCutAsync(Preface, cut);
            // Kestrel behind TLS leaves the choice to ALPN, which this client has not used: a version that it does not have.
            string expected = server == ServerKind.KestrelOnAeronetHttps ? "HTTP/1.1 505 HTTP" : "\0\0\u0008\u0007\0\0\0\0\0\0\0\0\0\0\0\0\u000d";
            Assert.Equal(expected, await client.ReadTextAsync(expected.Length));
        }
    }

    private async Task<Echo> GetAsync(ServerKind server, string target)
    {
        AppHost host = await hosts.OnAsync(server);
        return Echo.Of(await host.ExchangeAsync($"GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
    }
}
