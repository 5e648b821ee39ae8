using System;
using System.Buffers;
using System.IO;
using System.Net.Sockets;
using System.Threading;
using System.Threading.Tasks;

namespace Aeronet.Server.Tunnels;

/// <summary>Bytes both ways, each direction at the pace of its receiver, until both have ended.</summary>
internal sealed class TunnelRelay
{
    private const int BufferBytes = 16 * 1024; // one TLS record, which is what most tunnels carry

    private readonly Stream _client;
    private readonly Action _endTowardsClient;
    private readonly Socket _target;
    private readonly TimeSpan _idleTimeout;

    /// <param name="client">The upgraded connection.</param>
    /// <param name="endTowardsClient">Ends the stream towards the client behind what has been written.</param>
    /// <param name="target">The outgoing connection; disposed of by the caller.</param>
    /// <param name="idleTimeout">Longest time without a byte in either direction.</param>
    public TunnelRelay(Stream client, Action endTowardsClient, Socket target, TimeSpan idleTimeout)
    {
        _client = client;
        _endTowardsClient = endTowardsClient;
        _target = target;
        _idleTimeout = idleTimeout;
    }

    /// <summary>Returns when both directions have ended. Failures of the network are a result, not an exception.</summary>
    public async Task<TunnelEnd> RunAsync()
    {
        using var idle = new CancellationTokenSource();
        using var broken = CancellationTokenSource.CreateLinkedTokenSource(idle.Token);
        idle.CancelAfter(_idleTimeout);
        bool[] completed = await Task.WhenAll(
            PumpAsync(toTarget: true, idle, broken),
            PumpAsync(toTarget: false, idle, broken)).ConfigureAwait(false);
        if (completed[0] && completed[1])
        {
            return TunnelEnd.Completed;
        }
        return idle.IsCancellationRequested ? TunnelEnd.Idle : TunnelEnd.Failed;
    }

    // True: the source has ended and its end was passed on. False: broken, and the other direction has been told.
    private async Task<bool> PumpAsync(bool toTarget, CancellationTokenSource idle, CancellationTokenSource broken)
    {
        byte[] buffer = ArrayPool<byte>.Shared.Rent(BufferBytes);
        try
        {
            while (true)
            {
                int count = toTarget
                    ? await _client.ReadAsync(buffer, broken.Token).ConfigureAwait(false)
                    : await _target.ReceiveAsync(buffer, broken.Token).ConfigureAwait(false);
                if (count == 0)
                {
                    EndReceiver(toTarget);
                    return true;
                }
                idle.CancelAfter(_idleTimeout);
                if (toTarget)
                {
                    await SendAllAsync(buffer.AsMemory(0, count), broken.Token).ConfigureAwait(false);
                }
                else
                {
                    await _client.WriteAsync(buffer.AsMemory(0, count), broken.Token).ConfigureAwait(false);
                }
                idle.CancelAfter(_idleTimeout); // a receiver that takes bytes slowly is not idle
            }
        }
        catch (Exception exception) when (exception is IOException or SocketException or OperationCanceledException or ObjectDisposedException)
        {
            await broken.CancelAsync().ConfigureAwait(false);
            return false;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private async Task SendAllAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellation)
    {
        while (!bytes.IsEmpty)
        {
            int sent = await _target.SendAsync(bytes, cancellation).ConfigureAwait(false);
            bytes = bytes[sent..];
        }
    }

    private void EndReceiver(bool toTarget)
    {
        if (toTarget)
        {
            _target.Shutdown(SocketShutdown.Send);
        }
        else
        {
            _endTowardsClient();
        }
    }
}
