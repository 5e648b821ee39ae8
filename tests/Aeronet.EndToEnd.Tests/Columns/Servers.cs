using System;
using System.Collections.Generic;
using System.Linq;
using System.Reflection;
using Aeronet.TestSupport.Hosting;

namespace Aeronet.EndToEnd.Tests.Columns;

/// <summary>On a test class: its tests need no socket, so they run on a transport of pipes, too.</summary>
[AttributeUsage(AttributeTargets.Class)]
public sealed class NeedsNoSocketAttribute : Attribute;

/// <summary>On a test of such a class: it does need one.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class NeedsSocketAttribute : Attribute;

/// <summary>Which columns run.</summary>
internal static class Servers
{
    public static IReadOnlyList<ServerKind> All { get; } = [ServerKind.Kestrel, ServerKind.Aeronet, ServerKind.AeronetThreadPool, ServerKind.AeronetHandOff, ServerKind.AeronetHttps, ServerKind.AeronetSockets, ServerKind.AeronetMiddleware, ServerKind.KestrelOnAeronet, ServerKind.KestrelOnAeronetHttps];

    /// <summary>The columns of one test.</summary>
    public static IEnumerable<ServerKind> Of(MethodInfo test) =>
        test.ReflectedType?.IsDefined(typeof(NeedsNoSocketAttribute), inherit: false) == true && !test.IsDefined(typeof(NeedsSocketAttribute)) ? All.Append(ServerKind.AeronetInMemory) : All;

    /// <summary>What a request's scheme is there.</summary>
    public static string Scheme(this ServerKind server) => server.IsHttps() ? "https" : "http";

    public static bool IsAeronet(this ServerKind server) => server is not (ServerKind.Kestrel or ServerKind.KestrelOnAeronet or ServerKind.KestrelOnAeronetHttps);
}
