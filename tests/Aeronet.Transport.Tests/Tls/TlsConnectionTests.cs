using System;
using System.Collections.Generic;
using System.Linq;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Threading.Tasks;
using Aeronet.Native.Libc;
using Aeronet.TestSupport.Hosting;
using Aeronet.TestSupport.Kernel;
using Aeronet.TestSupport.Tls;
using Aeronet.Transport.Connections;
using Aeronet.Transport.Tls;
using Aeronet.Transport.Tls.Admission;
using Xunit;

namespace Aeronet.Transport.Tests.Tls;

/// <summary>The TLS layer on a scripted kernel: pieces, ends and faults at every place. The loop's disposal counts blocks and descriptors.</summary>
public sealed class TlsConnectionTests
{
    private static TlsIdentity Delaying => new()
    {
        Certificates = [TlsServer.Certificate()],
        ClientCertificates = new TlsClientCertificates { Mode = TlsClientCertificateMode.Delay, TrustedAuthorities = [TestCertificates.Shared.Root, TestCertificates.Shared.Intermediate] },
    };

    [Theory]
    [InlineData(0x303, 1)]
    [InlineData(0x303, 7)]
    [InlineData(0x303, int.MaxValue)]
    [InlineData(0x304, 1)]
    [InlineData(0x304, 7)]
    [InlineData(0x304, int.MaxValue)]
    [Trait("Defect", "TLS-7")]
    public void A_handshake_and_content_come_through_in_pieces_of_any_size(int version, int piece)
    {
        using SimulatedTls tls = new(version: version);
        tls.ShakeHands(piece);
        Assert.Equal([TlsFailure.None], tls.Outcomes);
        tls.Client.Write("hello");
        tls.Send(tls.Client.Take(), piece);
        Assert.Equal("hello", tls.Handler.Received);
        string answer = new('a', 40_000);
        tls.Answer(answer, piece == int.MaxValue ? piece : piece * 100);
        tls.Receive();
        Assert.Equal(answer, tls.Client.Read());
    }

    [Theory]
    [InlineData(0x303)]
    [InlineData(0x304)]
    public void A_receive_that_finds_nothing_is_made_good_by_the_next_edge(int version)
    {
        for (int at = 0; at < 12; at++)
        {
            using SimulatedTls tls = new(version: version);
            Errno[] faults = new Errno[at + 1];
            faults[at] = Errno.EAGAIN; // the others are none
            tls.Loop.Kernel.Fail(KernelCall.Receive, faults);
            tls.ShakeHands();
            tls.Client.Write("hello");
            tls.Send(tls.Client.Take());
            tls.Loop.Turn(4);
            Assert.Equal("hello", tls.Handler.Received);
        }
    }

    public static TheoryData<int, bool> Ends() => new()
    {
        { 0x303, false },
        { 0x303, true },
        { 0x304, false },
        { 0x304, true },
    };

    [Theory]
    [MemberData(nameof(Ends))]
    [Trait("Defect", "TLS-7")]
    public void A_client_that_ends_at_any_byte_leaves_nothing(int version, bool isReset)
    {
        // Every flight of the client, cut at a spread of places; what was before the cut has been received, and what is left over is counted by the loop's disposal.
        for (int flight = 0; flight < 3; flight++)
        {
            for (int cut = 0; cut < 400; cut += cut < 12 ? 1 : 37)
            {
                using SimulatedTls tls = new(version: version);
                bool isCut = false;
                for (int i = 0; i <= flight && !isCut; i++)
                {
                    bool isOver = tls.Client.Handshake();
                    if (isOver)
                    {
                        tls.Client.Write("hello");
                    }

                    byte[] records = tls.Client.Take();
                    isCut = i == flight;
                    tls.Send(isCut ? records[..Math.Min(cut, records.Length)] : records);
                    tls.Loop.Turn(2);
                    tls.Receive();
                }

                End(tls, isReset);
                TlsFailure outcome = Assert.Single(tls.Outcomes);
                Assert.Contains(outcome, (TlsFailure[])[TlsFailure.None, TlsFailure.HandshakeEof, TlsFailure.ConnectionReset]);
                if (outcome == TlsFailure.None && !tls.Peer.IsClosedByServer)
                {
                    tls.Handler.Connection.Close(); // a protocol that has seen the end
                }

                Assert.True(tls.Peer.IsClosedByServer);
            }
        }
    }

    [Fact]
    public void An_alert_that_a_reset_follows_is_heard()
    {
        using SimulatedTls tls = new();
        tls.Client.Handshake();
        tls.Send(tls.Client.Take());
        tls.Peer.Send([21, 3, 3, 0, 2, 2, 48]); // fatal, unknown_ca: the server's keys for reading are not in use yet
        tls.Peer.Reset();
        tls.Loop.Turn(2);
        Assert.Equal([TlsFailure.PeerAlert], tls.Outcomes);
        Assert.True(tls.Peer.IsClosedByServer);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void What_came_before_the_end_can_be_received_after_it(bool isFoundBySend)
    {
        using SimulatedTls tls = new();
        tls.ShakeHands();
        tls.Client.Write("last words");
        tls.Peer.Send(tls.Client.Take());
        if (isFoundBySend)
        {
            tls.Loop.Kernel.Fail(KernelCall.Send, Errno.EPIPE); // before the loop has seen what came
            Assert.True(tls.Handler.Connection.Send("more"u8).IsFailed);
        }
        else
        {
            tls.Handler.WhenReset = null;
            tls.Peer.Reset(); // in one event with the bytes, of which the loop tells the reset alone
            tls.Loop.Turn();
        }

        byte[] received = new byte[100];
        IoResult result = tls.Handler.Connection.Receive(received);
        Assert.True(result.HasBytes);
        Assert.Equal("last words", Encoding.ASCII.GetString(received, 0, result.Bytes));
        tls.Handler.Connection.Close();
    }

    [Fact]
    public void Key_updates_without_end_do_not_hold_the_loop()
    {
        using SimulatedTls tls = new();
        tls.ShakeHands();
        List<byte> records = [];
        for (int i = 0; i < 5000; i++)
        {
            tls.Client.UpdateKey();
            records.AddRange(tls.Client.Take());
        }

        tls.Client.Write("hello");
        records.AddRange(tls.Client.Take());
        int before = tls.Loop.Kernel.Count(KernelCall.Receive);
        tls.Send([.. records]);
        int receives = tls.Loop.Kernel.Count(KernelCall.Receive) - before;
        Assert.InRange(receives, 1, 1500); // of more than 10,000: other connections had their turn
        Assert.Equal("", tls.Handler.Received);
        tls.Loop.Turn(100);
        Assert.Equal("hello", tls.Handler.Received);
    }

    [Fact]
    public void Listeners_that_throw_cost_neither_the_connection_nor_its_place()
    {
        HandshakeLimiter limiter = new(new HandshakeLimits { ConcurrentMax = 10 });
        using SimulatedTls tls = new(admission: limiter) { WhenStarted = static () => throw new InvalidOperationException("a listener of metrics") };
        tls.ShakeHands();
        Assert.Equal([TlsFailure.None], tls.Outcomes);
        Assert.Equal(0, limiter.UnderWay);
    }

    [Fact]
    public void A_protocol_that_throws_leaves_nothing()
    {
        HandshakeLimiter limiter = new(new HandshakeLimits { ConcurrentMax = 10 });
        using SimulatedTls tls = new(admission: limiter, prepare: static handler => handler.WhenReadable = static _ => throw new InvalidOperationException("a fault of the protocol"));
        tls.ShakeHands();
        tls.Loop.Turn(4);
        Assert.Equal(0, limiter.UnderWay);
        Assert.True(tls.Peer.IsClosedByServer);
    }

    [Fact]
    public void A_protocol_that_goes_on_after_its_close_is_refused()
    {
        using SimulatedTls tls = new();
        tls.ShakeHands();
        TransportConnection connection = tls.Handler.Connection;
        connection.Close();
        Assert.True(connection.Receive(new byte[10]).IsFailed);
        Assert.True(connection.Send("x"u8).IsFailed);
    }

    // ---- A certificate after the handshake --------------------------------------------------------------------

    [Fact]
    public void A_delayed_certificate_comes_with_the_next_records()
    {
        using SimulatedTls tls = new(Delaying, clientCertificate: TestCertificates.Shared.Client("late"));
        tls.ShakeHands();
        Task<X509Certificate2?> asked = Ask(tls);
        tls.Receive();
        Assert.Equal("", tls.Client.Read()); // the client reads the question, and answers
        tls.Send(tls.Client.Take());
        Assert.StartsWith("CN=late", SimulatedTls.Wait(asked)!.Subject, StringComparison.Ordinal);
    }

    [Fact]
    public void A_delayed_certificate_behind_content_is_there_once_the_content_has_been_read()
    {
        using SimulatedTls tls = new(Delaying, clientCertificate: TestCertificates.Shared.Client("late"));
        tls.ShakeHands();
        tls.Handler.Reads = false;
        Task<X509Certificate2?> first = Ask(tls);
        tls.Client.Write("content that was on its way"); // before the question is read
        tls.Receive();
        Assert.Equal("", tls.Client.Read());
        tls.Send(tls.Client.Take());
        Assert.Throws<InvalidOperationException>(() => SimulatedTls.Wait(first));
        Task<X509Certificate2?> second = Ask(tls);
        tls.Handler.Receive(peerClosed: false);
        Assert.Equal("content that was on its way", tls.Handler.Received);
        Assert.StartsWith("CN=late", SimulatedTls.Wait(second)!.Subject, StringComparison.Ordinal);
    }

    [Fact]
    public void What_is_sent_between_two_halves_of_a_delayed_certificate_waits_for_the_second()
    {
        using SimulatedTls tls = new(Delaying, clientCertificate: TestCertificates.Shared.Client("late"));
        tls.ShakeHands();
        tls.Handler.Reads = false;
        Task<X509Certificate2?> asked = Ask(tls);
        tls.Receive();
        Assert.Equal("", tls.Client.Read());
        byte[] flight = tls.Client.Take();
        int half = 5 + (flight[3] << 8 | flight[4]); // the first record, of several
        Assert.True(half < flight.Length);
        tls.Send(flight[..half]);
        int tries = 0;
        tls.Handler.WhenWritable = handler =>
        {
            tries++;
            if (handler.Connection.Send("refused"u8).IsWouldBlock)
            {
                handler.Connection.NotifyWhenWritable();
            }
        };
        tls.Handler.OnWritable();
        tls.Loop.Turn(20);
        Assert.Equal(1, tries); // no turn was spent on trying again
        tls.Send(flight[half..]);
        tls.Loop.Turn(2);
        tls.Receive();
        Assert.Equal("refused", tls.Client.Read());
        Assert.StartsWith("CN=late", SimulatedTls.Wait(asked)!.Subject, StringComparison.Ordinal);
    }

    [Fact]
    public void What_is_sent_before_a_long_answer_has_been_taken_in_leaves_when_it_has()
    {
        // The flight is longer than one call takes: the rest is taken in after a post, and no edge follows it.
        using SimulatedTls tls = new(Delaying, clientCertificate: TestCertificates.Shared.Client("late"), clientChain: Enumerable.Repeat(TestCertificates.Shared.Intermediate, 80));
        tls.ShakeHands();
        tls.Handler.Reads = false;
        Task<X509Certificate2?> asked = Ask(tls);
        tls.Receive();
        Assert.Equal("", tls.Client.Read());
        byte[] flight = tls.Client.Take();
        int first = 5 + (flight[3] << 8 | flight[4]);
        Assert.True(flight.Length > 2 * first);
        tls.Send(flight[..first]);
        tls.Handler.WhenWritable = static handler =>
        {
            if (handler.Connection.Send("refused"u8).IsWouldBlock)
            {
                handler.Connection.NotifyWhenWritable();
            }
        };
        tls.Handler.OnWritable();
        tls.Send(flight[first..]);
        tls.Loop.Turn(10);
        tls.Receive();
        Assert.Equal("refused", tls.Client.Read());
        Assert.StartsWith("CN=late", SimulatedTls.Wait(asked)!.Subject, StringComparison.Ordinal);
    }

    [Fact]
    [Trait("Defect", "TLS-29")]
    public void A_delayed_certificate_is_not_asked_for_in_HTTP_2()
    {
        TlsIdentity identity = new() { Certificates = Delaying.Certificates, ClientCertificates = Delaying.ClientCertificates, ApplicationProtocols = ["h2"] };
        using SimulatedTls tls = new(identity, clientCertificate: TestCertificates.Shared.Client("late"), applicationProtocol: "h2");
        tls.ShakeHands();
        int before = tls.Peer.ReceivedCount;
        Assert.Null(SimulatedTls.Wait(Ask(tls)));
        Assert.Equal(before, tls.Peer.ReceivedCount);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Nobody_waits_for_a_delayed_certificate_of_a_client_that_has_gone(bool isReset)
    {
        using SimulatedTls tls = new(Delaying, clientCertificate: TestCertificates.Shared.Client("late"));
        tls.ShakeHands();
        Task<X509Certificate2?> asked = Ask(tls);
        End(tls, isReset);
        if (!tls.Peer.IsClosedByServer)
        {
            tls.Handler.Connection.Close();
        }

        Assert.Null(SimulatedTls.Wait(asked));
    }

    private static Task<X509Certificate2?> Ask(SimulatedTls tls) =>
        ((TlsConnection)tls.Handler.Connection).GetClientCertificateAsync(default);

    private static void End(SimulatedTls tls, bool isReset)
    {
        if (isReset)
        {
            tls.Peer.Reset();
        }
        else
        {
            tls.Peer.Finish();
        }

        tls.Loop.Turn(3);
    }
}
