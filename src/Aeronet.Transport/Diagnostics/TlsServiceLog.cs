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
}
