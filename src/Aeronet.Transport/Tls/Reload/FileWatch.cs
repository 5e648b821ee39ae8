using System;
using System.Collections.Generic;
using System.IO;
using System.Threading;
using Aeronet.Transport.Diagnostics;
using Microsoft.Extensions.Logging;

namespace Aeronet.Transport.Tls.Reload;

/// <summary>Says when files have changed and then been left alone for a while. Watches their folders through the kernel; nothing is polled.</summary>
/// <remarks>
/// A folder is watched, not a file: files replaced by <c>rename</c> change their folder, and secrets mounted by Kubernetes change a link on the way to it. Every link on the way is followed and
/// watched; other names in those folders are nobody's business here. The kernel does not tell of changes that another machine makes on a network file system: for those there is the reload on demand.
/// </remarks>
internal sealed class FileWatch : IDisposable
{
    // Files that never come to rest (one that is appended to for ever) are looked at all the same.
    private const int QuietTimesMax = 10;
    private const int LinksMax = 40; // as the kernel's own limit

    private readonly TimeProvider _time;
    private readonly TimeSpan _quiet;
    private readonly Action _changed;
    private readonly ILogger _logger;
    private readonly Lock _gate = new();
    private readonly ITimer _timer;

    // Under _gate.
    private readonly Dictionary<string, FileSystemWatcher> _folders = new(StringComparer.Ordinal);
    private Dictionary<string, HashSet<string>> _names = new(StringComparer.Ordinal); // by folder
    private long? _firstChange; // timestamp; Null: nothing is waiting to be told
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
        _timer = _time.CreateTimer(static watch => ((FileWatch)watch!).OnQuiet(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <summary>Watches for these files, and no others.</summary>
    public void Watch(IEnumerable<string> files)
    {
        var wanted = new Dictionary<string, HashSet<string>>(StringComparer.Ordinal);
        foreach (string file in files)
        {
            AddWay(Path.GetFullPath(file), wanted);
        }
        lock (_gate)
        {
            if (_disposed)
            {
                return;
            }
            _names = wanted;
            foreach (string folder in new List<string>(_folders.Keys))
            {
                if (!wanted.ContainsKey(folder) && _folders.Remove(folder, out FileSystemWatcher? unused))
                {
                    unused.Dispose();
                }
            }
            foreach (string folder in wanted.Keys)
            {
                if (!_folders.ContainsKey(folder) && Open(folder) is { } watcher)
                {
                    _folders.Add(folder, watcher);
                }
            }
        }
    }

    /// <summary>Something has changed: the quiet time begins again.</summary>
    public void Touch()
    {
        lock (_gate)
        {
            if (_disposed)
            {
                return;
            }
            long now = _time.GetTimestamp();
            _firstChange ??= now;
            TimeSpan left = (QuietTimesMax * _quiet) - _time.GetElapsedTime(_firstChange.Value, now);
            _timer.Change(left <= TimeSpan.Zero ? TimeSpan.Zero : left < _quiet ? left : _quiet, Timeout.InfiniteTimeSpan);
        }
    }

    /// <summary>The kernel's word on a name in a watched folder.</summary>
    internal void OnEvent(string folder, string? name)
    {
        bool isOurs;
        lock (_gate)
        {
            isOurs = name is not null && _names.TryGetValue(folder, out HashSet<string>? names) && names.Contains(name);
        }
        if (isOurs)
        {
            Touch();
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
            watcher.Changed += (_, change) => OnEvent(folder, change.Name);
            watcher.Created += (_, change) => OnEvent(folder, change.Name);
            watcher.Renamed += (_, change) =>
            {
                OnEvent(folder, change.OldName);
                OnEvent(folder, change.Name);
            };
            watcher.Deleted += (_, change) => OnEvent(folder, change.Name);
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

    private void OnQuiet()
    {
        lock (_gate)
        {
            _firstChange = null;
        }
        _changed();
    }

    /// <summary>The file's own place, and the place of every link that leads to it.</summary>
    private static void AddWay(string file, Dictionary<string, HashSet<string>> places)
    {
        string folder = Path.GetPathRoot(file)!;
        var left = new Stack<string>();
        Push(left, file[folder.Length..]);
        for (int links = 0; left.TryPop(out string? name) && links <= LinksMax;)
        {
            string path = Path.Combine(folder, name);
            string? target = TargetOf(path);
            if (target is not null || left.Count == 0)
            {
                if (!places.TryGetValue(folder, out HashSet<string>? names))
                {
                    places.Add(folder, names = new HashSet<string>(StringComparer.Ordinal));
                }
                names.Add(name);
            }
            if (target is null)
            {
                folder = path;
                continue;
            }
            links++;
            target = Path.GetFullPath(target, folder);
            folder = Path.GetPathRoot(target)!;
            Push(left, target[folder.Length..]);
        }
    }

    private static void Push(Stack<string> names, string path)
    {
        string[] parts = path.Split(Path.DirectorySeparatorChar, StringSplitOptions.RemoveEmptyEntries);
        for (int i = parts.Length - 1; i >= 0; i--)
        {
            names.Push(parts[i]);
        }
    }

    private static string? TargetOf(string path)
    {
        try
        {
            return new FileInfo(path).LinkTarget;
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            return null; // not there yet, or not ours to look at: loading it says so
        }
    }
}
