using System;
using System.Net;
using System.Net.Sockets;
using System.Threading;
using System.Threading.Tasks;

namespace Aeronet.Server.Tunnels;

/// <summary>Opens the outgoing side of a tunnel.</summary>
internal static class TunnelConnector
{
    /// <summary>A connected socket, or why there is none. Never throws for what the network does.</summary>
    public static async Task<(Socket? Socket, TunnelOutcome Outcome)> ConnectAsync(TunnelTarget target, TimeSpan timeout, CancellationToken clientGone)
    {
        using CancellationTokenSource patience = CancellationTokenSource.CreateLinkedTokenSource(clientGone);
        patience.CancelAfter(timeout);
        Socket? socket = null;
        try
        {
            IPAddress[] addresses = target.Address is { } address ? [address] : await Dns.GetHostAddressesAsync(target.Host, patience.Token).ConfigureAwait(false);
            SocketException? last = null;
            foreach (IPAddress candidate in addresses)
            {
                try
                {
                    socket = new Socket(candidate.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
                    await socket.ConnectAsync(new IPEndPoint(candidate, target.Port), patience.Token).ConfigureAwait(false);
                    return (socket, TunnelOutcome.Established);
                }
                catch (SocketException failure)
                {
                    socket?.Dispose();
                    last = failure;
                }
            }
            return (null, last?.SocketErrorCode == SocketError.TimedOut ? TunnelOutcome.TimedOut : last is null ? TunnelOutcome.Unresolved : TunnelOutcome.Unreachable);
        }
        catch (OperationCanceledException)
        {
            socket?.Dispose();
            return (null, TunnelOutcome.TimedOut);
        }
        catch (Exception failure) when (failure is SocketException or ArgumentException)
        {
            return (null, TunnelOutcome.Unresolved); // the resolver's: no such name, or a name that no resolver takes
        }
    }
}
