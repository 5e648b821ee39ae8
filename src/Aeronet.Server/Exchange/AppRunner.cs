using System;
using System.Diagnostics;
using System.Threading;
using System.Threading.Tasks;
using Aeronet.Server.Sessions;
using Aeronet.Transport.Diagnostics;
using Aeronet.Transport.Loop;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Abstractions;

namespace Aeronet.Server.Exchange;

/// <summary>The one place where application code starts: owns the execution mode and gives every request a clean ExecutionContext.</summary>
internal abstract class AppRunner
{
    // A pipelined batch is served by one work item up to this many requests, then other work gets its turn.
    private const int PipelinedRequestsMax = 64;

    protected AppRunner(ServerSettings settings) => Settings = settings;

    public ServerSettings Settings { get; }

    /// <summary>When the session looks for the first time at an exchange that was started on the loop's thread, in milliseconds.</summary>
    public const int FirstWatchMs = 1000;

    /// <summary>The same of one that was started on the thread pool, whatever the reason.</summary>
    /// <remarks>There a handler may flush and then block: its held-back response leaves at the first look. On the loop it leaves when the loop goes on with another thread.</remarks>
    public const int FirstWatchOnThreadPoolMs = 64;

    public static AppRunner Create<TContext>(IHttpApplication<TContext> application, ServerSettings settings)
        where TContext : notnull => new AppRunner<TContext>(application, settings);

    /// <summary>A new exchange for this application's context type.</summary>
    public abstract HttpExchange CreateExchange();

    /// <summary>Whether a request that comes now is started on the thread pool. May be another answer a moment later.</summary>
    public bool StartsOnThreadPool(LoopContext loop) => Settings.ApplicationMode == ApplicationMode.ThreadPool || loop.IsOutOfThreads;

    /// <summary>Lets the application start on an exchange that has begun: when the session has returned to the loop, or on the thread pool. The exchange belongs to it from now on. Loop thread.</summary>
    public static void Start(HttpExchange exchange, bool onThreadPool)
    {
        LoopContext loop = exchange.Session.Connection.Loop;
        Debug.Assert(loop.IsCurrent);
        if (onThreadPool)
        {
            ThreadPool.UnsafeQueueUserWorkItem(exchange, preferLocal: false);
            return;
        }

        exchange.BeginInline();
        loop.Schedule(exchange.Session);
    }

    /// <summary>The application's first synchronous part, on the loop's thread.</summary>
    public static void RunInline(HttpExchange exchange)
    {
        ExecutionContext? clean = ExecutionContext.Capture();
        try
        {
            exchange.EnterInline();
            exchange.Running = exchange.RunAsync();
            exchange.AtHandOffPoint();
        }
        catch (Exception exception)
        {
            exchange.OnServerFault(exception);
            exchange.Running ??= Task.CompletedTask; // unless the application runs: then it ends the exchange
        }

        if (clean is not null)
        {
            ExecutionContext.Restore(clean); // what the application set in AsyncLocals ends with its request
        }

        if (SynchronizationContext.Current is not null)
        {
            SynchronizationContext.SetSynchronizationContext(null);
        }
    }

    /// <summary>The synchronous part has returned. True when the application has finished; otherwise it is suspended and the exchange must not be touched any more.</summary>
    public static bool TryEndInline(HttpExchange exchange)
    {
        exchange.EndInline();
        Task? run = exchange.Running;
        Debug.Assert(run is not null);
        if (run.IsCompleted && !exchange.IsEndDue)
        {
            Debug.Assert(run.IsCompletedSuccessfully);
            return true;
        }

        Suspend(exchange, run);
        return false;
    }

    /// <summary>The thread pool's part.</summary>
    public static void RunOnThreadPool(HttpExchange exchange)
    {
        Http1Session session = exchange.Session;
        try
        {
            RunBatch(exchange, session);
        }
        catch (Exception exception)
        {
            session.FailEnded(exchange, exception); // on a thread of the pool it would end the process
        }
    }

    private static void RunBatch(HttpExchange exchange, Http1Session session)
    {
        int requestsLeft = PipelinedRequestsMax;
        do
        {
            Task run = exchange.RunAsync();
            if (!run.IsCompleted || exchange.IsEndDue)
            {
                Suspend(exchange, run);
                return;
            }

            Debug.Assert(run.IsCompletedSuccessfully);
        }
        while (--requestsLeft > 0 && session.TryBeginNextElsewhere(exchange));

        if (requestsLeft == 0)
        {
            session.FinishElsewhere(exchange);
        }
    }

    // What was flushed leaves now, and the end of the exchange is left to whichever thread completes it.
    private static void Suspend(HttpExchange exchange, Task run)
    {
        exchange.Output.OnSuspended();
        run.ConfigureAwait(false).GetAwaiter().UnsafeOnCompleted(exchange.FinishElsewhereAction);
    }
}

/// <summary>An <see cref="AppRunner"/> that knows the application's context type.</summary>
internal sealed class AppRunner<TContext> : AppRunner
    where TContext : notnull
{
    private readonly IHttpApplication<TContext> _application;

    public AppRunner(IHttpApplication<TContext> application, ServerSettings settings)
        : base(settings) => _application = application;

    public override HttpExchange CreateExchange() => new Exchange(this);

    // The context container lets hosting reuse its Context and DefaultHttpContext from request to request: without it every request allocates both.
    private sealed class Exchange : HttpExchange, IHostContextContainer<TContext>
    {
        private readonly IHttpApplication<TContext> _application;

        // While the end is due: what an asynchronous method would keep, without one per request.
        private Task? _suspendedRun;
        private TContext? _suspendedContext;
        private ExecutionContext? _suspendedFlow;
        private Task? _end;

        public Exchange(AppRunner<TContext> runner)
            : base(runner) => _application = runner._application;

        TContext? IHostContextContainer<TContext>.HostContext { get; set; }

        private protected override void TakeHostContext(ConnectionKeep keep)
        {
            if (keep.HostContext is TContext context)
            {
                ((IHostContextContainer<TContext>)this).HostContext = context;
            }
        }

        private protected override void LeaveHostContext(ConnectionKeep keep)
        {
            if (!typeof(TContext).IsValueType)
            {
                keep.HostContext = ((IHostContextContainer<TContext>)this).HostContext;
            }

            ((IHostContextContainer<TContext>)this).HostContext = default;
        }

        /// <summary>Never faults: what the application throws becomes a response or ends the connection.</summary>
        /// <remarks>A request that ends on the spot, which most do, costs no asynchronous method of ours.</remarks>
        public override Task RunAsync()
        {
            TContext context;
            Task run;
            try
            {
                context = _application.CreateContext(this);
            }
            catch (Exception exception)
            {
                return FailAsync(exception);
            }

            try
            {
                run = _application.ProcessRequestAsync(context);
            }
            catch (Exception exception)
            {
                run = Task.FromException(exception);
            }

            if (run.IsCompleted)
            {
                return End(context, run);
            }

            _suspendedRun = run;
            _suspendedContext = context;
            _suspendedFlow = ExecutionContext.Capture();
            IsEndDue = true;
            return run;
        }

        // With the AsyncLocals that the application began with, as code behind an await would have: hosting's activity and log scopes are in them.
        private protected override Task EndSuspended()
        {
            IsEndDue = false;
            if (_suspendedFlow is { } flow)
            {
                _suspendedFlow = null;
                ExecutionContext.Run(flow, static exchange => ((Exchange)exchange!).EndInFlow(), this);
            }
            else
            {
                EndInFlow();
            }

            Task? end = _end;
            Debug.Assert(end is not null);
            _end = null;
            return end;
        }

        private void EndInFlow()
        {
            Debug.Assert(_suspendedRun is not null);
            Task run = _suspendedRun;
            TContext context = _suspendedContext!;
            _suspendedRun = null;
            _suspendedContext = default;
            _end = End(context, run);
        }

        // The application's task has completed.
        private Task End(TContext context, Task run)
        {
            try
            {
                if (run.IsCompletedSuccessfully && TryEndOnTheSpot(context))
                {
                    return NeedsBodyDrain ? DrainAsync() : Task.CompletedTask;
                }
            }
            catch (Exception exception)
            {
                OnServerFault(exception);
                Dispose(context, exception); // hosting's scope and counts end with the request, however it ends
                return Task.CompletedTask;
            }

            return EndAsync(context, run);
        }

        // False: something is left that may wait, or a check has failed; EndAsync finds the same again and reports it.
        private bool TryEndOnTheSpot(TContext context)
        {
            if (HasOnCompleted || (!HasStarted && HasOnStarting) || HasApplicationError || !IsResponseSound() || !Output.TryRefuseFiles())
            {
                return false;
            }

            EndResponse();
            Dispose(context, error: null);
            return true;
        }

        private bool IsResponseSound()
        {
            try
            {
                if (!HasStarted)
                {
                    CheckResponseFields();
                }

                return HasContentAsDeclared;
            }
            catch (Exception)
            {
                return false;
            }
        }

        private async Task EndAsync(TContext context, Task run)
        {
            Exception? error = null;
            bool isSound = true;
            try
            {
                try
                {
                    await run.ConfigureAwait(false);
                    if (!HasStarted && HasOnStarting)
                    {
                        await FireOnStartingAsync().ConfigureAwait(false);
                    }

                    await EndFilesAsync().ConfigureAwait(false);

                    if (!HasStarted)
                    {
                        CheckResponseFields();
                    }

                    CheckContentLength();
                }
                catch (Exception exception)
                {
                    error = exception;
                    OnApplicationError(exception);
                }

                await EndFilesAsync().ConfigureAwait(false);
                await EndResponseAsync().ConfigureAwait(false);
            }
            catch (Exception exception)
            {
                isSound = false;
                error ??= exception;
                OnServerFault(exception);
                await EndFilesAsync().ConfigureAwait(false);
                CompleteBodies(); // the end of the response, which does so, may not have been reached
            }

            // However the response has ended: the application's callbacks, hosting's scope and its counts end with the request.
            try
            {
                if (HasOnCompleted)
                {
                    await FireOnCompletedAsync().ConfigureAwait(false);
                }
            }
            catch (Exception exception)
            {
                isSound = false;
                OnServerFault(exception);
            }

            Dispose(context, error);
            if (isSound && NeedsBodyDrain)
            {
                await DrainAsync().ConfigureAwait(false);
            }
        }

        private async Task FailAsync(Exception exception)
        {
            try
            {
                DisableKeepAlive(); // nobody reads the content, and the next request would be parsed out of it
                OnApplicationError(exception);
                await EndResponseAsync().ConfigureAwait(false);
            }
            catch (Exception fault)
            {
                OnServerFault(fault);
            }
        }

        private async Task DrainAsync()
        {
            try
            {
                await DrainBodyAsync().ConfigureAwait(false);
            }
            catch (Exception exception)
            {
                OnServerFault(exception);
            }
        }

        private void Dispose(TContext context, Exception? error)
        {
            try
            {
                _application.DisposeContext(context, error);
            }
            catch (Exception exception)
            {
                ReportFailedDispose(exception);
            }
        }

        // A method of its own, or each request would allocate. Guarded: the response has ended, nothing is left that could be given up.
        private void ReportFailedDispose(Exception exception) => Guard.Run(() => Settings.Log.General.ApplicationError(ConnectionId, TraceIdentifier, exception));
    }
}
