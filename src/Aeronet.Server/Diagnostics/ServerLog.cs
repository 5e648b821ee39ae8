using System;
using Aeronet.Http.Semantics;
using Aeronet.Server.Tunnels;
using Aeronet.Transport.Connections;
using Aeronet.Transport.Diagnostics;
using Microsoft.Extensions.Logging;

namespace Aeronet.Server.Diagnostics;

/// <summary>All messages of the server. Ids equal Kestrel's where Kestrel has the event, else they count from 3000.</summary>
/// <remarks>Methods that take a connection read its id only when the level is on: the id is a string made on first use.</remarks>
internal sealed class ServerLog
{
    public ServerLog(ILoggerFactory factory)
    {
        General = new GeneralLog(factory.CreateLogger("Aeronet.Server"));
        Connections = new ConnectionLog(factory.CreateLogger("Aeronet.Connections"));
        BadRequests = new BadRequestLog(factory.CreateLogger("Aeronet.BadRequests"));
    }

    /// <summary>Category <c>Aeronet.Server</c>: start, binding, the application's exceptions, bodies.</summary>
    public GeneralLog General { get; }

    /// <summary>Category <c>Aeronet.Connections</c>: the life of connections.</summary>
    public ConnectionLog Connections { get; }

    /// <summary>Category <c>Aeronet.BadRequests</c>: what peers got wrong.</summary>
    public BadRequestLog BadRequests { get; }
}

internal sealed partial class GeneralLog(ILogger logger)
{
    public ILogger Logger => logger;

    public bool IsDebugEnabled => logger.IsEnabled(LogLevel.Debug);

    [LoggerMessage(13, LogLevel.Error, "Connection {ConnectionId}, request {TraceIdentifier}: the application threw.", EventName = "ApplicationError")]
    public partial void ApplicationError(string connectionId, string traceIdentifier, Exception exception);

    [LoggerMessage(18, LogLevel.Debug, "Connection {ConnectionId}: {Count} bytes written to the response of a HEAD request are not sent.", EventName = "ConnectionHeadResponseBodyWrite")]
    public partial void HeadResponseBodyWrite(string connectionId, long count);

    [LoggerMessage(25, LogLevel.Debug, "Connection {ConnectionId}, request {TraceIdentifier}: the application starts to read the body.", EventName = "RequestBodyStart")]
    public partial void RequestBodyStart(string connectionId, string traceIdentifier);

    [LoggerMessage(26, LogLevel.Debug, "Connection {ConnectionId}, request {TraceIdentifier}: the body is read to its end.", EventName = "RequestBodyDone")]
    public partial void RequestBodyDone(string connectionId, string traceIdentifier);

    [LoggerMessage(32, LogLevel.Information, "Connection {ConnectionId}, request {TraceIdentifier}: the application left the request body unread.", EventName = "RequestBodyNotEntirelyRead")]
    public partial void RequestBodyNotEntirelyRead(string connectionId, string traceIdentifier);

    [LoggerMessage(33, LogLevel.Information, "Connection {ConnectionId}, request {TraceIdentifier}: the unread rest of the body did not arrive in time; the connection is closed.", EventName = "RequestBodyDrainTimedOut")]
    public partial void RequestBodyDrainTimedOut(string connectionId, string traceIdentifier);

    [LoggerMessage(41, LogLevel.Warning, "Connection {ConnectionId}: the response field {Name} is not allowed here and was removed.", EventName = "InvalidResponseHeaderRemoved")]
    public partial void InvalidResponseHeaderRemoved(string connectionId, string name);

    [LoggerMessage(64, LogLevel.Warning, "The endpoint {Endpoint} asks for HTTP/2 beside HTTP/1.1, which needs TLS to tell them apart: it serves HTTP/1.1 only.", EventName = "Http2DisabledWithHttp1AndNoTls")]
    public partial void Http2DisabledWithHttp1AndNoTls(string endpoint);

    [LoggerMessage(65, LogLevel.Warning, "The endpoint {Endpoint} asks for HTTP/3, which needs TLS: it serves HTTP/1.1 only.", EventName = "Http3DisabledWithHttp1AndNoTls")]
    public partial void Http3DisabledWithHttp1AndNoTls(string endpoint);

    [LoggerMessage(66, LogLevel.Debug, "Connection {ConnectionId}, request {TraceIdentifier}: aborted by the client.", EventName = "RequestAborted")]
    public partial void RequestAborted(string connectionId, string traceIdentifier);

    [LoggerMessage(3000, LogLevel.Debug, "Aeronet started: {LoopCount} loops, application mode {ApplicationMode}, {EndpointCount} endpoints.", EventName = "ServerStarted")]
    public partial void ServerStarted(int loopCount, ApplicationMode applicationMode, int endpointCount);

    [LoggerMessage(3001, LogLevel.Warning, "These Kestrel settings have no effect on Aeronet: {Settings}.", EventName = "SettingsNotHonoured")]
    public partial void SettingsNotHonoured(string settings);

    [LoggerMessage(3002, LogLevel.Debug, "No endpoint is configured; binding to {Address}.", EventName = "DefaultAddress")]
    public partial void DefaultAddress(string address);

    [LoggerMessage(3003, LogLevel.Warning, "Overriding address(es) '{Addresses}'. Binding to endpoints defined via IConfiguration and/or KestrelServerOptions instead.", EventName = "AddressesOverridden")]
    public partial void AddressesOverridden(string addresses);

    [LoggerMessage(3004, LogLevel.Information, "Overriding endpoints defined via IConfiguration and/or KestrelServerOptions because PreferHostingUrls is set to true. Binding to address(es) '{Addresses}' instead.", EventName = "EndpointsOverridden")]
    public partial void EndpointsOverridden(string addresses);

    [LoggerMessage(3005, LogLevel.Information, "Unable to bind to {Address} on {Interface}: {Reason}. The other loopback interface is used alone.", EventName = "LoopbackNotBound")]
    public partial void LoopbackNotBound(string address, string @interface, string reason);

    [LoggerMessage(3006, LogLevel.Information, "Configuration changed: endpoints {Started} started, {Stopped} stopped.", EventName = "EndpointsReloaded")]
    public partial void EndpointsReloaded(string started, string stopped);

    [LoggerMessage(3007, LogLevel.Critical, "Configuration changed, but the endpoint {Endpoint} could not be bound: what was bound before stays.", EventName = "EndpointReloadFailed")]
    public partial void EndpointReloadFailed(string endpoint, Exception exception);

    [LoggerMessage(3008, LogLevel.Critical, "The changed configuration could not be read: the endpoints stay as they are.", EventName = "ConfigurationReloadFailed")]
    public partial void ConfigurationReloadFailed(Exception exception);

    [LoggerMessage(3009, LogLevel.Debug, "Aeronet stops: {ConnectionCount} connections are open.", EventName = "ServerStopping")]
    public partial void ServerStopping(int connectionCount);

    [LoggerMessage(3010, LogLevel.Warning, "UseAeronet() was called, but the server of this host is {Server}: something registered another IServer later, and Aeronet does not run.", EventName = "ServerReplaced")]
    public partial void ServerReplaced(string server);

    [LoggerMessage(3012, LogLevel.Information, "The endpoint {Endpoint} keeps its thread: {HandOffs} of its last {Calls} calls did not return within {HandOffMilliseconds} ms and made their loop go on with another thread. From now on it leaves the loop's thread at once; RunOnThreadPool() says so from the start.", EventName = "EndpointMoved")]
    public partial void EndpointMoved(string endpoint, int handOffs, int calls, double handOffMilliseconds);

    [LoggerMessage(3011, LogLevel.Error, "Connection {ConnectionId}: unexpected failure of the server; the connection is closed.", EventName = "ServerFault")]
    public partial void ServerFault(string connectionId, Exception exception);

    [LoggerMessage(3020, LogLevel.Debug, "Connection {ConnectionId}: the CONNECT request is answered with {Status}: {Outcome}.", EventName = "TunnelRefused")]
    public partial void TunnelRefused(string connectionId, int status, TunnelOutcome outcome);

    [LoggerMessage(3021, LogLevel.Debug, "Connection {ConnectionId}: the tunnel is open.", EventName = "TunnelEstablished")]
    public partial void TunnelEstablished(string connectionId);

    [LoggerMessage(3022, LogLevel.Debug, "Connection {ConnectionId}: the tunnel has ended: {End}.", EventName = "TunnelEnded")]
    public partial void TunnelEnded(string connectionId, TunnelEnd end);
}

internal sealed partial class ConnectionLog(ILogger logger)
{
    public ILogger Logger => logger;

    public bool IsDebugEnabled => logger.IsEnabled(LogLevel.Debug);

    public void Start(TransportConnection connection)
    {
        if (logger.IsEnabled(LogLevel.Debug))
        {
            Start(connection.ConnectionId);
        }
    }

    public void Stop(TransportConnection connection)
    {
        if (logger.IsEnabled(LogLevel.Debug))
        {
            Disconnect(connection.ConnectionId);
            Stop(connection.ConnectionId);
        }
    }

    public void KeepAlive(TransportConnection connection)
    {
        if (logger.IsEnabled(LogLevel.Debug))
        {
            TellKeepAlive(connection);
        }
    }

    // Guarded: said between a request and the next one, where nobody could end the connection for it. A method of its own, or each call would allocate.
    private void TellKeepAlive(TransportConnection connection) => Guard.Run(() => KeepAlive(connection.ConnectionId));

    public void Accepted(TransportConnection connection)
    {
        if (logger.IsEnabled(LogLevel.Debug))
        {
            Accepted(connection.ConnectionId);
        }
    }

    public void Rejected(TransportConnection connection)
    {
        if (logger.IsEnabled(LogLevel.Warning))
        {
            Rejected(connection.ConnectionId);
        }
    }

    public void ApplicationAborted(TransportConnection connection)
    {
        if (logger.IsEnabled(LogLevel.Information))
        {
            ApplicationAborted(connection.ConnectionId);
        }
    }

    [LoggerMessage(16, LogLevel.Debug, "Some connections did not end before the time to stop was over: they are aborted.", EventName = "NotAllConnectionsClosedGracefully")]
    public partial void NotAllConnectionsClosedGracefully();

    [LoggerMessage(21, LogLevel.Debug, "Some connections were still open one second after they were aborted.", EventName = "NotAllConnectionsAborted")]
    public partial void NotAllConnectionsAborted();

    [LoggerMessage(1, LogLevel.Debug, "Connection {ConnectionId} started.", EventName = "ConnectionStart", SkipEnabledCheck = true)]
    private partial void Start(string connectionId);

    [LoggerMessage(2, LogLevel.Debug, "Connection {ConnectionId} stopped.", EventName = "ConnectionStop", SkipEnabledCheck = true)]
    private partial void Stop(string connectionId);

    [LoggerMessage(9, LogLevel.Debug, "Connection {ConnectionId} completed a request and stays open.", EventName = "ConnectionKeepAlive", SkipEnabledCheck = true)]
    private partial void KeepAlive(string connectionId);

    [LoggerMessage(10, LogLevel.Debug, "Connection {ConnectionId} disconnects.", EventName = "ConnectionDisconnect", SkipEnabledCheck = true)]
    private partial void Disconnect(string connectionId);

    [LoggerMessage(39, LogLevel.Debug, "Connection {ConnectionId} accepted.", EventName = "ConnectionAccepted", SkipEnabledCheck = true)]
    private partial void Accepted(string connectionId);

    [LoggerMessage(24, LogLevel.Warning, "Connection {ConnectionId} rejected: the limit of concurrent connections is reached.", EventName = "ConnectionRejected", SkipEnabledCheck = true)]
    private partial void Rejected(string connectionId);

    [LoggerMessage(34, LogLevel.Information, "Connection {ConnectionId}: the application aborted the connection.", EventName = "ApplicationAbortedConnection", SkipEnabledCheck = true)]
    private partial void ApplicationAborted(string connectionId);
}

internal sealed partial class BadRequestLog(ILogger logger)
{
    public ILogger Logger => logger;

    public bool IsDebugEnabled => logger.IsEnabled(LogLevel.Debug);

    public void ConnectionBadRequest(TransportConnection connection, in ProtocolError error)
    {
        if (logger.IsEnabled(LogLevel.Debug))
        {
            if (error.Reason == RejectionReason.Http2Preface)
            {
                PossibleInvalidHttpVersion(connection.ConnectionId);
            }
            ConnectionBadRequest(connection.ConnectionId, error.Message, error.Status, error.Reason, error.Offset, error.RfcSection, error.Excerpt);
        }
    }

    public void RequestProcessingError(TransportConnection connection, Exception? exception)
    {
        if (logger.IsEnabled(LogLevel.Debug))
        {
            RequestProcessingError(connection.ConnectionId, exception);
        }
    }

    public void RequestBodyMinimumDataRateNotSatisfied(TransportConnection connection, string traceIdentifier, double rate)
    {
        if (logger.IsEnabled(LogLevel.Debug))
        {
            RequestBodyMinimumDataRateNotSatisfied(connection.ConnectionId, traceIdentifier, rate);
        }
    }

    public void ResponseMinimumDataRateNotSatisfied(TransportConnection connection, string traceIdentifier, double rate)
    {
        if (logger.IsEnabled(LogLevel.Debug))
        {
            ResponseMinimumDataRateNotSatisfied(connection.ConnectionId, traceIdentifier, rate);
        }
    }

    // The excerpt is escaped to printable ASCII where it is made: no byte of a peer reaches the log as it is.
    [LoggerMessage(17, LogLevel.Debug, "Connection {ConnectionId}, bad request: {Message} Status {Status}, {Reason} at byte {Offset} of the request ({RfcSection}), near \"{Excerpt}\".", EventName = "ConnectionBadRequest", SkipEnabledCheck = true)]
    private partial void ConnectionBadRequest(string connectionId, string message, int status, RejectionReason reason, long offset, string rfcSection, string excerpt);

    [LoggerMessage(20, LogLevel.Debug, "Connection {ConnectionId}: the request could not be processed.", EventName = "RequestProcessingError", SkipEnabledCheck = true)]
    private partial void RequestProcessingError(string connectionId, Exception? exception);

    [LoggerMessage(27, LogLevel.Debug, "Connection {ConnectionId}, request {TraceIdentifier}: the body comes slower than {Rate} bytes per second.", EventName = "RequestBodyMinimumDataRateNotSatisfied", SkipEnabledCheck = true)]
    private partial void RequestBodyMinimumDataRateNotSatisfied(string connectionId, string traceIdentifier, double rate);

    [LoggerMessage(28, LogLevel.Debug, "Connection {ConnectionId}, request {TraceIdentifier}: the client takes the response slower than {Rate} bytes per second.", EventName = "ResponseMinimumDataRateNotSatisfied", SkipEnabledCheck = true)]
    private partial void ResponseMinimumDataRateNotSatisfied(string connectionId, string traceIdentifier, double rate);

    [LoggerMessage(54, LogLevel.Debug, "Connection {ConnectionId}: the client seems to speak HTTP/2 on an endpoint that speaks HTTP/1.1.", EventName = "PossibleInvalidHttpVersionDetected", SkipEnabledCheck = true)]
    private partial void PossibleInvalidHttpVersion(string connectionId);
}
