using System.Net;
using System.Threading.Tasks;
using Aeronet.Transport.Connections;
using Aeronet.Transport.Listen;
using Aeronet.Transport.Loop;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging;

namespace Aeronet.Transport.Foreign;

/// <summary>Pipes on the loops of a server, for its own endpoints whose middleware needs pipes: what middleware and protocol work on is one copy away from the socket, on the same loop.</summary>
/// <param name="group">The server's.</param>
/// <param name="isInline">Middleware may go on where the loop calls it, unless <see cref="AeronetTransportOptions.PipeScheduling"/> says otherwise; false: on the thread pool.</param>
/// <param name="logger">Of the transport.</param>
internal sealed class CarrierFactory(EventLoopGroup group, bool isInline, ILogger logger)
{
    private readonly PipeBridgeSettings _settings = PipeBridgeSettings.ForCarriers(group.Options, isInline, logger);

    /// <summary>Middleware goes on where the loop calls it.</summary>
    public bool IsInline => _settings.IsInline;

    /// <summary>Listens.</summary>
    /// <exception cref="AddressInUseException">Somebody listens there.</exception>
    /// <exception cref="System.Net.Sockets.SocketException">Any other refusal of the system.</exception>
    public async Task<IConnectionListener> BindAsync(EndPoint endPoint, AddressLimit? addressLimit)
    {
        AeronetConnectionListener listener = new(loops: null, group, _settings);
        try
        {
            listener.Bind(endPoint, _settings.Logger, addressLimit);
            return listener;
        }
        catch
        {
            await listener.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }
}
