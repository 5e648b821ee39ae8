using System;
using System.Collections.Generic;
using System.IO;

namespace Aeronet.AB.Servers;

/// <summary>A server under test and how to start it.</summary>
/// <param name="Name">In reports.</param>
/// <param name="Command">For a foreign server: a shell command with <c>{port}</c> in it; null: the benchmark application.</param>
/// <param name="TlsKey">For the benchmark application: listens on a second port with TLS and a certificate of this key; null: does not.</param>
internal sealed record ServerSpec(string Name, string? Command = null, string? TlsKey = null)
{
    /// <summary>Whether it runs the benchmark application, and so has all its endpoints.</summary>
    public bool IsBenchApp => Command is null;

    /// <summary>What a scenario wants of the benchmark application besides.</summary>
    public IReadOnlyList<string> Arguments { get; init; } = [];

    /// <summary>Kestrel's HTTP, on whatever sockets.</summary>
    public bool IsKestrel => IsBenchApp && Name.StartsWith("kestrel", StringComparison.Ordinal);

    public IReadOnlyList<string> CommandLine(int port, int tlsPort) => Command is null
        ? [Environment.ProcessPath is { } host && Path.GetFileNameWithoutExtension(host) == "dotnet" ? host : "dotnet", Path.Combine(AppContext.BaseDirectory, "Aeronet.BenchApp.dll"), "--server", Name, "--urls", $"http://127.0.0.1:{port}", .. TlsKey is null ? [] : (string[])["--http-port", $"{port}", "--https-port", $"{tlsPort}", "--https-key", TlsKey], .. Arguments]
        : ["/bin/sh", "-c", "exec " + Command.Replace("{port}", $"{port}", StringComparison.Ordinal)];
}
