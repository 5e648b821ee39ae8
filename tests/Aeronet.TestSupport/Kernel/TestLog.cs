using System;
using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace Aeronet.TestSupport.Kernel;

/// <summary>Keeps the names of what is logged, in order; any thread.</summary>
public sealed class TestLog : ILogger
{
    private readonly ConcurrentQueue<string> _names = new();

    /// <summary>Event names so far.</summary>
    public string[] Names => [.. _names];

    /// <inheritdoc/>
    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    /// <inheritdoc/>
    public bool IsEnabled(LogLevel logLevel) => true;

    /// <inheritdoc/>
    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) => _names.Enqueue(eventId.Name ?? "");
}
