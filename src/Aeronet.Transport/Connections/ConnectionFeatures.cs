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

/// <summary>What features may do to their connection: from any thread, at any time, also after its end.</summary>
internal interface IConnectionControls
{
    void PostDrain();

    void PostAbort();

    void PostHeartbeat();

    /// <summary>-1 once closed.</summary>
    int Descriptor { get; }
}

/// <summary>The connection-level features, one object for all, made when somebody asks. Tokens, items and the socket inside are made one by one when asked for.</summary>
/// <remarks>
/// Any thread may read and set features while the connection is open; a lock (on the controls, which nobody else locks) covers what is made late.
/// Application code (tokens, heartbeats, completion callbacks) runs on the thread pool, or in a call that the loop makes for application code.
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

    private readonly TransportConnection _connection;
    private readonly ILogger _logger;
    private readonly IConnectionControls _controls;
    private (Type Key, object? Value)[]? _set; // what somebody has set, the first _setCount; null values hide the built-in feature
    private int _setCount;
    private string? _connectionId;
    private IDictionary<object, object?>? _items;
    private IDictionary<object, object?>? _state;
    private CancellationTokenSource? _closedSource;
    private CancellationToken? _closedToken; // replaced by its setter
    private CancellationTokenSource? _closeRequestedSource;
    private CancellationToken? _closeRequestedToken;
    private EndPoint? _localEndPoint;
    private EndPoint? _remoteEndPoint;
    private Heart? _heart; // made for the first heartbeat
    private Stack<(Func<object, Task> Callback, object State)>? _completions;
    private Socket? _socket;
    private bool _isDraining;
    private bool _isInputEnded; // the closed token was, or is being, cancelled by whoever took its source
    private bool _isClosed;

    internal ConnectionFeatures(TransportConnection connection, ILogger logger, IConnectionControls controls)
    {
        _connection = connection;
        _logger = logger;
        _controls = controls;
    }

    // The collection.

    public bool IsReadOnly => false;

    public int Revision { get; private set; }

    public object? this[Type key]
    {
        get
        {
            ArgumentNullException.ThrowIfNull(key);
            lock (_controls)
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
            lock (_controls)
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
        lock (_controls)
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
        get => _connectionId ?? _connection.ConnectionId;
        set => _connectionId = value;
    }

    IDictionary<object, object?> IConnectionItemsFeature.Items
    {
        get
        {
            lock (_controls)
            {
                return _items ??= new ConnectionItems();
            }
        }
        set => _items = value;
    }

    IDictionary<object, object?> IPersistentStateFeature.State
    {
        get
        {
            lock (_controls)
            {
                return _state ??= new ConnectionItems();
            }
        }
    }

    EndPoint? IConnectionEndPointFeature.LocalEndPoint
    {
        get => _localEndPoint ?? _connection.LocalEndPoint;
        set => _localEndPoint = value;
    }

    EndPoint? IConnectionEndPointFeature.RemoteEndPoint
    {
        get => _remoteEndPoint ?? _connection.RemoteEndPoint;
        set => _remoteEndPoint = value;
    }

    MemoryPool<byte> IMemoryPoolFeature.MemoryPool => _connection.Loop.Blocks.Memory;

    // The end.

    CancellationToken IConnectionLifetimeFeature.ConnectionClosed
    {
        get
        {
            lock (_controls)
            {
                return _closedToken ??= MakeToken(ref _closedSource, _isClosed || _isInputEnded);
            }
        }
        set
        {
            lock (_controls)
            {
                _closedToken = value;
            }
        }
    }

    void IConnectionLifetimeFeature.Abort() => _controls.PostAbort();

    CancellationToken IConnectionLifetimeNotificationFeature.ConnectionClosedRequested
    {
        get
        {
            lock (_controls)
            {
                return _closeRequestedToken ??= MakeToken(ref _closeRequestedSource, _isDraining);
            }
        }
        set
        {
            lock (_controls)
            {
                _closeRequestedToken = value;
            }
        }
    }

    void IConnectionLifetimeNotificationFeature.RequestClose() => _controls.PostDrain();

    void IConnectionCompleteFeature.OnCompleted(Func<object, Task> callback, object state)
    {
        ArgumentNullException.ThrowIfNull(callback);
        lock (_controls)
        {
            if (_isClosed)
            {
                throw new InvalidOperationException("The connection is already complete.");
            }
            (_completions ??= new()).Push((callback, state));
        }
    }

    /// <summary>The connection was asked to finish. Loop only.</summary>
    internal void OnDrain()
    {
        CancellationTokenSource? source;
        lock (_controls)
        {
            _isDraining = true;
            source = _closeRequestedSource;
        }
        CancelElsewhere(source);
    }

    /// <summary>Nothing more comes from the peer, though the descriptor may be open: the closed token is due now. The caller cancels what is returned, if anything. Any thread.</summary>
    internal CancellationTokenSource? TakeClosedSource()
    {
        lock (_controls)
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
    private void ReportFailedCallback(Exception exception) => Guard.Run(() => TransportLog.ApplicationCallbackFailed(_logger, _connection.ConnectionId, exception));

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
        if (_heart is { } heart)
        {
            timers.Cancel(heart);
        }
        lock (_controls)
        {
            _isClosed = true;
            // The number may belong to another connection soon: whoever still holds the socket gets ObjectDisposedException.
            _socket?.SafeHandle.SetHandleAsInvalid();
        }
    }

    /// <summary>The connection has ended. Loop only.</summary>
    internal void OnClosed()
    {
        Debug.Assert(_isClosed);
        if (!_isInputEnded)
        {
            CancelElsewhere(_closedSource);
        }
        if (_completions is not null)
        {
            ThreadPool.UnsafeQueueUserWorkItem(static features => _ = features.RunCompletionsAsync(), this, preferLocal: false);
        }
    }

    private static CancellationToken MakeToken(ref CancellationTokenSource? source, bool isCancelled)
    {
        if (isCancelled)
        {
            return new CancellationToken(canceled: true);
        }
        source ??= new CancellationTokenSource();
        return source.Token;
    }

    private async Task RunCompletionsAsync()
    {
        Debug.Assert(_completions is not null);
        while (_completions.TryPop(out (Func<object, Task> Callback, object State) next))
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
        lock (_controls)
        {
            isFirst = _heart is null;
            (_heart ??= new Heart(this)).Beats.Add((action, state));
        }
        if (isFirst)
        {
            _controls.PostHeartbeat();
        }
    }

    /// <summary>Loop only, while the connection is open.</summary>
    internal void StartHeartbeat(ILoopTimers timers) => _heart?.Start(timers);

    private void Beat()
    {
        (Action<object> Action, object State)[] beats;
        lock (_controls)
        {
            beats = [.. _heart!.Beats];
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
            lock (_controls)
            {
                ObjectDisposedException.ThrowIf(_isClosed && _socket is null, typeof(Socket));
                return _socket ??= new Socket(new SafeSocketHandle(_controls.Descriptor, ownsHandle: false));
            }
        }
    }
}
