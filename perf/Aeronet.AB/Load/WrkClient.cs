using System;
using System.Diagnostics;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Text;

namespace Aeronet.AB.Load;

/// <summary>wrk, when it is installed and asked for: a second opinion on the built-in client. It has no fixed rate and no limit of requests per connection.</summary>
internal sealed class WrkClient : ILoadClient
{
    private const int RequestBytesMax = 64 * 1024; // as a Lua string literal; a larger body is not what wrk is for
    private const string ResultMark = "aeronet-ab";
    private readonly int _port, _connections;
    private readonly string _script;

    public WrkClient(int port, LoadRequest request, int connections)
    {
        Debug.Assert(CanSend(request));
        _port = port;
        _connections = connections;
        _script = Path.GetTempFileName();
        StringBuilder lua = new("local r = \"");
        foreach (byte value in request.Bytes.Span)
        {
            lua.Append(CultureInfo.InvariantCulture, $"\\{value:D3}");
        }

        lua.Append(CultureInfo.InvariantCulture, $"\"\nr = r:rep({request.Pipeline})\nrequest = function() return r end\n");
        lua.Append(CultureInfo.InvariantCulture, $$"""
            done = function(summary, latency)
              local e = summary.errors
              print(string.format("{{ResultMark}} %d %d %d %d %d %d", summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), latency:percentile(99.9), e.connect + e.read + e.write + e.status + e.timeout))
            end
            """);
        File.WriteAllText(_script, lua.ToString());
    }

    public static bool CanSend(LoadRequest request) => request.PerConnection == 0 && request.Tls == TlsUse.None && request.Bytes.Length <= RequestBytesMax;

    public LoadOutcome Run(TimeSpan duration, double? ratePerSecond = null)
    {
        if (ratePerSecond is not null)
        {
            throw new NotSupportedException("wrk cannot send at a rate");
        }

        string seconds = Math.Max(1, Math.Round(duration.TotalSeconds)).ToString(CultureInfo.InvariantCulture);
        ProcessStartInfo start = new("wrk", ["-t1", $"-c{_connections}", $"-d{seconds}s", "-s", _script, $"http://127.0.0.1:{_port}/"]) { RedirectStandardOutput = true };
        TimeSpan cpuBefore = Libc.ChildrenCpuTime();
        using Process wrk = Process.Start(start) ?? throw new InvalidOperationException("wrk did not start");
        string output = wrk.StandardOutput.ReadToEnd();
        wrk.WaitForExit();
        string line = output.Split('\n').FirstOrDefault(line => line.StartsWith(ResultMark, StringComparison.Ordinal)) ?? throw new InvalidOperationException($"wrk: {output}");
        long[] fields = [.. line.Split(' ').Skip(1).Select(field => long.Parse(field, CultureInfo.InvariantCulture))];
        TimeSpan elapsed = TimeSpan.FromMicroseconds(fields[1]);
        return new LoadOutcome(
            fields[0], elapsed, fields[2] / 1e3, fields[3] / 1e3, fields[4] / 1e3, (Libc.ChildrenCpuTime() - cpuBefore) / elapsed, fields[5], fields[5] > 0 ? "errors reported by wrk" : null);
    }

    public void Dispose() => File.Delete(_script);
}
