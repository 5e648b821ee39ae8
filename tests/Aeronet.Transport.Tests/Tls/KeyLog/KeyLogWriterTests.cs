using System;
using System.IO;
using Aeronet.TestSupport.Hosting;
using Aeronet.Transport.Tls.KeyLog;
using Microsoft.Extensions.Logging;
using Xunit;

namespace Aeronet.Transport.Tests.Tls.KeyLog;

public sealed class KeyLogWriterTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("aeronet-keylog-").FullName;
    private readonly LogCapture _log = new();

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Lines_are_appended_to_a_file_that_only_its_owner_can_read_and_the_log_warns()
    {
        string path = Path.Combine(_folder, "keys");
        using (var writer = new KeyLogWriter(path, _log.CreateLogger("x")))
        {
            writer.Write("CLIENT_RANDOM 00 11"u8);
        }
        using (var writer = new KeyLogWriter(path, _log.CreateLogger("x")))
        {
            writer.Write(System.Text.Encoding.ASCII.GetBytes(new string('a', 2000)));
        }
        Assert.Equal($"CLIENT_RANDOM 00 11\n{new string('a', 2000)}\n", File.ReadAllText(path));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(path));
        Assert.All(_log.Entries, entry => Assert.Equal(LogLevel.Warning, entry.Level));
        Assert.Equal(2, _log.Entries.Count);
        Assert.Contains(path, _log.Entries[0].Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_that_others_can_read_is_refused()
    {
        string path = Path.Combine(_folder, "open");
        File.WriteAllText(path, "");
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.OtherRead);
        Assert.Contains("chmod 600", Assert.Throws<IOException>(() => new KeyLogWriter(path, _log.CreateLogger("x"))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_folder_that_is_not_there_is_a_fault_at_the_start()
        => Assert.ThrowsAny<IOException>(() => new KeyLogWriter(Path.Combine(_folder, "no", "keys"), _log.CreateLogger("x")));

    [Fact]
    public void After_the_end_nothing_is_written()
    {
        string path = Path.Combine(_folder, "keys");
        var writer = new KeyLogWriter(path, _log.CreateLogger("x"));
        writer.Dispose();
        writer.Write("x"u8);
        Assert.Equal("", File.ReadAllText(path));
    }
}
