using System;
using System.Buffers;
using System.IO;
using System.Net.Sockets;
using System.Threading;
using System.Threading.Tasks;

namespace Aeronet.Server.Tunnels;

/// <summary>The client's side of a tunnel.</summary>
internal interface ITunnelClient
{
    Stream Stream { get; }

    /// <summary>Nothing reaches it any more: what is written is dropped.</summary>
    bool IsLost { get; }

    /// <summary>Fires when it is lost, and also when it has finished and the server has waited long enough.</summary>
    CancellationToken Aborted { get; }

    /// <summary>Its receiving side can be ended alone.</summary>
    bool CanHalfClose { get; }

    /// <summary>Ends the stream towards it behind what has been written.</summary>
    void EndSending();
}

/// <summary>Bytes both ways, each direction at the pace of its receiver, until both have ended.</summary>
internal sealed class TunnelRelay
{
    private const int BufferBytes = 16 * 1024; // one TLS record, which is what most tunnels carry

    private readonly ITunnelClient _client;
    private readonly Socket _target;
    private readonly TimeSpan _idleTimeout;

    /// <param name="client">The upgraded connection.</param>
    /// <param name="target">The outgoing connection; disposed of by the caller.</param>
    /// <param name="idleTimeout">Longest time without a byte in either direction.</param>
    public TunnelRelay(ITunnelClient client, Socket target, TimeSpan idleTimeout)
    {
        _client = client;
        _target = target;
        _idleTimeout = idleTimeout;
    }

    /// <summary>Returns when both directions have ended, or the target's where the client's side cannot be ended alone. Failures of the network are a result, not an exception.</summary>
    public async Task<TunnelEnd> RunAsync()
    {
        using var idle = new CancellationTokenSource();
        using var broken = CancellationTokenSource.CreateLinkedTokenSource(idle.Token);
        // Half-closed clients count as gone after a while: only the loss itself ends the tunnel.
        using CancellationTokenRegistration lost = _client.Aborted.UnsafeRegister(static state =>
        {
            (ITunnelClient client, CancellationTokenSource broken) = ((ITunnelClient, CancellationTokenSource))state!;
            if (client.IsLost)
            {
                broken.Cancel();
            }
        }, (_client, broken));
        idle.CancelAfter(_idleTimeout);
        Task<bool> toTarget = PumpAsync(toTarget: true, idle, broken);
        bool isTargetCompleted = await PumpAsync(toTarget: false, idle, broken).ConfigureAwait(false);
        if (isTargetCompleted && !_client.CanHalfClose && !toTarget.IsCompleted)
        {
            await broken.CancelAsync().ConfigureAwait(false);
            _ = await toTarget.ConfigureAwait(false);
            return TunnelEnd.Completed; // the end of the exchange ends the connection behind the last byte
        }
        if (await toTarget.ConfigureAwait(false) && isTargetCompleted)
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
                    ? await _client.Stream.ReadAsync(buffer, broken.Token).ConfigureAwait(false)
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
                    await _client.Stream.WriteAsync(buffer.AsMemory(0, count), broken.Token).ConfigureAwait(false);
                    if (_client.IsLost)
                    {
                        throw new IOException("The client has gone."); // writes to it succeed without end
                    }
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
        else if (_client.CanHalfClose)
        {
            _client.EndSending();
        }
    }
}
