using Aeronet.Transport.Connections;

namespace Aeronet.Transport.Listen;

/// <summary>A connection of TLS on its way to who accepts connections: it is handed over when the handshake is over, and nobody hears of one that failed.</summary>
/// <remarks>What TLS says before that is its end only; the first <see cref="OnReadable"/> is the end of the handshake. Loop only.</remarks>
internal sealed class TlsHandOver(AeronetConnectionContext context, TransportConnection connection, AeronetConnectionListener listener) : IConnectionHandler
{
    private bool _isOpen;

    private IConnectionHandler Bridge => context.Handler;

    public void OnReadable(bool peerClosed)
    {
        if (!_isOpen)
        {
            if (!listener.TryHandOver(context))
            {
                connection.Close(); // unbound meanwhile: nobody accepts any more
                return;
            }
            _isOpen = true;
        }
        Bridge.OnReadable(peerClosed);
    }

    public void OnWritable() => Bridge.OnWritable();

    public void OnReset()
    {
        if (_isOpen)
        {
            Bridge.OnReset();
        }
        else
        {
            connection.Close();
        }
    }

    public void OnDeadline(long nowMs) => Bridge.OnDeadline(nowMs);

    public void OnPosted() => Bridge.OnPosted();

    public void OnDrain()
    {
        if (_isOpen)
        {
            Bridge.OnDrain();
        }
        else
        {
            connection.Close(); // nothing was asked yet, and nobody would answer
        }
    }

    public void OnAbort()
    {
        if (_isOpen)
        {
            Bridge.OnAbort();
        }
        else
        {
            connection.Abort();
            connection.Close();
        }
    }

    public void OnClosed()
    {
        if (_isOpen)
        {
            Bridge.OnClosed();
        }
    }
}
