using System;
using System.Collections.Generic;
using System.Diagnostics.CodeAnalysis;
using System.IO.Pipelines;
using System.Net;
using System.Threading;
using System.Threading.Tasks;
using Aeronet.Transport.Listen;
using Aeronet.Transport.Loop;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http.Features;

namespace Aeronet.Transport.Connections;

/// <summary>Who gets a connection that is ready for its application.</summary>
internal interface IConnectionTaker
{
    /// <summary>Hands the connection over: runs application code. False: nobody takes it, it is ended.</summary>
    bool TryTake(AeronetConnectionContext connection);
}

/// <summary>A connection as ASP.NET Core knows it: pipes, features, items, tokens. What is not asked for is not made.</summary>
internal sealed class AeronetConnectionContext : ConnectionContext, IDuplexPipe, IConnectionTransportFeature, IPipeBridgeOwner, IApplicationCall, IThreadPoolWorkItem
{
    private readonly PipeBridge _bridge;
    private readonly IConnectionTaker _taker;
    private ConnectionFeatures? _features;
    private IDuplexPipe? _transport; // what middleware has put in place of ours
    private TaskCompletionSource? _ended; // made by the first DisposeAsync
    private int _due; // of Due
    private int _isEnded;

    public AeronetConnectionContext(TransportConnection connection, PipeBridgeSettings settings, IConnectionTaker taker)
    {
        _bridge = new PipeBridge(connection, settings, this);
        _taker = taker;
    }

    // What the scheduled call has to do.
    private static class Due
    {
        public const int HandOver = 1;
        public const int CancelClosed = 2;
        public const int CompleteDispose = 4;
    }

    public LoopContext Loop => _bridge.Connection.Loop;

    /// <summary>What the loop calls.</summary>
    public IConnectionHandler Handler => _bridge;

    internal PipeBridge Bridge => _bridge;

    public override string ConnectionId
    {
        get => _features is null ? _bridge.Connection.ConnectionId : ((IConnectionIdFeature)_features).ConnectionId;
        set => ((IConnectionIdFeature)Known).ConnectionId = value;
    }

    public override IFeatureCollection Features => Known;

    public override IDictionary<object, object?> Items
    {
        get => ((IConnectionItemsFeature)Known).Items;
        set => ((IConnectionItemsFeature)Known).Items = value;
    }

    public override IDuplexPipe Transport
    {
        get => _transport ?? this;
        set => _transport = value;
    }

    PipeReader IDuplexPipe.Input => _bridge.Input;

    PipeWriter IDuplexPipe.Output => _bridge.Output;

    public override EndPoint? LocalEndPoint
    {
        get => ((IConnectionEndPointFeature)Known).LocalEndPoint;
        set => ((IConnectionEndPointFeature)Known).LocalEndPoint = value;
    }

    public override EndPoint? RemoteEndPoint
    {
        get => ((IConnectionEndPointFeature)Known).RemoteEndPoint;
        set => ((IConnectionEndPointFeature)Known).RemoteEndPoint = value;
    }

    public override CancellationToken ConnectionClosed
    {
        get => ((IConnectionLifetimeFeature)Known).ConnectionClosed;
        set => ((IConnectionLifetimeFeature)Known).ConnectionClosed = value;
    }

    private ConnectionFeatures Known => _features ?? MakeFeatures();

    /// <summary>Gives the connection to its taker as soon as the loop's handler has returned, or on the thread pool. Loop only, once, first.</summary>
    public void HandOver() => Schedule(Due.HandOver);

    /// <summary>Ends the connection for both sides now: with RST, or with FIN where there is no reason, which is how Kestrel says that it is through with a client that has finished.</summary>
    public override void Abort(ConnectionAbortedException? abortReason) =>
        _bridge.Abort(abortReason ?? new ConnectionAbortedException("The connection was ended."), withFin: abortReason is null || _bridge.Settings.EndsWithFinOnError);

    /// <summary>Ends both sides; completes when everything written was sent or given up.</summary>
    [SuppressMessage("Usage", "CA2215", Justification = "The base class has nothing to dispose.")]
    public override ValueTask DisposeAsync()
    {
        _bridge.Input.Complete();
        _bridge.Output.Complete();
        // Continuations run where the end is told: in a call of the loop's, or on the thread pool.
        TaskCompletionSource ended = Interlocked.CompareExchange(ref _ended, new TaskCompletionSource(), null) ?? _ended;
        if (Volatile.Read(ref _isEnded) != 0)
        {
            ended.TrySetResult();
        }
        return new ValueTask(ended.Task);
    }

    void IPipeBridgeOwner.OnInputEnded()
    {
        // Made if need be: who asks later gets a cancelled token.
        if (Known.TakeClosedSource() is not { } source)
        {
            return;
        }
        if (_bridge.Connection.Loop.IsCurrent)
        {
            Schedule(Due.CancelClosed);
        }
        else
        {
            Known.CancelElsewhere(source);
        }
    }

    void IPipeBridgeOwner.OnEnded(bool isInputEnd)
    {
        Volatile.Write(ref _isEnded, 1);
        Interlocked.MemoryBarrier(); // either we see the waiter and the features, or they see the end
        int due = Volatile.Read(ref _ended) is null ? 0 : Due.CompleteDispose;
        if (isInputEnd && _features?.TakeClosedSource() is not null)
        {
            due |= Due.CancelClosed;
        }
        if (due != 0)
        {
            Schedule(due);
        }
    }

    void IApplicationCall.Run()
    {
        int due = Interlocked.Exchange(ref _due, 0);
        if ((due & Due.HandOver) != 0 && !_taker.TryTake(this))
        {
            _bridge.Abort(new ConnectionAbortedException("The connection was not taken: too many wait, or nobody accepts any more."));
        }
        if ((due & Due.CancelClosed) != 0 && _features?.TakeClosedSource() is { } source)
        {
            _features.Cancel(source);
        }
        if ((due & Due.CompleteDispose) != 0)
        {
            _ended!.TrySetResult();
        }
    }

    void IApplicationCall.OnReturned()
    {
    }

    void IApplicationCall.OnReturnedElsewhere()
    {
    }

    void IApplicationCall.OnTakenOver()
    {
    }

    void IApplicationCall.OnFailed(Exception exception) => _bridge.OnApplicationFailed(exception);

    void IThreadPoolWorkItem.Execute() => ((IApplicationCall)this).Run();

    private void Schedule(int due)
    {
        Interlocked.Or(ref _due, due);
        if (_bridge.Settings.IsInline && !_bridge.Connection.Loop.IsOutOfThreads)
        {
            _bridge.Connection.Loop.Schedule(this);
        }
        else
        {
            ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
        }
    }

    private ConnectionFeatures MakeFeatures()
    {
        ConnectionFeatures features = (ConnectionFeatures)_bridge.Connection.Features;
        features.Set<IConnectionTransportFeature>(this);
        features = Interlocked.CompareExchange(ref _features, features, null) ?? features;
        // Published before this look: either we see the end, or the end sees them.
        if (Volatile.Read(ref _isEnded) != 0 && features.TakeClosedSource() is { } source)
        {
            features.CancelElsewhere(source); // somebody was quick; who asks later gets a cancelled token
        }
        return features;
    }
}
