using System;
using System.Collections.Generic;
using System.Security.Cryptography.X509Certificates;

namespace Aeronet.Transport;

/// <summary>Who is trusted to issue client certificates, and which of these are revoked.</summary>
public sealed class AeronetTlsClientTrust
{
    /// <summary>PEM or DER files with the certificates of the authorities; every certificate in them counts. Default none: the roots of the system. Relative to the content root.</summary>
    public IList<string> AuthorityFiles { get; } = new List<string>();

    /// <summary>Authorities from memory, beside <see cref="AuthorityFiles"/>. Default none. <c>IAeronetTls.UpdateClientAuthorities</c> replaces them at run time.</summary>
    public X509Certificate2Collection Authorities { get; } = new();

    /// <summary>PEM or DER files with certificate revocation lists (RFC 5280 section 5): a client certificate, or one in its chain, that its issuer's list names is refused. Default none. Relative to the content root.</summary>
    /// <remarks>The signature of each list is checked against the issuer's certificate when a chain is judged; a list that it does not fit revokes nothing and is reported once.</remarks>
    public IList<string> RevocationListFiles { get; } = new List<string>();

    /// <summary>Refuses client certificates for whose issuer there is no valid, current list in <see cref="RevocationListFiles"/>. Default false: they pass.</summary>
    public bool RequireRevocationList { get; set; }

    /// <summary>The application's own word: false refuses a client certificate whose chain is in order. Default null. Called on a thread-pool thread; may block.</summary>
    public Func<X509Certificate2, X509Chain, bool>? IsAccepted { get; set; }
}
