using System.Collections.Generic;
using Aeronet.Native.Libc;
using Aeronet.Transport.Loop;
using Xunit;

namespace Aeronet.Transport.Tests.Loop;

public sealed class FdTableTests
{
    [Fact]
    public void A_target_is_found_by_its_key_until_it_is_removed()
    {
        FdTable table = new();
        Target target = new();
        ulong key = table.Add(target);
        Assert.True(table.TryFind(key, out IPollTarget? found));
        Assert.Same(target, found);
        table.Remove(key);
        Assert.False(table.TryFind(key, out _));
        Assert.Equal(0, table.Count);
    }

    [Fact]
    [Trait("Defect", "LOOP-7")]
    public void A_reused_slot_does_not_answer_to_the_old_key()
    {
        FdTable table = new();
        ulong first = table.Add(new Target());
        table.Remove(first);
        Target successor = new();
        ulong second = table.Add(successor);
        Assert.Equal((uint)first, (uint)second);
        Assert.False(table.TryFind(first, out _));
        Assert.True(table.TryFind(second, out IPollTarget? found));
        Assert.Same(successor, found);
    }

    [Fact]
    public void The_table_grows_and_takes_freed_slots_first()
    {
        FdTable table = new();
        List<ulong> keys = [];
        for (int i = 0; i < 1000; i++)
        {
            keys.Add(table.Add(new Target()));
        }
        keys.ForEach(table.Remove);
        for (int i = 0; i < 1000; i++)
        {
            table.Add(new Target());
        }
        Assert.Equal(1000, table.SlotCount);
        Assert.Equal(1000, table.Count);
    }

    private sealed class Target : IPollTarget
    {
        public void OnEvents(EpollEvents events)
        {
        }
    }
}
