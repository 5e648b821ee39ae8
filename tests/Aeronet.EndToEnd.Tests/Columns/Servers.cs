using System.Collections.Generic;
using Aeronet.TestSupport.Hosting;

namespace Aeronet.EndToEnd.Tests.Columns;

/// <summary>Which columns run.</summary>
internal static class Servers
{
    public static IReadOnlyList<ServerKind> All { get; } = ServerChoice.AeronetIsThere
        ? [ServerKind.Kestrel, ServerKind.Aeronet, ServerKind.AeronetInline]
        : [ServerKind.Kestrel];

    public static bool IsAeronet(this ServerKind server) => server != ServerKind.Kestrel;
}
