using System;
using System.Collections.Concurrent;
using System.Threading;
using Aeronet.Transport.Buffers;
using Aeronet.Transport.Connections;

namespace Aeronet.Transport.Tests.Connections;

/// <summary>An echo on real sockets: sends back what it receives, finishes when the peer does.</summary>
internal sealed class EchoAcceptor : IConnectionAcceptor
{
    public ConcurrentQueue<TransportConnection> Accepted { get; } = new();

    public int ClosedCount => Volatile.Read(ref _closedCount);

    /// <summary>On drain the echo closes; off: it stays, a stuck connection.</summary>
    public bool ClosesOnDrain { get; set; } = true;

    /// <summary>Instead of echoing, on the loop.</summary>
    public Action<TransportConnection>? OnBytes { get; set; }

    private int _closedCount;

    public IConnectionHandler? Accept(TransportConnection connection)
    {
        Accepted.Enqueue(connection);
        return new Echo(this, connection);
    }

    private sealed class Echo(EchoAcceptor owner, TransportConnection connection) : IConnectionHandler
    {
        private byte[] _unsent = [];

        public void OnReadable(bool peerClosed)
        {
            Block block = connection.Loop.Blocks.Rent();
            try
            {
                Echoing(block.Span, peerClosed);
            }
            finally
            {
                connection.Loop.Blocks.Return(block);
            }
        }

        public void OnWritable()
        {
            byte[] unsent = _unsent;
            _unsent = [];
            if (Send(unsent))
            {
                OnReadable(peerClosed: true); // reads until it would block
            }
        }

        public void OnReset() => connection.Close();

        public void OnDeadline(long nowMs)
        {
        }

        public void OnPosted()
        {
        }

        public void OnDrain()
        {
            if (owner.ClosesOnDrain)
            {
                connection.Close();
            }
        }

        public void OnAbort()
        {
            connection.Abort();
            connection.Close();
        }

        public void OnClosed() => Interlocked.Increment(ref owner._closedCount);

        private void Echoing(Span<byte> buffer, bool peerClosed)
        {
            while (_unsent.Length == 0)
            {
                IoResult result = connection.Receive(buffer);
                if (result.IsWouldBlock)
                {
                    return;
                }
                if (result.IsFailed || result.IsEndOfStream)
                {
                    connection.Close();
                    return;
                }
                if (owner.OnBytes is { } instead)
                {
                    instead(connection);
                }
                else if (!Send(buffer[..result.Bytes]))
                {
                    return;
                }
                if (result.Bytes < buffer.Length && !peerClosed)
                {
                    return;
                }
            }
        }

        /// <summary>False: the rest waits for room, or the connection is closed.</summary>
        private bool Send(ReadOnlySpan<byte> bytes)
        {
            while (!bytes.IsEmpty)
            {
                IoResult result = connection.Send(bytes);
                if (result.IsWouldBlock)
                {
                    _unsent = bytes.ToArray();
                    connection.NotifyWhenWritable();
                    return false;
                }
                if (result.IsFailed)
                {
                    connection.Close();
                    return false;
                }
                bytes = bytes[result.Bytes..];
            }
            return true;
        }
    }
}
