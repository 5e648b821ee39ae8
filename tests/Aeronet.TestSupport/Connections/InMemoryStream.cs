using System;
using System.IO;
using System.IO.Pipelines;
using System.Net;
using System.Net.Sockets;
using System.Threading;
using System.Threading.Tasks;
using Microsoft.AspNetCore.Connections;

namespace Aeronet.TestSupport.Connections;

/// <summary>The client's end of a connection made of pipes.</summary>
public sealed class InMemoryStream : Stream
{
    private readonly InMemoryConnection _connection;
    private readonly Stream _input;
    private readonly Stream _output;

    internal InMemoryStream(InMemoryConnection connection)
    {
        _connection = connection;
        _input = connection.Peer.Input.AsStream();
        _output = connection.Peer.Output.AsStream();
        LocalEndPoint = connection.RemoteEndPoint!;
    }

    /// <summary>The address that the server sees.</summary>
    public EndPoint LocalEndPoint { get; }

    /// <inheritdoc />
    public override bool CanRead => true;

    /// <inheritdoc />
    public override bool CanSeek => false;

    /// <inheritdoc />
    public override bool CanWrite => true;

    /// <inheritdoc />
    public override long Length => throw new NotSupportedException();

    /// <inheritdoc />
    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    /// <inheritdoc />
    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        try
        {
            return await _input.ReadAsync(buffer, cancellationToken).ConfigureAwait(false);
        }
        catch (ConnectionResetException reset)
        {
            throw new IOException(reset.Message, new SocketException((int)SocketError.ConnectionReset)); // as NetworkStream says it
        }
    }

    /// <inheritdoc />
    public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) => _output.WriteAsync(buffer, cancellationToken);

    /// <inheritdoc />
    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    /// <inheritdoc />
    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    /// <inheritdoc />
    public override void Flush()
    {
        // Every write is flushed.
    }

    /// <inheritdoc />
    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    /// <inheritdoc />
    public override void SetLength(long value) => throw new NotSupportedException();

    /// <summary>Ends the sending direction; reading goes on.</summary>
    public void FinishSending() => _connection.Peer.Output.Complete();

    /// <summary>Vanishes: what the server reads fails.</summary>
    public void Reset() => _connection.ResetByPeer();

    /// <inheritdoc />
    protected override void Dispose(bool disposing)
    {
        _connection.CloseByPeer();
        base.Dispose(disposing);
    }
}
