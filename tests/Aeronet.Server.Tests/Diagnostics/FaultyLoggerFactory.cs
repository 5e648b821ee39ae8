using System;
using System.Collections.Concurrent;
using System.Collections.Generic;
using Microsoft.Extensions.Logging;

namespace Aeronet.Server.Tests.Diagnostics;

/// <summary>A log provider that does something, or throws, at the events that a test names; remembers the others' names.</summary>
internal sealed class FaultyLoggerFactory : ILoggerFactory, ILogger
{
    private readonly ConcurrentQueue<string> _names = new();

    /// <summary>What to do at which event.</summary>
    public Dictionary<string, Action> At { get; } = [];

    /// <summary>Names of all events, in order.</summary>
    public string[] Names => [.. _names];

    public static void Throw() => throw new InvalidOperationException("The log provider's fault.");

    public ILogger CreateLogger(string categoryName) => this;

    public void AddProvider(ILoggerProvider provider) => throw new NotSupportedException();

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    /// <summary>Asking the provider fails, too.</summary>
    public bool IsEnabledFails { get; set; }

    public bool IsEnabled(LogLevel logLevel) => IsEnabledFails ? throw new InvalidOperationException("The log provider's fault.") : true;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        string name = eventId.Name ?? "";
        _names.Enqueue(name);
        if (At.TryGetValue(name, out Action? action))
        {
            action();
        }
    }

    public void Dispose()
    {
    }
}
