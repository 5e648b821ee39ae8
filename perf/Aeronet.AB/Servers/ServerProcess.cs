using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Net;
using System.Net.Sockets;
using System.Threading;
using Aeronet.AB.Load;
using Aeronet.AB.Measuring;

namespace Aeronet.AB.Servers;

/// <summary>A running server: a child process on its own cores, with what /proc says about it.</summary>
internal sealed class ServerProcess : IDisposable
{
    private const int StartMillisecondsMax = 20_000;
    private const double ClockTicksPerSecond = 100; // USER_HZ, fixed by the kernel's user interface
    private readonly Process _process;

    private readonly int _tlsPort; // 0 without TLS

    private ServerProcess(ServerSpec spec, Process process, int port, int tlsPort)
    {
        Spec = spec;
        _process = process;
        Port = port;
        _tlsPort = tlsPort;
    }

    public ServerSpec Spec { get; }

    public int Port { get; }

    /// <summary>Where a request of this kind goes: the cleartext port, or the encrypted one.</summary>
    public int PortFor(LoadRequest request) => request.Tls == TlsUse.None ? Port : _tlsPort;

    /// <summary>From before the process existed until its port accepted a connection.</summary>
    public TimeSpan TimeToListening { get; private set; }

    /// <summary>When the process was about to be started, as of <see cref="Stopwatch.GetTimestamp"/>.</summary>
    public long StartedAt { get; private set; }

    public static ServerProcess Start(ServerSpec spec, CorePlacement cores)
    {
        int port = FindFreePort();
        int tlsPort = spec.TlsKey is null ? 0 : FindFreePort();
        ProcessStartInfo start = new() { RedirectStandardInput = true, RedirectStandardOutput = true, UseShellExecute = false };
        IReadOnlyList<string> commandLine = spec.CommandLine(port, tlsPort);
        start.FileName = commandLine[0];
        foreach (string argument in commandLine.Skip(1))
        {
            start.ArgumentList.Add(argument);
        }

        // A child inherits the mask of the thread that starts it, before its runtime counts the cores.
        Libc.SetAffinity(cores.Servers);
        Process process;
        long startedAt = Stopwatch.GetTimestamp();
        try
        {
            process = Process.Start(start) ?? throw new InvalidOperationException($"{spec.Name} did not start");
        }
        finally
        {
            Libc.SetAffinity(cores.Loader);
        }

        process.OutputDataReceived += static (_, _) => { }; // nobody reads it, and a full pipe would stop the server
        process.BeginOutputReadLine();
        ServerProcess server = new(spec, process, port, tlsPort) { StartedAt = startedAt };
        try
        {
            server.WaitUntilListening(startedAt);
            return server;
        }
        catch
        {
            server.Dispose();
            throw;
        }
    }

    /// <summary>CPU time of all threads, dead ones included, of the process and its descendants.</summary>
    public CpuTimes ReadCpuTimes()
    {
        CpuTimes sum = default;
        foreach (int process in ReadFamily())
        {
            if (TryReadStat(process) is { } fields)
            {
                // proc(5): utime is field 14 and stime 15; here without the first two.
                sum = new CpuTimes(sum.User + Seconds(fields[11]), sum.System + Seconds(fields[12]));
            }
        }

        return sum;

        static TimeSpan Seconds(string ticks) => TimeSpan.FromSeconds(long.Parse(ticks, CultureInfo.InvariantCulture) / ClockTicksPerSecond);
    }

    /// <summary>Memory of the process and its descendants, shared pages divided among their users; kernel socket buffers are not in it.</summary>
    public long ReadPssBytes()
    {
        long sum = 0;
        foreach (int process in ReadFamily())
        {
            string line = File.ReadLines($"/proc/{process}/smaps_rollup").First(line => line.StartsWith("Pss:", StringComparison.Ordinal));
            sum += 1024 * long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture);
        }

        return sum;
    }

    /// <summary>Null for a foreign server.</summary>
    public GcStatistics? ReadGcStatistics()
    {
        if (!Spec.IsBenchApp)
        {
            return null;
        }

        long[] statistics = ReadStatistics();
        return new GcStatistics(statistics[0], statistics[1]); // a collection of an older generation counts in generation 0 too
    }

    /// <summary>Methods that the runtime has compiled so far; 0 for a foreign server.</summary>
    public long ReadMethodsCompiled() => Spec.IsBenchApp ? ReadStatistics()[6] : 0;

    private long[] ReadStatistics() => [.. Probe.Get(Port, "/_stats").Body.Split(' ').Select(static field => long.Parse(field, CultureInfo.InvariantCulture))];

    /// <summary>Full collections in the server, so that memory read afterwards is live memory.</summary>
    public void Collect()
    {
        if (Spec.IsBenchApp)
        {
            Probe.Get(Port, "/_collect");
        }
    }

    /// <summary>Closing standard input ends the benchmark application; a foreign server is ended.</summary>
    public void Dispose()
    {
        try
        {
            _process.StandardInput.Close();
            if (!Spec.IsBenchApp || !_process.WaitForExit(5_000))
            {
                _process.Kill(entireProcessTree: true);
                _process.WaitForExit(5_000);
            }
        }
        catch (Exception exception) when (exception is InvalidOperationException or IOException)
        {
            // Gone already.
        }

        _process.Dispose();
    }

    private void WaitUntilListening(long startedAt)
    {
        while (!Probe.CanConnect(Port) || (_tlsPort != 0 && !Probe.CanConnect(_tlsPort)))
        {
            if (_process.HasExited)
            {
                throw new InvalidOperationException($"{Spec.Name} ended with code {_process.ExitCode} before it listened");
            }

            if (Stopwatch.GetElapsedTime(startedAt).TotalMilliseconds > StartMillisecondsMax)
            {
                throw new InvalidOperationException($"{Spec.Name} does not listen on port {Port}");
            }

            Thread.Sleep(1);
        }

        TimeToListening = Stopwatch.GetElapsedTime(startedAt);
    }

    private List<int> ReadFamily()
    {
        List<int> family = [_process.Id];
        List<(int Process, int Parent)> all = [];
        foreach (string folder in Directory.EnumerateDirectories("/proc"))
        {
            if (int.TryParse(Path.GetFileName(folder), CultureInfo.InvariantCulture, out int process) && TryReadStat(process) is { } fields)
            {
                all.Add((process, int.Parse(fields[1], CultureInfo.InvariantCulture)));
            }
        }

        for (int index = 0; index < family.Count; index++)
        {
            int parent = family[index];
            family.AddRange(all.Where(one => one.Parent == parent).Select(one => one.Process));
        }

        return family;
    }

    // The second field is the command in brackets and may hold spaces, so fields are counted from behind it.
    private static string[]? TryReadStat(int process)
    {
        try
        {
            string text = File.ReadAllText($"/proc/{process}/stat");
            return text[(text.LastIndexOf(')') + 2)..].Split(' ');
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return null; // ended in between
        }
    }

    private static int FindFreePort()
    {
        using TcpListener listener = new(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}

/// <summary>CPU time in user and in kernel mode.</summary>
internal readonly record struct CpuTimes(TimeSpan User, TimeSpan System)
{
    public TimeSpan Total => User + System;

    public static CpuTimes operator -(CpuTimes after, CpuTimes before) => new(after.User - before.User, after.System - before.System);
}

/// <summary>Bytes allocated and collections since the process began.</summary>
internal readonly record struct GcStatistics(long AllocatedBytes, long Collections);
