using System;
using System.Buffers;
using System.IO.Pipelines;
using System.Linq;
using System.Text;
using System.Text.RegularExpressions;
using System.Threading;
using System.Threading.Tasks;
using Aeronet.Server.Tests.Diagnostics;
using Aeronet.TestSupport.Connections;
using Aeronet.TestSupport.Kernel;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Xunit;

namespace Aeronet.Server.Tests.Sessions;

/// <summary>What throws where nobody expects it (hosting, log providers, our own code) ends its connection, and neither the process nor another request.</summary>
public sealed class FaultTests : IDisposable
{
    private const string Get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    private const string Head = "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n";

    private readonly FaultyLoggerFactory _log = new();

    public void Dispose() => _log.Dispose();

    [Fact]
    public void A_fault_before_the_application_starts_closes_the_connection()
    {
        ScriptedServer server = new(static _ => Task.CompletedTask, null, static options => options.HandOffProbe = static () => throw new InvalidOperationException("fault"), _log);
        _log.At["ServerFault"] = FaultyLoggerFactory.Throw;
        ScriptedConnection connection = server.Connect();
        connection.Arrive(Get);
        server.Loop.RunPosted();
        AssertClosed(server, connection);
    }

    [Fact]
    public void A_fault_behind_a_running_application_closes_the_connection_when_that_has_ended()
    {
        int points = 0;
        TaskCompletionSource end = new();
        ScriptedServer server = new(_ => end.Task, null, options => options.HandOffProbe = () => ++points > 1 ? throw new InvalidOperationException("fault") : false, _log);
        ScriptedConnection connection = server.Connect();
        connection.Arrive(Get);
        server.Loop.RunPosted();
        Assert.True(connection.IsAborted);
        Assert.False(connection.IsClosed);
        ForeignThread.Run(end.SetResult);
        server.Loop.RunPosted();
        AssertClosed(server, connection);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_fault_behind_the_application_closes_the_connection(bool elsewhere)
    {
        ScriptedServer? server = null;
        server = new(
            _ =>
            {
                if (elsewhere)
                {
                    server!.Loop.TakeOver();
                }

                return Task.CompletedTask;
            },
            loggerFactory: _log);
        _log.At["ServerFault"] = FaultyLoggerFactory.Throw;
        ScriptedConnection connection = server.Connect();
        connection.SendFault = new InvalidOperationException("fault");
        connection.Arrive("GET / HTTP/1.0\r\n\r\n");
        server.Loop.RunPosted();
        AssertClosed(server, connection);
        Assert.Empty(server.Loop.Failures);
    }

    [Fact]
    public void A_fault_on_the_thread_pool_closes_the_connection()
    {
        ScriptedServer server = new(static _ => Task.CompletedTask, null, static options => options.ApplicationMode = ApplicationMode.ThreadPool, _log);
        ScriptedConnection connection = server.Connect();
        connection.SendFault = new InvalidOperationException("fault");
        connection.Arrive(Get);
        MisuseTests.SettleUntil(server, () => connection.IsClosed);
        AssertClosed(server, connection);
    }

    [Fact]
    public void A_replaced_dictionary_with_what_is_no_field_is_an_error_and_never_half_a_response()
    {
        ScriptedServer server = new(
            static features =>
            {
                features.GetRequiredFeature<IHttpResponseFeature>().Headers = new HeaderDictionary { ["X-Good"] = "a", ["X-Bad"] = "b\r\nc" };
                return features.GetRequiredFeature<IHttpResponseBodyFeature>().Writer.WriteAsync("content"u8.ToArray()).AsTask();
            },
            loggerFactory: _log);
        ScriptedConnection connection = server.Connect();
        connection.Arrive(Get);
        server.Loop.RunPosted();
        Assert.StartsWith("HTTP/1.1 500 ", connection.Sent, StringComparison.Ordinal);
        Assert.DoesNotContain("X-Good", connection.Sent, StringComparison.Ordinal);
        connection.CloseFromPeer();
        server.Loop.RunPosted();
    }

    [Fact]
    public void Callbacks_behind_one_that_fails_run_although_the_log_fails_too()
    {
        int ran = 0;
        ScriptedServer server = new(
            features =>
            {
                IHttpResponseFeature response = features.GetRequiredFeature<IHttpResponseFeature>();
                response.OnCompleted(_ => { ran++; return Task.CompletedTask; }, new object());
                response.OnCompleted(static _ => throw new InvalidOperationException("a fault of the application"), new object());
                return Task.CompletedTask;
            },
            loggerFactory: _log);
        _log.At["ApplicationError"] = FaultyLoggerFactory.Throw;
        ScriptedConnection connection = server.Connect();
        connection.Arrive(Get);
        server.Loop.RunPosted();
        Assert.Equal(1, ran);
        connection.CloseFromPeer();
        server.Loop.RunPosted();
    }

    [Theory]
    [InlineData(ApplicationMode.Inline)]
    [InlineData(ApplicationMode.ThreadPool)]
    public void A_log_provider_that_throws_at_a_fault_does_not_keep_the_connection_open(ApplicationMode mode)
    {
        ScriptedServer server = new(Write, null, options => options.ApplicationMode = mode, _log);
        _log.At["ConnectionHeadResponseBodyWrite"] = FaultyLoggerFactory.Throw; // while the response ends
        _log.At["ServerFault"] = FaultyLoggerFactory.Throw;
        int disposed = 0;
        server.WhenContextIsDisposed = () => Interlocked.Increment(ref disposed);
        ScriptedConnection connection = server.Connect();
        connection.Arrive(Head);
        MisuseTests.SettleUntil(server, () => connection.IsClosed);
        AssertClosed(server, connection);
        Assert.Equal(1, disposed); // hosting's scope and counts end with the request

        static Task Write(IFeatureCollection features)
        {
            PipeWriter writer = features.GetRequiredFeature<IHttpResponseBodyFeature>().Writer;
            writer.Write("x"u8);
            return Task.CompletedTask;
        }
    }

    [Theory]
    [InlineData(ApplicationMode.Inline, false)]
    [InlineData(ApplicationMode.ThreadPool, false)]
    [InlineData(ApplicationMode.Inline, true)]
    [InlineData(ApplicationMode.ThreadPool, true)]
    public void A_log_provider_that_cannot_be_asked_ends_the_connection_and_not_the_process(ApplicationMode mode, bool suspends)
    {
        int disposed = 0;
        int completed = 0;
        ScriptedServer server = new(
            async features =>
            {
                features.GetRequiredFeature<IHttpResponseFeature>().OnCompleted(
                    _ =>
                    {
                        completed++;
                        return Task.CompletedTask;
                    },
                    "");
                if (suspends)
                {
                    await Task.Yield();
                }

                _log.IsEnabledFails = true; // from here to the end of the exchange
            },
            null,
            options => options.ApplicationMode = mode,
            _log)
        {
            WhenContextIsDisposed = () => Interlocked.Increment(ref disposed),
        };
        ScriptedConnection connection = server.Connect();
        connection.Arrive(Get);
        MisuseTests.SettleUntil(server, () => connection.IsClosed);
        Assert.Equal((1, 1), (disposed, completed));
        Assert.Equal(0, server.Loop.Blocks.RentedCount);
    }

    [Fact]
    public void A_reader_of_slow_content_learns_of_it_although_the_report_fails()
    {
        Task<int>? reading = null;
        ScriptedServer server = new(
            features => reading = features.GetRequiredFeature<IHttpRequestFeature>().Body.ReadAsync(new byte[5]).AsTask(),
            static kestrel => kestrel.Limits.MinRequestBodyDataRate = new MinDataRate(240, TimeSpan.FromSeconds(5)),
            loggerFactory: _log);
        _log.At["RequestBodyMinimumDataRateNotSatisfied"] = FaultyLoggerFactory.Throw;
        ScriptedConnection connection = server.Connect();
        connection.Arrive("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n");
        for (int second = 0; second < 7; second++)
        {
            connection.Advance(1_000);
        }

        MisuseTests.SettleUntil(server, () => reading!.IsCompleted);
        Assert.True(reading!.IsFaulted);
        MisuseTests.SettleUntil(server, () => connection.IsClosed || connection.IsSendShutDown);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Content_never_leaves_without_the_head_that_could_not_be_written(bool isCaught)
    {
        string content = string.Concat(Enumerable.Repeat("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 5000)); // more than is held back
        bool isFaulty = false;
        ScriptedServer server = new(
            async features =>
            {
                features.GetRequiredFeature<IHttpResponseFeature>().Headers["X-Name"] = "\u00e9"; // asked for its encoding here, and again when it is written
                isFaulty = true;
                try
                {
                    await features.GetRequiredFeature<IHttpResponseBodyFeature>().Writer.WriteAsync(Encoding.ASCII.GetBytes(content));
                }
                catch (InvalidOperationException) when (isCaught)
                {
                    // As an application may do.
                }
            },
            kestrel => kestrel.ResponseHeaderEncodingSelector = _ => isFaulty ? throw new InvalidOperationException("the selector's fault") : Encoding.Latin1,
            loggerFactory: _log);
        ScriptedConnection connection = server.Connect();
        connection.Arrive(Get);
        MisuseTests.SettleUntil(server, () => connection.IsClosed || connection.IsSendShutDown);
        Assert.DoesNotContain("200 OK", connection.Sent, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(ApplicationMode.Inline)]
    [InlineData(ApplicationMode.ThreadPool)]
    public void Neither_a_context_that_cannot_be_disposed_of_nor_the_log_keeps_the_next_request_from_being_served(ApplicationMode mode)
    {
        ScriptedServer server = new(static _ => Task.CompletedTask, null, options => options.ApplicationMode = mode, _log)
        {
            WhenContextIsDisposed = static () => throw new InvalidOperationException("hosting's fault"),
        };
        _log.At["ApplicationError"] = FaultyLoggerFactory.Throw;
        _log.At["ConnectionKeepAlive"] = FaultyLoggerFactory.Throw;
        ScriptedConnection connection = server.Connect();
        connection.Arrive(Get);
        MisuseTests.SettleUntil(server, () => Regex.Count(connection.Sent, "HTTP/1.1 200 OK") == 1);
        connection.Arrive(Get);
        MisuseTests.SettleUntil(server, () => Regex.Count(connection.Sent, "HTTP/1.1 200 OK") == 2);
        Assert.Contains("ApplicationError", _log.Names);
        Assert.False(connection.IsAborted);
    }

    [Theory]
    [InlineData(ApplicationMode.Inline)]
    [InlineData(ApplicationMode.ThreadPool)]
    [Trait("Rfc", "9112-9.3")]
    public void Content_behind_a_request_without_a_context_is_not_taken_for_a_request(ApplicationMode mode)
    {
        int run = 0;
        ScriptedServer server = new(
            _ =>
            {
                Interlocked.Increment(ref run);
                return Task.CompletedTask;
            },
            null,
            options => options.ApplicationMode = mode)
        {
            WhenContextIsMade = static () => throw new InvalidOperationException("hosting's fault"),
        };
        ScriptedConnection connection = server.Connect();
        connection.Arrive($"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {Get.Length}\r\n\r\n");
        MisuseTests.SettleUntil(server, () => connection.Sent.Length > 0);
        server.WhenContextIsMade = null;
        connection.Arrive(Get);
        MisuseTests.SettleUntil(server, () => connection.IsSendShutDown || connection.IsClosed);
        Assert.StartsWith("HTTP/1.1 500 ", connection.Sent, StringComparison.Ordinal);
        Assert.Contains("Connection: close\r\n", connection.Sent, StringComparison.Ordinal);
        Assert.Equal(1, Regex.Count(connection.Sent, "HTTP/1.1 "));
        Assert.Equal(0, run);
    }

    private static void AssertClosed(ScriptedServer server, ScriptedConnection connection)
    {
        Assert.True(connection.IsAborted);
        Assert.True(connection.IsClosed);
        Assert.Equal(0, server.Loop.Blocks.RentedCount);
    }
}
