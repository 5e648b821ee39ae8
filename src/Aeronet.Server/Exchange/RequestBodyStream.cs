using System;
using System.Buffers;
using System.IO;
using System.IO.Pipelines;
using System.Threading;
using System.Threading.Tasks;

namespace Aeronet.Server.Exchange;

/// <summary>The raw content as a stream: what the server's own PipeReader reads.</summary>
internal sealed class RequestBodySource : ReadOnlyStream
{
    private readonly HttpExchange _own;
    private readonly uint _requestNumber; // a reader kept beyond its request must not take the next one's content

    public RequestBodySource(HttpExchange exchange)
    {
        _own = exchange;
        _requestNumber = exchange.RequestNumber;
    }

    private HttpExchange Exchange
    {
        get
        {
            ObjectDisposedException.ThrowIf(_own.RequestNumber != _requestNumber, this);
            return _own;
        }
    }

    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) => Exchange.RequestBody.ReadAsync(buffer, cancellationToken);

    public override int Read(Span<byte> buffer) => Exchange.RequestBody.Read(buffer);
}

/// <summary><c>HttpRequest.Body</c>. Kept with its exchange; reads of a finished request fail through <see cref="HttpExchange.CheckBodyAccess"/>.</summary>
internal sealed class RequestBodyStream : ReadOnlyStream
{
    private HttpExchange? _bound; // null between the requests of its connection, and after the last one

    public RequestBodyStream(HttpExchange exchange) => _bound = exchange;

    private HttpExchange Exchange
    {
        get
        {
            HttpExchange? bound = Volatile.Read(ref _bound);
            ObjectDisposedException.ThrowIf(bound is null, this);
            return bound;
        }
    }

    public void Bind(HttpExchange? exchange) => Volatile.Write(ref _bound, exchange);

    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        Exchange.CheckBodyAccess();
        PipeReader? reader = Exchange.OwnRequestReader;
        return reader is null ? Exchange.RequestBody.ReadAsync(buffer, cancellationToken) : ReadThroughAsync(reader, buffer, cancellationToken);
    }

    public override int Read(Span<byte> buffer)
    {
        if (!Exchange.AllowSynchronousIO)
        {
            throw new InvalidOperationException("Synchronous operations are disallowed. Call ReadAsync or set AllowSynchronousIO to true instead.");
        }

        Exchange.CheckBodyAccess();
        PipeReader? reader = Exchange.OwnRequestReader;
        if (reader is null)
        {
            return Exchange.RequestBody.Read(buffer);
        }

        byte[] copy = ArrayPool<byte>.Shared.Rent(buffer.Length);
        try
        {
            int read = ReadThroughAsync(reader, copy.AsMemory(0, buffer.Length), CancellationToken.None).AsTask().GetAwaiter().GetResult();
            copy.AsSpan(0, read).CopyTo(buffer);
            return read;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(copy);
        }
    }

    private static async ValueTask<int> ReadThroughAsync(PipeReader reader, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        ReadResult result = await reader.ReadAsync(cancellationToken).ConfigureAwait(false);
        if (result.IsCanceled)
        {
            throw new OperationCanceledException("The read was canceled");
        }

        ReadOnlySequence<byte> content = result.Buffer;
        int count = (int)Math.Min(content.Length, buffer.Length);
        ReadOnlySequence<byte> taken = content.Slice(0, count);
        taken.CopyTo(buffer.Span);
        reader.AdvanceTo(taken.End);
        return count;
    }
}

/// <summary>What every read-only network stream answers to the rest of <see cref="Stream"/>.</summary>
internal abstract class ReadOnlyStream : Stream
{
    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public abstract override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default);

    public abstract override int Read(Span<byte> buffer);

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken)
    {
        ValidateBufferArguments(buffer, offset, count);
        return ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();
    }

    public override int Read(byte[] buffer, int offset, int count)
    {
        ValidateBufferArguments(buffer, offset, count);
        return Read(buffer.AsSpan(offset, count));
    }

    public override IAsyncResult BeginRead(byte[] buffer, int offset, int count, AsyncCallback? callback, object? state) =>
        TaskToAsyncResult.Begin(ReadAsync(buffer, offset, count, CancellationToken.None), callback, state);

    public override int EndRead(IAsyncResult asyncResult) => TaskToAsyncResult.End<int>(asyncResult);

    public override void Flush()
    {
    }

    public override Task FlushAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
}
