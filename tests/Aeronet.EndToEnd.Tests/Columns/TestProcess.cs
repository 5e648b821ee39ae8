using System.Runtime.CompilerServices;
using System.Threading;

namespace Aeronet.EndToEnd.Tests.Columns;

/// <summary>What all tests of this process share.</summary>
internal static class TestProcess
{
    // Handlers that block their threads on purpose share the pool with every other test: one that waits for the pool to grow is slow, not wrong.
    private const int ThreadsMin = 256;

#pragma warning disable CA2255 // a test assembly is the application of its process
    [ModuleInitializer]
    internal static void GiveThreads() => ThreadPool.SetMinThreads(ThreadsMin, ThreadsMin);
#pragma warning restore CA2255
}
