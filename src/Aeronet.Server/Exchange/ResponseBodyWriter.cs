using System;
using System.IO.Pipelines;
using System.Threading;
using System.Threading.Tasks;

namespace Aeronet.Server.Exchange;

/// <summary><c>HttpResponse.BodyWriter</c>.</summary>
internal sealed class ResponseBodyWriter : PipeWriter
{
    private readonly HttpExchange _own;
    private bool _severed; // the exchange has left the connection that this writer belonged to
    private bool _completed;

    public ResponseBodyWriter(HttpExchange exchange) => _own = exchange;

    private HttpExchange Exchange
    {
        get
        {
            ObjectDisposedException.ThrowIf(Volatile.Read(ref _severed), this);
            return _own;
        }
    }

    public void Sever() => Volatile.Write(ref _severed, true);

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
