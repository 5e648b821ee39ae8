namespace Aeronet.Server.Exchange;

/// <summary>What applications may hold of a request and what therefore belongs to one connection: hosting's context (with the HttpContext) and the body streams. Passed on from exchange to exchange while requests of the connection follow each other.</summary>
/// <remarks>
/// The exchange behind them is pooled per loop, which keeps it in the processor's cache: with one exchange per connection, a request cost 45 % more
/// CPU with 512 busy connections than with 64. Owned by the exchange while one is attached, else by the loop.
/// </remarks>
internal sealed class ConnectionKeep
{
    /// <summary>Hosting's context; null before the first request, and always for context types that are structs.</summary>
    public object? HostContext { get; set; }

    public RequestBodyStream? RequestStream { get; set; }

    public ResponseBodyStream? ResponseStream { get; set; }

    public ResponseBodyWriter? ResponseWriter { get; set; }

    /// <summary>The exchange that serves the connection now; null between requests: what is held of an ended request is dead until the next one.</summary>
    public void Bind(HttpExchange? exchange)
    {
        RequestStream?.Bind(exchange);
        ResponseStream?.Bind(exchange);
        ResponseWriter?.Bind(exchange);
    }
}
