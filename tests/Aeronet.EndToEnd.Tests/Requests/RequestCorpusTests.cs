using System;
using System.Threading.Tasks;
using Aeronet.EndToEnd.Tests.Columns;
using Aeronet.TestSupport.Hosting;
using Aeronet.TestSupport.Wire;
using Xunit;

namespace Aeronet.EndToEnd.Tests.Requests;

/// <summary>The corpus, whole and in pieces: a verdict must not depend on where the network cut the bytes.</summary>
[NeedsNoSocket]
public sealed class RequestCorpusTests(EchoHosts hosts) : IClassFixture<EchoHosts>
{
    [Theory, BothServersWith(typeof(RequestCorpus), nameof(RequestCorpus.RequestLines))]
    [Trait("Rfc", "9112 3")]
    public Task Request_lines_are_judged(ServerKind server, string name) => JudgeAsync(server, name);

    [Theory, BothServersWith(typeof(RequestCorpus), nameof(RequestCorpus.Targets))]
    [Trait("Rfc", "9112 3.2"), Trait("Defect", "PARSE-12"), Trait("Defect", "PARSE-26")]
    public Task Request_targets_are_judged(ServerKind server, string name) => JudgeAsync(server, name);

    [Theory, BothServersWith(typeof(RequestCorpus), nameof(RequestCorpus.Hosts))]
    [Trait("Rfc", "9112 3.2"), Trait("Defect", "PARSE-6"), Trait("Defect", "PARSE-7")]
    public Task Host_fields_are_judged(ServerKind server, string name) => JudgeAsync(server, name);

    [Theory, BothServersWith(typeof(RequestCorpus), nameof(RequestCorpus.Fields))]
    [Trait("Rfc", "9112 5"), Trait("Defect", "PARSE-4"), Trait("Defect", "PARSE-5"), Trait("Defect", "PARSE-17")]
    public Task Field_lines_are_judged(ServerKind server, string name) => JudgeAsync(server, name);

    [Theory, BothServersWith(typeof(RequestCorpus), nameof(RequestCorpus.Lengths))]
    [Trait("Rfc", "9112 6.3"), Trait("Defect", "PARSE-16"), Trait("Defect", "PARSE-27")]
    public Task Content_lengths_are_judged(ServerKind server, string name) => JudgeAsync(server, name);

    [Theory, BothServersWith(typeof(RequestCorpus), nameof(RequestCorpus.Chunks))]
    [Trait("Rfc", "9112 7.1"), Trait("Defect", "BODY-1"), Trait("Defect", "BODY-2"), Trait("Defect", "BODY-3"), Trait("Defect", "BODY-4")]
    public Task Chunked_bodies_are_judged(ServerKind server, string name) => JudgeAsync(server, name);

    [Theory, BothServersWith(typeof(RequestCorpus), nameof(RequestCorpus.Codings))]
    [Trait("Rfc", "9112 6.1"), Trait("Defect", "PARSE-14"), Trait("Defect", "PARSE-15")]
    public Task Transfer_codings_are_judged(ServerKind server, string name) => JudgeAsync(server, name);

    private async Task JudgeAsync(ServerKind server, string name)
    {
        AppHost host = await hosts.OnAsync(server);
        RequestCase entry = RequestCorpus.Case(name);
        int status = entry.StatusOn(server);

        await JudgeAsync(host, client => client.SendAsync(entry.Bytes), status, "whole");

        // The second cut of each pair falls between CR and LF or beside a delimiter more often than not.
        int step = Math.Max(1, entry.Bytes.Length / 6);
        for (int at = 1; at < entry.Bytes.Length; at += step)
        {
            int cut = at;
            await JudgeAsync(host, client => client.SendCutAsync(entry.Bytes, cut), status, $"cut at {cut}");
        }
    }

    private static async Task JudgeAsync(AppHost host, Func<RawClient, Task> send, int status, string how)
    {
        await using RawClient client = await host.ConnectAsync();
        try
        {
            await send(client);
        }
        catch (System.IO.IOException)
        {
            // Refused before the second part was out: the answer is what counts.
        }

        if (status == 0)
        {
            await client.ExpectCloseAsync();
            return;
        }

        RawResponse response = await client.ReadResponseAsync();
        Assert.True(status == response.Status, $"{how}: expected {status}, got:\n{response}");
        if (status is not 200 and not 500)
        {
            Assert.True(response.Closes, $"{how}: no Connection: close in\n{response}");
            Assert.Equal("0", response["Content-Length"]);
            await client.ExpectCloseAsync();
        }
    }
}
