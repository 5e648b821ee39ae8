using System.Collections.Generic;
using System.Linq;
using Aeronet.AB.Load;

namespace Aeronet.AB.Scenarios;

/// <summary>Every scenario, in the order of reports.</summary>
internal static class ScenarioCatalog
{
    private const int IdleConnectionsDefault = 10_000;
    private const int TlsIdleConnectionsDefault = 2_000;

    /// <param name="connections">For the keep-alive scenarios instead of 1, 64 and 512; the largest for the idle one.</param>
    public static IReadOnlyList<Scenario> Create(IReadOnlyList<int> connections) =>
    [
        .. (connections.Count > 0 ? connections : [1, 64, 512]).Select(count => new KeepAliveGet(count)),
        new Pipelined(),
        new ShortConnections(),
        new JsonSerialization(),
        new BrowserLike(),
        new PostEcho(),
        new Upload(),
        new SmallFile(),
        new LargeFile(),
        new ChunkedStream(),
        new AsyncEndpoint(),
        new RawEcho(),
        new BehindMiddleware(),
        new CpuBound(),
        new Trickle(50),
        new Trickle(500),
        new BlockingNeighbours("blocking-sleep", "blocking neighbours: 4 connections on a 50 ms sleep, 64 others", "/sleep"),
        new BlockingNeighbours("blocking-spin", "blocking neighbours: 4 connections on a 5 ms spin, 64 others", "/spin"),
        new IdleConnections(connections.Count > 0 ? connections.Max() : IdleConnectionsDefault, isBurst: false),
        new IdleConnections(connections.Count > 0 ? connections.Max() : IdleConnectionsDefault, isBurst: true),
        new TlsKeepAlive(),
        new TlsHandshakes("rsa2048", TlsUse.Full),
        new TlsHandshakes("p256", TlsUse.Full),
        new TlsHandshakes("p256", TlsUse.Resumed),
        new TlsLargeFile(),
        new IdleConnections(connections.Count > 0 ? connections.Max() : TlsIdleConnectionsDefault, isBurst: false, isTls: true),
        new ColdStart(),
    ];
}
