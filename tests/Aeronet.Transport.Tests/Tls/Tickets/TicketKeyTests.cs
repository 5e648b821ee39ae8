using System;
using System.Linq;
using System.Threading.Tasks;
using Aeronet.Transport.Tls.Tickets;
using Xunit;

namespace Aeronet.Transport.Tests.Tls.Tickets;

public sealed class TicketKeyTests
{
    [Fact]
    public void A_wiped_key_says_so_and_is_zero()
    {
        var key = TicketKey.CreateRandom();
        Assert.True(key.TryCopy(new byte[32], new byte[32], out int length));
        Assert.Equal(32, length);
        key.Wipe();
        Assert.False(key.TryCopy(new byte[32], new byte[32], out _));
        Assert.All(key.Memory.ToArray(), static b => Assert.Equal(0, b));
    }

    [Fact]
    public async Task A_reader_beside_the_wipe_gets_the_whole_key_or_none()
    {
        byte[] ones = Enumerable.Repeat((byte)1, 32).ToArray();
        for (int round = 0; round < 200; round++)
        {
            var key = new TicketKey(ones.AsSpan(0, 16), ones, ones);
            Task<bool> reader = Task.Run(() =>
            {
                byte[] aes = new byte[32], hmac = new byte[32];
                for (int i = 0; i < 10_000; i++)
                {
                    if (!key.TryCopy(aes, hmac, out _))
                    {
                        return true;
                    }
                    if (!aes.AsSpan().SequenceEqual(ones) || !hmac.AsSpan().SequenceEqual(ones))
                    {
                        return false;
                    }
                }
                return true;
            });
            key.Wipe();
            Assert.True(await reader);
        }
    }
}
