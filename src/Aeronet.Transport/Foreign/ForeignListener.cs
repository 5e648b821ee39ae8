using System;
using System.Diagnostics;
using System.Threading;
using System.Threading.Tasks;
using Aeronet.Transport.Connections;
using Aeronet.Transport.Diagnostics;
using Aeronet.Transport.Listen;
using Aeronet.Transport.Loop;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging;

namespace Aeronet.Transport.Foreign;

/// <summary>Accepts from somebody else's listener and runs each connection through its middleware, on one of our loops.</summary>
internal sealed class ForeignListener
{
    private const int PauseMsMin = 100;
    private const int PauseMsMax = 1000;

    private readonly IConnectionListener _listener;
    private readonly BoundEndpoint _endpoint;
    private readonly ConnectionDelegate _pipeline;
    private readonly ForeignTraits _traits;
    private readonly ILoopHost[] _loops;
    private readonly ILogger _logger;
    private readonly ConnectionGauge _running = new(); // contexts not yet disposed of
    private readonly TaskCompletionSource _unbinding = new(TaskCreationOptions.RunContinuationsAsynchronously); // the accept loop is nobody else's time
    private readonly TaskCompletionSource _unbound = new(TaskCreationOptions.RunContinuationsAsynchronously); // the listener has said so, or failed to
    private Task _accepting = Task.CompletedTask;
    private int _nextLoop;

    public ForeignListener(IConnectionListener listener, BoundEndpoint endpoint, ConnectionDelegate pipeline, ForeignTraits traits, ILoopHost[] loops, ILogger logger)
    {
        _listener = listener;
        _endpoint = endpoint;
        _pipeline = pipeline;
        _traits = traits;
        _loops = loops;
        _logger = logger;
    }

    /// <summary>Completes when the listener is unbound, its last connection is gone, and it is disposed of.</summary>
    public Task Ended { get; private set; } = Task.CompletedTask;

    /// <summary>The last delegate of every pipeline: gives the connection to the protocol of its endpoint.</summary>
    public static Task ServeAsync(ConnectionContext context)
    {
        PipeConnection connection = context.Features.Get<PipeConnection>()
            ?? throw new InvalidOperationException("Connection middleware has replaced the connection's features without those of the connection it was given.");
        return connection.ServeAsync(context);
    }

    public void Start()
    {
        Debug.Assert(_accepting == Task.CompletedTask);
        using (ExecutionContext.SuppressFlow()) // connections must not see the AsyncLocals of whoever starts the server
        {
            _accepting = Task.Run(AcceptAsync);
        }
        Ended = EndAsync();
    }

    /// <summary>Accepts no more; connections live on.</summary>
    public async Task UnbindAsync()
    {
        _unbinding.TrySetResult();
        try
        {
            await _listener.UnbindAsync().ConfigureAwait(false);
        }
        catch (Exception exception)
        {
            Guard.Run(() => TransportLog.ForeignListenerCloseFailed(_logger, _endpoint.LocalEndPoint, exception));
        }
        _unbound.TrySetResult();
        await _accepting.ConfigureAwait(false);
    }

    private async Task AcceptAsync()
    {
        int pauseMs = 0;
        while (true)
        {
            ConnectionContext? context;
            try
            {
                context = await _listener.AcceptAsync().ConfigureAwait(false);
                pauseMs = 0;
            }
            catch (Exception exception) when (!_unbinding.Task.IsCompleted)
            {
                if (pauseMs == 0)
                {
                    Guard.Run(() => TransportLog.ForeignAcceptFailed(_logger, _endpoint.LocalEndPoint, exception)); // once per episode
                }
                pauseMs = pauseMs == 0 ? PauseMsMin : Math.Min(pauseMs * 2, PauseMsMax);
                await _unbinding.Task.WaitAsync(TimeSpan.FromMilliseconds(pauseMs), _loops[0].Time).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                continue;
            }
            catch (Exception)
            {
                return; // how some listeners say that they are unbound
            }
            if (context is null)
            {
                return;
            }
            _running.Increment();
            _ = RunAsync(context);
        }
    }

    // Never faults.
    private async Task RunAsync(ConnectionContext context)
    {
        try
        {
            await ServeAndLeaveAsync(context).ConfigureAwait(false);
        }
        catch (Exception exception)
        {
            ReportFailure(context.ConnectionId, exception); // the transport's own: its features, its disposal
        }
        finally
        {
            _running.Decrement();
        }
    }

    private async Task ServeAndLeaveAsync(ConnectionContext context)
    {
        // A carried connection stays on the loop of its socket: no wake-up on the way.
        ILoopHost loop = _loops[_traits.IsCarried ? (uint)((AeronetConnectionContext)context).Loop.Index : (uint)Interlocked.Increment(ref _nextLoop) % (uint)_loops.Length];
        PipeConnection connection = new(loop, _endpoint, context, _traits);
        try
        {
            if (await connection.AdmitAsync().ConfigureAwait(false))
            {
                await RunPipelineAsync(connection, context).ConfigureAwait(false);
                await connection.EndAsync().ConfigureAwait(false);
            }
            else if (_traits.IsCarried)
            {
                ((AeronetConnectionContext)context).Abort(null); // a connection too many: nothing of it is waited for
            }
            else
            {
                await connection.CompletePipesAsync().ConfigureAwait(false);
            }
            await context.DisposeAsync().ConfigureAwait(false);
        }
        finally
        {
            await connection.LeaveAsync().ConfigureAwait(false);
        }
    }

    private async Task RunPipelineAsync(PipeConnection connection, ConnectionContext context)
    {
        try
        {
            await _pipeline(context).ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is ConnectionResetException or ConnectionAbortedException or OperationCanceledException)
        {
            ReportAbort(connection.ConnectionId, exception);
        }
        catch (Exception exception)
        {
            ReportFailure(connection.ConnectionId, exception);
        }
    }

    // Methods of their own, or every connection would allocate what a lambda captures.
    private void ReportFailure(string connectionId, Exception exception) => Guard.Run(() => TransportLog.PipelineFailed(_logger, connectionId, exception));

    private void ReportAbort(string connectionId, Exception exception) => Guard.Run(() => TransportLog.PipelineAborted(_logger, connectionId, exception));

    private async Task EndAsync()
    {
        await _accepting.ConfigureAwait(false);
        await _running.WhenZeroAsync().ConfigureAwait(false);
        if (_unbinding.Task.IsCompleted)
        {
            await _unbound.Task.ConfigureAwait(false); // a listener may end its accepts long before it is unbound
        }
        try
        {
            await _listener.DisposeAsync().ConfigureAwait(false);
        }
        catch (Exception exception)
        {
            Guard.Run(() => TransportLog.ForeignListenerCloseFailed(_logger, _endpoint.LocalEndPoint, exception));
        }
    }
}
