using System;
using System.IO;
using System.IO.Pipelines;
using System.Threading;
using System.Threading.Tasks;
using Aeronet.Server.Exchange;
using Aeronet.TestSupport.Connections;
using Microsoft.AspNetCore.Hosting.Server.Abstractions;
using Microsoft.AspNetCore.Http.Features;
using Xunit;

namespace Aeronet.Server.Tests.Sessions;

/// <summary>What an application keeps of one client's request must not reach into another client's, although exchanges are pooled.</summary>
public sealed class ConnectionIsolationTests
{
    private const string Get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

    [Fact]
    public void Streams_and_context_of_a_closed_connection_are_dead_when_its_exchange_serves_another()
    {
        Stream? keptBody = null;
        Stream? keptResponse = null;
        PipeWriter? keptWriter = null;
        HttpExchange? firstExchange = null;
        TaskCompletionSource gate = new();
        int requests = 0;
        ScriptedServer server = new(async features =>
        {
            IHttpResponseBodyFeature body = features.GetRequiredFeature<IHttpResponseBodyFeature>();
            IHostContextContainer<IFeatureCollection> container = (IHostContextContainer<IFeatureCollection>)features;
            if (Interlocked.Increment(ref requests) == 1)
            {
                firstExchange = (HttpExchange)features;
                keptBody = features.GetRequiredFeature<IHttpRequestFeature>().Body;
                keptResponse = body.Stream;
                keptWriter = body.Writer;
                container.HostContext = features;
                return;
            }

            Assert.Same(firstExchange, features); // the pool gave it again, or the test shows nothing
            Assert.Null(container.HostContext);
            await gate.Task;
            await body.Writer.WriteAsync("second"u8.ToArray());
        });

        ScriptedConnection first = server.Connect();
        first.Arrive(Get);
        first.CloseFromPeer();
        Assert.True(first.IsClosed);
        ScriptedConnection second = server.Connect();
        second.Arrive(Get);

        Assert.Throws<ObjectDisposedException>(() => { _ = keptBody!.ReadAsync(new byte[1]).AsTask(); });
        Assert.Throws<ObjectDisposedException>(() => { _ = keptResponse!.WriteAsync("stale"u8.ToArray()).AsTask(); });
        Assert.Throws<ObjectDisposedException>(() => keptWriter!.GetMemory());
        gate.SetResult();
        Assert.True(SpinWait.SpinUntil(
            () =>
            {
                server.Loop.RunPosted();
                return second.Sent.Contains("second", StringComparison.Ordinal);
            },
            TimeSpan.FromSeconds(30)));
        Assert.DoesNotContain("stale", second.Sent, StringComparison.Ordinal);
    }
}
