using System;
using System.IO;
using System.IO.Pipelines;
using System.Text;
using System.Text.RegularExpressions;
using System.Threading;
using System.Threading.Tasks;
using Aeronet.Server.Exchange;
using Aeronet.TestSupport.Connections;
using Microsoft.AspNetCore.Http.Features;
using Xunit;

#pragma warning disable CA2012, CA2022 // leaving a ValueTask behind is the misuse under test; what a read returns is not

namespace Aeronet.Server.Tests.Sessions;

/// <summary>What an application leaves behind or does twice: it may cost its own request, never another one.</summary>
public sealed class MisuseTests
{
    private const string Get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    private const string Post = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n";

    [Fact]
    public void A_token_of_a_read_left_behind_does_not_cancel_the_read_of_another_request()
    {
        using CancellationTokenSource leftBehind = new();
        Task<int>? second = null;
        int requests = 0;
        ScriptedServer server = new(async features =>
        {
            Stream body = features.GetRequiredFeature<IHttpRequestFeature>().Body;
            if (Interlocked.Increment(ref requests) == 1)
            {
                // Completes, but nobody looks: the registration stays.
                _ = features.GetRequiredFeature<IHttpRequestFeature>().Body.ReadAsync(new byte[5], leftBehind.Token);
                return;
            }

            second = body.ReadAsync(new byte[5]).AsTask();
            await second;
        });
        ScriptedConnection first = server.Connect();
        first.Arrive(Post);
        SettleUntil(server, () => first.IsSendShutDown || first.IsClosed);
        first.CloseFromPeer();

        ScriptedConnection other = server.Connect();
        other.Arrive(Post);
        SettleUntil(server, () => second is not null);
        leftBehind.Cancel();
        other.Arrive("hello");
        SettleUntil(server, () => second!.IsCompleted);

        Assert.True(second!.IsCompletedSuccessfully);
    }

    [Fact]
    public void A_token_of_a_flush_left_behind_does_not_abort_the_connection_of_another_request()
    {
        using CancellationTokenSource leftBehind = new();
        int requests = 0;
        ScriptedServer server = new(features =>
        {
            PipeWriter writer = features.GetRequiredFeature<IHttpResponseBodyFeature>().Writer;
            bool isFirst = Interlocked.Increment(ref requests) == 1;
            ValueTask<FlushResult> write = writer.WriteAsync(new byte[200_000], isFirst ? leftBehind.Token : CancellationToken.None);
            return isFirst ? Task.CompletedTask : write.AsTask();
        });
        ScriptedConnection connection = server.Connect();
        connection.SendRoom = 1000;
        connection.Arrive(Get + Get);
        Assert.Equal(1, requests); // the write that nobody awaited holds the next request up
        connection.MakeRoom(200_000);
        Assert.Equal(2, requests);
        leftBehind.Cancel();

        connection.MakeRoom(1_000_000);
        SettleUntil(server, () => Regex.Count(connection.Sent, "HTTP/1.1 200 OK") == 2 && connection.Sent.EndsWith("\0\r\n0\r\n\r\n", StringComparison.Ordinal));
        Assert.False(connection.IsAborted);
    }

    [Fact]
    public void A_second_read_while_one_waits_fails_and_the_first_goes_on()
    {
        Task<int>? first = null;
        Exception? second = null;
        ScriptedServer server = new(async features =>
        {
            Stream body = features.GetRequiredFeature<IHttpRequestFeature>().Body;
            first = body.ReadAsync(new byte[5]).AsTask();
            second = await Record.ExceptionAsync(() => body.ReadAsync(new byte[5]).AsTask());
            await first;
        });
        ScriptedConnection connection = server.Connect();
        connection.Arrive(Post);
        connection.Arrive("hello");
        SettleUntil(server, () => connection.Sent.Length > 0);

        Assert.True(first!.IsCompletedSuccessfully);
        Assert.IsType<InvalidOperationException>(second);
        Assert.StartsWith("HTTP/1.1 200 OK", connection.Sent, StringComparison.Ordinal);
    }

    [Fact]
    public void A_read_after_the_end_of_its_request_takes_nothing_from_the_next()
    {
        Stream? kept = null;
        ScriptedServer server = new(features =>
        {
            kept = features.GetRequiredFeature<IHttpRequestFeature>().Body;
            return Task.CompletedTask;
        });
        ScriptedConnection connection = server.Connect();
        connection.Arrive(Get);

        Assert.ThrowsAny<InvalidOperationException>(() => { _ = kept!.ReadAsync(new byte[5]).AsTask(); });
    }

    [Fact]
    public void A_write_after_the_end_of_its_request_sends_nothing_and_leaves_the_next_response_whole()
    {
        IHttpResponseBodyFeature? kept = null;
        ScriptedServer server = new(features =>
        {
            kept = features.GetRequiredFeature<IHttpResponseBodyFeature>();
            features.GetRequiredFeature<IHttpResponseFeature>().StatusCode = 201;
            return Task.CompletedTask;
        });
        ScriptedConnection connection = server.Connect();
        connection.Arrive(Get);
        connection.ClearSent();
        Assert.ThrowsAny<InvalidOperationException>(() => { _ = kept!.Stream.WriteAsync(Encoding.ASCII.GetBytes("late")).AsTask(); });
        Assert.ThrowsAny<InvalidOperationException>(() => { _ = kept!.Stream.FlushAsync(); });
        _ = kept!.StartAsync();
        Assert.ThrowsAny<InvalidOperationException>(() => kept.Writer.GetMemory());
        Assert.Equal("", connection.Sent);

        connection.Arrive(Get);
        Assert.StartsWith("HTTP/1.1 201 Created\r\nContent-Length: 0", connection.Sent, StringComparison.Ordinal);
        Assert.Equal(0, server.Loop.Blocks.RentedCount);
    }

    [Fact]
    public void An_abort_that_comes_after_the_end_aborts_nothing()
    {
        IHttpRequestLifetimeFeature? kept = null;
        ScriptedServer server = new(features =>
        {
            kept = features.GetRequiredFeature<IHttpRequestLifetimeFeature>();
            return Task.CompletedTask;
        });
        ScriptedConnection connection = server.Connect();
        connection.Arrive(Get);
        kept!.Abort();
        Assert.False(connection.IsAborted);

        ScriptedConnection other = server.Connect();
        other.Arrive(Get);
        Assert.StartsWith("HTTP/1.1 200 OK", other.Sent, StringComparison.Ordinal);
        Assert.Equal(0, server.Loop.Blocks.RentedCount);
    }

    [Fact]
    public void The_stream_of_an_ended_upgrade_reaches_no_other_connection()
    {
        Stream? kept = null;
        int requests = 0;
        ScriptedServer server = new(async features =>
        {
            if (++requests == 1)
            {
                kept = await features.GetRequiredFeature<IHttpUpgradeFeature>().UpgradeAsync();
                return;
            }

            // A ping timer of a WebSocket that nobody disposed.
            await kept!.WriteAsync(new byte[] { 0x89, 0 });
            await Assert.ThrowsAsync<InvalidOperationException>(() => kept.ReadExactlyAsync(new byte[10]).AsTask());
        });
        ScriptedConnection upgraded = server.Connect();
        upgraded.Arrive("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n");
        upgraded.CloseFromPeer();
        Assert.True(upgraded.IsClosed);

        ScriptedConnection other = server.Connect();
        other.Arrive(Get);
        Assert.StartsWith("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n", other.Sent, StringComparison.Ordinal);
    }

    [Fact]
    public void Advancing_past_the_memory_is_refused_before_a_byte_of_a_neighbour_is_sent()
    {
        Exception? refused = null;
        ScriptedServer server = new(features =>
        {
            PipeWriter writer = features.GetRequiredFeature<IHttpResponseBodyFeature>().Writer;
            int length = writer.GetMemory(10).Length;
            refused = Record.Exception(() => writer.Advance(length + 1));
            return Task.CompletedTask;
        });
        ScriptedConnection connection = server.Connect();
        connection.Arrive(Get);

        Assert.IsType<ArgumentOutOfRangeException>(refused);
        Assert.Contains("Content-Length: 0", connection.Sent, StringComparison.Ordinal);
    }

    [Fact]
    public void Memory_of_a_writer_whose_flush_was_cancelled_is_not_sent_from()
    {
        byte[] content = new byte[100_000];
        content.AsSpan().Fill((byte)'a');
        TaskCompletionSource end = new();
        PipeWriter? writer = null;
        bool? cancelled = null;
        ScriptedServer server = new(async features =>
        {
            writer = features.GetRequiredFeature<IHttpResponseBodyFeature>().Writer;
            cancelled = (await writer.WriteAsync(content)).IsCanceled;
            content.AsSpan().Fill((byte)'b'); // the writer's own again
            await end.Task;
        });
        ScriptedConnection connection = server.Connect();
        connection.SendRoom = 1000;
        connection.Arrive(Get);
        writer!.CancelPendingFlush();
        SettleUntil(server, () => content[^1] == 'b');
        connection.MakeRoom(1_000_000);
        end.SetResult();
        SettleUntil(server, () => connection.Sent.EndsWith("0\r\n\r\n", StringComparison.Ordinal));

        Assert.True(cancelled);
        Assert.DoesNotContain("b", connection.Sent[connection.Sent.IndexOf("\r\n\r\n", StringComparison.Ordinal)..], StringComparison.Ordinal);
        Assert.Equal(100_000, Regex.Count(connection.Sent[connection.Sent.IndexOf("aaa", StringComparison.Ordinal)..], "a"));
    }

    [Fact]
    public void A_head_request_keeps_the_memory_that_its_application_writes_into()
    {
        TaskCompletionSource end = new();
        Memory<byte> memory = default;
        ScriptedServer server = new(async features =>
        {
            PipeWriter writer = features.GetRequiredFeature<IHttpResponseBodyFeature>().Writer;
            await writer.FlushAsync();
            writer.GetSpan(5).Clear();
            writer.Advance(5);
            memory = writer.GetMemory(100);
            await end.Task; // as a file that is read into the memory
            memory.Span[..100].Fill((byte)'x');
            writer.Advance(100);
        });
        ScriptedConnection connection = server.Connect();
        connection.Arrive("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
        int rented = server.Loop.Blocks.RentedCount;
        end.SetResult();
        SettleUntil(server, () => server.Loop.Blocks.RentedCount == 0);

        Assert.Equal(2, rented); // the head's block and the one the application writes into: the response's head is sent
    }

    internal static void SettleUntil(ScriptedServer server, Func<bool> done) => Assert.True(SpinWait.SpinUntil(
        () =>
        {
            server.Loop.RunPosted();
            return done();
        },
        TimeSpan.FromSeconds(30)));
}
