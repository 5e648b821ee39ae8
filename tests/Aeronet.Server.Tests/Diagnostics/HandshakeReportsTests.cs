using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading;
using System.Threading.Tasks;
using Aeronet.Server.Diagnostics;
using Aeronet.TestSupport.Connections;
using Aeronet.TestSupport.Hosting;
using Aeronet.Transport;
using Aeronet.Transport.Tls;
using Xunit;

namespace Aeronet.Server.Tests.Diagnostics;

public sealed class HandshakeReportsTests
{
    private static readonly ScriptedConnection s_connection = new(new ScriptedLoop());

    [Fact]
    public async Task Reports_come_in_order_one_at_a_time_and_a_callback_that_throws_hurts_nobody()
    {
        var seen = new List<string?>();
        var all = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        int inside = 0;
        var log = new LogCapture();
        var reports = new HandshakeReports(
            report =>
            {
                Assert.Equal(1, Interlocked.Increment(ref inside));
                seen.Add(report.ServerName);
                Interlocked.Decrement(ref inside);
                if (seen.Count == 1000)
                {
                    all.SetResult();
                }
                throw new InvalidOperationException("scripted");
            },
            log.CreateLogger("x"));
        for (int i = 0; i < 1000; i++)
        {
            reports.Post(Event(i));
        }
        await all.Task.WaitAsync(Guard.Time);
        Assert.Equal(Enumerable.Range(0, 1000).Select(static i => $"{i}"), seen);
        await log.WaitForAsync(static entry => entry.Id == 2150);
    }

    [Fact]
    public async Task A_callback_that_blocks_loses_reports_and_blocks_nobody()
    {
        using var gate = new ManualResetEventSlim();
        int count = 0;
        var last = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var reports = new HandshakeReports(
            report =>
            {
                gate.Wait(Guard.Time);
                Interlocked.Increment(ref count);
                if (report.ServerName == "end")
                {
                    last.SetResult();
                }
            },
            new LogCapture().CreateLogger("x"));
        for (int i = 0; i < HandshakeReports.WaitingMax + 500; i++)
        {
            reports.Post(Event(i));
        }
        int posted = HandshakeReports.WaitingMax + 500;
        gate.Set();
        while (!last.Task.IsCompleted)
        {
            reports.Post(Event(0, "end"));
            posted++;
            await Task.Yield();
        }
        Assert.InRange(count, HandshakeReports.WaitingMax + 1, posted - 499); // all that waited, and the one that the callback had
    }

    [Fact]
    public void Every_way_to_fail_has_a_reason_of_its_own()
    {
        string?[] reasons = Enum.GetValues<TlsFailure>().Select(TlsMetrics.Reason).ToArray();
        Assert.Null(reasons[0]);
        Assert.Equal(reasons.Length, reasons.Distinct().Count());
        Assert.All(reasons.Skip(1), static reason => Assert.Matches("^[a-z_]+$", reason));
    }

    private static TlsHandshakeEvent Event(int number, string? name = null)
        => new() { Connection = s_connection, Failure = number % 2 == 0 ? TlsFailure.None : TlsFailure.PeerAlert, ServerName = name ?? $"{number}" };
}
