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
        options.MaxReadBufferSize = sockets.Value.MaxReadBufferSize is > 0 ? sockets.Value.MaxReadBufferSize : null; // 0 and null: no limit
        options.MaxWriteBufferSize = sockets.Value.MaxWriteBufferSize is > 0 ? sockets.Value.MaxWriteBufferSize : null;
    }
}
