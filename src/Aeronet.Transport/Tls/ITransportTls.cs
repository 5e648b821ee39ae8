using System.Net;

namespace Aeronet.Transport.Tls;

/// <summary>Says which endpoints of a transport are TLS before their connections are handed over. Any thread.</summary>
internal interface ITransportTls
{
    /// <summary>TLS of an endpoint that is about to be bound; null: its connections are handed over as they are.</summary>
    /// <exception cref="TlsConfigurationException">Its settings cannot be used.</exception>
    TlsEndpoint? Open(EndPoint endPoint);

    /// <summary>The endpoint's listener is gone.</summary>
    void Close(TlsEndpoint endpoint);
}
