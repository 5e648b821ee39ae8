using System.Collections.Generic;
using Aeronet.TestSupport.Hosting;

namespace Aeronet.EndToEnd.Tests.Columns;

/// <summary>Which columns run.</summary>
internal static class Servers
{
    public static IReadOnlyList<ServerKind> All { get; } = [ServerKind.Kestrel, ServerKind.Aeronet, ServerKind.AeronetThreadPool, ServerKind.AeronetHandOff, ServerKind.AeronetSockets];

    public static bool IsAeronet(this ServerKind server) => server != ServerKind.Kestrel;
}
