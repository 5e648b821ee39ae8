using System;
using System.Collections.Generic;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Text;
using System.Threading.Tasks;
using Aeronet.TestSupport.Hosting;
using Aeronet.TestSupport.Tls;
using Aeronet.Transport.Tls;
using Microsoft.Extensions.Logging;
using Xunit;

namespace Aeronet.EndToEnd.Tests.Https;

/// <summary>What is no handshake, or a broken one: one outcome with its reason, one line at Debug without an exception (the server's disposal checks that), and the next client is served.</summary>
public sealed class TlsBadPeerTests
{
    private static readonly byte[] s_alertUnexpectedMessage = [21, 3, 3, 0, 2, 2, 10];

    [Fact]
    [Trait("Defect", "TLS-18")]
    public async Task Cleartext_HTTP_is_told_so()
    {
        await using TlsServer server = TlsServer.Start(TlsServer.Identity());
        using Socket socket = await RawPeers.ConnectAsync(server.EndPoint);
        await socket.SendAsync("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"u8.ToArray());
        string answer = Encoding.ASCII.GetString(await RawPeers.ReadToEndAsync(socket));
        Assert.StartsWith("HTTP/1.1 400 Bad Request\r\n", answer, StringComparison.Ordinal);
        int body = answer.IndexOf("\r\n\r\n", StringComparison.Ordinal) + 4;
        Assert.Contains($"Content-Length: {answer.Length - body}\r\n", answer, StringComparison.Ordinal);
        Assert.Equal(TlsFailure.PlainHttp, server.NextOutcome().Failure);
        await ExpectServiceAsync(server);
    }

    public static TheoryData<string, byte[]> Garbage() => new()
    {
        { "zeroes", new byte[100] },
        { "application data", [23, 3, 3, 0, 5, 1, 2, 3, 4, 5] },
        { "an alert", [21, 3, 3, 0, 2, 2, 40] },
        { "SSL 2", [0x80, 0x2E, 1, 3, 1, 0, 0x15, 0, 0, 0, 0x10, 1, 0, 0x80] },
        { "a record of 17 KB", [22, 3, 1, 0x44, 0, 1, 0, 0x43, 0xFC] },
        { "an empty record", [22, 3, 1, 0, 0] },
        { "a ServerHello", [22, 3, 1, 0, 6, 2, 0, 0, 2, 3, 3] },
        { "another protocol", "SSH-2.0-OpenSSH_9.6\r\n"u8.ToArray() },
        { "letters without end", Encoding.ASCII.GetBytes(new string('A', 100)) },
    };

    [Theory]
    [MemberData(nameof(Garbage))]
    public async Task Bytes_that_are_no_ClientHello_get_an_alert(string what, byte[] bytes)
    {
        Assert.NotNull(what);
        await using TlsServer server = TlsServer.Start(TlsServer.Identity());
        using Socket socket = await RawPeers.ConnectAsync(server.EndPoint);
        await socket.SendAsync(bytes);
        Assert.Equal(s_alertUnexpectedMessage, await RawPeers.ReadToEndAsync(socket));
        Assert.Equal(TlsFailure.HandshakeError, server.NextOutcome().Failure);
        await ExpectServiceAsync(server);
    }

    [Fact]
    public async Task A_malformed_ClientHello_gets_OpenSSLs_alert()
    {
        await using TlsServer server = TlsServer.Start(TlsServer.Identity());
        using Socket socket = await RawPeers.ConnectAsync(server.EndPoint);
        await socket.SendAsync(new byte[] { 22, 3, 1, 0, 10, 1, 0, 0, 6, 3, 3, 1, 2, 3, 4 });
        byte[] answer = await RawPeers.ReadToEndAsync(socket);
        Assert.Equal(21, answer[0]);
        Assert.Equal(TlsFailure.HandshakeError, server.NextOutcome().Failure);
        await ExpectServiceAsync(server);
    }

    [Fact]
    public async Task A_ClientHello_in_more_than_20_kilobytes_of_records_is_cut_short()
    {
        await using TlsServer server = TlsServer.Start(TlsServer.Identity());
        using Socket socket = await RawPeers.ConnectAsync(server.EndPoint);
        List<byte> bytes = [22, 3, 1, 0, 5, 1, 0xFF, 0xFF, 0xFF, 0]; // announces 16 MB
        for (int i = 0; i < 5000; i++)
        {
            bytes.AddRange([22, 3, 1, 0, 1, 0]);
        }

        await socket.SendAsync(bytes.ToArray());
        Assert.Equal(s_alertUnexpectedMessage, await RawPeers.ReadToEndAsync(socket));
        Assert.Equal(TlsFailure.HandshakeError, server.NextOutcome().Failure);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(4)]
    [InlineData(50)]
    [InlineData(200)]
    [Trait("Defect", "TLS-18")]
    public async Task A_peer_that_ends_in_the_middle_is_an_early_end(int length)
    {
        await using TlsServer server = TlsServer.Start(TlsServer.Identity());
        using Socket socket = await RawPeers.ConnectAsync(server.EndPoint);
        await socket.SendAsync((await TlsHellos.CaptureAsync())[..length]);
        socket.Shutdown(SocketShutdown.Send);
        Assert.Empty(await RawPeers.ReadToEndAsync(socket));
        Assert.Equal(TlsFailure.HandshakeEof, server.NextOutcome().Failure);
        await server.WhenEmptyAsync();
    }

    [Fact]
    public async Task A_peer_that_ends_after_its_ClientHello_is_an_early_end()
    {
        await using TlsServer server = TlsServer.Start(TlsServer.Identity());
        using Socket socket = await RawPeers.ConnectAsync(server.EndPoint);
        await socket.SendAsync(await TlsHellos.CaptureAsync());
        byte[] first = new byte[1];
        await socket.ReceiveAsync(first);
        socket.Shutdown(SocketShutdown.Send);
        await RawPeers.ReadToEndAsync(socket);
        Assert.Equal(TlsFailure.HandshakeEof, server.NextOutcome().Failure);
        await server.WhenEmptyAsync();
    }

    [Fact]
    public async Task A_reset_in_the_middle_is_a_reset()
    {
        await using TlsServer server = TlsServer.Start(TlsServer.Identity());
        using (Socket socket = await RawPeers.ConnectAsync(server.EndPoint))
        {
            await socket.SendAsync((await TlsHellos.CaptureAsync())[..100]);
            socket.LingerState = new LingerOption(true, 0);
        }

        Assert.Contains(server.NextOutcome().Failure, (TlsFailure[])[TlsFailure.ConnectionReset, TlsFailure.HandshakeEof]);
        await server.WhenEmptyAsync();
    }

    [Fact]
    [Trait("Defect", "TLS-32")]
    public async Task A_handshake_that_does_not_end_is_ended()
    {
        await using TlsServer server = TlsServer.Start(new TlsSettings { Default = TlsServer.Identity(), HandshakeTimeout = TimeSpan.FromMilliseconds(200) });
        using Socket silent = await RawPeers.ConnectAsync(server.EndPoint);
        using Socket slow = await RawPeers.ConnectAsync(server.EndPoint);
        await slow.SendAsync((await TlsHellos.CaptureAsync())[..100]);
        await RawPeers.ReadToEndAsync(silent);
        await RawPeers.ReadToEndAsync(slow);
        Assert.Equal(TlsFailure.HandshakeTimeout, server.NextOutcome().Failure);
        Assert.Equal(TlsFailure.HandshakeTimeout, server.NextOutcome().Failure);
        await server.WhenEmptyAsync();
    }

    [Fact]
    public async Task A_thousand_open_handshakes_hold_up_nobody()
    {
        const int Count = 1000;
        await using TlsServer server = TlsServer.Start(new TlsSettings { Default = TlsServer.Identity(), HandshakeTimeout = TimeSpan.FromSeconds(60) });
        byte[] whole = await TlsHellos.CaptureAsync();
        List<Socket> sockets = [];
        try
        {
            for (int i = 0; i < Count; i++)
            {
                Socket socket = await RawPeers.ConnectAsync(server.EndPoint);
                sockets.Add(socket);
                if (i % 3 != 0) // a third says nothing, a third half of its ClientHello, a third goes no further than that
                {
                    await socket.SendAsync(i % 3 == 1 ? whole[..100] : whole);
                }
            }

            await ExpectServiceAsync(server);
            Assert.Equal(TlsFailure.None, server.NextOutcome().Failure);
        }
        finally
        {
            sockets.ForEach(static socket => socket.Dispose());
        }

        for (int i = 0; i < Count; i++)
        {
            Assert.Contains(server.NextOutcome().Failure, (TlsFailure[])[TlsFailure.ConnectionReset, TlsFailure.HandshakeEof]);
        }

        await server.WhenEmptyAsync();
    }

    [Fact]
    public async Task Bytes_changed_on_their_way_end_the_connection_and_no_other()
    {
        await using TlsServer server = TlsServer.Start(TlsServer.Identity());
        using Socket socket = await RawPeers.ConnectAsync(server.EndPoint);
        NetworkStream network = new(socket);
        await using SslStream stream = new(network);
        await stream.AuthenticateAsClientAsync(new SslClientAuthenticationOptions { TargetHost = "localhost", RemoteCertificateValidationCallback = (_, certificate, chain, errors) => TlsClients.IsTrusted(certificate, chain, errors) });
        Assert.Equal(TlsFailure.None, server.NextOutcome().Failure);
        await socket.SendAsync(new byte[] { 23, 3, 3, 0, 24, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24 }); // no such record was encrypted
        await RawPeers.ReadToEndAsync(socket);
        await server.WhenEmptyAsync();
        Assert.Contains(server.Logs.Entries, static entry => entry.Id == 2003 && entry.Level == LogLevel.Debug);
        await ExpectServiceAsync(server);
    }

    [Fact]
    public async Task A_client_of_another_version_is_told_and_counted()
    {
        await using TlsServer server = TlsServer.Start(new TlsIdentity { Certificates = [TlsServer.Certificate()], Protocols = SslProtocols.Tls13 });
        await Assert.ThrowsAsync<AuthenticationException>(() => TlsClients.ConnectAsync(server, options => options.EnabledSslProtocols = SslProtocols.Tls12));
        Assert.Equal(TlsFailure.UnsupportedVersion, server.NextOutcome().Failure);
    }

    [Fact]
    public async Task A_client_without_a_common_cipher_is_told_and_counted()
    {
        TlsIdentity identity = new() { Certificates = [TlsServer.Certificate()], Protocols = SslProtocols.Tls12, Ciphers = new TlsCipherPolicy("ECDHE-ECDSA-AES256-GCM-SHA384", null) };
        await using TlsServer server = TlsServer.Start(identity);
#pragma warning disable CA1416 // runs on Linux only
        await Assert.ThrowsAsync<AuthenticationException>(() => TlsClients.ConnectAsync(server, options => options.CipherSuitesPolicy = new CipherSuitesPolicy([TlsCipherSuite.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256])));
#pragma warning restore CA1416
        Assert.Equal(TlsFailure.NoSharedCipher, server.NextOutcome().Failure);
    }

    [Fact]
    public async Task A_client_that_does_not_trust_us_is_counted_as_such()
    {
        await using TlsServer server = TlsServer.Start(TlsServer.Identity());
        TestSupport.Programs.ProgramResult? curl = await TestSupport.Programs.ExternalProgram.TryRunAsync("curl", ["-sS", $"https://localhost:{server.Port}/"]);
        if (curl is null)
        {
            return;
        }

        Assert.NotEqual(0, curl.ExitCode);
        Assert.Equal(TlsFailure.PeerAlert, server.NextOutcome().Failure);
    }

    internal static async Task ExpectServiceAsync(TlsServer server)
    {
        using System.Net.Http.HttpClient client = TlsClients.Create(server);
        Assert.Equal("hello over https", await client.GetStringAsync(new Uri("/", UriKind.Relative)).WaitAsync(Guard.Time));
    }
}

/// <summary>A real ClientHello, as .NET's client sends it.</summary>
internal static class TlsHellos
{
    public static async Task<byte[]> CaptureAsync()
    {
        using Capture capture = new();
        await using SslStream stream = new(capture);
        await Assert.ThrowsAnyAsync<Exception>(() => stream.AuthenticateAsClientAsync("localhost"));
        return capture.Written.ToArray();
    }

    private sealed class Capture : System.IO.Stream
    {
        public System.IO.MemoryStream Written { get; } = new();

        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => throw new NotSupportedException();

        public override long Position
        {
            get => throw new NotSupportedException();
            set => throw new NotSupportedException();
        }

        public override void Flush()
        {
        }

        public override int Read(byte[] buffer, int offset, int count) => 0;

        public override long Seek(long offset, System.IO.SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => Written.Write(buffer, offset, count);
    }
}
