using System;
using System.IO.Pipelines;
using System.Threading;
using System.Threading.Tasks;

namespace Aeronet.Server.Exchange;

/// <summary><c>HttpResponse.BodyWriter</c>.</summary>
internal sealed class ResponseBodyWriter : PipeWriter
{
    private readonly HttpExchange _exchange;
    private bool _completed;

    public ResponseBodyWriter(HttpExchange exchange) => _exchange = exchange;

    public override bool CanGetUnflushedBytes => true;

    public override long UnflushedBytes => _exchange.Output.UnflushedBytes;

    public void Reset() => _completed = false;

    public override Memory<byte> GetMemory(int sizeHint = 0)
    {
        CheckWritable(sizeHint);
        return _exchange.Output.GetMemory(sizeHint);
    }

    public override Span<byte> GetSpan(int sizeHint = 0)
    {
        CheckWritable(sizeHint);
        return _exchange.Output.GetSpan(sizeHint);
    }

    public override void Advance(int bytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(bytes);
        _exchange.Output.Advance(bytes);
    }

    public override ValueTask<FlushResult> FlushAsync(CancellationToken cancellationToken = default) => _exchange.FlushAsync(cancellationToken);

    public override ValueTask<FlushResult> WriteAsync(ReadOnlyMemory<byte> source, CancellationToken cancellationToken = default)
    {
        CheckWritable(0);
        return _exchange.WriteAsync(source, cancellationToken);
    }

    public override void CancelPendingFlush() => _exchange.Output.CancelPendingFlush();

    public override void Complete(Exception? exception = null)
    {
        _completed = true;
        if (exception is not null)
        {
            _exchange.AbortResponse(exception);
        }
    }

    private void CheckWritable(int sizeHint)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(sizeHint);
        if (_completed || _exchange.IsResponseCompleted)
        {
            throw new InvalidOperationException("Writing is not allowed after writer was completed.");
        }
    }
}
