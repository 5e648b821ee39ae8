using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.Options;

namespace Aeronet.Transport;

/// <summary>Takes over what the application has set for Kestrel's sockets, before its own settings for Aeronet's.</summary>
internal sealed class AeronetTransportOptionsSetup(IOptions<SocketTransportOptions> sockets) : IConfigureOptions<AeronetTransportOptions>
{
    public void Configure(AeronetTransportOptions options)
    {
        options.NoDelay = sockets.Value.NoDelay;
        options.Backlog = sockets.Value.Backlog;
        options.MaxReadBufferSize = ToLimit(sockets.Value.MaxReadBufferSize);
        options.MaxWriteBufferSize = ToLimit(sockets.Value.MaxWriteBufferSize);
    }

    /// <summary>Kestrel's buffer limits: 0 and null both mean none.</summary>
    internal static long? ToLimit(long? bufferSize) => bufferSize is > 0 ? bufferSize : null;
}
