using System;
using System.Collections.Concurrent;
using System.Linq;
using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Threading;
using System.Threading.Tasks;
using Aeronet.EndToEnd.Tests.Columns;
using Aeronet.TestSupport.Hosting;
using Aeronet.TestSupport.Tls;
using Aeronet.Transport.Tls;
using Xunit;

namespace Aeronet.EndToEnd.Tests.Https;

/// <summary>The certificate is exchanged under load: every request on every connection, new or kept, is answered.</summary>
[Collection(Alone.Name)]
public sealed class TlsReloadTests
{
    private const int Swaps = 60;
    private const int Workers = 4;

    [Fact]
    [Trait("Defect", "TLS-21")]
    public async Task Sixty_exchanges_under_load_fail_no_handshake_and_no_request()
    {
        TlsCertificate[] certificates = [TlsServer.Certificate(TestKey.P256), TlsServer.Certificate(TestKey.Rsa2048)];
        await using TlsServer server = TlsServer.Start(new TlsIdentity { Certificates = [certificates[0]] });
        ConcurrentDictionary<string, int> shown = new();
        int[] rounds = new int[Workers];
        using CancellationTokenSource stop = new();
        Task[] workers = [.. Enumerable.Range(0, Workers).Select(index => Task.Run(() => WorkAsync(index)))];
        for (int swap = 1; swap <= Swaps; swap++)
        {
            server.Replace(new TlsSettings { Default = new TlsIdentity { Certificates = [certificates[swap % 2]] } });
            // The next exchange comes when every worker has done a whole round that began after this one.
            int[] seen = [.. rounds];
            using CancellationTokenSource guard = new(Guard.Time);
            while (Enumerable.Range(0, Workers).Any(index => Volatile.Read(ref rounds[index]) < seen[index] + 2))
            {
                Task failed = await Task.WhenAny([Task.Delay(1, guard.Token), .. workers]);
                await failed; // the guard, or what a worker has met
            }
        }

        await stop.CancelAsync();
        await Task.WhenAll(workers).WaitAsync(Guard.Time);
        Assert.Equal(certificates.Select(static certificate => certificate.Leaf.Thumbprint).Order(), shown.Keys.Order());
        while (server.TryNextOutcome() is { } outcome)
        {
            Assert.Equal(TlsFailure.None, outcome.Failure);
        }

        // A round: a request on a connection that has lived since the start, and one on a new connection.
        async Task WorkAsync(int index)
        {
            await using SslStream kept = await TlsClients.ConnectAsync(server, static options => options.AllowTlsResume = false);
            while (!stop.IsCancellationRequested)
            {
                await AskAsync(kept);
                await using SslStream fresh = await TlsClients.ConnectAsync(server, static options => options.AllowTlsResume = false);
                shown.AddOrUpdate(((X509Certificate2)fresh.RemoteCertificate!).Thumbprint, 1, static (_, count) => count + 1);
                await AskAsync(fresh);
                Interlocked.Increment(ref rounds[index]);
            }
        }
    }

    private static async Task AskAsync(SslStream stream)
    {
        await stream.WriteAsync("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"u8.ToArray());
        byte[] buffer = new byte[4096];
        StringBuilder answer = new();
        while (!answer.ToString().EndsWith("hello over https", StringComparison.Ordinal))
        {
            int count = await stream.ReadAsync(buffer).AsTask().WaitAsync(Guard.Time);
            Assert.True(count > 0, "The server closed.");
            answer.Append(Encoding.Latin1.GetString(buffer, 0, count));
        }
    }
}
