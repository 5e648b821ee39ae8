using System;
using System.IO;
using System.Linq;
using System.Text;
using System.Threading;
using System.Threading.Tasks;
using Aeronet.Server.Sessions;
using Aeronet.Server.Tests.Diagnostics;
using Aeronet.TestSupport.Connections;
using Aeronet.Transport.Connections;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Xunit;

namespace Aeronet.Server.Tests.Sessions;

/// <summary>SendFileAsync on connections that send files themselves and on those that do not.</summary>
public sealed class FileResponseTests : IDisposable
{
    private const string Get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    private const int Length = 300_000;
    private const int SmallLength = 50_000;

    private readonly FaultyLoggerFactory _log = new();
    private readonly string _path = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());
    private readonly string _content;
    private readonly ManualResetEventSlim _isInside = new();
    private readonly ManualResetEventSlim _mayGoOn = new();

    public FileResponseTests()
    {
        byte[] content = new byte[Length];
        new Random(7).NextBytes(content);
        File.WriteAllBytes(_path, content);
        _content = Encoding.Latin1.GetString(content);
    }

    public void Dispose()
    {
        File.Delete(_path);
        _log.Dispose();
        _isInside.Dispose();
        _mayGoOn.Dispose();
    }

    [Theory]
    [InlineData(true, 0, Length)]
    [InlineData(false, 0, Length)]
    [InlineData(true, 17, 200_000)]
    [InlineData(false, 17, 200_000)]
    [InlineData(true, 1_000, SmallLength)]
    [InlineData(false, 1_000, SmallLength)]
    public void A_file_with_a_declared_length_follows_the_head(bool sendsFiles, int offset, int count)
    {
        ScriptedServer server = Make(async features =>
        {
            Declare(features, count);
            await Body(features).SendFileAsync(_path, offset, count);
        });
        ScriptedConnection connection = Connect(server, sendsFiles);
        MisuseTests.SettleUntil(server, () => ContentOf(connection).Length == count);
        Assert.Equal(_content.Substring(offset, count), ContentOf(connection));
        Assert.Equal(sendsFiles && count > SmallLength, connection.FileCalls > 0);
        AssertServesTheNext(server, connection);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Without_a_length_the_file_is_one_chunk_between_others(bool sendsFiles)
    {
        ScriptedServer server = Make(async features =>
        {
            await Body(features).Stream.WriteAsync("<"u8.ToArray());
            await Body(features).SendFileAsync(_path, 0, null);
            await Body(features).Stream.WriteAsync(">"u8.ToArray());
        });
        ScriptedConnection connection = Connect(server, sendsFiles);
        MisuseTests.SettleUntil(server, () => connection.Sent.EndsWith("0\r\n\r\n", StringComparison.Ordinal));
        Assert.Equal($"1\r\n<\r\n{Length:X}\r\n{_content}\r\n1\r\n>\r\n0\r\n\r\n", ContentOf(connection), ignoreCase: false);
    }

    [Theory]
    [InlineData(true, 100)]
    [InlineData(true, 100_000)]
    [InlineData(false, 100)]
    [InlineData(false, 100_000)]
    public void A_file_goes_on_when_the_full_socket_takes_bytes_again(bool sendsFiles, int room)
    {
        ScriptedServer server = Make(async features =>
        {
            Declare(features, Length);
            await Body(features).SendFileAsync(_path, 0, null);
        });
        ScriptedConnection connection = Connect(server, sendsFiles, room);
        for (int step = 0; step < 3; step++)
        {
            MisuseTests.SettleUntil(server, () => connection.WaitsForRoom && connection.Sent.Length == room + (step * 50_000));
            connection.MakeRoom(50_000);
        }

        MisuseTests.SettleUntil(server, () => connection.WaitsForRoom);
        connection.MakeRoom(long.MaxValue / 2);
        MisuseTests.SettleUntil(server, () => ContentOf(connection).Length == Length);
        Assert.Equal(_content, ContentOf(connection));
        AssertServesTheNext(server, connection);
    }

    [Fact]
    public void What_the_kernel_cannot_send_is_read()
    {
        ScriptedServer server = Make(async features => await Body(features).SendFileAsync(_path, 0, null));
        ScriptedConnection connection = server.Connect();
        connection.SendsFilesItself = true;
        connection.FileError = IoError.FileNotSendable;
        connection.Arrive(Get);
        MisuseTests.SettleUntil(server, () => connection.Sent.EndsWith("0\r\n\r\n", StringComparison.Ordinal));
        Assert.Equal($"{Length:X}\r\n{_content}\r\n0\r\n\r\n", ContentOf(connection), ignoreCase: false);
        Assert.Equal(1, connection.FileCalls);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_file_that_becomes_shorter_breaks_the_response_off_and_says_so(bool sendsFiles)
    {
        Exception? thrown = null;
        ScriptedServer server = Make(async features =>
        {
            Declare(features, Length);
            try
            {
                await Body(features).SendFileAsync(_path, 0, null);
            }
            catch (EndOfStreamException exception)
            {
                thrown = exception;
                throw;
            }
        });
        ScriptedConnection connection = Connect(server, sendsFiles, room: 200_000);
        MisuseTests.SettleUntil(server, () => connection.WaitsForRoom);
        using (FileStream file = new(_path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite))
        {
            file.SetLength(1_000);
        }

        connection.MakeRoom(long.MaxValue / 2);
        AssertGivenUp(server, connection);
        Assert.NotNull(thrown);
        Assert.Contains("ApplicationError", _log.Names);
        Assert.True(ContentOf(connection).Length < Length);
    }

    [Fact]
    public void A_connection_that_breaks_while_a_file_is_sent_ends_the_request_quietly()
    {
        bool hasCompleted = false;
        ScriptedServer server = Make(async features =>
        {
            await Body(features).SendFileAsync(_path, 0, null);
            Volatile.Write(ref hasCompleted, true);
        });
        ScriptedConnection connection = server.Connect();
        connection.SendsFilesItself = true;
        connection.FileError = IoError.ConnectionReset;
        connection.Arrive(Get);
        MisuseTests.SettleUntil(server, () => connection.IsClosed);
        Assert.True(Volatile.Read(ref hasCompleted));
        Assert.DoesNotContain("ApplicationError", _log.Names);
        Assert.Equal(0, server.Loop.Blocks.RentedCount);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_reset_by_the_peer_ends_a_file_that_waits(bool sendsFiles)
    {
        bool hasCompleted = false;
        ScriptedServer server = Make(async features =>
        {
            await Body(features).SendFileAsync(_path, 0, null);
            Volatile.Write(ref hasCompleted, true);
        });
        ScriptedConnection connection = Connect(server, sendsFiles, room: 100_000);
        MisuseTests.SettleUntil(server, () => connection.WaitsForRoom);
        connection.ResetFromPeer();
        MisuseTests.SettleUntil(server, () => connection.IsClosed && Volatile.Read(ref hasCompleted));
        Assert.Equal(0, server.Loop.Blocks.RentedCount);
    }

    [Theory]
    [InlineData(true, true)]
    [InlineData(false, true)]
    [InlineData(true, false)] // between two parts of it
    public void Cancelling_a_file_breaks_the_response_off(bool sendsFiles, bool waits)
    {
        using CancellationTokenSource cancellation = new();
        bool isCancelled = false;
        ScriptedServer server = Make(async features =>
        {
            try
            {
                await Body(features).SendFileAsync(_path, 0, null, cancellation.Token);
            }
            catch (OperationCanceledException)
            {
                Volatile.Write(ref isCancelled, true);
            }
        });
        ScriptedConnection connection = server.Connect();
        connection.SendsFilesItself = sendsFiles;
        connection.SendMax = 100_000;
        connection.SendRoom = waits ? 150_000 : long.MaxValue;
        connection.BeforeSendFile = waits ? null : cancellation.Cancel;
        connection.Arrive(Get);
        if (waits)
        {
            MisuseTests.SettleUntil(server, () => connection.WaitsForRoom);
            cancellation.Cancel();
        }

        MisuseTests.SettleUntil(server, () => Volatile.Read(ref isCancelled));
        AssertGivenUp(server, connection);
        Assert.InRange(connection.Sent.Length, 1, 150_000);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_write_that_waits_for_a_callback_when_its_request_has_ended_touches_no_other(bool isFile)
    {
        TaskCompletionSource callback = new();
        Task? late = null;
        ScriptedServer server = Make(features =>
        {
            IHttpResponseFeature response = features.GetRequiredFeature<IHttpResponseFeature>();
            if (late is null)
            {
                response.OnStarting(_ => callback.Task, this);
                late = isFile ? Body(features).SendFileAsync(_path, 0, null) : Body(features).Stream.WriteAsync("late"u8.ToArray()).AsTask();
                return Task.CompletedTask;
            }

            callback.SetResult();
            Assert.True(SpinWait.SpinUntil(() => late.IsCompleted, TimeSpan.FromSeconds(30)));
            response.Headers["X-Own"] = "yes"; // not started by the other
            return Task.CompletedTask;
        });
        ScriptedConnection first = Connect(server, sendsFiles: true);
        first.Advance(2_000); // gives back what it kept
        ScriptedConnection second = Connect(server, sendsFiles: true);
        MisuseTests.SettleUntil(server, () => second.Sent.Length > 0);
        Assert.Contains("X-Own: yes\r\n", second.Sent, StringComparison.Ordinal);
        Assert.DoesNotContain("late", second.Sent, StringComparison.Ordinal);
        Assert.IsAssignableFrom<InvalidOperationException>(late!.Exception?.InnerException);
        Assert.Equal(0, second.FileCalls);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_file_that_the_application_does_not_await_is_sent_to_its_end(bool sendsFiles)
    {
        ScriptedServer server = Make(features =>
        {
            Declare(features, Length);
            _ = Body(features).SendFileAsync(_path, 0, null);
            return Task.CompletedTask;
        });
        ScriptedConnection connection = Connect(server, sendsFiles, room: 100_000);
        connection.Arrive(Get); // pipelined: it must not begin
        MisuseTests.SettleUntil(server, () => connection.WaitsForRoom);
        connection.MakeRoom(long.MaxValue / 2);
        MisuseTests.SettleUntil(server, () => connection.Sent.Length > 2 * Length && connection.Sent.EndsWith(_content, StringComparison.Ordinal));
        Assert.StartsWith(_content + "HTTP/1.1 200 OK\r\n", ContentOf(connection), StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_that_the_application_leaves_by_failing_is_broken_off()
    {
        ScriptedServer server = Make(features =>
        {
            _ = Body(features).SendFileAsync(_path, 0, null);
            throw new ArithmeticException("The test's.");
        });
        ScriptedConnection connection = Connect(server, sendsFiles: true, room: 100_000);
        AssertGivenUp(server, connection);
        Assert.Contains("ApplicationError", _log.Names);
    }

    [Fact]
    public void A_file_that_the_application_leaves_by_failing_is_waited_for_whatever_the_log_throws()
    {
        _log.At["ApplicationError"] = FaultyLoggerFactory.Throw;
        ScriptedServer server = Make(features =>
        {
            _ = Body(features).SendFileAsync(_path, 0, null);
            throw new ArithmeticException("The test's.");
        });
        ScriptedConnection connection = server.Connect();
        connection.SendsFilesItself = true;
        connection.SendRoom = 100_000;
        connection.Arrive(Get);
        AssertGivenUp(server, connection);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_file_that_another_thread_sends_keeps_the_request_and_its_descriptor(bool isPooled)
    {
        int descriptorsLost = 0;
        Task? sending = null;
        ScriptedConnection? connection = null;
        ScriptedServer server = new(
            features =>
            {
                sending = Task.Run(() => Body(features).SendFileAsync(_path, 0, null));
                Assert.True(_isInside.Wait(TimeSpan.FromSeconds(30)));
                return Task.CompletedTask;
            },
            configure: options => options.ApplicationMode = isPooled ? ApplicationMode.ThreadPool : ApplicationMode.Inline,
            loggerFactory: _log);
        connection = server.Connect();
        connection.SendsFilesItself = true;
        connection.BeforeSendFile = () =>
        {
            _isInside.Set();
            Assert.True(_mayGoOn.Wait(TimeSpan.FromSeconds(30)));
            descriptorsLost += connection.IsClosed ? 1 : 0;
        };
        connection.Arrive(Get);
        Assert.True(_isInside.Wait(TimeSpan.FromSeconds(30)));
        connection.CloseFromPeer();
        connection.ResetFromPeer();
        server.Loop.RunPosted();
        Assert.False(connection.IsClosed);
        _mayGoOn.Set();
        MisuseTests.SettleUntil(server, () => connection.IsClosed && sending is { IsCompleted: true });
        Assert.Equal(0, descriptorsLost);
        Assert.Equal(0, server.Loop.Blocks.RentedCount);
    }

    [Fact]
    public void A_file_that_begins_when_its_request_has_ended_is_refused()
    {
        IFeatureCollection? captured = null;
        ScriptedServer server = Make(features =>
        {
            captured = features;
            return Task.CompletedTask;
        });
        ScriptedConnection connection = Connect(server, sendsFiles: true);
        Task late = Body(captured!).SendFileAsync(_path, 0, null);
        Assert.IsAssignableFrom<InvalidOperationException>(late.Exception?.InnerException);
        Assert.Equal(0, connection.FileCalls);
        AssertServesTheNext(server, connection);
    }

    [Fact]
    public void A_second_call_that_fails_does_not_end_the_wait_for_the_first()
    {
        ScriptedServer server = Make(features =>
        {
            Declare(features, Length);
            _ = Body(features).SendFileAsync(_path, 0, null);
            _ = Body(features).SendFileAsync("/no/such/file", 0, null);
            return Task.CompletedTask;
        });
        ScriptedConnection connection = Connect(server, sendsFiles: true, room: 100_000);
        MisuseTests.SettleUntil(server, () => connection.WaitsForRoom);
        Assert.False(connection.IsClosed);
        connection.MakeRoom(long.MaxValue / 2);
        MisuseTests.SettleUntil(server, () => ContentOf(connection).Length == Length);
        AssertServesTheNext(server, connection);
    }

    [Fact]
    public void A_cancelled_flush_does_not_let_the_file_overtake_what_is_before_it()
    {
        ScriptedServer server = Make(async features =>
        {
            Declare(features, Length);
            Task sending = Body(features).SendFileAsync(_path, 0, null);
            for (int i = 0; i < 3; i++)
            {
                Body(features).Writer.CancelPendingFlush();
            }

            await sending;
        });
        ScriptedConnection connection = Connect(server, sendsFiles: true, room: 10);
        MisuseTests.SettleUntil(server, () => connection.WaitsForRoom);
        Assert.Equal(0, connection.FileCalls);
        connection.MakeRoom(long.MaxValue / 2);
        MisuseTests.SettleUntil(server, () => ContentOf(connection).Length == Length);
        Assert.Equal(_content, ContentOf(connection));
    }

    [Fact]
    public void A_disk_that_takes_its_time_is_not_the_clients_fault()
    {
        ScriptedServer server = Make(
            async features => await Body(features).SendFileAsync(_path, 0, null),
            kestrel => kestrel.Limits.MinResponseDataRate = new MinDataRate(100_000, TimeSpan.FromSeconds(5)));
        ScriptedConnection connection = Connect(server, sendsFiles: true, room: 100_000);
        MisuseTests.SettleUntil(server, () => connection.WaitsForRoom);
        connection.Advance(4_000);
        connection.BeforeSendFile = () =>
        {
            _isInside.Set();
            Assert.True(_mayGoOn.Wait(TimeSpan.FromSeconds(30)));
        };
        connection.MakeRoom(long.MaxValue / 2);
        Assert.True(_isInside.Wait(TimeSpan.FromSeconds(30)));
        connection.Advance(20_000);
        Assert.False(connection.IsAborted);
        _mayGoOn.Set();
        MisuseTests.SettleUntil(server, () => connection.Sent.EndsWith("0\r\n\r\n", StringComparison.Ordinal));
    }

    [Fact]
    public void A_full_socket_that_has_room_between_two_requests_of_a_batch_is_asked_again()
    {
        using SemaphoreSlim step = new(0);
        ScriptedServer server = Make(async features =>
        {
            await Body(features).Stream.WriteAsync("one"u8.ToArray());
            await step.WaitAsync();
        });
        ScriptedConnection connection = Connect(server, sendsFiles: true, room: 10);
        Assert.True(connection.WaitsForRoom);
        Http1Session session = Assert.IsType<Http1Session>(connection.Handler);
        session.Signal(SessionSignals.Finishing); // as the thread that is about to begin the next request
        connection.MakeRoom(long.MaxValue / 2);
        Assert.True(connection.WaitsForRoom);
        session.Clear(SessionSignals.Finishing);
        connection.MakeRoom(0);
        Assert.EndsWith("3\r\none\r\n", connection.Sent, StringComparison.Ordinal);
        step.Release();
        MisuseTests.SettleUntil(server, () => connection.Sent.EndsWith("0\r\n\r\n", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(true, 100_000)]
    [InlineData(false, 100_000)]
    [InlineData(true, Length - 100)]
    [InlineData(false, Length - 100)]
    public void Nothing_else_can_be_written_while_a_file_is_under_way(bool sendsFiles, int room)
    {
        int refused = 0;
        ScriptedServer server = Make(async features =>
        {
            IHttpResponseBodyFeature body = Body(features);
            Task sending = body.SendFileAsync(_path, 0, null);
            foreach (Func<Task> misuse in new Func<Task>[]
            {
                () => body.Stream.WriteAsync("x"u8.ToArray()).AsTask(),
                () => body.Writer.WriteAsync("x"u8.ToArray()).AsTask(),
                () => body.SendFileAsync(_path, 0, 1),
                () => body.SendFileAsync(_path, 0, Length - 1),
                () => body.CompleteAsync(),
            })
            {
                await Assert.ThrowsAsync<InvalidOperationException>(misuse);
                refused++;
            }

            Assert.Throws<InvalidOperationException>(() =>
            {
                body.Writer.GetSpan(1)[0] = (byte)'x';
                body.Writer.Advance(1);
            });
            await sending;
            await body.Stream.WriteAsync("!"u8.ToArray());
        });
        ScriptedConnection connection = Connect(server, sendsFiles, room);
        MisuseTests.SettleUntil(server, () => connection.WaitsForRoom && Volatile.Read(ref refused) == 5);
        connection.MakeRoom(long.MaxValue / 2);
        MisuseTests.SettleUntil(server, () => connection.Sent.EndsWith("0\r\n\r\n", StringComparison.Ordinal));
        Assert.Equal($"{Length:X}\r\n{_content}\r\n1\r\n!\r\n0\r\n\r\n", ContentOf(connection));
    }

    [Fact]
    public void A_thread_that_waits_for_the_disk_keeps_nobody_from_the_connection()
    {
        ScriptedServer server = Make(
            async features => await Body(features).SendFileAsync(_path, 0, null),
            kestrel => kestrel.Limits.MinResponseDataRate = new MinDataRate(100_000, TimeSpan.FromSeconds(5)));
        ScriptedConnection connection = Connect(server, sendsFiles: true, room: 100_000);
        MisuseTests.SettleUntil(server, () => connection.WaitsForRoom);
        connection.BeforeSendFile = () =>
        {
            _isInside.Set();
            Assert.True(_mayGoOn.Wait(TimeSpan.FromSeconds(30)));
        };
        connection.MakeRoom(1_000);
        Assert.True(_isInside.Wait(TimeSpan.FromSeconds(30)));

        // The loop looks, hears of the end, and leaves the descriptor open for the thread that is inside.
        connection.Advance(1_000);
        connection.ResetFromPeer();
        server.Loop.RunPosted();
        Assert.False(connection.IsClosed);
        _mayGoOn.Set();
        MisuseTests.SettleUntil(server, () => connection.IsClosed);
        Assert.Equal(0, server.Loop.Blocks.RentedCount);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_client_that_does_not_take_a_file_is_given_up(bool sendsFiles)
    {
        ScriptedServer server = Make(
            async features => await Body(features).SendFileAsync(_path, 0, null),
            kestrel => kestrel.Limits.MinResponseDataRate = new MinDataRate(10_000, TimeSpan.FromSeconds(2)));
        ScriptedConnection connection = Connect(server, sendsFiles, room: 65_536);
        MisuseTests.SettleUntil(server, () => connection.WaitsForRoom);
        connection.Advance(6_000); // the grace is over, 64 KiB at this rate take 6.6 s
        Assert.False(connection.IsAborted);
        connection.Advance(3_000); // and the rest of the file 23
        Assert.True(connection.IsAborted);
        Assert.Contains("ResponseMinimumDataRateNotSatisfied", _log.Names);
        MisuseTests.SettleUntil(server, () => connection.IsClosed);
    }

    [Fact]
    public void The_answer_to_HEAD_has_no_file()
    {
        ScriptedServer server = Make(async features =>
        {
            Declare(features, Length);
            await Body(features).SendFileAsync(_path, 0, null);
        });
        ScriptedConnection connection = server.Connect();
        connection.SendsFilesItself = true;
        connection.Arrive("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
        MisuseTests.SettleUntil(server, () => connection.Sent.Length > 0);
        Assert.Equal("", ContentOf(connection));
        Assert.Equal(0, connection.FileCalls);
    }

    [Fact]
    public void More_than_was_declared_is_refused_before_the_start()
    {
        ScriptedServer server = Make(async features =>
        {
            Declare(features, Length - 1);
            await Assert.ThrowsAsync<InvalidOperationException>(() => Body(features).SendFileAsync(_path, 0, null));
            Declare(features, null);
            await Body(features).Stream.WriteAsync("recovered"u8.ToArray());
        });
        ScriptedConnection connection = Connect(server, sendsFiles: true);
        MisuseTests.SettleUntil(server, () => connection.Sent.Length > 0);
        Assert.Equal("recovered", ContentOf(connection));
    }

    [Fact]
    public void An_empty_part_sends_nothing()
    {
        ScriptedServer server = Make(async features =>
        {
            await Body(features).SendFileAsync(_path, Length, null);
            await Body(features).SendFileAsync(_path, 10, 0);
            Assert.False(features.GetRequiredFeature<IHttpResponseFeature>().HasStarted);
        });
        ScriptedConnection connection = Connect(server, sendsFiles: true);
        MisuseTests.SettleUntil(server, () => connection.Sent.Length > 0);
        Assert.Contains("Content-Length: 0\r\n", connection.Sent, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void What_was_written_leaves_although_completing_it_failed(bool isSuspended)
    {
        using SemaphoreSlim step = new(0);
        ScriptedServer server = Make(async features =>
        {
            if (isSuspended)
            {
                await step.WaitAsync();
            }

            Declare(features, 10);
            await Body(features).Stream.WriteAsync("12345"u8.ToArray());
            await Assert.ThrowsAsync<InvalidOperationException>(() => Body(features).CompleteAsync());
            await Body(features).Stream.WriteAsync("67890"u8.ToArray());
        });
        ScriptedConnection connection = Connect(server, sendsFiles: true);
        step.Release();
        MisuseTests.SettleUntil(server, () => connection.IsClosed || connection.IsSendShutDown);
        Assert.Equal("1234567890", ContentOf(connection));
    }

    private ScriptedServer Make(Func<IFeatureCollection, Task> application, Action<KestrelServerOptions>? configure = null) => new(application, configure, loggerFactory: _log);

    private static ScriptedConnection Connect(ScriptedServer server, bool sendsFiles, long room = long.MaxValue)
    {
        ScriptedConnection connection = server.Connect();
        connection.SendsFilesItself = sendsFiles;
        connection.SendRoom = room;
        connection.Arrive(Get);
        return connection;
    }

    private static void AssertServesTheNext(ScriptedServer server, ScriptedConnection connection)
    {
        string before = connection.Sent;
        connection.SendRoom = long.MaxValue;
        connection.Arrive(Get);
        MisuseTests.SettleUntil(server, () => connection.Sent.Length == 2 * before.Length);
        MisuseTests.SettleUntil(server, () => server.Loop.Blocks.RentedCount == 0);
    }

    private static void AssertGivenUp(ScriptedServer server, ScriptedConnection connection)
    {
        MisuseTests.SettleUntil(server, () => connection.IsAborted);
        MisuseTests.SettleUntil(server, () => connection.IsClosed);
        Assert.Equal(0, server.Loop.Blocks.RentedCount);
        Assert.Empty(server.Loop.Failures);
    }

    private static IHttpResponseBodyFeature Body(IFeatureCollection features) => features.GetRequiredFeature<IHttpResponseBodyFeature>();

    private static void Declare(IFeatureCollection features, long? length) => features.GetRequiredFeature<IHttpResponseFeature>().Headers.ContentLength = length;

    private static string ContentOf(ScriptedConnection connection)
    {
        string sent = connection.Sent;
        int end = sent.IndexOf("\r\n\r\n", StringComparison.Ordinal);
        return end < 0 ? "" : sent[(end + 4)..];
    }
}
