using System;
using System.Net;
using System.Net.Sockets;
using System.Threading;
using System.Threading.Tasks;
using Aeronet.Transport.Connect;

namespace Aeronet.Server.Tunnels;

/// <summary>Opens the outgoing side of a tunnel.</summary>
internal static class TunnelConnector
{
    /// <summary>A connected socket, or why there is none. Never throws for what the network does.</summary>
    public static async Task<(Socket? Socket, TunnelOutcome Outcome)> ConnectAsync(TunnelTarget target, TimeSpan timeout, CancellationToken clientGone)
    {
        using CancellationTokenSource patience = CancellationTokenSource.CreateLinkedTokenSource(clientGone);
        patience.CancelAfter(timeout);
        try
        {
            IPAddress[] addresses;
            try
            {
                addresses = target.Address is { } address ? [address] : await Dns.GetHostAddressesAsync(target.Host, patience.Token).ConfigureAwait(false);
            }
            catch (Exception failure) when (failure is SocketException or ArgumentException)
            {
                return (null, TunnelOutcome.Unresolved); // no such name, or a name that no resolver takes
            }
            if (addresses.Length == 0)
            {
                return (null, TunnelOutcome.Unresolved);
            }
            Socket socket = await AddressRace.RunAsync(addresses, (address, token) => ConnectAsync(address, target.Port, token), Discard, TimeProvider.System, patience.Token).ConfigureAwait(false);
            return (socket, TunnelOutcome.Established);
        }
        catch (OperationCanceledException)
        {
            return (null, clientGone.IsCancellationRequested ? TunnelOutcome.ClientGone : TunnelOutcome.TimedOut);
        }
        catch (SocketException failure)
        {
            return (null, failure.SocketErrorCode == SocketError.TimedOut ? TunnelOutcome.TimedOut : TunnelOutcome.Unreachable);
        }
    }

    private static async Task<Socket> ConnectAsync(IPAddress address, int port, CancellationToken cancellation)
    {
        Socket socket = new(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(new IPEndPoint(address, port), cancellation).ConfigureAwait(false);
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private static ValueTask Discard(Socket socket)
    {
        socket.Dispose();
        return ValueTask.CompletedTask;
    }
}
