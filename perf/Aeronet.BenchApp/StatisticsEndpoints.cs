using System;
using System.Runtime;
using System.Threading;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Routing;

namespace Aeronet.BenchApp;

/// <summary>What the laboratory reads between rounds; outside of the measured time.</summary>
internal static class StatisticsEndpoints
{
    public static void Map(IEndpointRouteBuilder app)
    {
        // "allocated-bytes gen0 gen1 gen2 pause-microseconds threads methods-compiled"
        app.MapGet("/_stats", () => FormattableString.Invariant(
            $"{GC.GetTotalAllocatedBytes(precise: true)} {GC.CollectionCount(0)} {GC.CollectionCount(1)} {GC.CollectionCount(2)} {GC.GetTotalPauseDuration().TotalMicroseconds:F0} {ThreadPool.ThreadCount} {JitInfo.GetCompiledMethodCount()}"));

        // Before memory is read: garbage is a matter of when the collector ran last, not of the server.
        app.MapGet("/_collect", () =>
        {
            GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
            GC.WaitForPendingFinalizers();
            GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
            return "collected";
        });
    }
}
