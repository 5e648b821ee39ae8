using System.IO.Pipelines;
using System.Net;
using System.Threading;
using System.Threading.Tasks;
using Aeronet.Transport.Connections;
using Microsoft.AspNetCore.Connections;

namespace Aeronet.TestSupport.Connections;

/// <summary>A connection made of two pipes: what a transport hands to a server, and the peer's end of it.</summary>
/// <remarks>Callbacks run on whichever thread completes an operation; a flush of the server waits from <c>pauseAt</c> bytes on until all of them are read.</remarks>
internal sealed class InMemoryConnection : DefaultConnectionContext
{
    private readonly Pipe _toServer;
    private readonly Pipe _toPeer;
    private readonly CancellationTokenSource _closed = new();
    private readonly TaskCompletionSource _disposed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public InMemoryConnection(int pauseAt = 64 * 1024, EndPoint? local = null, EndPoint? remote = null, PipeScheduler? scheduler = null)
        : base(CorrelationId.Next())
    {
        PipeScheduler inline = scheduler ?? PipeScheduler.Inline;
        _toServer = new Pipe(new PipeOptions(readerScheduler: inline, writerScheduler: inline, pauseWriterThreshold: 1024 * 1024, resumeWriterThreshold: 512 * 1024, useSynchronizationContext: false));
        _toPeer = new Pipe(new PipeOptions(readerScheduler: inline, writerScheduler: inline, pauseWriterThreshold: pauseAt, resumeWriterThreshold: 1, useSynchronizationContext: false));
        Transport = new Ends(_toServer.Reader, _toPeer.Writer);
        ConnectionClosed = _closed.Token;
        LocalEndPoint = local ?? new IPEndPoint(IPAddress.Loopback, 80);
        RemoteEndPoint = remote ?? new IPEndPoint(IPAddress.Loopback, 40_000);
    }

    /// <summary>What the peer sends into and receives from.</summary>
    public IDuplexPipe Peer => new Ends(_toPeer.Reader, _toServer.Writer);

    /// <summary>Why the server aborted; null while it has not.</summary>
    public ConnectionAbortedException? AbortReason { get; private set; }

    /// <summary>Completes when the server has disposed of its end.</summary>
    public Task Disposed => _disposed.Task;

    /// <summary>The peer vanishes: what the server reads fails.</summary>
    public void ResetByPeer()
    {
        _toServer.Writer.Complete(new ConnectionResetException("The peer has reset the connection."));
        _toPeer.Reader.Complete();
        _closed.Cancel();
    }

    /// <summary>The peer closes its end: what it has sent arrives, what it is sent does not.</summary>
    public void CloseByPeer()
    {
        _toServer.Writer.Complete();
        _toPeer.Reader.Complete();
        _closed.Cancel();
    }

    public override void Abort(ConnectionAbortedException abortReason)
    {
        AbortReason ??= abortReason;
        _toServer.Writer.Complete(abortReason);
        _toServer.Writer.CancelPendingFlush();
        _toPeer.Writer.CancelPendingFlush();
        _toPeer.Writer.Complete(new ConnectionResetException("The server has reset the connection."));
        _closed.Cancel();
    }

    public override async ValueTask DisposeAsync()
    {
        await Transport.Input.CompleteAsync();
        await Transport.Output.CompleteAsync();
        await _closed.CancelAsync();
        await base.DisposeAsync();
        _disposed.TrySetResult();
    }

    private sealed class Ends(PipeReader input, PipeWriter output) : IDuplexPipe
    {
        public PipeReader Input => input;

        public PipeWriter Output => output;
    }
}
