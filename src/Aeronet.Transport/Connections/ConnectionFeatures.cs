using System;
using System.Buffers;
using System.Collections;
using System.Collections.Generic;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Threading;
using System.Threading.Tasks;
using Aeronet.Transport.Diagnostics;
using Aeronet.Transport.Loop;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Logging;

namespace Aeronet.Transport.Connections;

/// <summary>A <see cref="TransportConnection"/> as its features see it: from any thread, at any time, also after its end.</summary>
internal interface IConnectionControls
{
    ILogger Logger { get; }

    void PostDrain();

    void PostAbort();

    void PostHeartbeat();

    /// <summary>-1 once closed.</summary>
    int Descriptor { get; }
}

/// <summary>The connection-level features, one object for all, made when somebody asks. Tokens, items and the socket inside are made one by one when asked for.</summary>
/// <remarks>
/// Any thread may read and set features while the connection is open; a lock (on the connection, which nobody else locks) covers what is made late.
/// Application code (tokens, heartbeats, completion callbacks) runs on the thread pool, or in a call that the loop makes for application code.
/// Under Kestrel every connection has this object: what Kestrel does not ask for is in <see cref="Rare"/>.
/// </remarks>
internal sealed class ConnectionFeatures :
    IFeatureCollection,
    IConnectionIdFeature,
    IConnectionItemsFeature,
    IConnectionLifetimeFeature,
    IConnectionLifetimeNotificationFeature,
    IConnectionEndPointFeature,
    IMemoryPoolFeature,
    IConnectionHeartbeatFeature,
    IConnectionCompleteFeature,
    IPersistentStateFeature,
    IConnectionSocketFeature
{
    private const int HeartbeatMs = 1000; // what IConnectionHeartbeatFeature's users (SignalR) are used to

    private readonly TransportConnection _connection; // also IConnectionControls, and the lock
    private (Type Key, object? Value)[]? _set; // what somebody has set, the first _setCount; null values hide the built-in feature
    private int _setCount;
    private CancellationTokenSource? _closedSource;
    private Rare? _rare;
    private bool _isDraining;
    private bool _isInputEnded; // the closed token was, or is being, cancelled by whoever took its source
    private bool _isClosed;

    private ConnectionFeatures(TransportConnection connection) => _connection = connection;

    // What few connections have.
    private sealed class Rare
    {
        public string? ConnectionId;
        public IDictionary<object, object?>? Items;
        public IDictionary<object, object?>? State;
        public CancellationToken? ClosedToken; // put in place of ours
        public CancellationTokenSource? CloseRequestedSource;
        public CancellationToken? CloseRequestedToken; // put in place of ours
        public EndPoint? LocalEndPoint;
        public EndPoint? RemoteEndPoint;
        public Heart? Heart; // made for the first heartbeat
        public Stack<(Func<object, Task> Callback, object State)>? Completions;
        public Socket? Socket;
    }

    internal static ConnectionFeatures Of<TConnection>(TConnection connection)
        where TConnection : TransportConnection, IConnectionControls => new(connection);

    private IConnectionControls Controls => (IConnectionControls)_connection;

    // Under the lock.
    private Rare Made => _rare ??= new Rare();

    // The collection.

    public bool IsReadOnly => false;

    public int Revision { get; private set; }

    public object? this[Type key]
    {
        get
        {
            ArgumentNullException.ThrowIfNull(key);
            lock (_connection)
            {
                int index = IndexOfSet(key);
                if (index >= 0)
                {
                    return _set![index].Value;
                }
            }
            return IsBuiltIn(key) ? this : null;
        }
        set
        {
            ArgumentNullException.ThrowIfNull(key);
            lock (_connection)
            {
                Revision++;
                SetUnderLock(key, value);
            }
        }
    }

    private int IndexOfSet(Type key)
    {
        int index = _setCount - 1;
        while (index >= 0 && _set![index].Key != key)
        {
            index--;
        }
        return index;
    }

    private void SetUnderLock(Type key, object? value)
    {
        int index = IndexOfSet(key);
        if (value is null && !IsBuiltIn(key))
        {
            if (index >= 0)
            {
                _set![index] = _set[--_setCount];
                _set[_setCount] = default;
            }
            return;
        }
        if (index < 0)
        {
            index = _setCount++;
            if (_set is null || index == _set.Length)
            {
                Array.Resize(ref _set, index == 0 ? 5 : index + 2); // Kestrel sets four, we one: no dictionary, no room to spare
            }
        }
        _set![index] = (key, value);
    }

    public TFeature? Get<TFeature>() => (TFeature?)this[typeof(TFeature)];

    public void Set<TFeature>(TFeature? instance) => this[typeof(TFeature)] = instance;

    public IEnumerator<KeyValuePair<Type, object>> GetEnumerator()
    {
        List<KeyValuePair<Type, object>> all = [];
        lock (_connection)
        {
            foreach (Type type in s_builtIn)
            {
                if (IndexOfSet(type) < 0)
                {
                    all.Add(new(type, this));
                }
            }
            foreach ((Type type, object? value) in _set.AsSpan(0, _setCount))
            {
                if (value is not null)
                {
                    all.Add(new(type, value));
                }
            }
        }
        return all.GetEnumerator();
    }

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    private static readonly Type[] s_builtIn =
    [
        typeof(IConnectionIdFeature),
        typeof(IConnectionItemsFeature),
        typeof(IConnectionLifetimeFeature),
        typeof(IConnectionLifetimeNotificationFeature),
        typeof(IConnectionEndPointFeature),
        typeof(IMemoryPoolFeature),
        typeof(IConnectionHeartbeatFeature),
        typeof(IConnectionCompleteFeature),
        typeof(IPersistentStateFeature),
        typeof(IConnectionSocketFeature),
    ];

    internal static bool IsBuiltIn(Type type) => Array.IndexOf(s_builtIn, type) >= 0;

    // Identity and state.

    string IConnectionIdFeature.ConnectionId
    {
        get => _rare?.ConnectionId ?? _connection.ConnectionId;
        set
        {
            lock (_connection)
            {
                Made.ConnectionId = value;
            }
        }
    }

    IDictionary<object, object?> IConnectionItemsFeature.Items
    {
        get
        {
            lock (_connection)
            {
                return Made.Items ??= new ConnectionItems();
            }
        }
        set
        {
            lock (_connection)
            {
                Made.Items = value;
            }
        }
    }

    IDictionary<object, object?> IPersistentStateFeature.State
    {
        get
        {
            lock (_connection)
            {
                return Made.State ??= new ConnectionItems();
            }
        }
    }

    EndPoint? IConnectionEndPointFeature.LocalEndPoint
    {
        get => _rare?.LocalEndPoint ?? _connection.LocalEndPoint;
        set
        {
            lock (_connection)
            {
                Made.LocalEndPoint = value;
            }
        }
    }

    EndPoint? IConnectionEndPointFeature.RemoteEndPoint
    {
        get => _rare?.RemoteEndPoint ?? _connection.RemoteEndPoint;
        set
        {
            lock (_connection)
            {
                Made.RemoteEndPoint = value;
            }
        }
    }

    MemoryPool<byte> IMemoryPoolFeature.MemoryPool => _connection.Loop.Blocks.Memory;

    // The end.

    CancellationToken IConnectionLifetimeFeature.ConnectionClosed
    {
        get
        {
            lock (_connection)
            {
                return _rare?.ClosedToken ?? MakeToken(ref _closedSource, _isClosed || _isInputEnded);
            }
        }
        set
        {
            lock (_connection)
            {
                Made.ClosedToken = value;
            }
        }
    }

    void IConnectionLifetimeFeature.Abort() => Controls.PostAbort();

    CancellationToken IConnectionLifetimeNotificationFeature.ConnectionClosedRequested
    {
        get
        {
            lock (_connection)
            {
                return Made.CloseRequestedToken ?? MakeToken(ref Made.CloseRequestedSource, _isDraining);
            }
        }
        set
        {
            lock (_connection)
            {
                Made.CloseRequestedToken = value;
            }
        }
    }

    void IConnectionLifetimeNotificationFeature.RequestClose() => Controls.PostDrain();

    void IConnectionCompleteFeature.OnCompleted(Func<object, Task> callback, object state)
    {
        ArgumentNullException.ThrowIfNull(callback);
        lock (_connection)
        {
            if (_isClosed)
            {
                throw new InvalidOperationException("The connection is already complete.");
            }
            (Made.Completions ??= new()).Push((callback, state));
        }
    }

    /// <summary>The connection was asked to finish. Loop only.</summary>
    internal void OnDrain()
    {
        CancellationTokenSource? source;
        lock (_connection)
        {
            _isDraining = true;
            source = _rare?.CloseRequestedSource;
        }
        CancelElsewhere(source);
    }

    /// <summary>Nothing more comes from the peer, though the descriptor may be open: the closed token is due now. The caller cancels what is returned, if anything. Any thread.</summary>
    internal CancellationTokenSource? TakeClosedSource()
    {
        lock (_connection)
        {
            _isInputEnded = true;
            return _closedSource;
        }
    }

    /// <summary>Cancels a token of the application's; what its callbacks throw is logged.</summary>
    internal void Cancel(CancellationTokenSource source)
    {
        try
        {
            source.Cancel();
        }
        catch (AggregateException exception)
        {
            ReportFailedCallback(exception);
        }
    }

    // Log providers are foreign code, too: what they throw would end the process where there is nobody above.
    private void ReportFailedCallback(Exception exception) => Guard.Run(() => TransportLog.ApplicationCallbackFailed(Controls.Logger, _connection.ConnectionId, exception));

    /// <summary>As <see cref="Cancel"/>, on the thread pool.</summary>
    internal void CancelElsewhere(CancellationTokenSource? source)
    {
        if (source is not null)
        {
            ThreadPool.UnsafeQueueUserWorkItem(static item => item.Features.Cancel(item.Source), (Features: this, Source: source), preferLocal: false);
        }
    }

    /// <summary>The descriptor is about to be closed. Loop only.</summary>
    internal void OnClosing(ILoopTimers timers)
    {
        if (_rare?.Heart is { } heart)
        {
            timers.Cancel(heart);
        }
        lock (_connection)
        {
            _isClosed = true;
            // The number may belong to another connection soon: whoever still holds the socket gets ObjectDisposedException.
            _rare?.Socket?.SafeHandle.SetHandleAsInvalid();
        }
    }

    /// <summary>Made when the descriptor was closed already: nothing of what they are told at the end may have reached them. Any thread.</summary>
    internal void OnMadeLate()
    {
        lock (_connection)
        {
            _isClosed = true;
        }
    }

    /// <summary>The connection has ended. Loop only.</summary>
    internal void OnClosed()
    {
        lock (_connection)
        {
            _isClosed = true; // made while the descriptor was being closed
        }
        if (!_isInputEnded)
        {
            CancelElsewhere(_closedSource);
        }
        if (_rare?.Completions is { } completions)
        {
            ThreadPool.UnsafeQueueUserWorkItem(static item => _ = item.Features.RunCompletionsAsync(item.Completions), (Features: this, Completions: completions), preferLocal: false);
        }
    }

    private static CancellationToken MakeToken(ref CancellationTokenSource? source, bool isCancelled)
    {
        if (source is null && isCancelled)
        {
            return new CancellationToken(canceled: true);
        }
        source ??= new CancellationTokenSource();
        return source.Token;
    }

    private async Task RunCompletionsAsync(Stack<(Func<object, Task> Callback, object State)> completions)
    {
        while (completions.TryPop(out (Func<object, Task> Callback, object State) next))
        {
            try
            {
                await next.Callback(next.State);
            }
            catch (Exception exception)
            {
                ReportFailedCallback(exception);
            }
        }
    }

    // The heartbeat.

    void IConnectionHeartbeatFeature.OnHeartbeat(Action<object> action, object state)
    {
        ArgumentNullException.ThrowIfNull(action);
        bool isFirst;
        lock (_connection)
        {
            isFirst = Made.Heart is null;
            (Made.Heart ??= new Heart(this)).Beats.Add((action, state));
        }
        if (isFirst)
        {
            Controls.PostHeartbeat();
        }
    }

    /// <summary>Loop only, while the connection is open.</summary>
    internal void StartHeartbeat(ILoopTimers timers) => _rare?.Heart?.Start(timers);

    private void Beat()
    {
        (Action<object> Action, object State)[] beats;
        lock (_connection)
        {
            beats = [.. _rare!.Heart!.Beats];
        }
        foreach ((Action<object> action, object state) in beats)
        {
            try
            {
                action(state);
            }
            catch (Exception exception)
            {
                ReportFailedCallback(exception);
            }
        }
    }

    /// <summary>The timer of connections that have a heartbeat: few.</summary>
    private sealed class Heart(ConnectionFeatures features) : ITimed
    {
        private TimerLink _timer = TimerLink.None;
        private ILoopTimers? _timers; // Non-null once started.

        public List<(Action<object> Action, object State)> Beats { get; } = [];

        ref TimerLink ITimed.Timer => ref _timer;

        public void Start(ILoopTimers timers)
        {
            _timers = timers;
            timers.SetDeadline(this, timers.NowMs + HeartbeatMs);
        }

        void ITimed.OnTimer(long nowMs)
        {
            Debug.Assert(!features._isClosed);
            Debug.Assert(_timers is not null);
            ThreadPool.UnsafeQueueUserWorkItem(static features => features.Beat(), features, preferLocal: false);
            _timers.SetDeadline(this, nowMs + HeartbeatMs);
        }
    }

    // The socket.

    /// <summary>A <see cref="Socket"/> on our descriptor that does not own it: for reading options (TCP_INFO, peer credentials).</summary>
    /// <remarks>Its asynchronous calls, and its synchronous receives and sends, would take bytes from the protocol or watch the descriptor a second time: not for them.</remarks>
    Socket IConnectionSocketFeature.Socket
    {
        get
        {
            lock (_connection)
            {
                int descriptor = Controls.Descriptor;
                ObjectDisposedException.ThrowIf((_isClosed || descriptor < 0) && _rare?.Socket is null, typeof(Socket));
                return Made.Socket ??= new Socket(new SafeSocketHandle(descriptor, ownsHandle: false));
            }
        }
    }
}
