
namespace Aeronet.Server.Exchange;

/// <summary>Exchanges of one loop that no connection uses now. Loop thread only.</summary>
internal sealed class ExchangePool
{
    // Enough for the connections that are active at once on a busy loop; what a spike leaves above it goes to the collector.
    private const int Max = 512;

    private readonly AppRunner _runner;
    private readonly HttpExchange?[] _free = new HttpExchange?[Max];
    private int _count;

    public ExchangePool(AppRunner runner) => _runner = runner;

    public HttpExchange Rent()
    {
        if (_count == 0)
        {
            return _runner.CreateExchange();
        }

        HttpExchange exchange = _free[--_count]!;
        _free[_count] = null;
        return exchange;
    }

    public void Return(HttpExchange exchange)
    {
        if (_count < Max)
        {
            _free[_count++] = exchange;
        }
    }
}
