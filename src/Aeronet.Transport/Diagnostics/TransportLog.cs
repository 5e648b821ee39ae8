using System;
using System.Net;
using Aeronet.Native.Libc;
using Aeronet.Transport.ProxyProtocol;
using Microsoft.Extensions.Logging;

namespace Aeronet.Transport.Diagnostics;

/// <summary>Everything the transport says. Ids 1000 to 1999; an id keeps its meaning for ever.</summary>
internal static partial class TransportLog
{
    /// <summary>The category of all messages here.</summary>
    public const string Category = "Aeronet.Transport";

    [LoggerMessage(1000, LogLevel.Debug, "{LoopCount} loops started.", EventName = "LoopsStarted")]
    public static partial void LoopsStarted(ILogger logger, int loopCount);

    [LoggerMessage(1001, LogLevel.Debug, "All loops have ended.", EventName = "LoopsEnded")]
    public static partial void LoopsEnded(ILogger logger);

    [LoggerMessage(1002, LogLevel.Warning, "Loop {Loop} still has {ConnectionCount} connections; it ends when they do.", EventName = "LoopStillBusy")]
    public static partial void LoopStillBusy(ILogger logger, int loop, int connectionCount);

    [LoggerMessage(1003, LogLevel.Critical, "Loop {Loop} cannot wait for events any more: {Errno}.", EventName = "LoopFailed")]
    public static partial void LoopFailed(ILogger logger, int loop, Errno errno);

    [LoggerMessage(1004, LogLevel.Information, "Connections are carried by {Backend}: {Reason}.", EventName = "BackendChosen")]
    public static partial void BackendChosen(ILogger logger, TransportBackend backend, string reason);

    [LoggerMessage(1005, LogLevel.Information, "These transport options have no effect with the backend {Backend}: {Options}.", EventName = "OptionsWithoutEffect")]
    public static partial void OptionsWithoutEffect(ILogger logger, TransportBackend backend, string options);

    [LoggerMessage(1006, LogLevel.Error, "The system gives no further thread (limit of the container or the user, or memory; {ThreadCount} are there): application code that blocks keeps its loop until one is free, and requests start on the thread pool meanwhile. Reported once.", EventName = "ThreadRefused")]
    public static partial void ThreadRefused(ILogger logger, int threadCount, Exception exception);

    [LoggerMessage(1007, LogLevel.Error, "The hand-off monitor met an unhandled exception and goes on. Reported once.", EventName = "MonitorFailed")]
    public static partial void MonitorFailed(ILogger logger, Exception exception);

    [LoggerMessage(1010, LogLevel.Debug, "Listening on {EndPoint} with {SocketCount} sockets.", EventName = "Listening")]
    public static partial void Listening(ILogger logger, EndPoint endPoint, int socketCount);

    [LoggerMessage(1011, LogLevel.Debug, "No longer listening on {EndPoint}.", EventName = "Unbound")]
    public static partial void Unbound(ILogger logger, EndPoint endPoint);

    [LoggerMessage(1013, LogLevel.Debug, "Listening on {EndPoint} with {Listener}.", EventName = "ForeignListening")]
    public static partial void ForeignListening(ILogger logger, EndPoint endPoint, string listener);

    [LoggerMessage(1014, LogLevel.Error, "The listener of {EndPoint} failed to accept; it is tried again with pauses of up to a second.", EventName = "ForeignAcceptFailed")]
    public static partial void ForeignAcceptFailed(ILogger logger, EndPoint endPoint, Exception exception);

    [LoggerMessage(1015, LogLevel.Error, "The listener of {EndPoint} could not be closed.", EventName = "ForeignListenerCloseFailed")]
    public static partial void ForeignListenerCloseFailed(ILogger logger, EndPoint endPoint, Exception exception);

    [LoggerMessage(1012, LogLevel.Information, "The file {Path} of a Unix domain socket that nobody listens on was removed.", EventName = "StaleSocketRemoved")]
    public static partial void StaleSocketRemoved(ILogger logger, string path);

    [LoggerMessage(1020, LogLevel.Warning, "Loop {Loop} cannot accept connections on {EndPoint} for lack of resources ({Errno}); it tries again with pauses of up to a second.", EventName = "AcceptExhausted")]
    public static partial void AcceptExhausted(ILogger logger, int loop, EndPoint endPoint, Errno errno);

    [LoggerMessage(1021, LogLevel.Information, "Loop {Loop} accepts connections on {EndPoint} again.", EventName = "AcceptRecovered")]
    public static partial void AcceptRecovered(ILogger logger, int loop, EndPoint endPoint);

    [LoggerMessage(1022, LogLevel.Debug, "A connection waiting on {EndPoint} was gone before it was accepted: {Errno}.", EventName = "AcceptSkipped")]
    public static partial void AcceptSkipped(ILogger logger, EndPoint endPoint, Errno errno);

    [LoggerMessage(1023, LogLevel.Error, "Loop {Loop} cannot accept connections on {EndPoint}: {Errno}; it tries again with pauses of up to a second.", EventName = "AcceptFailed")]
    public static partial void AcceptFailed(ILogger logger, int loop, EndPoint endPoint, Errno errno);

    [LoggerMessage(1024, LogLevel.Error, "A connection accepted on {EndPoint} could not be served.", EventName = "AcceptorFailed")]
    public static partial void AcceptorFailed(ILogger logger, EndPoint endPoint, Exception exception);

    [LoggerMessage(1025, LogLevel.Warning, "{Waiting} connections accepted on {EndPoint} wait to be taken by the application; further ones are reset until it has taken some.", EventName = "TooManyWaiting")]
    public static partial void TooManyWaiting(ILogger logger, int waiting, EndPoint endPoint);

    [LoggerMessage(1030, LogLevel.Error, "Connection id \"{ConnectionId}\": its protocol failed with an unhandled exception; the connection is aborted.", EventName = "HandlerFailed")]
    public static partial void HandlerFailed(ILogger logger, string connectionId, Exception exception);

    [LoggerMessage(1031, LogLevel.Debug, "Connection id \"{ConnectionId}\": transfer failed with {Errno}.", EventName = "TransferFailed")]
    public static partial void TransferFailed(ILogger logger, string connectionId, Errno errno);

    [LoggerMessage(1032, LogLevel.Warning, "Connection id \"{ConnectionId}\": epoll_ctl failed with {Errno}; the connection is given up.", EventName = "InterestFailed")]
    public static partial void InterestFailed(ILogger logger, string connectionId, Errno errno);

    [LoggerMessage(1033, LogLevel.Error, "Connection id \"{ConnectionId}\": a callback of the application failed.", EventName = "ApplicationCallbackFailed")]
    public static partial void ApplicationCallbackFailed(ILogger logger, string connectionId, Exception exception);

    [LoggerMessage(1038, LogLevel.Debug, "Connection id \"{ConnectionId}\": refused, {Address} has as many connections as it may have.", EventName = "RefusedByAddress")]
    public static partial void RefusedByAddress(ILogger logger, string connectionId, IPAddress address);

    [LoggerMessage(1039, LogLevel.Debug, "Connection id \"{ConnectionId}\": ended at its PROXY header: {Outcome}.", EventName = "ProxyHeaderRefused")]
    public static partial void ProxyHeaderRefused(ILogger logger, string connectionId, ProxyProtocolOutcome outcome);

    [LoggerMessage(1034, LogLevel.Debug, "Connection id \"{ConnectionId}\": a transfer through its pipes failed.", EventName = "PipeFailed")]
    public static partial void PipeFailed(ILogger logger, string connectionId, Exception exception);

    [LoggerMessage(1035, LogLevel.Debug, "Connection id \"{ConnectionId}\": the connection middleware ended with an exception.", EventName = "PipelineAborted")]
    public static partial void PipelineAborted(ILogger logger, string connectionId, Exception exception);

    [LoggerMessage(1036, LogLevel.Error, "Connection id \"{ConnectionId}\": unhandled exception in the connection middleware.", EventName = "PipelineFailed")]
    public static partial void PipelineFailed(ILogger logger, string connectionId, Exception exception);

    [LoggerMessage(1037, LogLevel.Debug, "Connection id \"{ConnectionId}\": its peer did not take the last bytes in time; the connection is aborted.", EventName = "LastFlushAborted")]
    public static partial void LastFlushAborted(ILogger logger, string connectionId);
}
