using System;
using System.Net;
using System.Threading.Tasks;
using Microsoft.AspNetCore.Connections;

namespace Aeronet.Transport.Listen;

/// <summary><see cref="AddressLimit"/> as connection middleware: for Kestrel, and behind middleware that knows the client better than the socket does.</summary>
internal sealed class AddressLimitMiddleware(ConnectionDelegate next, AddressLimitLayer layer)
{
    public async Task OnConnectionAsync(ConnectionContext context)
    {
        if (context.RemoteEndPoint is not IPEndPoint { Address: var address })
        {
            await next(context).ConfigureAwait(false);
            return;
        }
        UInt128 key = layer.Limit.KeyOf(address);
        if (!layer.Limit.TryEnter(key))
        {
            layer.ReportRefused(context.ConnectionId, address);
            context.Abort(new ConnectionAbortedException("The remote address has too many connections."));
            return;
        }
        try
        {
            await next(context).ConfigureAwait(false);
        }
        finally
        {
            layer.Limit.Exit(key);
        }
    }
}
