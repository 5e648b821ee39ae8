using System.Collections.Generic;
using Aeronet.TestSupport.Hosting;

namespace Aeronet.EndToEnd.Tests.Columns;

/// <summary>Which columns run.</summary>
internal static class Servers
{
    public static IReadOnlyList<ServerKind> All { get; } = [ServerKind.Kestrel, ServerKind.Aeronet, ServerKind.AeronetThreadPool, ServerKind.AeronetHandOff, ServerKind.AeronetSockets, ServerKind.KestrelOnAeronet];

    public static bool IsAeronet(this ServerKind server) => server is not (ServerKind.Kestrel or ServerKind.KestrelOnAeronet);
}
