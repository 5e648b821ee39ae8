using System;
using System.Collections.Generic;
using System.Threading;
using System.Threading.Tasks;
using Aeronet.Transport.Connections;

namespace Aeronet.Transport.Tls;

/// <summary>Application code that chooses an identity per connection: Kestrel's <c>ServerCertificateSelector</c>, <c>TlsHandshakeCallbackOptions</c>, <c>OnAuthenticate</c>, and its view of the ClientHello (<c>TlsClientHelloBytesCallback</c>).</summary>
internal interface ITlsSelector
{
    /// <summary>Runs on the thread pool while the handshake waits; the loop serves others. The same identity object for the same answer: a new one costs a new OpenSSL context.</summary>
    /// <returns>Null: the endpoint's names decide. An exception refuses the client (logged once at Debug, counted as <see cref="TlsFailure.CertificateSelection"/>).</returns>
    ValueTask<TlsIdentity?> SelectAsync(TlsClientHello hello, CancellationToken cancellationToken);
}

/// <summary>What a client said first. Valid until the selection completes.</summary>
internal sealed class TlsClientHello
{
    internal TlsClientHello(TransportConnection connection, string serverName, IReadOnlyList<string> applicationProtocols, ReadOnlyMemory<byte> bytes)
    {
        Connection = connection;
        ServerName = serverName;
        ApplicationProtocols = applicationProtocols;
        Bytes = bytes;
    }

    /// <summary>The connection above TLS: its features are those that the application will see.</summary>
    public TransportConnection Connection { get; }

    /// <summary>From the server_name extension; empty when there was none or it was no DNS name.</summary>
    public string ServerName { get; }

    /// <summary>From the ALPN extension, the client's order.</summary>
    public IReadOnlyList<string> ApplicationProtocols { get; }

    /// <summary>The records of the ClientHello as received, headers included. Empty unless <see cref="TlsServices.CapturesClientHello"/>.</summary>
    public ReadOnlyMemory<byte> Bytes { get; }
}
