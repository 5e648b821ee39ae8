using System.Threading.Tasks;
using Aeronet.Server.Binding;
using Xunit;

namespace Aeronet.Server.Tests.Binding;

public sealed class ConcurrencyLimitTests
{
    [Fact]
    public void Exactly_the_limit_gets_in_and_a_place_given_back_can_be_taken_again()
    {
        var limit = new ConcurrencyLimit(2);
        Assert.True(limit.TryEnter());
        Assert.True(limit.TryEnter());
        Assert.False(limit.TryEnter());
        limit.Exit();
        Assert.True(limit.TryEnter());
        Assert.False(limit.TryEnter());
        Assert.Equal(2, limit.Count);
    }

    [Fact]
    public async Task Several_threads_never_take_more_places_than_there_are()
    {
        var limit = new ConcurrencyLimit(3);
        long most = 0;
        Task Worker() => Task.Run(() =>
        {
            for (int i = 0; i < 20_000; i++)
            {
                if (limit.TryEnter())
                {
                    long count = limit.Count;
                    if (count > System.Threading.Interlocked.Read(ref most))
                    {
                        System.Threading.Interlocked.Exchange(ref most, count);
                    }
                    limit.Exit();
                }
            }
        });
        await Task.WhenAll(Worker(), Worker(), Worker(), Worker());
        Assert.InRange(most, 1, 3);
        Assert.Equal(0, limit.Count);
    }
}
