using System;
using System.Security.Authentication;
using Aeronet.Transport.Tls;
using Microsoft.Extensions.Logging;

namespace Aeronet.Transport.Diagnostics;

/// <summary>What TLS connections say, in the transport's category. Ids 2000 to 2099; an id keeps its meaning for ever.</summary>
internal static partial class TlsLog
{
    [LoggerMessage(2000, LogLevel.Debug, "Connection id \"{ConnectionId}\": {Protocol} established for \"{ServerName}\" with cipher suite {CipherSuite:X4}, protocol \"{ApplicationProtocol}\", resumed: {IsResumed}.", EventName = "HandshakeSucceeded", SkipEnabledCheck = true)]
    public static partial void HandshakeSucceeded(ILogger logger, string connectionId, SslProtocols protocol, string serverName, ushort cipherSuite, string applicationProtocol, bool isResumed);

    [LoggerMessage(2001, LogLevel.Debug, "Connection id \"{ConnectionId}\": the TLS handshake failed: {Failure} ({Detail}).", EventName = "HandshakeFailed", SkipEnabledCheck = true)]
    public static partial void HandshakeFailed(ILogger logger, string connectionId, TlsFailure failure, string detail);

    [LoggerMessage(2002, LogLevel.Debug, "Connection id \"{ConnectionId}\": refused before its TLS handshake by a limit: {Refusal}.", EventName = "HandshakeRefused", SkipEnabledCheck = true)]
    public static partial void HandshakeRefused(ILogger logger, string connectionId, TlsRefusal refusal);

    [LoggerMessage(2003, LogLevel.Debug, "Connection id \"{ConnectionId}\": TLS ended with an error: {Detail}.", EventName = "SessionFailed", SkipEnabledCheck = true)]
    public static partial void SessionFailed(ILogger logger, string connectionId, string detail);

    [LoggerMessage(2004, LogLevel.Error, "Connection id \"{ConnectionId}\": the callback that checks client certificates failed; the client is refused.", EventName = "ClientCertificateCheckFailed")]
    public static partial void ClientCertificateCheckFailed(ILogger logger, string connectionId, Exception exception);

    [LoggerMessage(2006, LogLevel.Information, "TLS records are encrypted in user space: {Reason}.", EventName = "RecordsInUserSpace")]
    public static partial void RecordsInUserSpace(ILogger logger, string reason);

    [LoggerMessage(2007, LogLevel.Information, "The kernel encrypts what TLS connections send, where it knows the cipher suite.", EventName = "RecordsInKernel")]
    public static partial void RecordsInKernel(ILogger logger);

    [LoggerMessage(2008, LogLevel.Debug, "Connection id \"{ConnectionId}\": the peer asks for new keys (KeyUpdate), which cannot be given to the kernel; the connection ends.", EventName = "KeyUpdateInKernel", SkipEnabledCheck = true)]
    public static partial void KeyUpdateInKernel(ILogger logger, string connectionId);

    [LoggerMessage(2005, LogLevel.Error, "Connection id \"{ConnectionId}\": choosing a certificate failed; the client is refused.", EventName = "SelectionFailed")]
    public static partial void SelectionFailed(ILogger logger, string connectionId, Exception exception);
}
