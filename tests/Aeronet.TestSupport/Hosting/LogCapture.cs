using System;
using System.Collections.Concurrent;
using System.Collections.Generic;
using System.Linq;
using System.Threading;
using System.Threading.Tasks;
using Microsoft.Extensions.Logging;

namespace Aeronet.TestSupport.Hosting;

/// <summary>One log event as the server wrote it.</summary>
/// <param name="Category">Logger name.</param>
/// <param name="Level">Severity.</param>
/// <param name="Id">Numeric event id.</param>
/// <param name="Message">The formatted text.</param>
/// <param name="Error">The exception given with it.</param>
public sealed record LogEntry(string Category, LogLevel Level, int Id, string Message, Exception? Error);

/// <summary>Collects every log event of one host, and lets a test wait for one without polling the clock.</summary>
public sealed class LogCapture : ILoggerProvider
{
    private readonly ConcurrentQueue<LogEntry> _entries = new();
    private readonly Lock _gate = new();
    private readonly List<Waiter> _waiters = [];

    /// <summary>What was logged so far, oldest first.</summary>
    public IReadOnlyList<LogEntry> Entries => [.. _entries];

    /// <inheritdoc />
    public ILogger CreateLogger(string categoryName) => new Sink(this, categoryName);

    /// <summary>The first entry, past or future, that matches; fails after the guard time.</summary>
    public async Task<LogEntry> WaitForAsync(Predicate<LogEntry> match, TimeSpan? guard = null)
    {
        ArgumentNullException.ThrowIfNull(match);
        var waiter = new Waiter(match);
        lock (_gate)
        {
            LogEntry? already = _entries.FirstOrDefault(entry => match(entry));
            if (already is not null)
            {
                return already;
            }

            _waiters.Add(waiter);
        }

        try
        {
            return await waiter.Found.Task.WaitAsync(guard ?? Guard.Time).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            throw new TimeoutException("No such log entry. Seen:" + Environment.NewLine + this);
        }
    }

    /// <inheritdoc />
    public void Dispose()
    {
        // Entries stay readable after the host is gone.
    }

    /// <summary>All entries, one a line, for failure messages.</summary>
    public override string ToString() => string.Join(Environment.NewLine, _entries.Select(
        entry => $"{entry.Level} {entry.Category}[{entry.Id}] {entry.Message} {entry.Error}"));

    private void Add(LogEntry entry)
    {
        lock (_gate)
        {
            _entries.Enqueue(entry);
            for (int i = _waiters.Count - 1; i >= 0; i--)
            {
                if (_waiters[i].Match(entry))
                {
                    _waiters[i].Found.TrySetResult(entry);
                    _waiters.RemoveAt(i);
                }
            }
        }
    }

    private sealed record Waiter(Predicate<LogEntry> Match)
    {
        // Asynchronous: a waiting test must not run on the server thread that logs.
        public TaskCompletionSource<LogEntry> Found { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }

    private sealed class Sink(LogCapture owner, string category) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel != LogLevel.None;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
            => owner.Add(new LogEntry(category, logLevel, eventId.Id, formatter(state, exception), exception));
    }
}
