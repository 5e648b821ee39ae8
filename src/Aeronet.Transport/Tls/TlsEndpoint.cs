using System.Threading;

namespace Aeronet.Transport.Tls;

/// <summary>TLS of one endpoint, whatever its settings are now.</summary>
/// <remarks>A handshake takes the settings it starts with and keeps them; established connections keep theirs for good.</remarks>
internal sealed class TlsEndpoint
{
    private TlsContextSet _contexts;

    /// <summary>Makes the OpenSSL contexts of all identities.</summary>
    /// <exception cref="TlsConfigurationException">OpenSSL is missing or too old, or an identity cannot be used; all faults in one message.</exception>
    public TlsEndpoint(TlsSettings settings) => _contexts = TlsContextSet.Create(settings);

    /// <summary>What new connections get. Any thread.</summary>
    public TlsSettings Settings => Contexts.Settings;

    internal TlsContextSet Contexts => Volatile.Read(ref _contexts);

    /// <summary>Makes the contexts of the new settings and, when all of them are good, gives them to every connection accepted from now on. Any thread.</summary>
    /// <exception cref="TlsConfigurationException">The settings before stay in force.</exception>
    public void Replace(TlsSettings settings) => Volatile.Write(ref _contexts, TlsContextSet.Create(settings));
}
