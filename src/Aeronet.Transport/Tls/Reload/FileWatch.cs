using System;
using System.Collections.Generic;
using System.IO;
using System.Threading;
using Aeronet.Transport.Diagnostics;
using Microsoft.Extensions.Logging;

namespace Aeronet.Transport.Tls.Reload;

/// <summary>Says when files have changed and then been left alone for a while. Watches their folders through the kernel; nothing is polled.</summary>
/// <remarks>
/// A folder is watched, not a file: secrets mounted by Kubernetes and files replaced by <c>rename</c> change their folder. The kernel does not tell of changes behind a symbolic link to another
/// folder, nor of those that another machine makes on a network file system: the folder of a link's target is watched, too; for the network there is the reload on demand.
/// </remarks>
internal sealed class FileWatch : IDisposable
{
    private readonly TimeProvider _time;
    private readonly TimeSpan _quiet;
    private readonly Action _changed;
    private readonly ILogger _logger;
    private readonly Lock _gate = new();
    private readonly ITimer _timer;

    // Under _gate.
    private readonly Dictionary<string, FileSystemWatcher> _folders = new(StringComparer.Ordinal);
    private bool _disposed;

    /// <param name="time">Runs the timer.</param>
    /// <param name="quiet">How long nothing must have changed before <paramref name="changed"/> is called.</param>
    /// <param name="changed">Called on a pool thread, never twice at once by this watch's timer unless it takes longer than the next quiet time.</param>
    /// <param name="logger">Hears of folders that cannot be watched.</param>
    public FileWatch(TimeProvider time, TimeSpan quiet, Action changed, ILogger logger)
    {
        _time = time;
        _quiet = quiet;
        _changed = changed;
        _logger = logger;
        _timer = _time.CreateTimer(static watch => ((FileWatch)watch!)._changed(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <summary>Watches the folders of these files, and no others.</summary>
    public void Watch(IEnumerable<string> files)
    {
        var wanted = new HashSet<string>(StringComparer.Ordinal);
        foreach (string file in files)
        {
            AddFolderOf(file, wanted);
            if (TargetOf(file) is { } target)
            {
                AddFolderOf(target, wanted);
            }
        }
        lock (_gate)
        {
            if (_disposed)
            {
                return;
            }
            foreach (string folder in new List<string>(_folders.Keys))
            {
                if (!wanted.Contains(folder) && _folders.Remove(folder, out FileSystemWatcher? unused))
                {
                    unused.Dispose();
                }
            }
            foreach (string folder in wanted)
            {
                if (!_folders.ContainsKey(folder) && Open(folder) is { } watcher)
                {
                    _folders.Add(folder, watcher);
                }
            }
        }
    }

    /// <summary>Something has changed: the quiet time begins again. For tests, and for changes that come from elsewhere.</summary>
    public void Touch()
    {
        lock (_gate)
        {
            if (!_disposed)
            {
                _timer.Change(_quiet, Timeout.InfiniteTimeSpan);
            }
        }
    }

    public void Dispose()
    {
        lock (_gate)
        {
            _disposed = true;
            foreach (FileSystemWatcher watcher in _folders.Values)
            {
                watcher.Dispose();
            }
            _folders.Clear();
        }
        _timer.Dispose();
    }

    private FileSystemWatcher? Open(string folder)
    {
        try
        {
            var watcher = new FileSystemWatcher(folder) { NotifyFilter = NotifyFilters.FileName | NotifyFilters.DirectoryName | NotifyFilters.LastWrite | NotifyFilters.Size | NotifyFilters.CreationTime };
            watcher.Changed += (_, _) => Touch();
            watcher.Created += (_, _) => Touch();
            watcher.Renamed += (_, _) => Touch();
            watcher.Deleted += (_, _) => Touch();
            watcher.Error += (_, _) => Touch(); // events were lost: look
            watcher.EnableRaisingEvents = true;
            return watcher;
        }
        catch (Exception failure) when (failure is IOException or ArgumentException or UnauthorizedAccessException)
        {
            TlsServiceLog.FolderNotWatched(_logger, folder, failure);
            return null;
        }
    }

    private static void AddFolderOf(string file, HashSet<string> folders)
    {
        if (Path.GetDirectoryName(Path.GetFullPath(file)) is { Length: > 0 } folder)
        {
            folders.Add(folder);
        }
    }

    private static string? TargetOf(string file)
    {
        try
        {
            return File.ResolveLinkTarget(file, returnFinalTarget: true)?.FullName;
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            return null; // a file that is not there yet, or a circle of links: loading it says so
        }
    }
}
