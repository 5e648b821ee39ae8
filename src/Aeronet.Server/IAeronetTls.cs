using System.Security.Cryptography.X509Certificates;

namespace Aeronet.Server;

/// <summary>TLS of the running server, for the application: a singleton among its services.</summary>
/// <remarks>Any thread. Nothing here touches a connection that is established: what changes holds for handshakes that begin afterwards.</remarks>
public interface IAeronetTls
{
    /// <summary>Reads options, certificates, keys, trust, revocation lists, ticket keys and OCSP responses again, and uses them for new connections if all of them are good. Blocks while it reads.</summary>
    /// <returns>False when something cannot be used: the log says what, and everything in force stays. True, too, when no HTTPS endpoint is running.</returns>
    bool Reload();

    /// <summary>Replaces the authorities that issue client certificates (<c>AeronetTlsOptions.ClientTrust</c>, not those of single names) from now on, over every reload, until it is called again.</summary>
    /// <remarks>A client that resumes a session shows its certificate's chain to the new authorities, too.</remarks>
    /// <param name="authorities">The only authorities, an empty collection trusts nobody; null: those of the options again. Endpoints with TLS on <c>SslStream</c> cannot honour any: false.</param>
    /// <returns>As <see cref="Reload"/>.</returns>
    bool UpdateClientAuthorities(X509Certificate2Collection? authorities);

    /// <summary>How many handshakes there were since the server started, and how long they took.</summary>
    /// <returns>All zero when no HTTPS endpoint is running.</returns>
    TlsHandshakeStatistics GetHandshakeStatistics();
}
