using System;
using System.Threading;
using System.Threading.Tasks;
using Aeronet.Server.Exchange;
using Aeronet.TestSupport.Connections;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Xunit;

namespace Aeronet.Server.Tests.Sessions;

/// <summary>Deadlines that meet the end or the beginning of something.</summary>
public sealed class DeadlineRaceTests
{
    private const string Get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

    [Fact]
    public void The_last_look_at_an_exchange_that_has_just_ended_does_not_close_its_idle_connection()
    {
        ScriptedServer server = new(static _ => Task.CompletedTask, null, options => options.ApplicationMode = ApplicationMode.ThreadPool);
        ScriptedConnection connection = server.Connect();
        connection.Arrive(Get);
        long firstIdleLook = server.Loop.ClockMs + 1_000;
        MisuseTests.SettleUntil(server, () => connection.Sent.Length > 0 && connection.DeadlineMs == firstIdleLook && server.Loop.Blocks.RentedCount == 0);

        connection.FireReplacedDeadline();

        Assert.False(connection.IsClosed);
        Assert.Equal(firstIdleLook, connection.DeadlineMs);
    }

    [Fact]
    public void A_refusal_that_the_client_does_not_take_is_given_up_at_the_minimum_rate()
    {
        ScriptedServer server = new(static _ => Task.CompletedTask, kestrel => kestrel.Limits.MinResponseDataRate = new MinDataRate(100, TimeSpan.FromSeconds(5)));
        ScriptedConnection connection = server.Connect();
        connection.SendRoom = 0;
        connection.Arrive("BAD\r\n\r\n"); // the first request that this exchange meets

        for (int second = 0; second < 10 && !connection.IsAborted; second++)
        {
            connection.Advance(1000);
        }

        Assert.True(connection.IsAborted);
    }

    [Fact]
    public void Each_request_of_a_half_closed_batch_has_its_grace()
    {
        CancellationToken first = default;
        CancellationToken second = default;
        int requests = 0;
        using SemaphoreSlim go = new(0);
        ScriptedServer server = new(
            features =>
            {
                CancellationToken aborted = features.GetRequiredFeature<IHttpRequestLifetimeFeature>().RequestAborted;
                if (Interlocked.Increment(ref requests) == 1)
                {
                    first = aborted;
                    go.Wait();
                    return Task.CompletedTask;
                }

                second = aborted;
                return Task.Delay(Timeout.Infinite, aborted);
            },
            null,
            options => options.ApplicationMode = ApplicationMode.ThreadPool);
        ScriptedConnection connection = server.Connect();
        connection.CloseFromPeerWith(Get + Get);
        MisuseTests.SettleUntil(server, () => first.CanBeCanceled);
        connection.Advance(1000);
        MisuseTests.SettleUntil(server, () => first.IsCancellationRequested);
        go.Release();
        MisuseTests.SettleUntil(server, () => second.CanBeCanceled && connection.DeadlineMs != long.MaxValue);
        connection.Advance(2000);
        MisuseTests.SettleUntil(server, () => second.IsCancellationRequested);
    }
}
