using System.Collections.Generic;
using System.Linq;
using Aeronet.Http.Semantics;
using Aeronet.Server.Exchange;
using CsCheck;
using Xunit;

namespace Aeronet.Server.Tests.Exchange;

public sealed class HeaderSetTests
{
    [Fact]
    public void Every_known_name_fits()
        => Assert.True(KnownHeaders.Count < HeaderSet.Capacity);

    [Fact]
    public void A_set_behaves_like_a_sorted_set()
        => Gen.Select(Gen.Bool, Gen.Int[1, HeaderSet.Capacity - 1]).Array[0, 200].Sample(steps =>
        {
            HeaderSet set = default;
            var model = new SortedSet<int>();
            foreach ((bool add, int bit) in steps)
            {
                if (add)
                {
                    set.Add((KnownHeader)bit);
                    model.Add(bit);
                }
                else
                {
                    set.Remove((KnownHeader)bit);
                    model.Remove(bit);
                }

                Assert.Equal(add, set.Contains((KnownHeader)bit));
            }

            Assert.Equal(model.Count, set.Count);
            Assert.Equal(model.Count == 0, set.IsEmpty);
            Assert.Equal(model, Members(set));
        });

    [Fact]
    public void The_difference_holds_what_only_the_first_holds()
        => Gen.Select(Gen.Int[1, HeaderSet.Capacity - 1].Array[0, 60], Gen.Int[1, HeaderSet.Capacity - 1].Array[0, 60]).Sample((first, second) =>
            Assert.Equal(first.Except(second).Order(), Members(Of(first).Without(Of(second)))));

    private static HeaderSet Of(int[] bits)
    {
        HeaderSet set = default;
        foreach (int bit in bits)
        {
            set.Add((KnownHeader)bit);
        }

        return set;
    }

    private static List<int> Members(HeaderSet set)
    {
        var members = new List<int>();
        for (int i = set.Next(0); i >= 0; i = set.Next(i + 1))
        {
            members.Add(i);
        }

        return members;
    }
}
