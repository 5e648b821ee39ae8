using System;
using System.IO.Pipelines;
using System.Threading;
using System.Threading.Tasks;

namespace Aeronet.Server.Exchange;

/// <summary><c>HttpResponse.BodyWriter</c>.</summary>
internal sealed class ResponseBodyWriter : PipeWriter
{
    private HttpExchange? _bound; // null between the requests of its connection, and after the last one
    private bool _completed;

    public ResponseBodyWriter(HttpExchange exchange) => _bound = exchange;

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

    public override bool CanGetUnflushedBytes => true;

    public override long UnflushedBytes => Exchange.Output.UnflushedBytes;

    public void Reset() => _completed = false;

    public override Memory<byte> GetMemory(int sizeHint = 0)
    {
        CheckWritable(sizeHint);
        return Exchange.Output.GetMemory(sizeHint);
    }

    public override Span<byte> GetSpan(int sizeHint = 0)
    {
        CheckWritable(sizeHint);
        return Exchange.Output.GetSpan(sizeHint);
    }

    public override void Advance(int bytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(bytes);
        Exchange.Output.Advance(bytes);
    }

    public override ValueTask<FlushResult> FlushAsync(CancellationToken cancellationToken = default) => Exchange.FlushAsync(cancellationToken);

    public override ValueTask<FlushResult> WriteAsync(ReadOnlyMemory<byte> source, CancellationToken cancellationToken = default)
    {
        CheckWritable(0);
        return Exchange.WriteAsync(source, cancellationToken);
    }

    public override void CancelPendingFlush() => Exchange.Output.CancelPendingFlush();

    public override void Complete(Exception? exception = null)
    {
        _completed = true;
        if (exception is not null)
        {
            Exchange.AbortResponse(exception);
        }
    }

    private void CheckWritable(int sizeHint)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(sizeHint);
        if (_completed || Exchange.IsResponseCompleted)
        {
            throw new InvalidOperationException("Writing is not allowed after writer was completed.");
        }
    }
}
