using System;
using System.Collections.Generic;
using System.Linq;
using System.Net;
using System.Threading;
using System.Threading.Tasks;
using Aeronet.TestSupport.Kernel;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http.Features;
using Xunit;

namespace Aeronet.Transport.Tests.Connections;

public sealed class ConnectionFeaturesTests
{
    [Fact]
    public void Every_connection_feature_is_there_and_enumerated()
    {
        using SimulatedLoop loop = new();
        IFeatureCollection features = loop.Connect().Handler.Connection.Features;
        Assert.NotNull(features.Get<IConnectionIdFeature>());
        Assert.NotNull(features.Get<IConnectionItemsFeature>());
        Assert.NotNull(features.Get<IConnectionLifetimeFeature>());
        Assert.NotNull(features.Get<IConnectionLifetimeNotificationFeature>());
        Assert.NotNull(features.Get<IConnectionEndPointFeature>());
        Assert.NotNull(features.Get<IMemoryPoolFeature>()!.MemoryPool);
        Assert.NotNull(features.Get<IConnectionHeartbeatFeature>());
        Assert.NotNull(features.Get<IConnectionCompleteFeature>());
        Assert.NotNull(features.Get<IPersistentStateFeature>());
        Assert.NotNull(features.Get<IConnectionSocketFeature>());
        Assert.Null(features.Get<IHttpRequestFeature>());
        Assert.Equal(10, features.Count());
    }

    [Fact]
    public void A_feature_can_be_replaced_hidden_and_added()
    {
        using SimulatedLoop loop = new();
        IFeatureCollection features = loop.Connect().Handler.Connection.Features;
        int revision = features.Revision;
        Items mine = new();
        features.Set<IConnectionItemsFeature>(mine);
        Assert.Same(mine, features.Get<IConnectionItemsFeature>());
        features.Set<IConnectionIdFeature>(null);
        Assert.Null(features.Get<IConnectionIdFeature>());
        features[typeof(string)] = "extra";
        Assert.Equal("extra", features[typeof(string)]);
        Assert.Equal(revision + 3, features.Revision);
        Assert.Equal(10, features.Count()); // one hidden, one added
    }

    [Fact]
    [Trait("Defect", "HOST-40")]
    public void Items_and_persistent_state_keep_what_is_put_into_them()
    {
        using SimulatedLoop loop = new();
        IFeatureCollection features = loop.Connect().Handler.Connection.Features;
        features.Get<IConnectionItemsFeature>()!.Items["a"] = 1;
        features.Get<IPersistentStateFeature>()!.State["b"] = 2;
        Assert.Equal(1, features.Get<IConnectionItemsFeature>()!.Items["a"]);
        Assert.Equal(2, features.Get<IPersistentStateFeature>()!.State["b"]);
        Assert.False(features.Get<IConnectionItemsFeature>()!.Items.ContainsKey("b"));
    }

    [Fact]
    public void Identity_and_addresses_are_those_of_the_connection_until_somebody_sets_others()
    {
        using SimulatedLoop loop = new();
        RecordingHandler handler = loop.Connect().Handler;
        IFeatureCollection features = handler.Connection.Features;
        Assert.Equal(handler.Connection.ConnectionId, features.Get<IConnectionIdFeature>()!.ConnectionId);
        Assert.Equal(handler.Connection.RemoteEndPoint, features.Get<IConnectionEndPointFeature>()!.RemoteEndPoint);
        IPEndPoint forwarded = new(IPAddress.Parse("192.0.2.1"), 5);
        features.Get<IConnectionEndPointFeature>()!.RemoteEndPoint = forwarded;
        features.Get<IConnectionIdFeature>()!.ConnectionId = "mine";
        Assert.Equal(forwarded, features.Get<IConnectionEndPointFeature>()!.RemoteEndPoint);
        Assert.Equal("mine", features.Get<IConnectionIdFeature>()!.ConnectionId);
    }

    [Fact]
    public async Task ConnectionClosed_is_cancelled_when_the_connection_ends()
    {
        CancellationToken token;
        using (SimulatedLoop loop = new())
        {
            RecordingHandler handler = loop.Connect().Handler;
            token = handler.Connection.Features.Get<IConnectionLifetimeFeature>()!.ConnectionClosed;
            Assert.False(token.IsCancellationRequested);
            handler.Connection.Close();
        }
        await Cancelled(token);
    }

    [Fact]
    public void A_token_asked_for_after_the_end_is_cancelled()
    {
        using SimulatedLoop loop = new();
        RecordingHandler handler = loop.Connect().Handler;
        IFeatureCollection features = handler.Connection.Features;
        handler.Connection.Close();
        Assert.True(features.Get<IConnectionLifetimeFeature>()!.ConnectionClosed.IsCancellationRequested);
    }

    [Fact]
    public void Abort_by_feature_reaches_the_protocol_on_the_loop_and_is_harmless_after_the_end()
    {
        using SimulatedLoop loop = new();
        (SimulatedPeer peer, RecordingHandler handler) = loop.Connect();
        IConnectionLifetimeFeature lifetime = handler.Connection.Features.Get<IConnectionLifetimeFeature>()!;
        ForeignThread.Run(lifetime.Abort);
        Assert.DoesNotContain("Abort", handler.Calls);
        loop.Turn();
        Assert.Equal(["Abort", "Closed"], handler.Calls[^2..]);
        Assert.True(peer.SeesReset);
        int calls = handler.Calls.Count;
        lifetime.Abort();
        loop.Turn();
        Assert.Equal(calls, handler.Calls.Count);
    }

    [Fact]
    public async Task RequestClose_drains_the_connection_and_cancels_the_notification()
    {
        CancellationToken requested;
        using (SimulatedLoop loop = new())
        {
            RecordingHandler handler = loop.Connect().Handler;
            IConnectionLifetimeNotificationFeature notification = handler.Connection.Features.Get<IConnectionLifetimeNotificationFeature>()!;
            requested = notification.ConnectionClosedRequested;
            notification.RequestClose();
            notification.RequestClose();
            loop.Turn(2);
            Assert.Equal(1, handler.CountOf("Drain"));
        }
        await Cancelled(requested);
    }

    [Fact]
    public void The_heartbeat_beats_about_once_a_second_until_the_end()
    {
        using SimulatedLoop loop = new();
        RecordingHandler handler = loop.Connect().Handler;
        using SemaphoreSlim beats = new(0);
        handler.Connection.Features.Get<IConnectionHeartbeatFeature>()!.OnHeartbeat(static state => ((SemaphoreSlim)state).Release(), beats);
        loop.Turn();
        loop.Advance(3200);
        for (int i = 0; i < 3; i++)
        {
            Assert.True(beats.Wait(TimeSpan.FromSeconds(30)));
        }
        handler.Connection.Close();
        Assert.Equal(-1, loop.Loop.Timers.DelayMs(loop.Loop.NowMs));
    }

    [Fact]
    public async Task Completion_callbacks_run_last_first_after_the_end_also_when_one_fails()
    {
        List<int> order = [];
        TaskCompletionSource done = new(TaskCreationOptions.RunContinuationsAsynchronously);
        using (SimulatedLoop loop = new())
        {
            RecordingHandler handler = loop.Connect().Handler;
            IConnectionCompleteFeature complete = handler.Connection.Features.Get<IConnectionCompleteFeature>()!;
            complete.OnCompleted(_ =>
            {
                order.Add(1);
                done.SetResult();
                return Task.CompletedTask;
            }, this);
            complete.OnCompleted(static _ => throw new InvalidOperationException("boom"), this);
            complete.OnCompleted(_ =>
            {
                order.Add(3);
                return Task.CompletedTask;
            }, this);
            Assert.Empty(order);
            handler.Connection.Close();
            Assert.Throws<InvalidOperationException>(() => complete.OnCompleted(static _ => Task.CompletedTask, this));
        }
        await done.Task.WaitAsync(TimeSpan.FromSeconds(30));
        Assert.Equal([3, 1], order);
    }

    private static async Task Cancelled(CancellationToken token)
    {
        TaskCompletionSource cancelled = new(TaskCreationOptions.RunContinuationsAsynchronously);
        await using CancellationTokenRegistration registration = token.Register(cancelled.SetResult);
        await cancelled.Task.WaitAsync(TimeSpan.FromSeconds(30), CancellationToken.None);
    }

    private sealed class Items : IConnectionItemsFeature
    {
        IDictionary<object, object?> IConnectionItemsFeature.Items { get; set; } = new Dictionary<object, object?>();
    }
}
