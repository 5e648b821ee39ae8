using System.IO;
using System.Threading.Tasks;
using Aeronet.TestSupport.Hosting;
using Aeronet.TestSupport.Wire;
using Xunit;

namespace Aeronet.EndToEnd.Tests.Columns;

/// <summary>Assertions that many tests share.</summary>
internal static class Expect
{
    /// <summary>The engine refused the request: bare response with this status, then the end of the connection.</summary>
    public static async Task<RawResponse> RefusedAsync(RawClient client, int status)
    {
        RawResponse response = await client.ReadResponseAsync();
        Assert.True(status == response.Status, $"Expected {status}, got:\n{response}");
        Assert.Equal("0", response["Content-Length"]);
        Assert.Equal("close", response["Connection"]);
        Assert.NotNull(response["Date"]);
        Assert.Null(response["Transfer-Encoding"]);
        await client.ExpectCloseAsync();
        return response;
    }

    /// <summary>Sends the request on a connection of its own; it must be refused.</summary>
    public static async Task<RawResponse> RefusedAsync(AppHost host, string request, int status)
    {
        await using RawClient client = await host.ConnectAsync();
        await client.SendAsync(request);
        return await RefusedAsync(client, status);
    }

    /// <summary>The server closes a connection without a word, before TLS where there is TLS.</summary>
    public static async Task NoConnectionAsync(AppHost host)
    {
        try
        {
            await using RawClient client = await host.ConnectAsync();
            await client.ExpectCloseAsync();
        }
        catch (IOException) when (host.Server.IsHttps())
        {
            // The handshake's own end.
        }
    }

    /// <summary>The connection still serves: one more exchange on it succeeds.</summary>
    public static async Task StillServesAsync(RawClient client)
    {
        await client.SendAsync("GET /again HTTP/1.1\r\nHost: a\r\n\r\n");
        RawResponse response = await client.ReadResponseAsync();
        Assert.Equal(200, response.Status);
    }
}
