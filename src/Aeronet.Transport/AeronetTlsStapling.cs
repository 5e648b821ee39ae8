using System;
using System.Collections.Generic;

namespace Aeronet.Transport;

/// <summary>OCSP stapling (RFC 6066 section 8): the proof that the certificate is not revoked comes with it, so clients need not ask its issuer.</summary>
public sealed class AeronetTlsStapling
{
    /// <summary>Fetches the responses from the responder named in each certificate, in the background, and sends them. Default false.</summary>
    /// <remarks>
    /// Needs the issuer's certificate in the chain. A handshake never waits for a response and never fails for want of one; an expired response is never sent. A responder that fails is asked again
    /// after 1 minute, then twice as long each time up to 1 hour.
    /// </remarks>
    public bool Enabled { get; set; }

    /// <summary>Files with OCSP responses in DER, as <c>openssl ocsp -respout</c> writes them: used for the certificate that they are about, whatever <see cref="Enabled"/> says. Default none. Relative to the content root; followed while the server runs.</summary>
    public IList<string> ResponseFiles { get; } = new List<string>();

    /// <summary>How long a responder may take. Default 10 seconds; range 1 second to 5 minutes.</summary>
    public TimeSpan ResponderTimeout { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>How long a response without <c>nextUpdate</c> is used, and the longest time between two fetches. Default 12 hours; range 1 minute to 7 days.</summary>
    /// <remarks>A response with <c>nextUpdate</c> is renewed when half of its time is over.</remarks>
    public TimeSpan RefreshInterval { get; set; } = TimeSpan.FromHours(12);
}
