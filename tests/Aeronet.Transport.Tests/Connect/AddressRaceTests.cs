using System;
using System.Collections.Generic;
using System.Linq;
using System.Net;
using System.Net.Sockets;
using System.Threading;
using System.Threading.Tasks;
using Aeronet.TestSupport.Hosting;
using Aeronet.TestSupport.Kernel;
using Aeronet.Transport.Connect;
using Xunit;

namespace Aeronet.Transport.Tests.Connect;

/// <summary>Attempts are completed by the test, and time passes when it says so.</summary>
public sealed class AddressRaceTests
{
    private static readonly IPAddress[] s_addresses = [IPAddress.Parse("192.0.2.1"), IPAddress.Parse("192.0.2.2"), IPAddress.Parse("192.0.2.3")];

    private readonly ManualClock _clock = new();
    private readonly List<TaskCompletionSource<string>> _attempts = [];
    private readonly List<IPAddress> _tried = [];
    private readonly List<string> _discarded = [];
    private int _discardedCount;

    [Fact]
    public async Task The_first_address_has_a_head_start_and_may_win()
    {
        Task<string> race = Run();
        Assert.Equal(s_addresses[..1], _tried);
        _clock.Advance(AddressRace.HeadStart - TimeSpan.FromMilliseconds(1));
        Assert.Single(_tried);
        _attempts[0].SetResult("first");
        Assert.Equal("first", await race.WaitAsync(Guard.Time));
        Assert.Single(_tried);
    }

    [Fact]
    public async Task An_address_that_does_not_answer_costs_a_moment()
    {
        Task<string> race = Run();
        _clock.Advance(AddressRace.HeadStart);
        WaitForAttempts(2);
        _attempts[1].SetResult("second");
        Assert.Equal("second", await race.WaitAsync(Guard.Time));
        Assert.True(_attempts[0].Task.IsCanceled);
        Assert.Equal(s_addresses[..2], _tried);
    }

    [Fact]
    public async Task A_refusal_costs_nothing()
    {
        Task<string> race = Run();
        _attempts[0].SetException(new SocketException((int)SocketError.ConnectionRefused));
        WaitForAttempts(2);
        _attempts[1].SetResult("second");
        Assert.Equal("second", await race.WaitAsync(Guard.Time));
    }

    [Fact]
    public async Task An_early_address_that_answers_late_still_wins()
    {
        Task<string> race = Run();
        _clock.Advance(AddressRace.HeadStart);
        WaitForAttempts(2);
        _attempts[1].SetException(new SocketException((int)SocketError.ConnectionRefused));
        WaitForAttempts(3);
        _attempts[2].SetException(new SocketException((int)SocketError.ConnectionRefused));
        Assert.False(race.IsCompleted);
        _attempts[0].SetResult("first");
        Assert.Equal("first", await race.WaitAsync(Guard.Time));
    }

    [Fact]
    public async Task The_last_refusal_is_the_answer()
    {
        Task<string> race = Run();
        SocketError[] errors = [SocketError.NetworkUnreachable, SocketError.HostUnreachable, SocketError.ConnectionRefused];
        for (int i = 0; i < errors.Length; i++)
        {
            WaitForAttempts(i + 1);
            _attempts[i].SetException(new SocketException((int)errors[i]));
        }
        SocketException refused = await Assert.ThrowsAsync<SocketException>(() => race.WaitAsync(Guard.Time));
        Assert.Equal(SocketError.ConnectionRefused, refused.SocketErrorCode);
    }

    [Fact]
    public async Task A_connection_that_comes_too_late_is_discarded()
    {
        Task<string> race = Run(followsToken: false);
        _clock.Advance(AddressRace.HeadStart);
        WaitForAttempts(2);
        _attempts[1].SetResult("second");
        Assert.Equal("second", await race.WaitAsync(Guard.Time));
        _attempts[0].SetResult("first");
        Assert.True(SpinWait.SpinUntil(() => Volatile.Read(ref _discardedCount) == 1, Guard.Time));
        Assert.Equal(["first"], _discarded);
    }

    [Fact]
    public async Task A_token_ends_the_race()
    {
        using CancellationTokenSource source = new();
        Task<string> race = Run(cancellation: source.Token);
        _clock.Advance(AddressRace.HeadStart);
        WaitForAttempts(2);
        await source.CancelAsync();
        OperationCanceledException cancelled = await Assert.ThrowsAnyAsync<OperationCanceledException>(() => race.WaitAsync(Guard.Time));
        Assert.Equal(source.Token, cancelled.CancellationToken);
        Assert.All(_attempts, static attempt => Assert.True(attempt.Task.IsCanceled));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public async Task A_refusal_that_is_thrown_at_once_is_one_like_any_other(int at)
    {
        TaskCompletionSource<string> other = new(TaskCreationOptions.RunContinuationsAsynchronously);
        int asked = 0;
        Task<string> race = AddressRace.RunAsync(
            s_addresses[..2],
            (_, _) => asked++ == at ? throw new SocketException((int)SocketError.NetworkUnreachable) : other.Task,
            static _ => default,
            _clock,
            CancellationToken.None);
        _clock.Advance(AddressRace.HeadStart);
        Assert.True(SpinWait.SpinUntil(() => Volatile.Read(ref asked) == 2, Guard.Time));
        Assert.False(race.IsCompleted);
        other.SetResult("connected");
        Assert.Equal("connected", await race.WaitAsync(Guard.Time));
    }

    [Fact]
    public async Task However_many_addresses_a_name_has_few_are_tried_at_once_and_none_keeps_the_others_from_their_turn()
    {
        IPAddress[] addresses = [.. s_addresses, .. s_addresses, .. s_addresses];
        Task<string> race = Run(addresses: addresses);
        for (int attempts = 2; attempts < addresses.Length; attempts++)
        {
            Assert.True(SpinWait.SpinUntil(() => _clock.TimerCount == 1, Guard.Time)); // the head start is running
            _clock.Advance(AddressRace.HeadStart);
            WaitForAttempts(attempts);
            int under = 0;
            Assert.True(SpinWait.SpinUntil(() => (under = UnderWay()) <= AddressRace.AttemptsMax, Guard.Time), $"{under} at once");
        }

        Assert.All(_attempts[..^AddressRace.AttemptsMax], static attempt => Assert.True(attempt.Task.IsCanceled)); // silent for long enough
        _attempts[^1].SetResult("late");
        Assert.Equal("late", await race.WaitAsync(Guard.Time));
    }

    private int UnderWay()
    {
        lock (_attempts)
        {
            return _attempts.Count(static attempt => !attempt.Task.IsCompleted);
        }
    }

    private Task<string> Run(bool followsToken = true, IPAddress[]? addresses = null, CancellationToken cancellation = default) => AddressRace.RunAsync(
        addresses ?? s_addresses,
        (address, token) =>
        {
            TaskCompletionSource<string> attempt = new(TaskCreationOptions.RunContinuationsAsynchronously);
            if (followsToken)
            {
                token.Register(() => attempt.TrySetCanceled(token));
            }
            lock (_attempts)
            {
                _tried.Add(address);
                _attempts.Add(attempt);
            }
            return attempt.Task;
        },
        connection =>
        {
            _discarded.Add(connection);
            Interlocked.Increment(ref _discardedCount);
            return default;
        },
        _clock,
        cancellation);

    private void WaitForAttempts(int count) => Assert.True(SpinWait.SpinUntil(
        () =>
        {
            lock (_attempts)
            {
                return _attempts.Count == count;
            }
        },
        Guard.Time));
}
