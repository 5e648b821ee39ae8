using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Threading.Tasks;
using Aeronet.EndToEnd.Tests.Columns;
using Aeronet.Server;
using Aeronet.TestSupport.Hosting;
using Aeronet.TestSupport.Tls;
using Aeronet.Transport;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Win32.SafeHandles;
using Xunit;

namespace Aeronet.EndToEnd.Tests.Https;

/// <summary>Looks through the memory of the whole process for key bytes: there while the server runs, gone once it is disposed.</summary>
[Collection(Alone.Name)]
public sealed class SecretScrubTests : IDisposable
{
    private const byte Mask = 0xA5;

    private readonly string _folder = Directory.CreateTempSubdirectory("aeronet-secrets-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task A_ticket_key_is_nowhere_in_memory_after_the_end()
    {
        string file = Path.Combine(_folder, "ticket.key");
        byte[] masked = WriteKeys(file);
        await using (AppHost host = await AppHost.StartAsync(
            ServerKind.Aeronet,
            static app => app.Run(static context => context.Response.WriteAsync("x")),
            builder => builder.Services.Configure<AeronetServerOptions>(options =>
            {
                options.Tls.Tickets.Keys = TlsTicketKeys.Files;
                options.Tls.Tickets.KeyFiles.Add(file);
                options.Tls.ReloadOnChange = false;
            }),
            static kestrel => kestrel.Listen(IPAddress.Loopback, 0, static listen => listen.UseHttps(TestCertificates.Shared.Server(TestKey.P256, "localhost"))),
            listen: false))
        {
            Assert.True(host.Services.GetRequiredService<IAeronetTls>().Reload());
            for (int i = 0; i < 5; i++)
            {
                await AskAsync(host);
            }

            Assert.NotEqual(0, CountInMemory(masked)); // the search finds what is there
        }

        GC.Collect();
        GC.WaitForPendingFinalizers();
        GC.Collect();
        Assert.Equal(0, CountInMemory(masked));
    }

    // 80 bytes in nginx's form; what comes back is the masked AES key, for nothing of the test may hold it in clear.
    private static byte[] WriteKeys(string file)
    {
        Span<byte> keys = stackalloc byte[80];
        RandomNumberGenerator.Fill(keys);
        using (SafeFileHandle handle = File.OpenHandle(file, FileMode.CreateNew, FileAccess.Write))
        {
            RandomAccess.Write(handle, keys, 0);
        }

        byte[] masked = keys[48..].ToArray();
        Apply(masked);
        CryptographicOperations.ZeroMemory(keys);
        return masked;
    }

    private static async Task AskAsync(AppHost host)
    {
        using Socket socket = await RawPeers.ConnectAsync(host.EndPoint);
        await using SslStream stream = new(new NetworkStream(socket));
        await stream.AuthenticateAsClientAsync(new SslClientAuthenticationOptions { TargetHost = "localhost", RemoteCertificateValidationCallback = AppHost.Trust }).WaitAsync(Guard.Time);
        await stream.WriteAsync("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"u8.ToArray());
        await TlsTransferTests.ReadUntilAsync(stream, "x");
    }

    private static int CountInMemory(byte[] masked)
    {
        const int ChunkLength = 1 << 20;
        byte[] chunk = GC.AllocateUninitializedArray<byte>(ChunkLength + masked.Length, pinned: true);
        int count = 0;
        using SafeFileHandle memory = File.OpenHandle("/proc/self/mem");
        foreach ((long start, long end) in Writable())
        {
            for (long at = start; at < end; at += ChunkLength)
            {
                int length;
                try
                {
                    length = RandomAccess.Read(memory, chunk.AsSpan(0, (int)Math.Min(chunk.Length, end - at)), at);
                }
                catch (IOException)
                {
                    continue; // unmapped meanwhile, or a guard page
                }

                Span<byte> read = chunk.AsSpan(0, length);
                Apply(read);
                for (int found; (found = read.IndexOf(masked)) >= 0 && found < ChunkLength; read = read[(found + 1)..])
                {
                    count++;
                }
            }
        }

        return count;
    }

    private static void Apply(Span<byte> bytes)
    {
        foreach (ref byte one in bytes)
        {
            one ^= Mask;
        }
    }

    private static List<(long Start, long End)> Writable()
    {
        List<(long, long)> ranges = [];
        foreach (string line in File.ReadAllLines("/proc/self/maps"))
        {
            string[] parts = line.Split([' ', '-'], 4);
            if (parts[2].StartsWith("rw", StringComparison.Ordinal) && ulong.Parse(parts[1], NumberStyles.HexNumber, CultureInfo.InvariantCulture) <= long.MaxValue)
            {
                ranges.Add((long.Parse(parts[0], NumberStyles.HexNumber, CultureInfo.InvariantCulture), long.Parse(parts[1], NumberStyles.HexNumber, CultureInfo.InvariantCulture)));
            }
        }

        return ranges;
    }
}
