using System;
using System.IO;
using System.Runtime.CompilerServices;
using System.Threading;
using System.Threading.Tasks;
using Microsoft.AspNetCore.Connections;

namespace Aeronet.Transport.Connect;

/// <summary>A connection as a <see cref="Stream"/>, for code that knows no pipes: <c>SocketsHttpHandler.ConnectCallback</c>, <c>SslStream</c>.</summary>
/// <remarks>One read and one write at a time, each from any thread. Every write is flushed. Disposing the stream disposes the connection: calls under way, and those on a connection that is aborted, throw <see cref="IOException"/>, later ones <see cref="ObjectDisposedException"/>.</remarks>
public sealed class ConnectionStream : Stream
{
    private readonly ConnectionContext _connection;
    private readonly Stream _input;
    private readonly Stream _output;
    private bool _isDisposed;

    /// <summary>A stream over the connection's <see cref="ConnectionContext.Transport"/>.</summary>
    /// <param name="connection">Owned by the stream from now on.</param>
    public ConnectionStream(ConnectionContext connection)
    {
        ArgumentNullException.ThrowIfNull(connection);
        _connection = connection;
        _input = connection.Transport.Input.AsStream(leaveOpen: true);
        _output = connection.Transport.Output.AsStream(leaveOpen: true);
    }

    /// <inheritdoc />
    public override bool CanRead => true;

    /// <inheritdoc />
    public override bool CanSeek => false;

    /// <inheritdoc />
    public override bool CanWrite => true;

    /// <inheritdoc />
    public override long Length => throw new NotSupportedException();

    /// <inheritdoc />
    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    /// <inheritdoc />
    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    /// <inheritdoc />
    public override int Read(Span<byte> buffer)
    {
        ThrowIfDisposed();
        try
        {
            return _input.Read(buffer);
        }
        catch (Exception exception) when (IsEnd(exception))
        {
            throw Ended(exception);
        }
    }

    /// <inheritdoc />
    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) => ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    /// <inheritdoc />
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        ThrowIfDisposed();
        try
        {
            return await _input.ReadAsync(buffer, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception exception) when (IsEnd(exception))
        {
            throw Ended(exception);
        }
    }

    /// <inheritdoc />
    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    /// <inheritdoc />
    public override void Write(ReadOnlySpan<byte> buffer)
    {
        ThrowIfDisposed();
        _output.Write(buffer);
    }

    /// <inheritdoc />
    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) => WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    /// <inheritdoc />
    public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken)
    {
        ThrowIfDisposed();
        return _output.WriteAsync(buffer, cancellationToken);
    }

    /// <inheritdoc />
    public override void Flush()
    {
        ThrowIfDisposed();
        _output.Flush();
    }

    /// <inheritdoc />
    public override Task FlushAsync(CancellationToken cancellationToken)
    {
        ThrowIfDisposed();
        return _output.FlushAsync(cancellationToken);
    }

    /// <inheritdoc />
    public override async Task CopyToAsync(Stream destination, int bufferSize, CancellationToken cancellationToken)
    {
        ThrowIfDisposed();
        try
        {
            await _input.CopyToAsync(destination, bufferSize, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception exception) when (IsEnd(exception))
        {
            throw Ended(exception);
        }
    }

    /// <inheritdoc />
    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    /// <inheritdoc />
    public override void SetLength(long value) => throw new NotSupportedException();

    /// <inheritdoc />
    public override async ValueTask DisposeAsync()
    {
        Volatile.Write(ref _isDisposed, true);
        await _connection.DisposeAsync().ConfigureAwait(false);
        await base.DisposeAsync().ConfigureAwait(false);
    }

    /// <inheritdoc />
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            Volatile.Write(ref _isDisposed, true);
            // Begins the end; who wants to wait for it uses DisposeAsync.
            _ = _connection.DisposeAsync().AsTask();
        }
        base.Dispose(disposing);
    }

    private void ThrowIfDisposed() => ObjectDisposedException.ThrowIf(Volatile.Read(ref _isDisposed), this);

    // The framework's pipes are completed under their reader.
    private bool IsEnd(Exception exception) => exception is ConnectionAbortedException || (exception is InvalidOperationException && Volatile.Read(ref _isDisposed));

    // To the pipes an abort is a cancellation, to who uses streams it is none: nobody's token was cancelled.
    private static IOException Ended(Exception exception) => new("The connection has ended: " + exception.Message, exception);
}
