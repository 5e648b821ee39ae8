using System.Collections.Generic;

namespace Aeronet.AB.Measuring;

/// <summary>One figure of a round.</summary>
/// <param name="Key">Its name in report.json; never changed, or old baselines lose it.</param>
/// <param name="Title">What the tables call it.</param>
/// <param name="Unit">Shown behind the title.</param>
/// <param name="LowerIsBetter">Which way is good.</param>
internal sealed record Metric(string Key, string Title, string Unit, bool LowerIsBetter = true)
{
    public static readonly Metric Cpu = new("cpu", "server CPU", "µs/request");
    public static readonly Metric CpuUser = new("cpu_user", "server CPU, user", "µs/request");
    public static readonly Metric CpuSystem = new("cpu_system", "server CPU, system", "µs/request");
    public static readonly Metric RequestRate = new("rps", "requests", "1/s", LowerIsBetter: false);
    public static readonly Metric P50 = new("p50", "latency p50", "ms");
    public static readonly Metric P99 = new("p99", "latency p99", "ms");
    public static readonly Metric P999 = new("p999", "latency p99.9", "ms");
    public static readonly Metric RateP50 = new("rate_p50", "at a fixed rate: p50", "ms");
    public static readonly Metric RateP99 = new("rate_p99", "at a fixed rate: p99", "ms");
    public static readonly Metric RateP999 = new("rate_p999", "at a fixed rate: p99.9", "ms");
    public static readonly Metric RateCpu = new("rate_cpu", "at a fixed rate: server CPU", "µs/request");
    public static readonly Metric Allocated = new("allocated", "allocated", "bytes/request");
    public static readonly Metric Collections = new("gc", "collections, all generations", "per 1M requests");
    public static readonly Metric Pss = new("pss", "memory (PSS)", "MiB");
    public static readonly Metric PssPerConnection = new("pss_connection", "memory per idle connection (PSS)", "bytes");
    public static readonly Metric IdleCpu = new("idle_cpu", "CPU while idle", "ms/s");
    public static readonly Metric FirstResponse = new("first_response", "start to first response", "ms");
    public static readonly Metric Listening = new("listening", "start to listening", "ms");
    public static readonly Metric StartCpu = new("start_cpu", "CPU until the first response", "ms");
    public static readonly Metric FreshP50 = new("fresh_p50", "others, first seconds: p50", "ms");
    public static readonly Metric FreshP99 = new("fresh_p99", "others, first seconds: p99", "ms");
    public static readonly Metric FreshMax = new("fresh_max", "others, first seconds: worst", "ms");
    public static readonly Metric FreshBlockers = new("fresh_blockers", "blockers, first seconds", "1/s", LowerIsBetter: false);
    public static readonly Metric SettledP50 = new("settled_p50", "others, settled: p50", "ms");
    public static readonly Metric SettledP99 = new("settled_p99", "others, settled: p99", "ms");
    public static readonly Metric SettledMax = new("settled_max", "others, settled: worst", "ms");
    public static readonly Metric SettledBlockers = new("settled_blockers", "blockers, settled", "1/s", LowerIsBetter: false);
    public static readonly Metric Resumed = new("resumed", "handshakes that resumed", "%", LowerIsBetter: false);
    public static readonly Metric LoaderUsage = new("loader", "load client's core", "% busy");
    public static readonly Metric OthersUsage = new("others", "other processes", "% of a core");
    public static readonly Metric Errors = new("errors", "errors", "");

    /// <summary>In the order in which tables show them.</summary>
    public static IReadOnlyList<Metric> All { get; } =
    [
        Cpu, CpuUser, CpuSystem, RequestRate, P50, P99, P999, RateP50, RateP99, RateP999, RateCpu, Allocated, Collections, Pss, PssPerConnection, IdleCpu,
        FirstResponse, Listening, StartCpu, FreshP50, FreshP99, FreshMax, FreshBlockers, SettledP50, SettledP99, SettledMax, SettledBlockers, Resumed, LoaderUsage, OthersUsage, Errors,
    ];

    /// <summary>Whether a ratio of two servers says something: not for the figures that judge the measurement itself.</summary>
    public bool IsCompared => this != Resumed && this != LoaderUsage && this != OthersUsage && this != Errors;
}
