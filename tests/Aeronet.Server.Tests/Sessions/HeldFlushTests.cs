using System;
using System.IO;
using System.Linq;
using System.Text;
using System.Text.RegularExpressions;
using System.Threading;
using System.Threading.Tasks;
using Aeronet.Server.Exchange;
using Aeronet.Server.Tests.Diagnostics;
using Aeronet.TestSupport.Connections;
using Microsoft.AspNetCore.Http.Features;
using Xunit;

namespace Aeronet.Server.Tests.Sessions;

/// <summary>When the flushes of a response leave that begins after a suspension, and what a suspended request holds.</summary>
public sealed class HeldFlushTests : IDisposable
{
    private const string Get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    private const string Head = "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n";
    private const string Upgrade = "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n";

    private const int PieceLength = 16 * 1024;

    private static readonly byte[] s_piece = Enumerable.Repeat((byte)'~', PieceLength).ToArray();

    private readonly FaultyLoggerFactory _log = new();
    private readonly SemaphoreSlim _step = new(0); // each release lets the application go on to its next line, on another thread

    public void Dispose()
    {
        _log.Dispose();
        _step.Dispose();
    }

    [Fact]
    public void The_end_that_follows_a_held_flush_leaves_with_it_in_one_send_with_a_length()
    {
        ScriptedServer server = Make(async body =>
        {
            await _step.WaitAsync();
            await WriteAsync(body, "hello");
        });
        ScriptedConnection connection = server.Connect();
        connection.Arrive(Get);
        Step(server);
        MisuseTests.SettleUntil(server, () => connection.Sent.EndsWith("hello", StringComparison.Ordinal));
        Assert.Equal(1, connection.SendCalls);
        Assert.Contains("Content-Length: 5\r\n", connection.Sent, StringComparison.Ordinal);
        LookUntilEmpty(server);
        Assert.Equal(1, connection.SendCalls);
    }

    [Fact]
    public void A_held_flush_that_nothing_follows_is_sent_at_the_second_look_and_later_ones_at_once()
    {
        int written = 0;
        ScriptedServer server = Make(async body =>
        {
            foreach (string part in new[] { "one", "two" })
            {
                await _step.WaitAsync();
                await WriteAsync(body, part);
                Interlocked.Increment(ref written);
            }

            await _step.WaitAsync();
        });
        ScriptedConnection connection = server.Connect();
        connection.Arrive(Get);
        Step(server);
        MisuseTests.SettleUntil(server, () => Volatile.Read(ref written) == 1);
        Assert.True(server.Loop.SendHeld());
        Assert.Equal(0, connection.SendCalls);
        Assert.False(server.Loop.SendHeld());
        Assert.EndsWith("\r\n\r\n3\r\none\r\n", connection.Sent, StringComparison.Ordinal);

        Step(server);
        MisuseTests.SettleUntil(server, () => Volatile.Read(ref written) == 2);
        Assert.EndsWith("3\r\ntwo\r\n", connection.Sent, StringComparison.Ordinal);
        Step(server);
        MisuseTests.SettleUntil(server, () => connection.Sent.EndsWith("0\r\n\r\n", StringComparison.Ordinal));
    }

    [Fact]
    public void The_number_of_a_request_that_has_ended_sends_nothing_of_the_next()
    {
        int written = 0;
        int requests = 0;
        ScriptedServer server = Make(async body =>
        {
            bool isFirst = Interlocked.Increment(ref requests) == 1;
            await _step.WaitAsync();
            await WriteAsync(body, "part");
            Interlocked.Increment(ref written);
            if (!isFirst)
            {
                await _step.WaitAsync();
            }
        });
        ScriptedConnection connection = server.Connect();
        connection.Arrive(Get);
        Step(server);
        MisuseTests.SettleUntil(server, () => connection.Sent.EndsWith("part", StringComparison.Ordinal) && connection.DeadlineMs == server.Loop.ClockMs + 1_000);
        Assert.True(server.Loop.SendHeld()); // the first request's is seen once
        connection.Arrive(Get);
        MisuseTests.SettleUntil(server, () => Volatile.Read(ref requests) == 2); // the thread that ended the first may still be on its way out: the second must have suspended before it is let go on
        Step(server);
        MisuseTests.SettleUntil(server, () => Volatile.Read(ref written) == 2);

        Assert.True(server.Loop.SendHeld()); // and comes up now; the second's is seen once
        Assert.Equal(1, connection.SendCalls);
        Assert.False(server.Loop.SendHeld());
        Assert.Equal(2, connection.SendCalls);
        Step(server);
        MisuseTests.SettleUntil(server, () => Regex.Count(connection.Sent, "HTTP/1.1 200 OK") == 2 && connection.Sent.EndsWith("0\r\n\r\n", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(null)]
    [InlineData(1_024 * 1_024)]
    public void A_stream_written_in_one_go_leaves_in_whole_sends(int? contentLength)
    {
        ScriptedServer server = Make(async (features, body) =>
        {
            features.GetRequiredFeature<IHttpResponseFeature>().Headers.ContentLength = contentLength;
            await WritePiecesAsync(body, 64);
        });
        ScriptedConnection connection = server.Connect();
        connection.Arrive(Get);
        Assert.Equal(64 * PieceLength, ContentSent(connection));
        Assert.InRange(connection.SendCalls, 2, 1_024 / 64 + 1);
    }

    [Fact]
    public void A_stream_that_goes_on_elsewhere_is_gathered_while_it_is_fast_and_sent_at_once_when_it_is_slow()
    {
        int written = 0;
        ScriptedServer server = Make(async body =>
        {
            await _step.WaitAsync();
            await WritePiecesAsync(body, 11); // two whole sends of five, and one piece
            Interlocked.Increment(ref written);
            foreach (string part in new[] { "slow", "slower" })
            {
                await _step.WaitAsync();
                await WriteAsync(body, part);
                Interlocked.Increment(ref written);
            }

            await _step.WaitAsync();
        });
        ScriptedConnection connection = server.Connect();
        connection.Arrive(Get);
        Step(server);
        MisuseTests.SettleUntil(server, () => Volatile.Read(ref written) == 1);
        Assert.Equal(2, connection.SendCalls);
        LookUntilEmpty(server);
        Assert.Equal(3, connection.SendCalls);
        Assert.Equal(11 * PieceLength, ContentSent(connection));

        for (int part = 2; part <= 3; part++)
        {
            Step(server);
            MisuseTests.SettleUntil(server, () => Volatile.Read(ref written) == part);
            Assert.Equal(2 + part, connection.SendCalls);
        }

        Assert.EndsWith("6\r\nslower\r\n", connection.Sent, StringComparison.Ordinal);
        Step(server);
        MisuseTests.SettleUntil(server, () => connection.Sent.EndsWith("0\r\n\r\n", StringComparison.Ordinal));
    }

    [Fact]
    public void A_stream_that_has_waited_for_its_client_is_gathered()
    {
        bool hasEnded = false;
        ScriptedServer server = Make(async body =>
        {
            await WritePiecesAsync(body, 32);
            Volatile.Write(ref hasEnded, true);
        });
        ScriptedConnection connection = server.Connect();
        connection.SendRoom = 1_000;
        connection.Arrive(Get);
        Assert.Equal(2, connection.SendCalls); // a part of it, and the full socket
        connection.MakeRoom(long.MaxValue / 2);
        MisuseTests.SettleUntil(server, () => Volatile.Read(ref hasEnded) && connection.Sent.EndsWith("0\r\n\r\n", StringComparison.Ordinal));
        Assert.Equal(32 * PieceLength, ContentSent(connection));
        Assert.InRange(connection.SendCalls, 4, 2 + (512 / 64) + 1);
    }

    [Fact]
    public void Flushes_behind_a_full_socket_ask_it_once()
    {
        int written = 0;
        ScriptedServer server = Make(async body =>
        {
            foreach (string part in new[] { "one", "two", "three" })
            {
                await WriteAsync(body, part);
                Interlocked.Increment(ref written);
                await _step.WaitAsync();
            }
        });
        ScriptedConnection connection = server.Connect();
        connection.SendRoom = 10;
        connection.Arrive(Get);
        Assert.Equal(2, connection.SendCalls); // a part of the head, and the full socket
        for (int part = 2; part <= 3; part++)
        {
            Step(server);
            MisuseTests.SettleUntil(server, () => Volatile.Read(ref written) == part);
        }

        Assert.Equal(2, connection.SendCalls);
        connection.MakeRoom(long.MaxValue / 2);
        Assert.EndsWith("3\r\none\r\n3\r\ntwo\r\n5\r\nthree\r\n", connection.Sent, StringComparison.Ordinal);
        Assert.Equal(3, connection.SendCalls);
        Step(server);
        MisuseTests.SettleUntil(server, () => connection.Sent.EndsWith("0\r\n\r\n", StringComparison.Ordinal));
    }

    [Fact]
    public void What_throws_while_a_held_flush_is_sent_ends_the_connection_and_not_the_monitor()
    {
        bool isWritten = false;
        CancellationToken aborted = default;
        ScriptedServer server = Make(async (features, body) =>
        {
            aborted = features.GetRequiredFeature<IHttpRequestLifetimeFeature>().RequestAborted;
            await _step.WaitAsync();
            await WriteAsync(body, "dropped"); // says so in the log when the head is known
            Volatile.Write(ref isWritten, true);
            await _step.WaitAsync();
        });
        _log.At["ConnectionHeadResponseBodyWrite"] = FaultyLoggerFactory.Throw;
        ScriptedConnection connection = server.Connect();
        connection.Arrive(Head);
        Step(server);
        MisuseTests.SettleUntil(server, () => Volatile.Read(ref isWritten));
        LookUntilEmpty(server);
        AssertGivenUp(server, connection);
        MisuseTests.SettleUntil(server, () => aborted.IsCancellationRequested);
        Step(server);
        MisuseTests.SettleUntil(server, () => connection.IsClosed);
        Assert.Equal(0, server.Loop.Blocks.RentedCount);
    }

    [Fact]
    public void What_throws_when_a_suspended_request_is_sent_ends_the_connection_when_that_has_ended()
    {
        ScriptedServer server = Make(async body =>
        {
            await WriteAsync(body, "dropped");
            await _step.WaitAsync();
        });
        _log.At["ConnectionHeadResponseBodyWrite"] = FaultyLoggerFactory.Throw;
        ScriptedConnection connection = server.Connect();
        connection.Arrive(Head);
        AssertGivenUp(server, connection);
        Step(server);
        MisuseTests.SettleUntil(server, () => connection.IsClosed);
        Assert.Equal(0, server.Loop.Blocks.RentedCount);
    }

    [Fact]
    public void Suspended_requests_hold_their_heads_and_no_block_for_their_responses()
    {
        const int Count = 20;
        ScriptedServer server = Make(_ => _step.WaitAsync());
        ScriptedConnection[] connections = Connect(server, Count, Get);
        Assert.Equal(Count, server.Loop.Blocks.RentedCount);
        _step.Release(Count);
        MisuseTests.SettleUntil(server, () => Array.TrueForAll(connections, static connection => connection.Sent.Length > 0) && server.Loop.Blocks.RentedCount == 0);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Streams_hold_no_block_for_their_responses_between_flushes(bool held)
    {
        const int Count = 20;
        int written = 0;
        ScriptedServer server = Make(async body =>
        {
            await WriteAsync(body, "one");
            await _step.WaitAsync();
            await WriteAsync(body, "two");
            Interlocked.Increment(ref written);
            await _step.WaitAsync();
        });
        server.Loop.HoldsFlushes = held;
        ScriptedConnection[] connections = Connect(server, Count, Get);
        Assert.Equal(Count, server.Loop.Blocks.RentedCount); // their heads
        _step.Release(Count);
        MisuseTests.SettleUntil(server, () => Volatile.Read(ref written) == Count);
        LookUntilEmpty(server);
        Assert.All(connections, static connection => Assert.EndsWith("3\r\ntwo\r\n", connection.Sent, StringComparison.Ordinal));
        Assert.Equal(Count, server.Loop.Blocks.RentedCount);
        _step.Release(Count);
        MisuseTests.SettleUntil(server, () => server.Loop.Blocks.RentedCount == 0);
    }

    [Fact]
    public void Upgraded_connections_hold_no_block_before_and_after_a_message()
    {
        const int Count = 20;
        int upgraded = 0;
        int written = 0;
        ScriptedServer server = Make(async (features, _) =>
        {
            Stream stream = await features.GetRequiredFeature<IHttpUpgradeFeature>().UpgradeAsync();
            Task<int> read = stream.ReadAsync(new byte[1]).AsTask(); // as an upgraded connection spends its life
            Interlocked.Increment(ref upgraded);
            await _step.WaitAsync();
            await WriteAsync(stream, "message");
            Interlocked.Increment(ref written);
            Assert.Equal(0, await read);
        });
        ScriptedConnection[] connections = Connect(server, Count, Upgrade);
        MisuseTests.SettleUntil(server, () => Volatile.Read(ref upgraded) == Count);
        Assert.Equal(0, server.Loop.Blocks.RentedCount);
        _step.Release(Count);
        MisuseTests.SettleUntil(server, () => Volatile.Read(ref written) == Count);
        Assert.All(connections, static connection => Assert.EndsWith("message", connection.Sent, StringComparison.Ordinal));
        Assert.Equal(0, server.Loop.Blocks.RentedCount);
        Array.ForEach(connections, static connection => connection.CloseFromPeer());
        MisuseTests.SettleUntil(server, () => Array.TrueForAll(connections, static connection => connection.IsClosed));
    }

    [Theory]
    [InlineData(Get)]
    [InlineData("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n")]
    public void A_flush_before_a_blocking_wait_leaves_early_where_a_lack_of_threads_has_sent_the_request_to_the_pool(string request)
    {
        bool isWritten = false;
        ScriptedServer server = Make(body =>
        {
            body.WriteAsync("part"u8.ToArray()).AsTask().GetAwaiter().GetResult();
            Volatile.Write(ref isWritten, true);
            _step.Wait();
            return Task.CompletedTask;
        });
        server.Loop.IsWithoutThreads = true;
        ScriptedConnection connection = server.Connect();
        connection.Arrive(request);
        MisuseTests.SettleUntil(server, () => Volatile.Read(ref isWritten));
        Assert.Equal("", connection.Sent);
        connection.Advance(AppRunner.FirstWatchOnThreadPoolMs);
        Assert.EndsWith("4\r\npart\r\n", connection.Sent, StringComparison.Ordinal);
        _step.Release();
        MisuseTests.SettleUntil(server, () => connection.Sent.Contains("0\r\n\r\n", StringComparison.Ordinal));
    }

    [Fact]
    public void Reserving_waits_for_whoever_is_inside_the_output()
    {
        HttpExchange? exchange = null;
        Thread? other = null;
        bool hasReserved = false;
        bool? hadReserved = null;
        ScriptedServer server = Make(async (features, body) =>
        {
            exchange = (HttpExchange)features;
            await WriteAsync(body, "dropped");
            await _step.WaitAsync();
        });
        _log.At["ConnectionHeadResponseBodyWrite"] = () =>
        {
            // Logged from inside the output, under its gate.
            other = new Thread(() =>
            {
                exchange!.Output.Reserve();
                Volatile.Write(ref hasReserved, true);
            });
            other.Start();
            SpinWait.SpinUntil(() => Volatile.Read(ref hasReserved) || (other.ThreadState & ThreadState.WaitSleepJoin) != 0, TimeSpan.FromSeconds(30));
            hadReserved = Volatile.Read(ref hasReserved);
        };
        ScriptedConnection connection = server.Connect();
        connection.Arrive(Head);
        Assert.False(hadReserved);
        other!.Join();
        Step(server);
        MisuseTests.SettleUntil(server, () => server.Loop.Blocks.RentedCount == 0);
    }

    private ScriptedServer Make(Func<Stream, Task> application) => Make((_, body) => application(body));

    private ScriptedServer Make(Func<IFeatureCollection, Stream, Task> application)
    {
        ScriptedServer server = new(features => application(features, features.GetRequiredFeature<IHttpResponseBodyFeature>().Stream), loggerFactory: _log);
        server.Loop.HoldsFlushes = true;
        return server;
    }

    private static ScriptedConnection[] Connect(ScriptedServer server, int count, string request)
    {
        ScriptedConnection[] connections = new ScriptedConnection[count];
        foreach (ref ScriptedConnection connection in connections.AsSpan())
        {
            connection = server.Connect();
            connection.Arrive(request);
        }

        return connections;
    }

    private void Step(ScriptedServer server)
    {
        _step.Release();
        server.Loop.RunPosted();
    }

    private static void LookUntilEmpty(ScriptedServer server)
    {
        while (server.Loop.SendHeld())
        {
        }

        server.Loop.RunPosted();
    }

    private static int ContentSent(ScriptedConnection connection) => connection.Sent.AsSpan().Count((char)s_piece[0]);

    private static async Task WritePiecesAsync(Stream body, int count)
    {
        for (int piece = 0; piece < count; piece++)
        {
            await body.WriteAsync(s_piece);
        }
    }

    private static async Task WriteAsync(Stream body, string text)
    {
        await body.WriteAsync(Encoding.ASCII.GetBytes(text));
        await body.FlushAsync();
    }

    private void AssertGivenUp(ScriptedServer server, ScriptedConnection connection)
    {
        Assert.True(connection.IsAborted);
        Assert.False(connection.IsClosed);
        Assert.Contains("ServerFault", _log.Names);
        Assert.Equal("", connection.Sent);
        Assert.Empty(server.Loop.MonitorReports);
        Assert.Empty(server.Loop.Failures);
    }
}
