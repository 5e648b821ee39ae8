using System;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Threading;
using System.Threading.Tasks;
using Aeronet.Native.Libc;
using Aeronet.Transport.Connections;
using Aeronet.Transport.Listen;
using Aeronet.Transport.Loop;
using Microsoft.AspNetCore.Connections;

namespace Aeronet.Transport.Connect;

/// <summary>One outgoing connection: a socket that connects without blocking, on a loop, and is a bridge once it is through.</summary>
/// <remarks>The loop watches the descriptor like any other. Writable means connected, an error event means refused; until then the bridge is told nothing.</remarks>
internal sealed class ConnectAttempt : IConnectionAcceptor, IConnectionHandler, IConnectionTaker
{
    private static readonly IPEndPoint s_anyIpv4 = new(IPAddress.Any, 0);
    private static readonly IPEndPoint s_anyIpv6 = new(IPAddress.IPv6Any, 0);

    private readonly PipeBridgeSettings _settings;
    private readonly EndPoint _endPoint;
    private readonly CancellationToken _cancellation;
    private readonly int _descriptor; // the connection's, valid until it is closed
    private readonly bool _isThroughAtOnce;
    private readonly TaskCompletionSource<ConnectionContext> _completion = new(TaskCreationOptions.RunContinuationsAsynchronously); // not the loop's time
    private TransportConnection? _connection; // Null until the loop has it.
    private AeronetConnectionContext? _context; // Null until connected.
    private CancellationTokenRegistration _registration;
    private bool _isReadable; // told while connecting: the peer may speak first
    private bool _isPeerClosed;

    private ConnectAttempt(PipeBridgeSettings settings, EndPoint endPoint, int descriptor, bool isThroughAtOnce, CancellationToken cancellationToken)
    {
        _settings = settings;
        _endPoint = endPoint;
        _descriptor = descriptor;
        _isThroughAtOnce = isThroughAtOnce;
        _cancellation = cancellationToken;
    }

    /// <summary>Connects. Any thread.</summary>
    public static Task<ConnectionContext> StartAsync(EventLoopGroup group, PipeBridgeSettings settings, EndPoint endPoint, CancellationToken cancellationToken)
    {
        SockAddr address = SockAddr.From(endPoint);
        int descriptor = Check(Native.Libc.Sockets.CreateStream(address.Family), endPoint);
        try
        {
            bool isTcp = endPoint is IPEndPoint;
            if (isTcp)
            {
                Check(Native.Libc.Sockets.SetNoDelay(descriptor, group.Options.NoDelay), endPoint);
            }
            SysResult result = Native.Libc.Sockets.Connect(descriptor, address);
            if (!result.IsOk && result.Errno != Errno.EINPROGRESS)
            {
                throw Refused(result.Errno, endPoint);
            }
            ConnectAttempt attempt = new(settings, endPoint, descriptor, result.IsOk, cancellationToken);
            EndPoint local = !isTcp ? UnixEndPoints.Unnamed : address.Family == SockAddr.InterNetworkV6 ? s_anyIpv6 : s_anyIpv4;
            bool isAdopted = group.TryAdopt(descriptor, new BoundEndpoint(local, isTcp, attempt) { IsOutgoing = true }, address);
            ObjectDisposedException.ThrowIf(!isAdopted, typeof(AeronetConnectionFactory));
            attempt._registration = cancellationToken.UnsafeRegister(static attempt => ((ConnectAttempt)attempt!).OnCancelled(), attempt);
            return attempt.FinishAsync();
        }
        catch
        {
            _ = Descriptors.Close(descriptor);
            throw;
        }
    }

    IConnectionHandler? IConnectionAcceptor.Accept(TransportConnection connection)
    {
        Interlocked.Exchange(ref _connection, connection); // a full fence: either OnCancelled sees it, or OnReadable sees the token
        return this;
    }

    bool IConnectionTaker.TryTake(AeronetConnectionContext connection) => _completion.TrySetResult(connection);

    void IConnectionHandler.OnReadable(bool peerClosed)
    {
        if (_context is not null)
        {
            _context.Handler.OnReadable(peerClosed);
            return;
        }
        _isReadable = true;
        _isPeerClosed |= peerClosed;
        if (_cancellation.IsCancellationRequested)
        {
            GiveUp();
        }
        else if (_isThroughAtOnce)
        {
            BecomeConnected();
        }
        else
        {
            _connection!.NotifyWhenWritable();
        }
    }

    void IConnectionHandler.OnWritable()
    {
        if (_context is not null)
        {
            _context.Handler.OnWritable();
            return;
        }
        SysResult pending = Native.Libc.Sockets.GetPendingError(_descriptor);
        if (!pending.IsOk || pending.Value != 0)
        {
            Fail(pending.IsOk ? (Errno)pending.Value : pending.Errno);
            return;
        }
        BecomeConnected();
    }

    void IConnectionHandler.OnReset()
    {
        if (_context is not null)
        {
            _context.Handler.OnReset();
            return;
        }
        SysResult pending = Native.Libc.Sockets.GetPendingError(_descriptor);
        Fail(!pending.IsOk ? pending.Errno : pending.Value != 0 ? (Errno)pending.Value : Errno.ECONNRESET);
    }

    void IConnectionHandler.OnDeadline(long nowMs) => _context?.Handler.OnDeadline(nowMs);

    void IConnectionHandler.OnPosted()
    {
        if (_context is not null)
        {
            _context.Handler.OnPosted();
        }
        else
        {
            GiveUp();
        }
    }

    void IConnectionHandler.OnDrain() => _context?.Handler.OnDrain();

    void IConnectionHandler.OnAbort()
    {
        if (_context is not null)
        {
            _context.Handler.OnAbort();
        }
        else
        {
            GiveUp();
        }
    }

    void IConnectionHandler.OnClosed()
    {
        _context?.Handler.OnClosed();
        _completion.TrySetException(new SocketException((int)SocketError.OperationAborted));
    }

    private async Task<ConnectionContext> FinishAsync()
    {
        try
        {
            return await _completion.Task.ConfigureAwait(false);
        }
        finally
        {
            await _registration.DisposeAsync().ConfigureAwait(false);
        }
    }

    private void BecomeConnected()
    {
        TransportConnection? connection = _connection;
        Debug.Assert(connection is not null);
        AeronetConnectionContext context = new(connection, _settings, this);
        if (_endPoint is UnixDomainSocketEndPoint)
        {
            context.RemoteEndPoint = _endPoint;
        }
        _context = context;
        if (_isReadable)
        {
            context.Handler.OnReadable(_isPeerClosed);
        }
        context.HandOver();
    }

    private void OnCancelled() => Volatile.Read(ref _connection)?.Post();

    private void GiveUp()
    {
        _completion.TrySetCanceled(_cancellation);
        _connection!.Close();
    }

    private void Fail(Errno errno)
    {
        _completion.TrySetException(Refused(errno, _endPoint));
        _connection!.Close();
    }

    private static int Check(SysResult result, EndPoint endPoint) => result.IsOk ? result.Value : throw Refused(result.Errno, endPoint);

    private static SocketException Refused(Errno errno, EndPoint endPoint) => new((int)SocketErrors.From(errno), $"Cannot connect to {endPoint}: {errno}.");
}
