using System;
using System.IO;
using System.Threading.Tasks;
using Aeronet.TestSupport.Hosting;
using Aeronet.TestSupport.Kernel;
using Aeronet.Transport.Tls.Reload;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Aeronet.Transport.Tests.Tls.Reload;

public sealed class FileWatchTests : IDisposable
{
    private static readonly TimeSpan s_quiet = TimeSpan.FromMilliseconds(500);

    private readonly string _folder = Directory.CreateTempSubdirectory("aeronet-watch-").FullName;
    private readonly ManualClock _clock = new();

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Changes_in_quick_succession_are_one()
    {
        int count = 0;
        using var watch = new FileWatch(_clock, s_quiet, () => count++, NullLogger.Instance);
        watch.Touch();
        _clock.Advance(400);
        watch.Touch();
        _clock.Advance(400);
        Assert.Equal(0, count);
        _clock.Advance(100);
        Assert.Equal(1, count);
        _clock.Advance(10_000);
        Assert.Equal(1, count);
    }

    [Theory]
    [InlineData("write")]
    [InlineData("rename")]
    [InlineData("link")]
    public async Task Files_that_are_written_renamed_over_or_linked_anew_are_seen(string how)
    {
        var seen = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        string file = Path.Combine(_folder, "cert.pem");
        string other = Path.Combine(_folder, "other");
        if (how == "link")
        {
            Directory.CreateDirectory(Path.Combine(_folder, "v1"));
            Directory.CreateDirectory(Path.Combine(_folder, "v2"));
            File.WriteAllText(Path.Combine(_folder, "v1", "cert.pem"), "1");
            File.WriteAllText(Path.Combine(_folder, "v2", "cert.pem"), "2");
            File.CreateSymbolicLink(file, Path.Combine(_folder, "v1", "cert.pem"));
        }
        else
        {
            File.WriteAllText(file, "1");
        }
        using var watch = new FileWatch(TimeProvider.System, TimeSpan.FromMilliseconds(1), () => seen.TrySetResult(), NullLogger.Instance);
        watch.Watch([file]);
        switch (how)
        {
            case "write":
                File.WriteAllText(file, "2");
                break;
            case "rename":
                File.WriteAllText(other, "2");
                File.Move(other, file, overwrite: true);
                break;
            default:
                File.CreateSymbolicLink(other, Path.Combine(_folder, "v2", "cert.pem"));
                File.Move(other, file, overwrite: true);
                break;
        }
        await seen.Task.WaitAsync(Guard.Time);
    }

    [Fact]
    public void A_folder_that_is_not_there_is_reported_and_after_the_end_nothing_happens()
    {
        var log = new LogCapture();
        int count = 0;
        var watch = new FileWatch(_clock, s_quiet, () => count++, log.CreateLogger("x"));
        watch.Watch([Path.Combine(_folder, "nowhere", "cert.pem")]);
        Assert.Single(log.Entries, static entry => entry.Id == 2120);
        watch.Touch();
        watch.Dispose();
        watch.Touch();
        _clock.Advance(10_000);
        Assert.Equal(0, count);
    }
}
