using System;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Net.Http;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Text;
using System.Threading.Tasks;
using Aeronet.Server;
using Aeronet.TestSupport.Hosting;
using Aeronet.TestSupport.Tls;
using Aeronet.Transport.Tls;
using Microsoft.AspNetCore.Http.Features;
using Xunit;

namespace Aeronet.EndToEnd.Tests.Https;

/// <summary>Content of all sizes through records of all sizes.</summary>
public sealed class TlsTransferTests
{
    public static TheoryData<ApplicationMode, SslProtocols, int, bool> Sizes()
    {
        TheoryData<ApplicationMode, SslProtocols, int, bool> sizes = [];
        foreach (ApplicationMode mode in (ApplicationMode[])[ApplicationMode.Inline, ApplicationMode.ThreadPool])
        {
            foreach (SslProtocols version in (SslProtocols[])[SslProtocols.Tls12, SslProtocols.Tls13])
            {
                foreach (int size in (int[])[0, 1, 4031, 4032, 4033, 16_384, 16_385, 100_000, 5_000_000])
                {
                    sizes.Add(mode, version, size, false);
                }

                sizes.Add(mode, version, 16_385, true);
                sizes.Add(mode, version, 5_000_000, true);
            }
        }

        return sizes;
    }

    // Where the kernel has no TLS these are the same tests once more; the code above it is tested everywhere by KernelTlsConnectionTests.
    private static TlsSettings Settings(bool isKernelTls) => new() { Default = TlsServer.Identity(), KernelTls = isKernelTls ? KernelTls.Auto : KernelTls.Off };

    [Theory]
    [MemberData(nameof(Sizes))]
    public async Task Content_comes_back_as_it_was_sent(ApplicationMode mode, SslProtocols version, int size, bool isKernelTls)
    {
        await using TlsServer server = TlsServer.Start(Settings(isKernelTls), Echo, mode);
        using HttpClient client = TlsClients.Create(server, handler => handler.SslOptions.EnabledSslProtocols = version);
        byte[] sent = Content(size);
        for (int i = 0; i < 2; i++)
        {
            using HttpResponseMessage response = await client.PostAsync(new Uri("/", UriKind.Relative), new ByteArrayContent(sent));
            byte[] received = await response.Content.ReadAsByteArrayAsync();
            Assert.Equal(SHA256.HashData(sent), SHA256.HashData(received));
        }

        Assert.Equal(1, server.HandshakesStarted);
    }

    [Theory]
    [InlineData(SslProtocols.Tls12)]
    [InlineData(SslProtocols.Tls13)]
    [Trait("Defect", "TLS-6")]
    public async Task Where_the_kernel_encrypts_its_own_statistics_say_so(SslProtocols version)
    {
        const string Statistics = "/proc/net/tls_stat";
        if (KernelTlsSupport.OfThisMachine.Obstacle is { } obstacle)
        {
            Console.Error.WriteLine($"SKIPPED: kernel TLS was not tried on a real kernel: {obstacle}.");
            return;
        }

        int before = Sessions();
        await using TlsServer server = TlsServer.Start(Settings(isKernelTls: true), Echo);
        using HttpClient client = TlsClients.Create(server, handler => handler.SslOptions.EnabledSslProtocols = version);
        using HttpResponseMessage response = await client.PostAsync(new Uri("/", UriKind.Relative), new ByteArrayContent(Content(100_000)));
        Assert.Equal(100_000, (await response.Content.ReadAsByteArrayAsync()).Length);
        Assert.True(Sessions() > before);

        static int Sessions() => int.Parse(File.ReadLines(Statistics).First(static line => line.StartsWith("TlsTxSw", StringComparison.Ordinal)).Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture);
    }

    [Theory]
    [InlineData(ApplicationMode.Inline, false)]
    [InlineData(ApplicationMode.Inline, true)]
    [InlineData(ApplicationMode.ThreadPool, false)]
    [InlineData(ApplicationMode.ThreadPool, true)]
    [Trait("Defect", "TLS-4")]
    public async Task A_client_that_reads_slowly_gets_every_byte(ApplicationMode mode, bool isKernelTls)
    {
        const int Size = 8_000_000;
        byte[] content = Content(Size);
        await using TlsServer server = TlsServer.Start(Settings(isKernelTls), features => Write(features, content), mode);
        using Socket socket = await RawPeers.ConnectAsync(server.EndPoint, receiveBuffer: 4096);
        await using SslStream stream = new(new PiecemealStream(new NetworkStream(socket), writeMax: int.MaxValue, readMax: 3000));
        await stream.AuthenticateAsClientAsync(new SslClientAuthenticationOptions { TargetHost = "localhost", RemoteCertificateValidationCallback = (_, certificate, chain, errors) => TlsClients.IsTrusted(certificate, chain, errors) });
        await stream.WriteAsync("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"u8.ToArray());
        using MemoryStream received = new();
        await stream.CopyToAsync(received).WaitAsync(Guard.Time);
        byte[] all = received.ToArray();
        int head = all.AsSpan().IndexOf("\r\n\r\n"u8) + 4;
        Assert.Equal(SHA256.HashData(content), SHA256.HashData(all.AsSpan(head)));
    }

    [Theory]
    [InlineData(SslProtocols.Tls12)]
    [InlineData(SslProtocols.Tls13)]
    [Trait("Defect", "TLS-7")]
    public async Task One_byte_at_a_time_is_enough(SslProtocols version)
    {
        await using TlsServer server = TlsServer.Start(TlsServer.Identity(), Echo);
        using Socket socket = await RawPeers.ConnectAsync(server.EndPoint);
        await using SslStream stream = new(new PiecemealStream(new NetworkStream(socket), writeMax: 1));
        await stream.AuthenticateAsClientAsync(new SslClientAuthenticationOptions { TargetHost = "localhost", EnabledSslProtocols = version, RemoteCertificateValidationCallback = (_, certificate, chain, errors) => TlsClients.IsTrusted(certificate, chain, errors) });
        await stream.WriteAsync("POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 5\r\n\r\nabcde"u8.ToArray());
        using StreamReader reader = new(stream, Encoding.Latin1);
        Assert.EndsWith("\r\n\r\nabcde", await reader.ReadToEndAsync().WaitAsync(Guard.Time), StringComparison.Ordinal);
    }

    [Fact]
    [Trait("Defect", "TLS-3")]
    public async Task A_record_larger_than_the_read_buffer_followed_by_silence_is_read_to_its_end()
    {
        // The head and its content are one record of 16 KB; nothing more is announced by the socket afterwards.
        await using TlsServer server = TlsServer.Start(TlsServer.Identity(), Echo);
        await using SslStream stream = await TlsClients.ConnectAsync(server);
        string body = new('x', 15_000);
        string request = $"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: {body.Length}\r\n\r\n{body}";
        for (int i = 0; i < 3; i++)
        {
            await stream.WriteAsync(Encoding.ASCII.GetBytes(request));
            await ReadUntilAsync(stream, body);
        }
    }

    [Fact]
    public async Task A_pipelined_batch_in_one_record_is_answered_whole()
    {
        await using TlsServer server = TlsServer.Start(TlsServer.Identity());
        await using SslStream stream = await TlsClients.ConnectAsync(server);
        string batch = string.Concat(System.Linq.Enumerable.Repeat("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", 99)) + "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        await stream.WriteAsync(Encoding.ASCII.GetBytes(batch));
        using StreamReader reader = new(stream, Encoding.Latin1);
        string all = await reader.ReadToEndAsync().WaitAsync(Guard.Time);
        Assert.Equal(100, all.Split("hello over https").Length - 1);
    }

    [Fact]
    public async Task A_request_sent_with_the_end_of_the_stream_is_answered()
    {
        // Request, close_notify and FIN in one go: the end is inside OpenSSL behind the request, and no edge will speak of it.
        await using TlsServer server = TlsServer.Start(TlsServer.Identity());
        await using SslStream stream = await TlsClients.ConnectAsync(server);
        await stream.WriteAsync("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"u8.ToArray());
        await stream.ShutdownAsync();
        using StreamReader reader = new(stream, Encoding.Latin1);
        Assert.EndsWith("hello over https", await reader.ReadToEndAsync().WaitAsync(Guard.Time), StringComparison.Ordinal);
        await server.WhenEmptyAsync();
    }

    [Fact]
    [Trait("Defect", "TLS-1")]
    [Trait("Defect", "TLS-2")]
    public async Task Failing_handshakes_beside_large_downloads_harm_no_byte()
    {
        byte[] content = Content(3_000_000);
        await using TlsServer server = TlsServer.Start(TlsServer.Identity(), features => Write(features, content));
        using HttpClient client = TlsClients.Create(server);
        Task<byte[]>[] downloads = new Task<byte[]>[4];
        for (int i = 0; i < downloads.Length; i++)
        {
            downloads[i] = client.GetByteArrayAsync(new Uri("/", UriKind.Relative));
        }

        for (int i = 0; i < 50; i++)
        {
            using Socket socket = await RawPeers.ConnectAsync(server.EndPoint);
            await socket.SendAsync(i % 2 == 0 ? "GET / HTTP/1.0\r\n\r\n"u8.ToArray() : new byte[] { 22, 3, 1, 0, 10, 1, 0, 0, 6, 3, 3, 1, 2, 3, 4 });
            await RawPeers.ReadToEndAsync(socket);
        }

        foreach (byte[] download in await Task.WhenAll(downloads))
        {
            Assert.Equal(SHA256.HashData(content), SHA256.HashData(download));
        }
    }

    internal static async Task Echo(IFeatureCollection features)
    {
        using MemoryStream body = new();
        await features.GetRequiredFeature<IHttpRequestFeature>().Body.CopyToAsync(body);
        await features.GetRequiredFeature<IHttpResponseBodyFeature>().Stream.WriteAsync(body.ToArray());
    }

    internal static async Task Write(IFeatureCollection features, byte[] content)
    {
        features.GetRequiredFeature<IHttpResponseFeature>().Headers.ContentLength = content.Length;
        Stream stream = features.GetRequiredFeature<IHttpResponseBodyFeature>().Stream;
        const int Piece = 70_001;
        for (int start = 0; start < content.Length; start += Piece)
        {
            await stream.WriteAsync(content.AsMemory(start, Math.Min(Piece, content.Length - start)));
        }
    }

    internal static async Task ReadUntilAsync(Stream stream, string end)
    {
        StringBuilder all = new();
        byte[] buffer = new byte[8192];
        while (!all.ToString().EndsWith(end, StringComparison.Ordinal))
        {
            int count = await stream.ReadAsync(buffer).AsTask().WaitAsync(Guard.Time);
            Assert.True(count > 0, "The server closed.");
            all.Append(Encoding.Latin1.GetString(buffer, 0, count));
        }
    }

    internal static byte[] Content(int size)
    {
        byte[] content = new byte[size];
        new Random(size).NextBytes(content);
        return content;
    }
}
