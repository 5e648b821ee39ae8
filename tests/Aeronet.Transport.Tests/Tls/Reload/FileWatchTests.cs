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

    [Fact]
    public void Files_that_never_come_to_rest_are_looked_at_all_the_same()
    {
        int count = 0;
        using var watch = new FileWatch(_clock, s_quiet, () => count++, NullLogger.Instance);
        for (int i = 0; i < 14; i++)
        {
            watch.Touch();
            _clock.Advance(400);
        }
        Assert.Equal(1, count); // after ten quiet times
        _clock.Advance(10_000);
        Assert.Equal(2, count);
    }

    [Fact]
    public void Other_names_in_the_folder_are_nobodys_business()
    {
        int count = 0;
        using var watch = new FileWatch(_clock, s_quiet, () => count++, NullLogger.Instance);
        watch.Watch([Path.Combine(_folder, "cert.pem")]);
        watch.OnEvent(_folder, "app.log");
        watch.OnEvent("/elsewhere", "cert.pem");
        watch.OnEvent(_folder, null);
        _clock.Advance(10_000);
        Assert.Equal(0, count);
        watch.OnEvent(_folder, "cert.pem");
        _clock.Advance(10_000);
        Assert.Equal(1, count);
    }

    [Fact]
    public async Task A_mounted_secret_is_seen_when_its_folder_s_link_is_exchanged()
    {
        // Kubernetes: cert.pem -> ..data/cert.pem, ..data -> ..v1, and an update renames a new link over ..data.
        var seen = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        foreach (string version in (string[])["..v1", "..v2"])
        {
            Directory.CreateDirectory(Path.Combine(_folder, version));
            File.WriteAllText(Path.Combine(_folder, version, "cert.pem"), version);
        }
        Directory.CreateSymbolicLink(Path.Combine(_folder, "..data"), "..v1");
        string file = Path.Combine(_folder, "cert.pem");
        File.CreateSymbolicLink(file, Path.Combine("..data", "cert.pem"));
        using var watch = new FileWatch(TimeProvider.System, TimeSpan.FromMilliseconds(1), () => seen.TrySetResult(), NullLogger.Instance);
        watch.Watch([file]);
        Directory.CreateSymbolicLink(Path.Combine(_folder, "..data_tmp"), "..v2");
        Assert.Equal(0, Rename(Path.Combine(_folder, "..data_tmp"), Path.Combine(_folder, "..data")));
        await seen.Task.WaitAsync(Guard.Time);
        Assert.Equal("..v2", File.ReadAllText(file));
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

#pragma warning disable SYSLIB1054, CA5392, CA2101 // the platform's own rename: Directory.Move would not replace a link
    [System.Runtime.InteropServices.DllImport("libc", EntryPoint = "rename", CharSet = System.Runtime.InteropServices.CharSet.Ansi, BestFitMapping = false)]
    private static extern int Rename(string from, string to);
#pragma warning restore SYSLIB1054, CA5392, CA2101
}
