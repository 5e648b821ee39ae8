using System.Threading;

namespace Aeronet.Server.Exchange;

/// <summary>Exchanges of one loop that no connection uses now. Any thread: requests that end elsewhere return theirs from there.</summary>
internal sealed class ExchangePool
{
    // Enough for the connections that are active at once on a busy loop; what a spike leaves above it goes to the collector.
    private const int Max = 512;

    private readonly AppRunner _runner;
    private readonly Lock _gate = new();
    private readonly HttpExchange?[] _free = new HttpExchange?[Max];
    private int _count;

    public ExchangePool(AppRunner runner) => _runner = runner;

    public HttpExchange Rent()
    {
        lock (_gate)
        {
            if (_count > 0)
            {
                HttpExchange exchange = _free[--_count]!;
                _free[_count] = null;
                return exchange;
            }
        }

        return _runner.CreateExchange();
    }

    public void Return(HttpExchange exchange)
    {
        lock (_gate)
        {
            if (_count < Max)
            {
                _free[_count++] = exchange;
            }
        }
    }
}
