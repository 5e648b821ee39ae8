using System;
using System.Buffers;
using System.Collections.Generic;
using System.Diagnostics;
using System.IO;
using System.Net;
using System.Threading;
using System.Threading.Tasks;
using Aeronet.Http.Semantics;
using Aeronet.Server.Diagnostics;
using Aeronet.Transport.Diagnostics;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core.Features;

#pragma warning disable CA2252 // IHttpWebTransportFeature is a preview interface that Kestrel's collection has: present here, too, and never a WebTransport request
#pragma warning disable CA1001 // the token source is never disposed: the application may hold its token longer than the exchange

namespace Aeronet.Server.Exchange;

// Identity, lifetime and upgrade of the exchange; and what the session tells it from other threads.
internal abstract partial class HttpExchange :
    IHttpConnectionFeature,
    IHttpRequestIdentifierFeature,
    IHttpRequestLifetimeFeature,
    IHttpUpgradeFeature,
    IHttpExtendedConnectFeature,
    IHttpWebTransportFeature,
    IBadRequestExceptionFeature
{
    private readonly Lock _lifetimeGate = new();
    private readonly Lock _abortGate = new(); // taken before the output's gate, which is taken before the lifetime gate
    private bool _begun;                      // set by Begin, cleared under the abort gate: there is a request that can be aborted
    private string? _traceIdentifier;
    private string? _connectionId; // set by the application only
    private bool _endPointsMade;
    private IPAddress? _localIpAddress;
    private IPAddress? _remoteIpAddress;
    private int _localPort;
    private int _remotePort;

    // Under the lifetime gate.
    private CancellationTokenSource? _abortSource; // made when somebody asks for the token
    private CancellationToken? _replacedAborted;
    private bool _aborted;                         // RequestAborted has fired or would have
    private bool _connectionLost;                  // nothing can be sent or received any more

    private bool _upgraded;

    /// <summary>Nobody can receive the response any more.</summary>
    public bool IsAborted => Volatile.Read(ref _connectionLost);

    /// <summary>RequestAborted has fired, or would have if somebody had asked for it.</summary>
    public bool IsRequestAbortedSignalled => Volatile.Read(ref _aborted);

    public bool IsUpgraded => _upgraded;

    /// <summary>Something of the application may still refer to this exchange (an upgrade's stream, a read it left behind): no other connection gets it.</summary>
    public bool IsRetired { get; private set; }

    /// <summary>What was refused; null while nothing was.</summary>
    public Exception? BadRequestError { get; private set; }

    Exception? IBadRequestExceptionFeature.Error => BadRequestError;

    public string ConnectionId
    {
        get => _connectionId ?? Session.Connection.ConnectionId;
        set => _connectionId = value;
    }

    /// <summary>Connection id, colon, number of the request on the connection as eight hexadecimal digits.</summary>
    public string TraceIdentifier
    {
        get => _traceIdentifier ??= string.Create(Session.Connection.ConnectionId.Length + 9, (Session.Connection.ConnectionId, Session.RequestCount), static (span, state) =>
        {
            state.ConnectionId.CopyTo(span);
            span[state.ConnectionId.Length] = ':';
            bool formatted = state.RequestCount.TryFormat(span[(state.ConnectionId.Length + 1)..], out _, "X8", System.Globalization.CultureInfo.InvariantCulture);
            Debug.Assert(formatted);
        });
        set => _traceIdentifier = value;
    }

    IPAddress? IHttpConnectionFeature.LocalIpAddress
    {
        get => EndPoints()._localIpAddress;
        set => EndPoints()._localIpAddress = value;
    }

    IPAddress? IHttpConnectionFeature.RemoteIpAddress
    {
        get => EndPoints()._remoteIpAddress;
        set => EndPoints()._remoteIpAddress = value;
    }

    int IHttpConnectionFeature.LocalPort
    {
        get => EndPoints()._localPort;
        set => EndPoints()._localPort = value;
    }

    int IHttpConnectionFeature.RemotePort
    {
        get => EndPoints()._remotePort;
        set => EndPoints()._remotePort = value;
    }

    // ---- Lifetime ---------------------------------------------------------------------------------------------

    CancellationToken IHttpRequestLifetimeFeature.RequestAborted
    {
        get
        {
            lock (_lifetimeGate)
            {
                if (_replacedAborted is { } replaced)
                {
                    return replaced;
                }

                if (_abortSource is null)
                {
                    if (_aborted)
                    {
                        return new CancellationToken(canceled: true);
                    }

                    _abortSource = new CancellationTokenSource();
                }

                return _abortSource.Token;
            }
        }

        set
        {
            lock (_lifetimeGate)
            {
                _replacedAborted = value;
            }
        }
    }

    /// <summary>The application gives up: the client sees a reset, the connection serves nothing more.</summary>
    public void Abort()
    {
        lock (_abortGate)
        {
            if (_begun)
            {
                Settings.Log.Connections.ApplicationAborted(Session.Connection);
                AbortResponse(new ConnectionAbortedException("The connection was aborted by the application."));
            }
        }
    }

    /// <summary>The tunnel has ended in order: for the bytes that the client has not taken yet, the server's limits hold again.</summary>
    public void OnTunnelCompleted()
    {
        MinResponseDataRate = Settings.MinResponseDataRate;
        Output.RestartRateClock();
    }

    /// <summary>The tunnel over this connection has broken, by one side's doing: the other is told with a reset.</summary>
    public void AbortTunnel()
    {
        lock (_abortGate)
        {
            if (_begun)
            {
                Session.EndReason ??= ConnectionErrors.ConnectionReset;
                AbortResponse(new ConnectionAbortedException("The tunnel has broken."));
            }
        }
    }

    /// <summary>Ends the connection because the response cannot be completed.</summary>
    /// <remarks>Any thread, at any time: a timer of the application may fire while its request ends. What comes after the end finds nothing to abort,
    /// neither the next request nor a descriptor that has been closed meanwhile.</remarks>
    public void AbortResponse(Exception reason)
    {
        lock (_abortGate)
        {
            if (_begun)
            {
                _applicationError ??= reason;
                _keepAlive = false;
                Session.AbortConnection(ConnectionErrors.AbortedByApp);
                OnConnectionLost();
            }
        }
    }

    /// <summary>A fault of the server, or of what somebody has put into it (a dictionary in place of ours, an encoder): this connection ends, nothing else does.</summary>
    public void OnServerFault(Exception exception)
    {
        AbortResponse(exception);
        Guard.Run(() => Settings.Log.General.ServerFault(ConnectionId, exception));
    }

    /// <summary>A fault while the output of this request was sent without the application's doing. The request may have ended since. Any thread.</summary>
    public void OnOutputFault(uint request, Exception exception)
    {
        lock (_abortGate)
        {
            if (_begun && RequestNumber == request)
            {
                OnServerFault(exception);
            }
        }
    }

    // ---- Calls from other threads (loop, sender) ------------------------------------------------------------------

    /// <summary>The connection is dead: wakes whoever waits for it and fires RequestAborted.</summary>
    public void OnConnectionLost()
    {
        Volatile.Write(ref _connectionLost, true);
        Output.OnConnectionLost();
        if (Session.TryClaimBodyWait())
        {
            RequestBody.FailWait(new ConnectionResetException("The client has disconnected."));
        }

        SignalRequestAborted();
    }

    /// <summary>A send found the connection dead.</summary>
    public void OnSendFailed()
    {
        Volatile.Write(ref _connectionLost, true);
        _keepAlive = false;
        if (Session.TryClaimBodyWait())
        {
            RequestBody.FailWait(new ConnectionResetException("The client has disconnected."));
        }

        SignalRequestAborted();
    }

    /// <summary>Fires RequestAborted, on the thread pool: its callbacks are application code.</summary>
    public void SignalRequestAborted()
    {
        CancellationTokenSource? source;
        lock (_lifetimeGate)
        {
            if (_aborted)
            {
                return;
            }

            _aborted = true;
            source = _abortSource;
        }

        if (source is not null)
        {
            ThreadPool.UnsafeQueueUserWorkItem(static work => Cancel(work.Source, work.Log, work.ConnectionId), (Source: source, Log: Settings.Log.General, ConnectionId), preferLocal: false);
        }

        static void Cancel(CancellationTokenSource source, GeneralLog log, string connectionId)
        {
            try
            {
                source.Cancel();
            }
            catch (AggregateException exception)
            {
                Guard.Run(() => log.ApplicationError(connectionId, "", exception)); // the application's own callbacks; the pool thread must survive
            }
        }
    }

    /// <summary>Refuses reads that can have no answer.</summary>
    public void CheckBodyAccess()
    {
        if (_upgraded)
        {
            throw new InvalidOperationException("Cannot read from the request body of an upgraded connection; use the stream that UpgradeAsync returned.");
        }
    }

    // ---- Upgrade ------------------------------------------------------------------------------------------------------

    public bool IsUpgradableRequest => Head.ConnectionUpgrade && !IsHttp10;

    async Task<Stream> IHttpUpgradeFeature.UpgradeAsync()
    {
        if (!IsUpgradableRequest)
        {
            throw new InvalidOperationException("Cannot upgrade a non-upgradable request. Check IHttpUpgradeFeature.IsUpgradableRequest to determine if a request can be upgraded.");
        }

        if (_upgraded)
        {
            throw new InvalidOperationException("IHttpUpgradeFeature.UpgradeAsync was already called and can only be called once per connection.");
        }

        if (_started)
        {
            throw new InvalidOperationException("The request cannot be upgraded because the response has already started.");
        }

        if (Settings.UpgradedConnections is not null && !Settings.UpgradedConnections.TryEnter())
        {
            throw new InvalidOperationException("Request cannot be upgraded because the server has already opened the maximum number of upgraded connections.");
        }

        _upgraded = true;
        IsRetired = true; // a WebSocket that was not disposed pings on, whatever became of the request
        _keepAlive = false;
        Session.OnUpgraded();
        StatusCode = StatusCodes.Status101SwitchingProtocols;
        ReasonPhrase = null;
        ResponseFields.Set(KnownHeader.Connection, "Upgrade");
        await StartAsync().ConfigureAwait(false);
        LetGoOfHead(); // an upgraded connection lives long
        RequestBody.Upgrade();
        Output.CommitAndSend();
        return new UpgradeStream(this);
    }

    /// <summary>Answers CONNECT with 200 and leaves HTTP, as an upgrade does with 101. Null: no more upgraded connections are allowed. Once, before the response has started.</summary>
    public async Task<Stream?> AcceptTunnelAsync()
    {
        Debug.Assert(Head.Method == HttpMethod.Connect);
        Debug.Assert(!_upgraded);
        Debug.Assert(!_started);
        if (Settings.UpgradedConnections is not null && !Settings.UpgradedConnections.TryEnter())
        {
            return null;
        }

        _upgraded = true;
        IsRetired = true;
        _keepAlive = false;
        Session.OnUpgraded();
        MinResponseDataRate = null; // a client may pause: the tunnel has a time limit of its own
        StatusCode = StatusCodes.Status200OK;
        ReasonPhrase = "Connection Established";
        await StartAsync().ConfigureAwait(false);
        RequestBody.Upgrade();
        Output.CommitAndSend();
        LetGoOfHead();
        return new UpgradeStream(this);
    }

    // ---- Features that HTTP/1.1 has in name only --------------------------------------------------------------------------

    bool IHttpExtendedConnectFeature.IsExtendedConnect => false;

    string? IHttpExtendedConnectFeature.Protocol => null;

    ValueTask<Stream> IHttpExtendedConnectFeature.AcceptAsync() => throw new NotSupportedException("This protocol version does not support extended CONNECT.");

    bool IHttpWebTransportFeature.IsWebTransportRequest => false;

    ValueTask<IWebTransportSession> IHttpWebTransportFeature.AcceptAsync(CancellationToken cancellationToken) => throw new NotSupportedException("This protocol version does not support WebTransport.");

    private HttpExchange EndPoints()
    {
        if (!_endPointsMade)
        {
            _endPointsMade = true;
            if (Session.Connection.LocalEndPoint is IPEndPoint local)
            {
                (_localIpAddress, _localPort) = (local.Address, local.Port);
            }

            if (Session.Connection.RemoteEndPoint is IPEndPoint remote)
            {
                (_remoteIpAddress, _remotePort) = (remote.Address, remote.Port);
            }
        }

        return this;
    }

    private void ResetConnection()
    {
        _traceIdentifier = null;
        _connectionId = null;
        _endPointsMade = false;
        _localIpAddress = null;
        _remoteIpAddress = null;
        _localPort = 0;
        _remotePort = 0;
        BadRequestError = null;
        _upgraded = false;
        lock (_lifetimeGate)
        {
            _abortSource = null; // not disposed: the application may still hold its token
            _replacedAborted = null;
            _aborted = false;
            _connectionLost = false;
        }
    }
}
