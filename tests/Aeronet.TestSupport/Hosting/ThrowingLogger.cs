using System;
using Microsoft.Extensions.Logging;

namespace Aeronet.TestSupport.Hosting;

/// <summary>A log provider at its worst: every message throws.</summary>
public sealed class ThrowingLogger : ILogger
{
    /// <inheritdoc />
    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    /// <inheritdoc />
    public bool IsEnabled(LogLevel logLevel) => true;

    /// <inheritdoc />
    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
        throw new InvalidOperationException("The logger is broken.");
}
