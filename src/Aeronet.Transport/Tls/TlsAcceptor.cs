using System;
using System.Diagnostics;
using Aeronet.Transport.Connections;
using Aeronet.Transport.Diagnostics;
using Microsoft.Extensions.Logging;

namespace Aeronet.Transport.Tls;

/// <summary>Puts TLS between the connections of an endpoint and their protocol.</summary>
internal sealed class TlsAcceptor : IConnectionAcceptor
{
    private readonly IConnectionAcceptor _protocols;

    public TlsAcceptor(TlsEndpoint endpoint, IConnectionAcceptor protocols, ILogger logger)
    {
        Endpoint = endpoint;
        _protocols = protocols;
        Logger = logger;
        TlsSettings settings = endpoint.Settings;
        if (settings.UsesKernelTls)
        {
            TlsLog.RecordsInKernel(logger);
        }
        else if (settings.KernelTls == KernelTls.Auto)
        {
            TlsLog.RecordsInUserSpace(logger, settings.FindKernelTls().Obstacle!);
        }
    }

    public TlsEndpoint Endpoint { get; }

    public ILogger Logger { get; }

    public IConnectionHandler? Accept(TransportConnection connection)
    {
        TlsContextSet contexts = Endpoint.Contexts;
        TlsServices services = contexts.Settings.Services;
        if (services.Admission is { } admission && admission.TryEnter(connection.Peer, connection.Loop.NowMs) is var refusal and not TlsRefusal.None)
        {
            Refuse(connection, services, refusal);
            return null;
        }

        TlsConnection tls = new(connection, this, contexts);
        IConnectionHandler? protocol = null;
        try
        {
            protocol = _protocols.Accept(tls);
        }
        finally
        {
            if (protocol is null)
            {
                services.Admission?.Exit();
            }
        }

        if (protocol is null)
        {
            return null;
        }

        tls.Begin(protocol);
        return tls;
    }

    private void Refuse(TransportConnection connection, TlsServices services, TlsRefusal refusal)
    {
        Debug.Assert(refusal != TlsRefusal.None);
        TlsHandshakeEvent refused = new()
        {
            Connection = connection,
            Failure = refusal == TlsRefusal.Concurrency ? TlsFailure.RejectedConcurrency : TlsFailure.RejectedRateLimit,
        };
        Guard.Run(() =>
        {
            services.Observer?.OnHandshakeEnded(refused);
            if (Logger.IsEnabled(LogLevel.Debug))
            {
                TlsLog.HandshakeRefused(Logger, connection.ConnectionId, refusal);
            }
        });
    }
}
