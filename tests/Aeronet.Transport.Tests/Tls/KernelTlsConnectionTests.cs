using System;
using System.IO;
using System.Linq;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Threading.Tasks;
using Aeronet.Native.Libc;
using Aeronet.Native.OpenSsl;
using Aeronet.TestSupport.Hosting;
using Aeronet.TestSupport.Kernel;
using Aeronet.TestSupport.Tls;
using Aeronet.Transport.Connections;
using Aeronet.Transport.Tls;
using Microsoft.Win32.SafeHandles;
using Xunit;

namespace Aeronet.Transport.Tests.Tls;

/// <summary>Connections whose kernel encrypts what is sent, on a simulated kernel that does: OpenSSL's client must understand every record.</summary>
public sealed class KernelTlsConnectionTests
{
    private const byte Alert = 21;
    private const byte Handshake = 22;
    private const byte ApplicationData = 23;

    [Theory]
    [InlineData(0x303, 1)]
    [InlineData(0x303, 100)]
    [InlineData(0x303, int.MaxValue)]
    [InlineData(0x304, 1)]
    [InlineData(0x304, 100)]
    [InlineData(0x304, int.MaxValue)]
    public void A_handshake_and_content_come_through_in_pieces_of_any_size(int version, int room)
    {
        if (!IsThere())
        {
            return;
        }

        using SimulatedTls tls = new(version: version, encryptsInKernel: true);
        tls.ShakeHands(Piece(room));
        Assert.Equal([TlsFailure.None], tls.Outcomes);
        Assert.True(tls.IsKernelTls);
        tls.Client.Write("hello");
        tls.Send(tls.Client.Take(), Piece(room));
        Assert.Equal("hello", tls.Handler.Received);
        string answer = new('a', room == 1 ? 4_000 : 40_000);
        tls.Answer(answer, room);
        tls.Receive();
        Assert.Equal(answer, tls.Client.Read());
        Assert.Contains(Handshake, tls.Peer.Encryption!.ContentTypes); // Finished, or tickets
        Assert.Contains(ApplicationData, tls.Peer.Encryption.ContentTypes);

        static int Piece(int room) => room == int.MaxValue ? room : 7;
    }

    [Theory]
    [InlineData(0x303)]
    [InlineData(0x304)]
    public void Gathered_content_is_sent_as_it_is_and_resumed_where_it_stopped(int version)
    {
        if (!IsThere())
        {
            return;
        }

        using SimulatedTls tls = new(version: version, encryptsInKernel: true);
        tls.ShakeHands();
        string[] parts = [new('a', 20_000), new('b', 10), new('c', 30_000)];
        ReadOnlyMemory<byte>[] segments = parts.Select(static part => (ReadOnlyMemory<byte>)Encoding.ASCII.GetBytes(part)).ToArray();
        tls.Peer.SetSpace(1000);
        Assert.True(tls.Handler.Connection.Send(segments).IsWouldBlock); // the kernel has the first, the socket a part of it
        bool isWritable = false;
        tls.Handler.WhenWritable = _ => isWritable = true;
        tls.Handler.Connection.NotifyWhenWritable();
        tls.Loop.Turn(2);
        Assert.False(isWritable);
        tls.Peer.SetSpace(int.MaxValue);
        tls.Loop.Turn(2);
        Assert.True(isWritable);
        Assert.Equal(parts[0].Length, tls.Handler.Connection.Send(segments).Bytes); // what the kernel had taken before
        Assert.Equal(30_010, tls.Handler.Connection.Send(segments.AsSpan(1)).Bytes);
        tls.Receive();
        Assert.Equal(string.Concat(parts), tls.Client.Read());
    }

    [Theory]
    [InlineData(0x303)]
    [InlineData(0x304)]
    public void A_file_is_sent_by_the_kernel_and_resumed_where_it_stopped(int version)
    {
        if (!IsThere())
        {
            return;
        }

        string path = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());
        File.WriteAllText(path, new string('a', 20_000) + new string('b', 30_000));
        try
        {
            using SafeFileHandle file = File.OpenHandle(path);
            using SimulatedTls tls = new(version: version, encryptsInKernel: true);
            tls.ShakeHands();
            TransportConnection connection = tls.Handler.Connection;
            Assert.True(connection.SendsFiles);
            tls.Peer.SetSpace(1000);
            Assert.True(connection.SendFile(file, 0, 20_000).IsWouldBlock); // the kernel has it, the socket a part of it
            Assert.True(connection.SendFile(file, 0, 20_000).IsWouldBlock);
            tls.Peer.SetSpace(int.MaxValue);
            tls.Loop.Turn(2);
            Assert.Equal(20_000, connection.SendFile(file, 0, 20_000).Bytes);
            Assert.Equal(30_000, connection.SendFile(file, 20_000, 100_000).Bytes);
            Assert.True(connection.SendFile(file, 50_000, 1).IsEndOfStream);
            tls.Loop.Kernel.Fail(KernelCall.SendFile, Errno.EINVAL, Errno.EPIPE);
            Assert.Equal(IoError.FileNotSendable, connection.SendFile(file, 0, 10).Error);
            Assert.Equal(10, connection.Send("0123456789"u8).Bytes); // the connection is as before
            tls.Receive();
            Assert.Equal(File.ReadAllText(path) + "0123456789", tls.Client.Read());
            Assert.Equal(IoError.ConnectionReset, connection.SendFile(file, 0, 10).Error);
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Fact]
    public void Without_the_kernel_encryption_files_are_not_its_business()
    {
        if (!IsThere())
        {
            return;
        }

        using SimulatedTls tls = new(version: 0x304);
        tls.ShakeHands();
        Assert.False(tls.Handler.Connection.SendsFiles);
    }

    [Theory]
    [InlineData(0x303, false)]
    [InlineData(0x303, true)]
    [InlineData(0x304, false)]
    [InlineData(0x304, true)]
    public void The_end_comes_behind_the_last_record_however_full_the_socket_was(int version, bool isHalfClose)
    {
        if (!IsThere())
        {
            return;
        }

        using SimulatedTls tls = new(version: version, encryptsInKernel: true);
        tls.ShakeHands();
        string answer = new('a', 40_000);
        tls.Answer(answer, room: 777);
        if (isHalfClose)
        {
            tls.Peer.SetSpace(0);
            tls.Handler.Connection.ShutdownSend();
            tls.Loop.Turn(2);
            Assert.False(tls.Peer.SeesEndOfStream); // close_notify is still to come
            tls.Peer.SetSpace(int.MaxValue);
            tls.Loop.Turn(2);
        }
        else
        {
            tls.Handler.Connection.Close();
        }

        Assert.True(tls.Peer.SeesEndOfStream);
        Assert.Equal(Alert, tls.Peer.Encryption!.ContentTypes[^1]);
        tls.Receive();
        Assert.Equal(answer, tls.Client.Read());
    }

    [Theory]
    [InlineData(0x303)]
    [InlineData(0x304)]
    public void A_key_that_the_kernel_refuses_stays_with_OpenSSL(int version)
    {
        if (!IsThere())
        {
            return;
        }

        using SimulatedTls tls = new(version: version, encryptsInKernel: true);
        tls.Loop.Kernel.Fail(KernelCall.EncryptSends, Errno.EINVAL);
        tls.ShakeHands();
        Assert.Equal([TlsFailure.None], tls.Outcomes);
        Assert.False(tls.IsKernelTls);
        Assert.Null(tls.Peer.Encryption);
        tls.Answer("hello");
        tls.Receive();
        Assert.Equal("hello", tls.Client.Read());
    }

    [Theory]
    [InlineData(0x303)]
    [InlineData(0x304)]
    public void What_OpenSSL_has_to_say_waits_for_room_and_keeps_its_place(int version)
    {
        if (!IsThere())
        {
            return;
        }

        using SimulatedTls tls = new(version: version, encryptsInKernel: true);
        tls.Loop.Kernel.Before(KernelCall.EncryptSends, () => tls.Peer.SetSpace(0)); // the flight has left, and then the socket is full
        tls.ShakeHands();
        if (tls.Outcomes.Count == 0)
        {
            tls.Peer.SetSpace(1); // TLS 1.2: the client waits for Finished
            tls.Loop.Turn(2);
            tls.Peer.SetSpace(100);
            tls.Loop.Turn(2);
            tls.Receive();
            tls.ShakeHands();
            tls.Peer.SetSpace(0);
        }

        Assert.Equal([TlsFailure.None], tls.Outcomes);
        Assert.True(tls.IsKernelTls);
        tls.Answer("hello", room: 10);
        tls.Receive();
        _ = tls.Client.Handshake();
        Assert.Equal("hello", tls.Client.Read());
        Assert.Equal(Handshake, tls.Peer.Encryption!.ContentTypes[0]);
        Assert.Equal(ApplicationData, Assert.Single(tls.Peer.Encryption.ContentTypes, static type => type != Handshake));
        Assert.Equal(ApplicationData, tls.Peer.Encryption.ContentTypes[^1]);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void An_abort_says_nothing_more_and_resets_at_the_close(bool isKeyRefused)
    {
        if (!IsThere())
        {
            return;
        }

        using SimulatedTls tls = new(encryptsInKernel: true, prepare: static handler => handler.WhenReset = null);
        if (isKeyRefused)
        {
            tls.Loop.Kernel.Fail(KernelCall.EncryptSends, Errno.EINVAL);
        }

        tls.ShakeHands();
        tls.Answer("half");
        int sent = tls.Peer.ReceivedCount;
        tls.Handler.Connection.Abort();
        Assert.True(tls.Handler.Connection.Send("more"u8).IsFailed);
        tls.Loop.Turn(2);
        Assert.Contains("Reset", tls.Handler.Calls);
        Assert.False(tls.Peer.SeesEndOfStream);
        tls.Handler.Connection.Close();
        Assert.True(tls.Peer.SeesReset);
        Assert.Equal(sent, tls.Peer.ReceivedCount);
    }

    [Fact]
    public void A_protocol_that_throws_says_nothing_more()
    {
        if (!IsThere())
        {
            return;
        }

        using SimulatedTls tls = new(encryptsInKernel: true);
        tls.ShakeHands();
        tls.Handler.WhenReadable = static _ => throw new InvalidOperationException("a fault of the protocol");
        tls.Answer("half");
        int sent = tls.Peer.ReceivedCount;
        tls.Client.Write("hello");
        tls.Send(tls.Client.Take());
        tls.Loop.Turn(2);
        Assert.True(tls.Peer.SeesReset);
        Assert.Equal(sent, tls.Peer.ReceivedCount); // no close_notify: half an answer must not look whole
    }

    [Fact]
    public void A_peer_that_wants_new_keys_loses_the_connection_and_reads_nothing_false()
    {
        if (!IsThere())
        {
            return;
        }

        using SimulatedTls tls = new(encryptsInKernel: true);
        tls.ShakeHands();
        tls.Client.UpdateKey(isAnswerWanted: true);
        tls.Send(tls.Client.Take());
        tls.Loop.Turn(2);
        int sent = tls.Peer.ReceivedCount;
        Assert.True(tls.Handler.Connection.Send("hello"u8).IsFailed);
        tls.Loop.Turn(2);
        Assert.True(tls.Peer.SeesReset);
        Assert.Equal(sent, tls.Peer.ReceivedCount);
        tls.Receive();
        Assert.Equal("", tls.Client.Read());
    }

    [Fact]
    public void A_peer_that_changes_its_own_keys_only_is_understood()
    {
        if (!IsThere())
        {
            return;
        }

        using SimulatedTls tls = new(encryptsInKernel: true);
        tls.ShakeHands();
        tls.Client.UpdateKey();
        tls.Client.Write("hello");
        tls.Send(tls.Client.Take());
        tls.Loop.Turn(2);
        Assert.Equal("hello", tls.Handler.Received);
        tls.Answer("hello");
        tls.Receive();
        Assert.Equal("hello", tls.Client.Read());
    }

    [Fact]
    public void A_delayed_certificate_is_asked_for_in_a_record_of_its_own()
    {
        if (!IsThere())
        {
            return;
        }

        TlsIdentity identity = new()
        {
            Certificates = [TlsServer.Certificate()],
            ClientCertificates = new TlsClientCertificates { Mode = TlsClientCertificateMode.Delay, TrustedAuthorities = [TestCertificates.Shared.Root, TestCertificates.Shared.Intermediate] },
        };
        using SimulatedTls tls = new(identity, clientCertificate: TestCertificates.Shared.Client("late"), encryptsInKernel: true);
        tls.ShakeHands();
        Task<X509Certificate2?> asked = ((TlsConnection)tls.Handler.Connection).GetClientCertificateAsync(default);
        tls.Loop.Turn(2);
        Assert.Equal(Handshake, tls.Peer.Encryption!.ContentTypes[^1]);
        tls.Receive();
        _ = tls.Client.Read();
        tls.Send(tls.Client.Take());
        tls.Loop.Turn(2);
        Assert.StartsWith("CN=late", SimulatedTls.Wait(asked)!.Subject, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0x303, false)]
    [InlineData(0x303, true)]
    [InlineData(0x304, false)]
    [InlineData(0x304, true)]
    public void A_client_that_ends_at_any_moment_leaves_nothing(int version, bool isReset)
    {
        if (!IsThere())
        {
            return;
        }

        for (int flight = 0; flight < 3; flight++)
        {
            for (int at = 1; at < 400; at += 37)
            {
                using SimulatedTls tls = new(version: version, encryptsInKernel: true);
                for (int i = 0; i <= flight; i++)
                {
                    _ = tls.Client.Handshake();
                    byte[] records = i < 2 ? tls.Client.Take() : WriteAndTake(tls);
                    tls.Send(i < flight ? records : records[..Math.Min(at, records.Length)]);
                    tls.Loop.Turn(2);
                    tls.Receive();
                }

                if (isReset)
                {
                    tls.Peer.Reset();
                }
                else
                {
                    tls.Peer.Finish();
                }

                tls.Loop.Turn(4);
                Assert.Single(tls.Outcomes);
            }
        }

        static byte[] WriteAndTake(SimulatedTls tls)
        {
            tls.Client.Write("hello");
            return tls.Client.Take();
        }
    }

    private static bool IsThere()
    {
        if (OpenSslLibrary.HasKernelTls)
        {
            return true;
        }

        Console.Error.WriteLine("SKIPPED: this libssl was built without kernel TLS.");
        Assert.False(string.Equals(Environment.GetEnvironmentVariable("CI"), "true", StringComparison.OrdinalIgnoreCase), "libssl was built without kernel TLS.");
        return false;
    }
}
