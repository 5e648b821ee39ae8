using System.Security.Cryptography.X509Certificates;
using System.Threading;

namespace Aeronet.Server.Https;

/// <summary>Hands the application's wishes to the run of the server that there is, if any.</summary>
internal sealed class TlsControl : IAeronetTls
{
    private readonly Lock _gate = new();
    private ServerTls? _running; // under _gate
    private X509Certificate2Collection? _authorities; // under _gate

    /// <summary>What <see cref="UpdateClientAuthorities"/> was given last.</summary>
    public X509Certificate2Collection? Authorities
    {
        get
        {
            lock (_gate)
            {
                return _authorities;
            }
        }
    }

    public bool Reload() => Running?.Reload() ?? true;

    public bool UpdateClientAuthorities(X509Certificate2Collection? authorities)
    {
        // Before they are kept: authorities that cannot be honoured would stop every later reload.
        if (authorities is not null && Running?.RefusesAuthorities() == true)
        {
            return false;
        }
        lock (_gate)
        {
            _authorities = authorities is null ? null : [.. authorities];
        }
        return Reload();
    }

    public TlsHandshakeStatistics GetHandshakeStatistics() => Running?.Handshakes.Read() ?? default;

    public void Attach(ServerTls tls)
    {
        lock (_gate)
        {
            _running = tls;
        }
    }

    public void Detach(ServerTls tls)
    {
        lock (_gate)
        {
            if (_running == tls)
            {
                _running = null;
            }
        }
    }

    // The reload reads Authorities: not under the lock.
    private ServerTls? Running
    {
        get
        {
            lock (_gate)
            {
                return _running;
            }
        }
    }
}
