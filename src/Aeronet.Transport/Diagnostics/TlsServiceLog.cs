using System;
using Microsoft.Extensions.Logging;

namespace Aeronet.Transport.Diagnostics;

/// <summary>What the services around TLS say: keys, certificates, staples, revocation. Ids 2100 to 2199; an id keeps its meaning for ever.</summary>
internal static partial class TlsServiceLog
{
    /// <summary>The category of all messages here.</summary>
    public const string Category = "Aeronet.Tls";

    [LoggerMessage(2100, LogLevel.Debug, "The key for session tickets has changed; {KeyCount} keys are known.", EventName = "TicketKeysChanged")]
    public static partial void TicketKeysChanged(ILogger logger, int keyCount);

    [LoggerMessage(2101, LogLevel.Error, "The keys for session tickets could not be renewed; those known so far go on, and the next attempt is in 30 seconds.", EventName = "TicketKeysNotRefreshed")]
    public static partial void TicketKeysNotRefreshed(ILogger logger, Exception exception);

    [LoggerMessage(2110, LogLevel.Warning, "TLS KEYS ARE WRITTEN TO {File}: whoever reads that file can decrypt the traffic of this server. This is for debugging only; remove Aeronet:Tls:KeyLogFile when done.", EventName = "KeyLogOn")]
    public static partial void KeyLogOn(ILogger logger, string file);

    [LoggerMessage(2111, LogLevel.Error, "The TLS key log {File} cannot be written any more; nothing else is written to it.", EventName = "KeyLogFailed")]
    public static partial void KeyLogFailed(ILogger logger, string file, Exception exception);

    [LoggerMessage(2120, LogLevel.Warning, "The folder {Folder} cannot be watched: changes of files in it are taken only on demand.", EventName = "FolderNotWatched")]
    public static partial void FolderNotWatched(ILogger logger, string folder, Exception exception);

    [LoggerMessage(2121, LogLevel.Information, "TLS settings were loaded again: {EndpointCount} endpoints use them for new connections.", EventName = "TlsReloaded")]
    public static partial void TlsReloaded(ILogger logger, int endpointCount);

    [LoggerMessage(2122, LogLevel.Error, "The changed TLS settings cannot be used; those in force go on. {Reason}", EventName = "TlsReloadFailed")]
    public static partial void TlsReloadFailed(ILogger logger, string reason, Exception exception);

    [LoggerMessage(2130, LogLevel.Warning, "The list of revoked certificates '{File}' is not used: {Reason}", EventName = "RevocationListUnused")]
    public static partial void RevocationListUnused(ILogger logger, string file, string reason);

    [LoggerMessage(2140, LogLevel.Warning, "No OCSP response for the certificate {Subject} from {Responder}: {Reason} Handshakes go on without; the next attempt is in {Delay}.", EventName = "StapleNotFetched")]
    public static partial void StapleNotFetched(ILogger logger, string subject, string responder, string reason, TimeSpan delay);

    [LoggerMessage(2141, LogLevel.Debug, "OCSP response for the certificate {Subject}, good until {NextUpdate}.", EventName = "StapleReady")]
    public static partial void StapleReady(ILogger logger, string subject, DateTimeOffset? nextUpdate);

    [LoggerMessage(2142, LogLevel.Warning, "The certificate {Subject} cannot be stapled: {Reason}", EventName = "StapleImpossible")]
    public static partial void StapleImpossible(ILogger logger, string subject, string reason);

    [LoggerMessage(2143, LogLevel.Warning, "The OCSP response '{File}' is not used: {Reason}", EventName = "StapleFileUnused")]
    public static partial void StapleFileUnused(ILogger logger, string file, string reason);

    [LoggerMessage(2150, LogLevel.Error, "The application's handshake callback has thrown.", EventName = "HandshakeCallbackFailed")]
    public static partial void HandshakeCallbackFailed(ILogger logger, Exception exception);

    [LoggerMessage(2160, LogLevel.Information, "TLS of {Endpoint} is ended by Aeronet's transport; Kestrel's UseHttps steps aside.", EventName = "TransportTls")]
    public static partial void TransportTls(ILogger logger, string endpoint);

    [LoggerMessage(2161, LogLevel.Information, "TLS of {Endpoint} stays with Kestrel: {Reason}", EventName = "TransportTlsDeclined")]
    public static partial void TransportTlsDeclined(ILogger logger, string endpoint, string reason);
}
