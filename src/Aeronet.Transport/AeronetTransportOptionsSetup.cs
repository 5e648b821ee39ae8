using System;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.Options;

namespace Aeronet.Transport;

/// <summary>Takes over what the application has set for Kestrel's sockets, before its own settings for Aeronet's.</summary>
internal sealed class AeronetTransportOptionsSetup(IOptions<SocketTransportOptions> sockets) : IConfigureOptions<AeronetTransportOptions>
{
    public void Configure(AeronetTransportOptions options)
    {
        TakeOver(sockets.Value, options);
        options.MaxReadBufferSize = ToLimit(sockets.Value.MaxReadBufferSize);
    }

    /// <summary>What means the same for everything that listens on the loops.</summary>
    internal static void TakeOver(SocketTransportOptions sockets, AeronetTransportOptions options)
    {
        options.NoDelay = sockets.NoDelay;
        options.Backlog = Math.Clamp(sockets.Backlog, 1, AeronetTransportOptionsValidator.BacklogMax); // whatever it says, the kernel has a limit of its own
        options.MaxWriteBufferSize = ToLimit(sockets.MaxWriteBufferSize);
        options.CreateBoundListenSocket = sockets.CreateBoundListenSocket.Equals(s_defaults.CreateBoundListenSocket) ? null : sockets.CreateBoundListenSocket;
    }

    private static readonly SocketTransportOptions s_defaults = new();

    /// <summary>Kestrel's buffer limits: 0 and null both mean none.</summary>
    internal static long? ToLimit(long? bufferSize) => bufferSize is > 0 ? bufferSize : null;
}
