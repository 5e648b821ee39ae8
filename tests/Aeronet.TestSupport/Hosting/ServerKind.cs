namespace Aeronet.TestSupport.Hosting;

/// <summary>The servers that one end-to-end test runs on. Kestrel is the oracle, the others must behave as it does.</summary>
public enum ServerKind
{
    /// <summary>Kestrel with its default transport.</summary>
    Kestrel,

    /// <summary>Aeronet, application code on the thread pool.</summary>
    Aeronet,

    /// <summary>Aeronet, application code on the loop thread.</summary>
    AeronetInline,

    /// <summary>Aeronet on the portable backend, application code on the thread pool.</summary>
    AeronetSockets,
}
