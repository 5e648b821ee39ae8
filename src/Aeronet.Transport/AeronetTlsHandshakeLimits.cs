namespace Aeronet.Transport;

/// <summary>Limits on TLS handshakes, the dearest thing that a stranger can ask of a server. One count for all endpoints and loops; who is above a limit is closed without a word before TLS begins, and counted.</summary>
public sealed class AeronetTlsHandshakeLimits
{
    /// <summary>Handshakes under way at once. Default 0: no limit; range 0 to 1,048,576.</summary>
    public int MaxConcurrent { get; set; }

    /// <summary>Handshakes begun per second. Default 0: no limit; range 0 to 1,000,000.</summary>
    public int RatePerSecond { get; set; }

    /// <summary>Handshakes at once after a pause (the size of the token bucket). Default 0: as <see cref="RatePerSecond"/>; range 0 to 1,000,000. Needs <see cref="RatePerSecond"/>.</summary>
    public int Burst { get; set; }

    /// <summary>Handshakes begun per second by one network of peers. Default 0: no limit; range 0 to 1,000,000.</summary>
    public int PeerRatePerSecond { get; set; }

    /// <summary>Handshakes of one network at once after a pause. Default 0: as <see cref="PeerRatePerSecond"/>; range 0 to 1,000,000. Needs <see cref="PeerRatePerSecond"/>.</summary>
    public int PeerBurst { get; set; }

    /// <summary>Bits of an IPv4 address that make a network. Default 32; range 8 to 32.</summary>
    public int IPv4PrefixLength { get; set; } = 32;

    /// <summary>Bits of an IPv6 address that make a network. Default 64, what one subscriber gets; range 16 to 128.</summary>
    public int IPv6PrefixLength { get; set; } = 64;

    /// <summary>Networks remembered for <see cref="PeerRatePerSecond"/>, 32 bytes each. Default 16,384; range 512 to 1,048,576. With more than that the ones that have been quiet longest are forgotten.</summary>
    public int PeerTableSize { get; set; } = 16 * 1024;
}
