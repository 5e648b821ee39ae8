using System.Collections.Generic;
using Aeronet.TestSupport.Hosting;

namespace Aeronet.EndToEnd.Tests.Columns;

/// <summary>Which columns run.</summary>
internal static class Servers
{
    public static IReadOnlyList<ServerKind> All { get; } = [ServerKind.Kestrel, ServerKind.Aeronet, ServerKind.AeronetThreadPool, ServerKind.AeronetHandOff, ServerKind.AeronetHttps, ServerKind.AeronetSockets, ServerKind.KestrelOnAeronet, ServerKind.KestrelOnAeronetHttps];

    /// <summary>What a request's scheme is there.</summary>
    public static string Scheme(this ServerKind server) => server.IsHttps() ? "https" : "http";

    public static bool IsAeronet(this ServerKind server) => server is not (ServerKind.Kestrel or ServerKind.KestrelOnAeronet or ServerKind.KestrelOnAeronetHttps);
}
