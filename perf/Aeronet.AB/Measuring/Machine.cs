using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Numerics;
using System.Runtime.InteropServices;
using Aeronet.AB.Load;

namespace Aeronet.AB.Measuring;

/// <summary>What a figure must be read with.</summary>
internal sealed record Machine(string Processor, int Cores, string Kernel, string Runtime, string Memory)
{
    public static Machine Describe()
    {
        string processor = File.ReadLines("/proc/cpuinfo").FirstOrDefault(line => line.StartsWith("model name", StringComparison.Ordinal))?.Split(':', 2)[1].Trim()
            ?? RuntimeInformation.ProcessArchitecture.ToString();
        string memory = string.Create(CultureInfo.InvariantCulture, $"{GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / (1024.0 * 1024 * 1024):F1} GiB");
        return new Machine(processor, BitOperations.PopCount(Libc.GetAffinity()), File.ReadAllText("/proc/sys/kernel/osrelease").Trim(), RuntimeInformation.FrameworkDescription, memory);
    }
}

/// <summary>Processor time that the whole machine has used since it started.</summary>
internal static class MachineLoad
{
    private const double ClockTicksPerSecond = 100; // USER_HZ

    public static TimeSpan ReadCpuTime()
    {
        // proc(5): user nice system idle iowait irq softirq steal; time stolen by other guests of the host disturbs like any other.
        string[] fields = File.ReadLines("/proc/stat").First().Split(' ', StringSplitOptions.RemoveEmptyEntries);
        double ticks = Ticks(1) + Ticks(2) + Ticks(3) + Ticks(8);
        return TimeSpan.FromSeconds(ticks / ClockTicksPerSecond);

        double Ticks(int field) => double.Parse(fields[field], CultureInfo.InvariantCulture);
    }
}

/// <summary>Which cores the servers and the load client run on; masks of the first 64.</summary>
internal sealed record CorePlacement(ulong Servers, ulong Loader)
{
    /// <summary>Whether the load client has its core for itself.</summary>
    public bool AreApart => (Servers & Loader) == 0;

    /// <summary>The first core for the servers and the last for the load client; on a machine with one core they share it.</summary>
    public static CorePlacement Choose(string? servers, string? loader)
    {
        ulong usable = Libc.GetAffinity();
        ulong first = usable & (~usable + 1);
        ulong last = 1ul << BitOperations.Log2(usable);
        return new CorePlacement(Parse(servers, usable) ?? first, Parse(loader, usable) ?? last);
    }

    public override string ToString() => $"server on core {Text(Servers)}, load client on core {Text(Loader)}{(AreApart ? "" : " (SHARED: requests/s and latency mean little)")}";

    private static ulong? Parse(string? list, ulong usable)
    {
        if (list is null)
        {
            return null;
        }

        ulong mask = 0;
        foreach (string range in list.Split(','))
        {
            string[] ends = range.Split('-', 2);
            int from = int.Parse(ends[0], CultureInfo.InvariantCulture), to = int.Parse(ends[^1], CultureInfo.InvariantCulture);
            for (int core = from; core <= to && core < 64; core++)
            {
                mask |= 1ul << core;
            }
        }

        return (mask & usable) == mask && mask != 0 ? mask : throw new FormatException($"cores {list}: not all of them are usable here");
    }

    private static string Text(ulong mask) => string.Join(',', CoresIn(mask));

    private static IEnumerable<int> CoresIn(ulong mask) => Enumerable.Range(0, 64).Where(core => (mask >> core & 1) != 0);
}
