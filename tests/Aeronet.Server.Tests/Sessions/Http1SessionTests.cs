using System;
using System.Buffers;
using System.Collections.Generic;
using System.IO;
using System.IO.Pipelines;
using System.Linq;
using System.Text;
using System.Text.RegularExpressions;
using System.Threading;
using System.Threading.Tasks;
using Aeronet.Server.Exchange;
using Aeronet.TestSupport.Hosting;
using Aeronet.TestSupport.Connections;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Xunit;

namespace Aeronet.Server.Tests.Sessions;

/// <summary>The session over scripted connections: what goes out for what comes in, however it is cut, and what is left behind.</summary>
public sealed partial class Http1SessionTests
{
    private const string Get = "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n";

    private static readonly byte[] s_hello = Encoding.ASCII.GetBytes("Hello, World!");

    [Fact]
    public void A_request_is_answered_with_one_send_and_content_length_although_the_application_flushes()
    {
        ScriptedServer server = new(HelloAsync);
        ScriptedConnection connection = server.Connect();

        connection.Arrive(Get);

        Assert.Equal(1, connection.SendCalls);
        Assert.Equal("HTTP/1.1 200 OK\r\nContent-Length: 13\r\nDate: *\r\nServer: Aeronet\r\n\r\nHello, World!", Mask(connection.Sent));
    }

    [Fact]
    public void A_request_costs_one_receive()
    {
        ScriptedServer server = new(HelloAsync);
        ScriptedConnection connection = server.Connect();

        connection.Arrive(Get);
        connection.Arrive(Get);

        Assert.Equal(2, connection.ReceiveCalls);
    }

    [Fact]
    [Trait("Defect", "PARSE-1")]
    public void Any_cut_of_the_input_gives_the_same_output()
    {
        string input = Get
            + "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\nhello there"
            + "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;x=y\r\n there\r\n0\r\nX-Sum: 1\r\n\r\n"
            + "HEAD /hello HTTP/1.1\r\nHost: a\r\n\r\n"
            + "GET /hello HTTP/1.0\r\n\r\n";
        string whole = Serve(input, input.Length);
        Assert.Equal(5, Regex.Count(whole, "HTTP/1.[01] 200"));
        for (int cut = 1; cut < input.Length; cut++)
        {
            Assert.Equal(whole, Serve(input, cut));
        }

        static string Serve(string input, int cut)
        {
            ScriptedServer server = new(EchoInlineAsync);
            ScriptedConnection connection = server.Connect();
            connection.Arrive(input[..cut]);
            server.Loop.RunPosted();
            if (cut < input.Length)
            {
                connection.Arrive(input[cut..]);
            }

            SettleUntil(server, () => Regex.Count(connection.Sent, "HTTP/1.[01] 200") == 5 && connection.IsSendShutDown | connection.IsClosed);
            connection.CloseFromPeer();
            Assert.True(connection.IsClosed);
            Assert.Equal(0, server.Loop.Blocks.RentedCount);
            return Mask(connection.Sent);
        }
    }

    [Fact]
    public void A_pipelined_batch_leaves_in_one_send()
    {
        ScriptedServer server = new(HelloAsync);
        ScriptedConnection connection = server.Connect();

        connection.Arrive(string.Concat(Enumerable.Repeat(Get, 16)));

        Assert.Equal(16, Regex.Count(connection.Sent, "Hello, World!"));
        Assert.Equal(1, connection.SendCalls);
    }

    [Fact]
    public void A_pipelined_batch_on_the_thread_pool_is_one_work_item_and_one_send()
    {
        ScriptedServer server = new(HelloAsync, null, options => options.ApplicationMode = ApplicationMode.ThreadPool);
        ScriptedConnection connection = server.Connect();

        connection.Arrive(string.Concat(Enumerable.Repeat(Get, 16)));
        SettleUntil(server, () => Regex.Count(connection.Sent, "Hello, World!") == 16);

        Assert.Equal(1, connection.SendCalls);
        connection.ClearSent();
        connection.Arrive(Get + "GET / H");
        SettleUntil(server, () => Regex.Count(connection.Sent, "Hello, World!") == 1);
        connection.Arrive("TTP/1.1\r\nHost: a\r\n\r\nBAD\r\n\r\n");
        SettleUntil(server, () => connection.Sent.Contains("HTTP/1.1 400 ", StringComparison.Ordinal));
        Assert.Equal(2, Regex.Count(connection.Sent, "Hello, World!"));
    }

    [Fact]
    public void A_connection_that_went_idle_on_another_thread_holds_nothing()
    {
        ScriptedServer server = new(HelloAsync, kestrel => kestrel.Limits.KeepAliveTimeout = TimeSpan.FromSeconds(10), options => options.ApplicationMode = ApplicationMode.ThreadPool);
        ScriptedConnection connection = server.Connect();

        connection.Arrive(Get);
        SettleUntil(server, () => connection.Sent.Length > 0 && server.Loop.Blocks.RentedCount == 0 && connection.DeadlineMs == server.Loop.ClockMs + 1_000);

        connection.Arrive(Get); // and serves on
        SettleUntil(server, () => Regex.Count(connection.Sent, "Hello, World!") == 2 && connection.DeadlineMs == server.Loop.ClockMs + 1_000);
        connection.Advance(1_000); // gives the exchange back
        connection.Advance(8_999);
        Assert.False(connection.IsClosed);
        connection.Advance(1);
        Assert.True(connection.IsClosed);
    }

    [Fact]
    public void A_read_that_the_application_left_behind_ends_with_its_request()
    {
        Task<int>? leftBehind = null;
        ScriptedServer server = new(features =>
        {
            leftBehind = features.GetRequiredFeature<IHttpRequestFeature>().Body.ReadAsync(new byte[10]).AsTask();
            return HelloAsync(features);
        });
        ScriptedConnection connection = server.Connect();

        connection.Arrive("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n");
        SettleUntil(server, () => leftBehind!.IsCompleted);

        Assert.IsType<InvalidOperationException>(leftBehind!.Exception!.InnerException);
        Assert.Contains("Connection: close\r\n", connection.Sent, StringComparison.Ordinal);
    }

    [Fact]
    [Trait("Defect", "LOOP-1")]
    public void A_batch_beyond_the_budget_of_a_turn_is_served_to_its_end_without_another_edge()
    {
        ScriptedServer server = new(HelloAsync);
        ScriptedConnection connection = server.Connect();

        connection.Arrive(string.Concat(Enumerable.Repeat(Get, 10_000)));

        Assert.Equal(10_000, Regex.Count(connection.Sent, "Hello, World!"));
    }

    [Fact]
    [Trait("Defect", "LOOP-3")]
    public void Pipelined_responses_to_a_slow_reader_arrive_in_order_and_complete()
    {
        byte[] large = new byte[200_000];
        Random.Shared.NextBytes(large);
        ScriptedServer server = new(features => WriteAsync(features, large));
        ScriptedConnection connection = server.Connect();
        connection.SendRoom = 10_000;

        connection.Arrive(Get + Get);
        SettleUntil(server, () =>
        {
            connection.MakeRoom(7_777);
            return connection.Sent.Length > 400_000;
        });

        Assert.Equal(2, connection.Sent.Split(Encoding.Latin1.GetString(large)).Length - 1);
        SettleUntil(server, () =>
        {
            connection.Advance(1_000); // the loop's look at a connection that went idle on another thread
            return server.Loop.Blocks.RentedCount == 0;
        });
        Assert.Equal(0, server.Loop.Blocks.RentedCount);
    }

    [Fact]
    public void A_head_that_fills_the_buffer_exactly_does_not_strand_what_stands_behind_it()
    {
        TaskCompletionSource gate = new();
        int requests = 0;
        ScriptedServer server = new(async features =>
        {
            if (Interlocked.Increment(ref requests) == 1)
            {
                await gate.Task;
            }

            await HelloAsync(features);
        });
        ScriptedConnection connection = server.Connect();
        string first = "GET /hello HTTP/1.1\r\nHost: a\r\nX: ";
        first += new string('x', 4096 - first.Length - 4) + "\r\n\r\n";
        Assert.Equal(4096, first.Length);

        connection.Arrive(first + Get); // one edge; the second request stays in the socket
        OnAnotherThread(gate.SetResult); // the first request ends on another thread
        SettleUntil(server, () => Regex.Count(connection.Sent, "Hello, World!") == 2);
    }

    [Fact]
    public void An_idle_connection_holds_no_block()
    {
        ScriptedServer server = new(HelloAsync);
        ScriptedConnection connection = server.Connect();

        connection.Arrive(Get);

        Assert.False(connection.IsClosed);
        Assert.Equal(0, server.Loop.Blocks.RentedCount);
    }

    [OptimizedFact]
    public void The_engine_allocates_nothing_for_a_keep_alive_get()
    {
        ScriptedServer server = new(HelloAsync);
        ScriptedConnection connection = server.Connect();
        byte[] request = Encoding.ASCII.GetBytes("GET /hello HTTP/1.1\r\nHost: localhost\r\nUser-Agent: test\r\nAccept: */*\r\n\r\n");
        for (int i = 0; i < 200; i++)
        {
            connection.Arrive(request);
            connection.ClearSent();
        }

        // Nothing per request; the Date field is made anew once a second, whoever comes first, and takes about 100 bytes.
        // Code that is not optimised yet boxes here and there, and on a busy machine it may stay so for a while.
        long allocated;
        long start = Environment.TickCount64;
        do
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            for (int i = 0; i < 1000; i++)
            {
                connection.Arrive(request);
                connection.ClearSent();
            }

            allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        }
        while (allocated > 999 && Environment.TickCount64 - start < Guard.Time.TotalMilliseconds);
        Assert.InRange(allocated, 0, 999);
    }

    [Fact]
    public void A_post_like_the_one_before_takes_one_receive()
    {
        ScriptedServer server = new(async features =>
        {
            Stream body = features.GetRequiredFeature<IHttpRequestFeature>().Body;
            byte[] content = new byte[8_000];
            int length = 0;
            while (await body.ReadAsync(content.AsMemory(length)) is > 0 and int read)
            {
                length += read;
            }

            await features.GetRequiredFeature<IHttpResponseBodyFeature>().Stream.WriteAsync(content.AsMemory(0, length));
        });
        ScriptedConnection connection = server.Connect();
        string content = new('c', 5_000);
        string post = $"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {content.Length}\r\n\r\n{content}";
        int first = Receives(post);
        Assert.True(first > 1);
        Assert.Equal([1, 1, 1, 1, first], new[] { post, post, Get, Get, post }.Select(Receives)); // a short request is the end of it
        Assert.Equal(0, server.Loop.Blocks.RentedCount);

        int Receives(string request)
        {
            int before = connection.ReceiveCalls;
            connection.ClearSent();
            connection.Arrive(request);
            Assert.EndsWith("\r\n\r\n" + (request == post ? content : ""), connection.Sent, StringComparison.Ordinal);
            return connection.ReceiveCalls - before;
        }
    }

    [OptimizedFact]
    public void The_engine_allocates_nothing_for_a_request_that_suspends()
    {
        TaskCompletionSource[] sources = new TaskCompletionSource[1000]; // the application's own
        int next = 0;
        ScriptedServer server = new(_ => sources[next++].Task);
        ScriptedConnection connection = server.Connect();
        byte[] request = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"u8.ToArray();
        long allocated;
        long start = Environment.TickCount64;
        do
        {
            for (int i = 0; i < sources.Length; i++)
            {
                sources[i] = new TaskCompletionSource();
            }

            next = 0;
            long before = GC.GetAllocatedBytesForCurrentThread();
            for (int i = 0; i < sources.Length; i++)
            {
                connection.Arrive(request);
                sources[i].SetResult();
                Assert.True(connection.SendCalls == 1);
                connection.ClearSent();
            }

            allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        }
        while (allocated > 999 && Environment.TickCount64 - start < Guard.Time.TotalMilliseconds);
        Assert.InRange(allocated, 0, 999);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void The_end_of_a_suspended_request_sees_what_its_context_was_made_with(bool fails)
    {
        AsyncLocal<string> scope = new();
        string? seen = null;
        TaskCompletionSource source = new();
        ScriptedServer server = new(async _ =>
        {
            await source.Task;
            scope.Value = "the application's own";
            if (fails)
            {
                throw new InvalidOperationException("The test's.");
            }
        })
        {
            WhenContextIsMade = () => scope.Value = "of the request",
            WhenContextIsDisposed = () => seen = scope.Value,
        };
        ScriptedConnection connection = server.Connect();
        connection.Arrive("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        scope.Value = "of the thread";
        source.SetResult();
        SettleUntil(server, () => Volatile.Read(ref seen) is not null);
        Assert.Equal("of the request", seen);
        Assert.Equal("of the thread", scope.Value);
        SettleUntil(server, () => connection.Sent.StartsWith(fails ? "HTTP/1.1 500" : "HTTP/1.1 200", StringComparison.Ordinal));
    }

    [Fact]
    public void An_application_that_ends_before_it_is_found_suspended_ends_once()
    {
        int disposed = 0;
        TaskCompletionSource source = new();
        Task? run = null;
        ScriptedServer server = new(
            _ => run = source.Task,
            configure: options => options.HandOffProbe = () =>
            {
                if (run is not null)
                {
                    source.TrySetResult(); // the task was returned unfinished, and nobody waits for it yet
                }

                return false;
            })
        {
            WhenContextIsDisposed = () => Interlocked.Increment(ref disposed),
        };
        ScriptedConnection connection = server.Connect();
        connection.Arrive("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        SettleUntil(server, () => Volatile.Read(ref disposed) == 1 && connection.DeadlineMs == server.Loop.ClockMs + 1_000);
        connection.Arrive("GET / HTTP/1.1\r\nHost: a\r\n\r\n"); // ends on the spot
        Assert.Equal(2, disposed);
    }

    [OptimizedFact]
    public void An_endpoint_that_is_gone_is_not_kept_by_the_exchange_that_met_it()
    {
        WeakReference? last = null;
        ScriptedServer server = new(features =>
        {
            Endpoint endpoint = new(null, null, "dynamic");
            last = new WeakReference(endpoint);
            features.GetRequiredFeature<IEndpointFeature>().Endpoint = endpoint;
            return HelloAsync(features);
        });
        ScriptedConnection connection = server.Connect();
        connection.Arrive(Get);
        Assert.Contains("Hello, World!", connection.Sent, StringComparison.Ordinal);
        GC.Collect();
        GC.WaitForPendingFinalizers();
        GC.Collect();
        Assert.False(last!.IsAlive);
        GC.KeepAlive(server);
    }

    [Fact]
    [Trait("Defect", "DRAIN-17")]
    public void A_silent_connection_is_closed_after_the_keep_alive_timeout()
    {
        ScriptedServer server = new(HelloAsync, kestrel => kestrel.Limits.KeepAliveTimeout = TimeSpan.FromSeconds(10));
        ScriptedConnection connection = server.Connect();

        connection.Advance(9_999);
        Assert.False(connection.IsClosed);
        connection.Advance(1);

        Assert.True(connection.IsClosed);
        Assert.Equal("", connection.Sent);
    }

    [Fact]
    [Trait("Defect", "DRAIN-16")]
    public void A_head_that_trickles_in_gets_408_at_the_headers_timeout()
    {
        ScriptedServer server = new(HelloAsync, kestrel => kestrel.Limits.RequestHeadersTimeout = TimeSpan.FromSeconds(5));
        ScriptedConnection connection = server.Connect();

        foreach (char c in "GET / H")
        {
            connection.Arrive(c.ToString());
            connection.Advance(700);
        }

        Assert.Equal("", connection.Sent);
        connection.Advance(100);

        Assert.StartsWith("HTTP/1.1 408 Request Timeout\r\n", connection.Sent, StringComparison.Ordinal);
        Assert.Contains("Connection: close\r\n", connection.Sent, StringComparison.Ordinal);
    }

    [Fact]
    [Trait("Defect", "PARSE-18")]
    public void Empty_lines_alone_are_closed_without_an_answer()
    {
        ScriptedServer server = new(HelloAsync, kestrel => kestrel.Limits.RequestHeadersTimeout = TimeSpan.FromSeconds(5));
        ScriptedConnection connection = server.Connect();

        connection.Arrive("\r\n\r\n");
        connection.Advance(5_000);

        Assert.True(connection.IsClosed);
        Assert.Equal("", connection.Sent);
    }

    [Fact]
    [Trait("Defect", "BODY-14")]
    public void A_refused_upload_lingers_so_that_the_answer_survives()
    {
        ScriptedServer server = new(HelloAsync);
        ScriptedConnection connection = server.Connect();

        connection.Arrive("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n" + new string('x', 100));

        Assert.StartsWith("HTTP/1.1 400 ", connection.Sent, StringComparison.Ordinal);
        Assert.True(connection.IsSendShutDown);
        Assert.False(connection.IsClosed);
        connection.Arrive(new string('x', 5_000));
        Assert.False(connection.IsClosed);
        connection.CloseFromPeer();
        Assert.True(connection.IsClosed);
        Assert.Equal(0, server.Loop.Blocks.RentedCount);
    }

    [Fact]
    [Trait("Defect", "BODY-14")]
    public void Lingering_ends_after_its_time_and_after_its_bytes()
    {
        ScriptedServer server = new(HelloAsync, null, options => options.Limits.LingerBytes = 10_000);
        ScriptedConnection slow = server.Connect();
        slow.Arrive("BAD\r\n\r\n");
        slow.Advance(2_000);
        Assert.True(slow.IsClosed);

        ScriptedConnection endless = server.Connect();
        endless.Arrive("BAD\r\n\r\n");
        for (int i = 0; i < 20 && !endless.IsClosed; i++)
        {
            endless.Arrive(new string('x', 1_000));
        }

        Assert.True(endless.IsClosed);
    }

    [Fact]
    [Trait("Defect", "LOOP-17")]
    public void Request_and_fin_together_are_answered()
    {
        ScriptedServer server = new(HelloAsync);
        ScriptedConnection connection = server.Connect();
        connection.ReceiveMax = 10; // the FIN stands behind several receives

        connection.CloseFromPeerWith(Get);

        Assert.EndsWith("Hello, World!", connection.Sent, StringComparison.Ordinal);
        Assert.True(connection.IsClosed);
    }

    [Fact]
    [Trait("Defect", "DRAIN-15")]
    public void A_half_closed_client_is_given_up_after_the_grace_and_not_before()
    {
        CancellationToken aborted = default;
        TaskCompletionSource gate = new();
        ScriptedServer server = new(async features =>
        {
            aborted = features.GetRequiredFeature<IHttpRequestLifetimeFeature>().RequestAborted;
            await gate.Task;
            await HelloAsync(features);
        });
        ScriptedConnection connection = server.Connect();
        connection.Arrive(Get);
        connection.CloseFromPeer();

        connection.Advance(999);
        Assert.False(aborted.IsCancellationRequested);
        connection.Advance(1);
        Assert.True(aborted.WaitHandle.WaitOne(TimeSpan.FromSeconds(30)));

        OnAnotherThread(gate.SetResult);
        SettleUntil(server, () => connection.IsClosed);
        Assert.Contains("Hello, World!", connection.Sent, StringComparison.Ordinal);
    }

    [Fact]
    public void A_reset_wakes_a_handler_that_waits_for_content()
    {
        Exception? seen = null;
        ScriptedServer server = new(async features =>
        {
            try
            {
                await features.GetRequiredFeature<IHttpRequestFeature>().Body.ReadExactlyAsync(new byte[10]);
            }
            catch (Exception exception)
            {
                seen = exception;
                throw;
            }
        });
        ScriptedConnection connection = server.Connect();
        connection.Arrive("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc");

        connection.ResetFromPeer();
        SettleUntil(server, () => connection.IsClosed);

        Assert.IsAssignableFrom<Microsoft.AspNetCore.Connections.ConnectionResetException>(seen);
        Assert.Equal("", connection.Sent);
        Assert.Equal(0, server.Loop.Blocks.RentedCount);
    }

    [Fact]
    [Trait("Defect", "BODY-17")]
    public void The_minimum_rate_counts_only_while_the_application_waits()
    {
        TaskCompletionSource gate = new();
        ScriptedServer server = new(
            async features =>
            {
                await gate.Task; // ten minutes without reading
                byte[] content = new byte[5];
                await features.GetRequiredFeature<IHttpRequestFeature>().Body.ReadExactlyAsync(content);
                await WriteAsync(features, content);
            },
            kestrel => kestrel.Limits.MinRequestBodyDataRate = new MinDataRate(240, TimeSpan.FromSeconds(5)));
        ScriptedConnection connection = server.Connect();
        connection.Arrive("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n");
        connection.Advance(600_000);

        OnAnotherThread(gate.SetResult);
        connection.Advance(2_000);
        connection.Arrive("hello");
        SettleUntil(server, () => connection.Sent.Contains("hello", StringComparison.Ordinal));
    }

    [Fact]
    [Trait("Defect", "BODY-17")]
    public void Content_below_the_minimum_rate_gets_408()
    {
        ScriptedServer server = new(
            async features => await features.GetRequiredFeature<IHttpRequestFeature>().Body.ReadExactlyAsync(new byte[5]),
            kestrel => kestrel.Limits.MinRequestBodyDataRate = new MinDataRate(240, TimeSpan.FromSeconds(5)));
        ScriptedConnection connection = server.Connect();
        connection.Arrive("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n");
        for (int second = 0; second < 7; second++)
        {
            connection.Advance(1_000);
        }

        SettleUntil(server, () => connection.Sent.StartsWith("HTTP/1.1 408 ", StringComparison.Ordinal));
    }

    [Fact]
    [Trait("Defect", "RESP-17")]
    public void A_client_that_takes_nothing_is_aborted_at_the_minimum_rate()
    {
        ScriptedServer server = new(
            features => WriteAsync(features, new byte[300_000]),
            kestrel => kestrel.Limits.MinResponseDataRate = new MinDataRate(100_000, TimeSpan.FromSeconds(5)));
        ScriptedConnection connection = server.Connect();
        connection.SendRoom = 1_000;
        connection.Arrive(Get);
        for (int second = 0; second < 7 && !connection.IsAborted; second++)
        {
            connection.Advance(1_000);
        }

        Assert.True(connection.IsAborted);
        SettleUntil(server, () => connection.IsClosed);
        Assert.Equal(0, server.Loop.Blocks.RentedCount);
    }

    [Fact]
    public void A_tunnel_whose_client_pauses_is_not_cut_for_its_rate()
    {
        ScriptedServer server = new(
            static async features =>
            {
                Stream? tunnel = await ((HttpExchange)features.GetRequiredFeature<IHttpUpgradeFeature>()).AcceptTunnelAsync();
                await tunnel!.WriteAsync(new byte[300_000]);
            },
            static kestrel => kestrel.Limits.MinResponseDataRate = new MinDataRate(100_000, TimeSpan.FromSeconds(5)));
        ScriptedConnection connection = server.Connect();
        connection.SendRoom = 1_000;
        connection.Arrive("CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n");
        for (int second = 0; second < 120; second++)
        {
            connection.Advance(1_000);
        }

        Assert.False(connection.IsAborted);
        connection.MakeRoom(1_000_000);
        SettleUntil(server, () => connection.Sent.Length > 300_000);
    }

    [Fact]
    public void What_a_client_has_not_taken_when_its_tunnel_ends_is_under_the_servers_limits_again()
    {
        ScriptedServer server = new(
            static async features =>
            {
                HttpExchange exchange = (HttpExchange)features.GetRequiredFeature<IHttpUpgradeFeature>();
                Stream? tunnel = await exchange.AcceptTunnelAsync();
                await tunnel!.WriteAsync(new byte[5_000]); // copied: it does not wait for the client
                exchange.OnTunnelCompleted();
            },
            static kestrel => kestrel.Limits.MinResponseDataRate = new MinDataRate(100_000, TimeSpan.FromSeconds(5)));
        ScriptedConnection connection = server.Connect();
        connection.SendRoom = 1_000;
        connection.Arrive("CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n");
        for (int second = 0; second < 10 && !connection.IsAborted; second++)
        {
            connection.Advance(1_000);
        }

        Assert.True(connection.IsAborted);
        SettleUntil(server, () => connection.IsClosed);
    }

    [Fact]
    [Trait("Defect", "PARSE-25")]
    public void An_http2_preface_is_told_to_use_http_1_1()
    {
        ScriptedServer server = new(HelloAsync);
        ScriptedConnection connection = server.Connect();

        connection.Arrive("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

        Assert.Equal("\0\0\u0008\u0007\0\0\0\0\0\0\0\0\0\0\0\0\u000d", connection.Sent);
    }

    [Fact]
    [Trait("Defect", "PARSE-22")]
    public void Nothing_of_a_request_is_visible_in_the_next()
    {
        List<string> seen = [];
        ScriptedServer server = new(async features =>
        {
            IHttpRequestFeature request = features.GetRequiredFeature<IHttpRequestFeature>();
            seen.Add($"{request.Method} {request.Path}{request.QueryString} {request.Headers.Count} {request.Headers["X-Secret"]} {features.Get<Random>() is null}");
            features.Set(Random.Shared);
            features.GetRequiredFeature<IHttpResponseFeature>().Headers["X-Mine"] = "1";
            await HelloAsync(features);
        });
        ScriptedConnection connection = server.Connect();

        connection.Arrive("PUT /one?a=b HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nX-Secret: s\r\n\r\nGET / HTTP/1.1\r\nHost: b\r\n\r\n");

        Assert.Equal(["PUT /one?a=b 3 s True", "GET / 1  True"], seen);
    }

    [Fact]
    [Trait("Defect", "DRAIN-14")]
    public void A_pipelined_request_behind_an_abort_is_never_run()
    {
        int requests = 0;
        ScriptedServer server = new(features =>
        {
            requests++;
            features.GetRequiredFeature<IHttpRequestLifetimeFeature>().Abort();
            return Task.CompletedTask;
        });
        ScriptedConnection connection = server.Connect();

        connection.Arrive(Get + Get);
        server.Loop.RunPosted();

        Assert.Equal(1, requests);
        Assert.True(connection.IsAborted);
        Assert.True(connection.IsClosed);
        Assert.Equal("", connection.Sent);
    }

    private static ValueTask<FlushResult> WriteCoreAsync(IFeatureCollection features, ReadOnlyMemory<byte> content) =>
        features.GetRequiredFeature<IHttpResponseBodyFeature>().Writer.WriteAsync(content);

    private static Task WriteAsync(IFeatureCollection features, byte[] content)
    {
        ValueTask<FlushResult> write = WriteCoreAsync(features, content);
        return write.IsCompletedSuccessfully ? Task.CompletedTask : write.AsTask();
    }

    private static Task HelloAsync(IFeatureCollection features) => WriteAsync(features, s_hello);

    private static async Task EchoInlineAsync(IFeatureCollection features)
    {
        IHttpRequestFeature request = features.GetRequiredFeature<IHttpRequestFeature>();
        if (request.Path != "/echo")
        {
            await HelloAsync(features);
            return;
        }

        byte[] content = new byte[11];
        await request.Body.ReadExactlyAsync(content);
        Assert.Equal(0, await request.Body.ReadAsync(new byte[1]));
        await features.GetRequiredFeature<IHttpResponseBodyFeature>().StartAsync();
        features.GetRequiredFeature<IHttpResponseBodyFeature>().Writer.Write(content);
    }

    // What runs on the thread pool posts back; the test's thread is the loop.
    private static void SettleUntil(ScriptedServer server, Func<bool> done)
    {
        Assert.True(SpinWait.SpinUntil(
            () =>
            {
                server.Loop.RunPosted();
                return done();
            },
            TimeSpan.FromSeconds(30)));
    }

    // The test's thread stays the loop's: a test that awaited would come back on another one.
    private static void OnAnotherThread(Action action)
    {
        Thread thread = new(() => action());
        thread.Start();
        thread.Join();
    }

    private static string Mask(string sent) => DatePattern().Replace(sent, "Date: *\r\n");

    [GeneratedRegex("Date: [^\r]*\r\n")]
    private static partial Regex DatePattern();
}
