using System;
using Aeronet.TestSupport.Kernel;
using Aeronet.Transport.Buffers;
using Aeronet.Transport.Loop;
using Xunit;

namespace Aeronet.Transport.Tests.Loop;

/// <summary>Who is the loop: the thread, nobody, another thread.</summary>
public sealed class LoopRoleTests
{
    private static readonly RecordingCall s_call = new(static () => { });
    private readonly LoopRole _role = new(new BlockPool());

    [Fact]
    public void Inside_application_code_nobody_is_the_loop_and_afterwards_its_thread_is()
    {
        Assert.Null(_role.Assume());
        Assert.True(_role.IsCurrent);
        Assert.False(_role.IsApplicationHere);

        long ticket = _role.Enter(s_call);
        Assert.False(_role.IsCurrent);
        Assert.True(_role.IsApplicationHere);
        Assert.False(ForeignThread.Run(() => _role.IsApplicationHere));
        Assert.True(LoopRole.IsInApplication(_role.Word));
        Assert.Same(s_call, _role.Call);

        Assert.True(_role.TryLeave(ticket));
        Assert.True(_role.IsCurrent);
        Assert.False(_role.IsApplicationHere);
        Assert.False(LoopRole.IsInApplication(_role.Word));
        Assert.Null(_role.Call);
    }

    [Fact]
    public void Whoever_takes_it_first_has_it()
    {
        _role.Assume();
        long ticket = _role.Enter(s_call);
        Assert.True(_role.TryTake(ticket));
        Assert.False(_role.TryTake(ticket));
        Assert.False(_role.IsApplicationHere);
        Assert.Same(s_call, _role.Call); // the new thread tells it
        Assert.False(_role.TryLeave(ticket));
        Assert.False(_role.IsCurrent);
        ForeignThread.Run(() =>
        {
            Assert.Same(s_call, _role.Assume());
            Assert.True(_role.IsCurrent);
            Assert.Null(_role.Call); // its connection is the loop's no more
            _role.Resign();
        });
    }

    [Fact]
    public void An_old_ticket_takes_nothing()
    {
        _role.Assume();
        long first = _role.Enter(s_call);
        Assert.True(_role.TryLeave(first));
        Assert.False(_role.TryTake(first));
        long second = _role.Enter(s_call);
        Assert.NotEqual(first, second);
        Assert.False(_role.TryTake(first));
        Assert.True(_role.TryLeave(second));
    }

    [Fact]
    public void The_former_thread_is_a_stranger_while_the_new_one_is_in_application_code()
    {
        _role.Assume();
        long ticket = _role.Enter(s_call);
        Assert.True(_role.TryTake(ticket));
        ForeignThread.Run(() =>
        {
            _role.Assume();
            _role.Enter(s_call);
        });
        Assert.False(_role.IsApplicationHere);
        Assert.False(_role.TryLeave(ticket));
    }
}
