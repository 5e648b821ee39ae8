using System;
using System.Threading;
using System.Threading.Channels;
using Aeronet.Transport;
using Aeronet.Transport.Diagnostics;
using Aeronet.Transport.Tls;
using Microsoft.Extensions.Logging;

namespace Aeronet.Server.Diagnostics;

/// <summary>Brings handshakes from the loops to the application's callback: in order, one at a time, on the thread pool. A callback that is too slow loses reports, it never holds up a loop.</summary>
internal sealed class HandshakeReports : IThreadPoolWorkItem
{
    /// <summary>Reports that wait at most.</summary>
    public const int WaitingMax = 4096;

    private readonly Channel<TlsHandshakeReport> _waiting = Channel.CreateBounded<TlsHandshakeReport>(new BoundedChannelOptions(WaitingMax) { FullMode = BoundedChannelFullMode.DropWrite });
    private readonly Action<TlsHandshakeReport> _callback;
    private readonly ILogger _logger;
    private int _isRunning; // Interlocked: 1 while a pool thread has the reader's part

    public HandshakeReports(Action<TlsHandshakeReport> callback, ILogger logger)
    {
        _callback = callback;
        _logger = logger;
    }

    /// <summary>Any thread; never waits, never throws.</summary>
    public void Post(in TlsHandshakeEvent handshake)
    {
        _waiting.Writer.TryWrite(new TlsHandshakeReport
        {
            Outcome = handshake.Failure switch
            {
                TlsFailure.None => TlsHandshakeOutcome.Succeeded,
                TlsFailure.RejectedConcurrency or TlsFailure.RejectedRateLimit => TlsHandshakeOutcome.Refused,
                _ => TlsHandshakeOutcome.Failed,
            },
            Reason = TlsMetrics.Reason(handshake.Failure),
            RemoteEndPoint = handshake.Connection.RemoteEndPoint,
            ConnectionId = handshake.Connection.ConnectionId,
            ServerName = handshake.ServerName,
            Protocol = handshake.Protocol,
            CipherSuite = handshake.CipherSuite,
            ApplicationProtocol = handshake.ApplicationProtocol,
            IsResumed = handshake.IsResumed,
            HasClientCertificate = handshake.HasClientCertificate,
            Duration = handshake.Duration,
        });
        Start();
    }

    public void Execute()
    {
        while (_waiting.Reader.TryRead(out TlsHandshakeReport report))
        {
            try
            {
                _callback(report);
            }
#pragma warning disable CA1031 // Whatever the application throws ends here.
            catch (Exception failure)
#pragma warning restore CA1031
            {
                TlsServiceLog.HandshakeCallbackFailed(_logger, failure);
            }
        }
        Volatile.Write(ref _isRunning, 0);
        // One that came between the last look and the line above would wait for the next.
        if (_waiting.Reader.TryPeek(out _))
        {
            Start();
        }
    }

    private void Start()
    {
        if (Interlocked.Exchange(ref _isRunning, 1) == 0)
        {
            ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
        }
    }
}
