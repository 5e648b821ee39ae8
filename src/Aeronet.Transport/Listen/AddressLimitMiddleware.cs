using System;
using System.Diagnostics.Metrics;
using System.Net;
using System.Threading.Tasks;
using Aeronet.Transport.Diagnostics;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Aeronet.Transport.Listen;

/// <summary><see cref="AddressLimit"/> as connection middleware: for Kestrel, and behind middleware that knows the client better than the socket does.</summary>
internal sealed class AddressLimitMiddleware
{
    private readonly ConnectionDelegate _next;
    private readonly AddressLimit _limit;
    private readonly ILogger _logger;
    private readonly Counter<long>? _refused; // null without a meter factory

    public AddressLimitMiddleware(ConnectionDelegate next, AddressLimit limit, IServiceProvider? services)
    {
        _next = next;
        _limit = limit;
        _logger = services?.GetService<ILoggerFactory>()?.CreateLogger(TransportLog.Category) ?? NullLogger.Instance;
        _refused = services?.GetService<IMeterFactory>()?.Create(TransportMetrics.MeterName)
            .CreateCounter<long>("aeronet.address_limit.refused", "{connection}", "Connections ended by UseConnectionLimitPerAddress.");
    }

    public async Task OnConnectionAsync(ConnectionContext context)
    {
        if (context.RemoteEndPoint is not IPEndPoint { Address: var address })
        {
            await _next(context).ConfigureAwait(false);
            return;
        }
        UInt128 key = _limit.KeyOf(address);
        if (!_limit.TryEnter(key))
        {
            _refused?.Add(1);
            TransportLog.RefusedByAddress(_logger, context.ConnectionId, address);
            context.Abort(new ConnectionAbortedException("The remote address has too many connections."));
            return;
        }
        try
        {
            await _next(context).ConfigureAwait(false);
        }
        finally
        {
            _limit.Exit(key);
        }
    }
}
