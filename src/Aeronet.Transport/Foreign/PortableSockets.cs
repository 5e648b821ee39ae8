using System;
using System.Collections.Generic;
using System.Diagnostics.CodeAnalysis;
using System.Net;
using System.Net.Sockets;
using System.Threading;
using System.Threading.Tasks;
using Aeronet.Transport.Diagnostics;
using Aeronet.Transport.Loop;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Aeronet.Transport.Foreign;

/// <summary>Listening and connecting with the framework's sockets: for who asks Aeronet's factories for pipes where the loops have no descriptors.</summary>
[SuppressMessage("Design", "CA1001", Justification = "Connections outlive who made them, and the memory pool of their factory serves them to their end.")]
internal sealed class PortableSockets
{
    private readonly SocketTransportFactory _listeners;
    private readonly SocketConnectionContextFactory _connections; // never disposed of
    private readonly bool _noDelay;

    /// <summary>Null where the loops run on epoll.</summary>
    /// <exception cref="OptionsValidationException">An option is out of range.</exception>
    /// <exception cref="PlatformNotSupportedException"><see cref="TransportBackend.Epoll"/> was asked for, and there is none here.</exception>
    public static PortableSockets? TryMake(AeronetTransportOptions options, ILoggerFactory loggerFactory)
    {
        if (LoopBackend.Resolve(AeronetTransportOptionsValidator.Check(options).Backend, out string? reason) == TransportBackend.Epoll)
        {
            return null;
        }
        if (reason is not null)
        {
            TransportLog.BackendChosen(loggerFactory.CreateLogger(TransportLog.Category), TransportBackend.Sockets, reason);
        }
        return new PortableSockets(options, loggerFactory);
    }

    /// <summary>Says which options the framework's sockets do not know; with <paramref name="isForPipes"/> also those that are about pipes, as <c>UseAeronetTransport()</c> hands them out.</summary>
    public static void ReportOptionsWithoutEffect(AeronetTransportOptions options, bool isForPipes, ILoggerFactory loggerFactory)
    {
        AeronetTransportOptions defaults = new();
        List<string> changed = [];
        if (options.ReusePort)
        {
            changed.Add(nameof(options.ReusePort));
        }
        if (options.AcceptBatchSize != defaults.AcceptBatchSize)
        {
            changed.Add(nameof(options.AcceptBatchSize));
        }
        if (options.UnixSocketMode is not null)
        {
            changed.Add(nameof(options.UnixSocketMode));
        }
        if (options.RemoveStaleUnixSocket)
        {
            changed.Add(nameof(options.RemoveStaleUnixSocket));
        }
        if (isForPipes && options.FinOnError)
        {
            changed.Add(nameof(options.FinOnError));
        }
        if (changed.Count > 0)
        {
            TransportLog.OptionsWithoutEffect(loggerFactory.CreateLogger(TransportLog.Category), TransportBackend.Sockets, string.Join(", ", changed));
        }
    }

    // Scheduling stays the thread pool's: inline, code that blocks would keep the thread that serves all sockets of the process, and nothing takes over from it.
    private PortableSockets(AeronetTransportOptions options, ILoggerFactory loggerFactory)
    {
        long? writeBufferMax = options.MaxWriteBufferSize is 0 ? 1 : options.MaxWriteBufferSize; // their 0 is no limit, ours waits for every byte
        _noDelay = options.NoDelay;
        SocketTransportOptions sockets = new()
        {
            Backlog = options.Backlog,
            NoDelay = options.NoDelay,
            MaxReadBufferSize = options.MaxReadBufferSize,
            MaxWriteBufferSize = writeBufferMax,
        };
        sockets.CreateBoundListenSocket = options.CreateBoundListenSocket ?? sockets.CreateBoundListenSocket;
        _listeners = new SocketTransportFactory(Options.Create(sockets), loggerFactory);
        _connections = new SocketConnectionContextFactory(
            new SocketConnectionFactoryOptions
            {
                MaxReadBufferSize = options.MaxReadBufferSize,
                MaxWriteBufferSize = writeBufferMax,
            },
            loggerFactory.CreateLogger(TransportLog.Category));
    }

    /// <summary>As <see cref="AeronetTransportFactory.BindAsync"/>.</summary>
    public ValueTask<IConnectionListener> BindAsync(EndPoint endPoint, CancellationToken cancellationToken) => endPoint is IPEndPoint or UnixDomainSocketEndPoint or FileHandleEndPoint
        ? _listeners.BindAsync(endPoint, cancellationToken)
        : throw new NotSupportedException($"Aeronet cannot listen on {endPoint} ({endPoint.GetType().Name}); it knows IP endpoints, Unix domain sockets and file handles.");

    /// <summary>Connects to an IP or a Unix domain socket endpoint.</summary>
    public async Task<ConnectionContext> ConnectAsync(EndPoint endPoint, CancellationToken cancellationToken)
    {
        bool isTcp = endPoint is IPEndPoint;
        Socket socket = new(endPoint.AddressFamily, SocketType.Stream, isTcp ? ProtocolType.Tcp : ProtocolType.Unspecified);
        try
        {
            if (isTcp)
            {
                socket.NoDelay = _noDelay;
            }
            await socket.ConnectAsync(endPoint, cancellationToken).ConfigureAwait(false);
            return _connections.Create(socket);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }
}
