using System;
using System.Collections.Generic;
using System.Linq;
using System.Text;
using Aeronet.Native.Libc;
using Aeronet.TestSupport.Kernel;
using Aeronet.Transport.Connections;
using Xunit;

namespace Aeronet.Transport.Tests.Loop;

/// <summary>Random peers on the simulated kernel against an echo: whatever happens, bytes arrive whole and in order, and nothing is left at the end.</summary>
public sealed class RandomRunTests
{
    private static readonly Errno[] s_acceptErrors = [Errno.EMFILE, Errno.ENFILE, Errno.ECONNABORTED, Errno.ENOBUFS, Errno.EPROTO, Errno.EIO];

    [Theory]
    [Trait("Defect", "LOOP-1")]
    [Trait("Defect", "LOOP-3")]
    [Trait("Defect", "LOOP-4")]
    [Trait("Defect", "LOOP-34")]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(6)]
    [InlineData(7)]
    [InlineData(8)]
    public void Everything_that_peers_send_is_echoed_whole_and_in_order(int seed)
    {
        Random random = new(seed);
        using SimulatedLoop loop = new();
        Dictionary<TransportConnection, Echo> echoes = [];
        loop.Acceptor.Instead = connection => echoes[connection] = new Echo(connection, random);
        List<Peer> peers = [];
        for (int step = 0; step < 3000; step++)
        {
            Step(random, loop, peers);
            loop.Turn(random.Next(3));
            loop.Kernel.TransferMax = random.Next(4) == 0 ? random.Next(1, 20) : int.MaxValue;
        }
        loop.Kernel.TransferMax = int.MaxValue;
        loop.Kernel.ClearFailures();
        peers.ForEach(static peer => peer.Simulated.SetSpace(int.MaxValue));
        loop.Advance(20_000);
        foreach (Peer peer in peers)
        {
            string context = $"seed {seed}, peer {peers.IndexOf(peer)}";
            Assert.True(peer.Simulated.Descriptor >= 0, $"{context}: not accepted");
            if (!peer.IsReset)
            {
                Assert.True(peer.Sent.ToString() == peer.Simulated.Received, $"{context}: sent {peer.Sent.Length}, echoed {peer.Simulated.ReceivedCount}");
                Assert.True(peer.IsFinished == peer.Simulated.IsClosedByServer, $"{context}: FIN was not answered");
            }
            else
            {
                Assert.True(peer.Simulated.IsClosedByServer, $"{context}: reset and not closed");
            }
        }
        int open = peers.Count(static peer => !peer.Simulated.IsClosedByServer);
        Assert.Equal(open, loop.GroupConnections.Count);
        Assert.Equal(open, (int)loop.Loop.Counters.Read().Connections);
        Assert.Equal(peers.Count, (int)loop.Loop.Counters.Read().ConnectionsAccepted);
    }

    private static void Step(Random random, SimulatedLoop loop, List<Peer> peers)
    {
        Peer? peer = peers.Count > 0 ? peers[random.Next(peers.Count)] : null;
        switch (random.Next(14))
        {
            case 0:
                peers.Add(new Peer(loop.Kernel.Connect(loop.Listener)));
                break;
            case 1 when random.Next(10) == 0: // each may cost a pause
                loop.Kernel.Fail(KernelCall.Accept, s_acceptErrors[random.Next(s_acceptErrors.Length)]);
                break;
            case 2 when peer is { IsFinished: false, IsReset: false } && random.Next(4) == 0:
                peer.IsFinished = true;
                peer.Simulated.Finish();
                break;
            case 3 when peer is { IsFinished: false, IsReset: false } && random.Next(6) == 0:
                peer.IsReset = true;
                peer.Simulated.Reset();
                break;
            case 4:
                peer?.Simulated.SetSpace(random.Next(40));
                break;
            case 5:
                loop.Clock.Advance(random.Next(300));
                break;
            case > 6 when peer is { IsFinished: false, IsReset: false }:
                string text = new((char)random.Next('a', 'z'), random.Next(1, 60));
                peer.Sent.Append(text);
                peer.Simulated.Send(text);
                break;
        }
    }

    private sealed class Peer(SimulatedPeer simulated)
    {
        public SimulatedPeer Simulated { get; } = simulated;

        public StringBuilder Sent { get; } = new();

        public bool IsFinished { get; set; }

        public bool IsReset { get; set; }
    }

    /// <summary>Echoes with small buffers; stops reading while output is pending, reads late, gives up its turn, sends from other places: what a protocol may do.</summary>
    private sealed class Echo(TransportConnection connection, Random random) : IConnectionHandler
    {
        private readonly Queue<byte> _pending = new();
        private bool _hasUnread;
        private bool _isAtEnd;
        private bool _isClosed;

        public void OnReadable(bool peerClosed)
        {
            _hasUnread = true;
            if (random.Next(5) == 0)
            {
                connection.Post(); // "busy": goes on when posted
                return;
            }
            Work();
        }

        public void OnWritable() => Work();

        public void OnReset() => Close();

        public void OnDeadline(long nowMs) => Work();

        public void OnPosted() => Work();

        public void OnDrain()
        {
        }

        public void OnAbort() => Close();

        public void OnClosed()
        {
            Assert.True(_isClosed);
        }

        private void Work()
        {
            Span<byte> buffer = stackalloc byte[16];
            for (int i = 0; i < 4; i++)
            {
                if (!TrySend())
                {
                    return;
                }
                if (!_hasUnread)
                {
                    CloseAtEnd();
                    return;
                }
                Receive(buffer);
                if (_isClosed)
                {
                    return;
                }
            }
            if (random.Next(2) == 0)
            {
                connection.RequeueReadable();
            }
            else
            {
                connection.SetDeadline(connection.Loop.NowMs + random.Next(200));
            }
        }

        private void Receive(Span<byte> buffer)
        {
            IoResult result = connection.Receive(buffer);
            if (result.IsFailed)
            {
                Close();
            }
            else if (result.IsWouldBlock)
            {
                _hasUnread = false;
            }
            else if (result.IsEndOfStream)
            {
                _isAtEnd = true;
                _hasUnread = false;
            }
            else
            {
                foreach (byte b in buffer[..result.Bytes])
                {
                    _pending.Enqueue(b);
                }
                // A short receive means drained, unless the kernel was told to be stingy: then would-block tells.
            }
        }

        private bool TrySend()
        {
            while (_pending.Count > 0)
            {
                IoResult result = connection.Send(_pending.ToArray());
                if (result.IsWouldBlock)
                {
                    connection.NotifyWhenWritable();
                    return false;
                }
                if (result.IsFailed)
                {
                    Close();
                    return false;
                }
                for (int i = 0; i < result.Bytes; i++)
                {
                    _pending.Dequeue();
                }
            }
            return true;
        }

        private void CloseAtEnd()
        {
            if (_isAtEnd)
            {
                Close();
            }
        }

        private void Close()
        {
            if (!_isClosed)
            {
                _isClosed = true;
                connection.Close();
            }
        }
    }
}
