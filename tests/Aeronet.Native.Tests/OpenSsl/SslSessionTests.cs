using System;
using System.Collections.Generic;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Aeronet.Native.OpenSsl;
using Xunit;

namespace Aeronet.Native.Tests.OpenSsl;

/// <summary>The wrapper's discipline, without a socket.</summary>
public sealed class SslSessionTests
{
    [Fact]
    public void The_library_is_found_and_new_enough()
    {
        Assert.Null(OpenSslLibrary.Fault);
        Assert.StartsWith("OpenSSL 3", OpenSslLibrary.Version, StringComparison.Ordinal);
    }

    [Fact]
    public void An_old_library_is_named_with_its_version()
    {
        Assert.Contains("1010117F", OpenSslLibrary.FaultOf(0x1010117F), StringComparison.Ordinal);
        Assert.Null(OpenSslLibrary.FaultOf(OpenSslConstants.VersionMin));
    }

    [Fact]
    [Trait("Defect", "TLS-1")]
    [Trait("Defect", "TLS-2")]
    public void What_another_connection_left_in_the_error_queue_is_not_this_one_s()
    {
        using SslContext context = Make();
        Host host = new(context);
        Assert.True(SslSession.TryCreate(context, out SslSession session));
        Poison();
        Assert.Equal(SslStep.WantRead, session.Handshake(host).Step); // an error in the queue would have made it Failed
        Poison();
        Assert.Equal(SslStep.WantRead, session.Handshake(host).Step);
        session.Free();
    }

    [Fact]
    public void A_failure_takes_its_error_out_of_the_queue()
    {
        using SslContext context = Make();
        Host host = new(context) { Incoming = [.. "GET / HTTP/1.0\r\n\r\n"u8] };
        Assert.True(SslSession.TryCreate(context, out SslSession session));
        SslResult result = session.Handshake(host);
        Assert.Equal((SslStep.Failed, SslReason.HttpRequest), (result.Step, result.Reason));
        Assert.Equal("http request", OpenSslLibrary.Describe(result.Error));
        Assert.Equal(0u, LibCrypto.ERR_peek_error());
        session.Free();
    }

    [Fact]
    public void The_end_and_a_dead_connection_are_no_errors_of_TLS()
    {
        foreach (int end in (int[])[0, SslSession.ConnectionFailed])
        {
            using SslContext context = Make();
            Host host = new(context) { Empty = end };
            Assert.True(SslSession.TryCreate(context, out SslSession session));
            SslResult result = session.Handshake(host);
            Assert.Equal((SslStep.Failed, 0u), (result.Step, result.Error));
            session.Free();
        }
    }

    [Fact]
    public void An_exception_of_the_host_does_not_cross_into_C()
    {
        using SslContext context = Make();
        Host host = new(context) { Throws = true };
        Assert.True(SslSession.TryCreate(context, out SslSession session));
        Assert.Equal(SslStep.Failed, session.Handshake(host).Step);
        Assert.Null(SslCallbacks.Host);
        session.Free();
    }

    [Fact]
    public void Our_most_wanted_protocol_is_selected()
    {
        byte[] offered = [2, (byte)'h', (byte)'2', 8, .. "http/1.1"u8];
        Assert.Equal(3, SslCallbacks.Select([8, .. "http/1.1"u8, 2, .. "h2"u8], offered));
        Assert.Equal(0, SslCallbacks.Select([2, .. "h2"u8, 8, .. "http/1.1"u8], offered));
        Assert.Equal(-1, SslCallbacks.Select([2, .. "h3"u8], offered));
        Assert.Equal(-1, SslCallbacks.Select([2, .. "h2"u8], []));
        Assert.Equal(-1, SslCallbacks.Select([2, .. "h2"u8], [9, (byte)'h', (byte)'2'])); // longer than it is
    }

    [Fact]
    public void A_chain_survives_its_ticket()
    {
        byte[] one = [1, 2, 3];
        byte[] packed = [0, 0, 0, 3, .. one, 0, 0, 0, 1, 9];
        Assert.Equal([one, [9]], SslSession.Unpack(packed));
        Assert.Equal([one], SslSession.Unpack(packed.AsSpan(0, packed.Length - 1)));
        Assert.Empty(SslSession.Unpack([0xFF, 0xFF, 0xFF, 0xFF, 1]));
    }

    private static SslContext Make()
    {
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        CertificateRequest request = new("CN=localhost", key, HashAlgorithmName.SHA256);
        using X509Certificate2 certificate = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
        return SslContext.Create(new SslContextOptions { Certificates = [new SslCertificate(certificate.RawData, [], key.ExportPkcs8PrivateKey())], SessionContext = [1] });
    }

    private static unsafe void Poison()
    {
        fixed (byte* nonsense = "\x30\x03nonsense"u8)
        {
            byte* next = nonsense;
            Assert.Equal(0, LibCrypto.d2i_X509(null, &next, 5));
        }

        Assert.NotEqual(0u, LibCrypto.ERR_peek_error());
    }

    private sealed class Host(SslContext context) : ISslHost
    {
        public SslContext Context => context;

        public List<byte> Incoming { get; init; } = [];

        public int Empty { get; init; } = SslSession.WouldBlock;

        public bool Throws { get; init; }

        public int ReceiveRecords(Span<byte> into)
        {
            if (Throws)
            {
                throw new InvalidOperationException("scripted");
            }

            int count = Math.Min(into.Length, Incoming.Count);
            Incoming[..count].ToArray().CopyTo(into);
            Incoming.RemoveRange(0, count);
            return count > 0 ? count : Empty;
        }

        public bool EncryptsSends => false;

        public void SendRecords(ReadOnlySpan<byte> records)
        {
        }

        public bool TryEncryptSends(ReadOnlySpan<byte> key) => false;

        public void SetContentType(byte contentType)
        {
        }
    }
}
