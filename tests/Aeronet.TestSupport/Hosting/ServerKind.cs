namespace Aeronet.TestSupport.Hosting;

/// <summary>The servers that one end-to-end test runs on. Kestrel is the oracle, the others must behave as it does.</summary>
public enum ServerKind
{
    /// <summary>Kestrel with its default transport.</summary>
    Kestrel,

    /// <summary>Aeronet as it comes: application code on the loop's thread.</summary>
    Aeronet,

    /// <summary>Aeronet, application code on the thread pool.</summary>
    AeronetThreadPool,

    /// <summary>Aeronet, loops that go on with other threads at every second point where they can.</summary>
    AeronetHandOff,

    /// <summary>Aeronet behind its own TLS; clients speak TLS.</summary>
    AeronetHttps,

    /// <summary>Aeronet on the portable backend.</summary>
    AeronetSockets,

    /// <summary>Aeronet behind connection middleware that puts its own pipes, over streams, in front of those of the loops.</summary>
    AeronetMiddleware,

    /// <summary>Aeronet on connections that are pairs of pipes in this process, from a transport that the application registers. Only for tests that need no socket.</summary>
    AeronetInMemory,

    /// <summary>Kestrel's HTTP on Aeronet's sockets: Kestrel in everything that the tests expect.</summary>
    KestrelOnAeronet,

    /// <summary>The same, TLS ended by Aeronet's transport; clients speak TLS.</summary>
    KestrelOnAeronetHttps,
}

/// <summary>What the tests have to know of a server.</summary>
public static class ServerKindExtensions
{
    /// <summary>The suite's own endpoint is https.</summary>
    public static bool IsHttps(this ServerKind server) => server is ServerKind.AeronetHttps or ServerKind.KestrelOnAeronetHttps;
}
