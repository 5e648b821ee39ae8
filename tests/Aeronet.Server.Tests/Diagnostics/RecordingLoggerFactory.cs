using System;
using System.Collections.Concurrent;
using System.Collections.Generic;
using Microsoft.Extensions.Logging;

namespace Aeronet.Server.Tests.Diagnostics;

internal sealed record LogEntry(string Category, LogLevel Level, EventId EventId, string Message, Exception? Exception);

/// <summary>Keeps what is logged.</summary>
internal sealed class RecordingLoggerFactory : ILoggerFactory, ILoggerProvider
{
    private readonly LogLevel _minimum;

    public RecordingLoggerFactory(LogLevel minimum = LogLevel.Trace) => _minimum = minimum;

    public ConcurrentQueue<LogEntry> Entries { get; } = new();

    public ConcurrentQueue<string> Categories { get; } = new();

    public ILogger CreateLogger(string categoryName)
    {
        Categories.Enqueue(categoryName);
        return new Logger(this, categoryName);
    }

    public void AddProvider(ILoggerProvider provider) => throw new NotSupportedException();

    public IReadOnlyList<LogEntry> Of(int eventId)
    {
        var found = new List<LogEntry>();
        foreach (LogEntry entry in Entries)
        {
            if (entry.EventId.Id == eventId && entry.Category.StartsWith("Aeronet.", StringComparison.Ordinal))
            {
                found.Add(entry);
            }
        }
        return found;
    }

    public void Dispose()
    {
    }

    private sealed class Logger(RecordingLoggerFactory owner, string category) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel >= owner._minimum;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (IsEnabled(logLevel))
            {
                owner.Entries.Enqueue(new LogEntry(category, logLevel, eventId, formatter(state, exception), exception));
            }
        }
    }
}
