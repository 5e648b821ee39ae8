using System.Linq;
using System.Threading.Tasks;
using Aeronet.EndToEnd.Tests.Columns;
using Aeronet.TestSupport.Hosting;
using Aeronet.TestSupport.Wire;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Xunit;

namespace Aeronet.EndToEnd.Tests.Requests;

/// <summary>The boundaries of the request head: one byte or field below is served, one above is refused.</summary>
[NeedsNoSocket]
public sealed class RequestLimitTests(RequestLimitTests.SmallLimits hosts) : IClassFixture<RequestLimitTests.SmallLimits>
{
    private const int LineMax = 100;
    private const int HeadersMax = 200;
    private const int CountMax = 5;

    [Theory]
    [BothServers(LineMax - 1, 200)]
    [BothServers(LineMax, 200)]
    [BothServers(LineMax + 1, 414)]
    [BothServers(LineMax + 1000, 414)]
    [Trait("Rfc", "9112 3")]
    public async Task The_request_line_has_its_limit(ServerKind server, int bytes, int status)
    {
        // The limit counts the line with its CRLF.
        string line = $"GET /{new string('a', bytes - "GET / HTTP/1.1\r\n".Length)} HTTP/1.1\r\n";
        Assert.Equal(bytes, line.Length);
        AppHost host = await hosts.OnAsync(server);
        await JudgeAsync(host, line + "Host: a\r\n\r\n", status);
    }

    [Theory, BothServers]
    public async Task A_line_without_end_is_refused_as_soon_as_it_is_too_long(ServerKind server)
    {
        AppHost host = await hosts.OnAsync(server);
        await Expect.RefusedAsync(host, "GET /" + new string('a', LineMax), 414);
    }

    [Theory]
    [BothServers(HeadersMax - 1, 200)]
    [BothServers(HeadersMax, 200)]
    [BothServers(HeadersMax + 1, 431)]
    [BothServers(HeadersMax + 1000, 431)]
    [Trait("Rfc", "6585 5")]
    public async Task All_field_lines_together_have_their_limit(ServerKind server, int bytes, int status)
    {
        // The limit counts the field lines with their CRLF, not the empty line that ends them.
        const string Around = "Host: a\r\nFoo: \r\n";
        string fields = $"Host: a\r\nFoo: {new string('x', bytes - Around.Length)}\r\n";
        Assert.Equal(bytes, fields.Length);
        AppHost host = await hosts.OnAsync(server);
        await JudgeAsync(host, "GET / HTTP/1.1\r\n" + fields + "\r\n", status);
    }

    [Theory, BothServers]
    public async Task Fields_without_end_are_refused_as_soon_as_they_are_too_long(ServerKind server)
    {
        AppHost host = await hosts.OnAsync(server);
        await Expect.RefusedAsync(host, "GET / HTTP/1.1\r\nHost: a\r\nFoo: " + new string('x', HeadersMax), 431);
    }

    [Theory]
    [BothServers(CountMax, 200)]
    [BothServers(CountMax + 1, 431)]
    public async Task The_number_of_fields_has_its_limit(ServerKind server, int count, int status)
    {
        string fields = "Host: a\r\n" + string.Concat(Enumerable.Range(1, count - 1).Select(i => $"F{i}: x\r\n"));
        AppHost host = await hosts.OnAsync(server);
        await JudgeAsync(host, $"GET / HTTP/1.1\r\n{fields}\r\n", status);
    }

    [Theory, BothServers]
    [Trait("Defect", "PARSE-18")]
    public async Task Empty_lines_without_end_are_refused(ServerKind server)
    {
        AppHost host = await hosts.OnAsync(server);
        await using RawClient client = await host.ConnectAsync();
        await client.TrySendAsync(string.Concat(Enumerable.Repeat("\r\n", LineMax)));
        await client.TrySendAsync("GET / HTTP/1.1\r\nHost: a\r\n\r\n");

        // Kestrel skips them for ever; Aeronet counts them against the line limit.
        RawResponse response = await client.ReadResponseAsync();
        Assert.Equal(WantedDifferences.EmptyLinesBeforeRequest.On(server), response.Status);
    }

    [Theory, BothServers]
    public async Task The_defaults_are_Kestrels(ServerKind server)
    {
        await using AppHost host = await AppHost.StartAsync(server, app => app.Run(Echo.RespondAsync));
        string target = new('a', 8192 - "GET / HTTP/1.1\r\n".Length);
        await JudgeAsync(host, $"GET /{target} HTTP/1.1\r\nHost: a\r\n\r\n", 200);
        await JudgeAsync(host, $"GET /{target}a HTTP/1.1\r\nHost: a\r\n\r\n", 414);
        string value = new('x', 32768 - "Host: a\r\nFoo: \r\n".Length);
        await JudgeAsync(host, $"GET / HTTP/1.1\r\nHost: a\r\nFoo: {value}\r\n\r\n", 200);
        await JudgeAsync(host, $"GET / HTTP/1.1\r\nHost: a\r\nFoo: {value}x\r\n\r\n", 431);
        string fields = string.Concat(Enumerable.Range(1, 99).Select(i => $"F{i}: x\r\n"));
        await JudgeAsync(host, $"GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n", 200);
        await JudgeAsync(host, $"GET / HTTP/1.1\r\nHost: a\r\n{fields}F: x\r\n\r\n", 431);
    }

    [Theory, BothServers]
    [Trait("Defect", "PARSE-3")]
    public async Task A_maximal_head_may_come_byte_by_byte(ServerKind server)
    {
        AppHost host = await hosts.OnAsync(server);
        await using RawClient client = await host.ConnectAsync();
        string fields = $"Host: a\r\nFoo: {new string('x', HeadersMax - "Host: a\r\nFoo: \r\n".Length)}\r\n\r\n";
        await client.SendByteByByteAsync("GET / HTTP/1.1\r\n" + fields);
        Assert.Equal(200, (await client.ReadResponseAsync()).Status);
    }

    private static async Task JudgeAsync(AppHost host, string request, int status)
    {
        await using RawClient client = await host.ConnectAsync();
        await client.TrySendAsync(request);
        RawResponse response = await client.ReadResponseAsync();
        Assert.True(status == response.Status, $"Expected {status} for {request.Length} bytes, got:\n{response}");
        Assert.Equal(status != 200, response.Closes);
    }

    /// <summary>Limits small enough to stand on.</summary>
    public sealed class SmallLimits : HostFixture
    {
        /// <inheritdoc />
        protected override void Map(WebApplication app) => app.Run(Echo.RespondAsync);

        /// <inheritdoc />
        protected override void Kestrel(KestrelServerOptions options)
        {
            options.Limits.MaxRequestLineSize = LineMax;
            options.Limits.MaxRequestHeadersTotalSize = HeadersMax;
            options.Limits.MaxRequestHeaderCount = CountMax;
        }
    }
}
