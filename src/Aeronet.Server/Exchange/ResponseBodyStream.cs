using System;
using System.IO;
using System.IO.Pipelines;
using System.Threading;
using System.Threading.Tasks;

namespace Aeronet.Server.Exchange;

/// <summary><c>HttpResponse.Body</c>: every write is flushed, as on Kestrel.</summary>
internal sealed class ResponseBodyStream : Stream
{
    private HttpExchange? _bound; // null between the requests of its connection, and after the last one

    public ResponseBodyStream(HttpExchange exchange) => _bound = exchange;

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

    public override bool CanRead => false;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) 
    {
        if (Exchange.IsResponseCompleted)
        {
            throw new InvalidOperationException("Writing is not allowed after writer was completed.");
        }

        return Settle(Exchange.WriteAsync(buffer, cancellationToken));
    }

    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken)
    {
        ValidateBufferArguments(buffer, offset, count);
        return WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();
    }

    public override Task FlushAsync(CancellationToken cancellationToken) => Settle(Exchange.FlushAsync(cancellationToken)).AsTask();

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        CheckSynchronous();
        if (Exchange.HasOnStarting && !Exchange.HasStarted)
        {
            Exchange.StartAsync().GetAwaiter().GetResult();
        }

        Exchange.Output.CheckFirstWrite(buffer.Length);
        Exchange.MarkStarted();
        Exchange.Output.Buffer(buffer);
        FlushBlocking();
    }

    public override void Write(byte[] buffer, int offset, int count)
    {
        ValidateBufferArguments(buffer, offset, count);
        Write(buffer.AsSpan(offset, count));
    }

    public override void Flush()
    {
        CheckSynchronous();
        FlushBlocking();
    }

    public override IAsyncResult BeginWrite(byte[] buffer, int offset, int count, AsyncCallback? callback, object? state) =>
        TaskToAsyncResult.Begin(WriteAsync(buffer, offset, count, CancellationToken.None), callback, state);

    public override void EndWrite(IAsyncResult asyncResult) => TaskToAsyncResult.End(asyncResult);

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    private void FlushBlocking()
    {
        ValueTask<FlushResult> flush = Exchange.FlushAsync(CancellationToken.None);
        if (flush.IsCompletedSuccessfully)
        {
            flush.GetAwaiter().GetResult();
        }
        else
        {
            Exchange.Output.BlockUntilFlushed(flush);
        }
    }

    private void CheckSynchronous()
    {
        if (!Exchange.AllowSynchronousIO)
        {
            throw new InvalidOperationException("Synchronous operations are disallowed. Call WriteAsync or set AllowSynchronousIO to true instead.");
        }
    }

    private static ValueTask Settle(ValueTask<FlushResult> flush)
    {
        if (flush.IsCompletedSuccessfully)
        {
            flush.GetAwaiter().GetResult();
            return ValueTask.CompletedTask;
        }

        return Await(flush);

        static async ValueTask Await(ValueTask<FlushResult> flush) => await flush.ConfigureAwait(false);
    }
}
