using System;
using System.Collections.Generic;
using System.Linq;
using System.Net.Security;
using System.Runtime.CompilerServices;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using System.Threading;
using Aeronet.Transport.Tls;

namespace Aeronet.Server.Https;

/// <summary>Remembers the identities made of what callbacks have returned, for as long as their certificate lives. Any thread.</summary>
internal sealed class IdentityCache
{
    private const int IdentitiesPerCertificateMax = 16; // callbacks that return ever new options for one certificate: the oldest go

    private readonly ConditionalWeakTable<X509Certificate2, List<(IdentityKey Key, TlsIdentity Identity)>> _byCertificate = [];
    private readonly Lock _gate = new();

    /// <summary>The identity made before of the same, or the new one.</summary>
    public TlsIdentity Get<TState>(X509Certificate2 certificate, IdentityKey key, TState state, Func<X509Certificate2, TState, TlsIdentity> make)
    {
        List<(IdentityKey Key, TlsIdentity Identity)> identities = _byCertificate.GetOrCreateValue(certificate);
        lock (_gate)
        {
            foreach ((IdentityKey known, TlsIdentity identity) in identities)
            {
                if (known.Equals(key))
                {
                    return identity;
                }
            }
        }
        TlsIdentity made = make(certificate, state);
        lock (_gate)
        {
            foreach ((IdentityKey known, TlsIdentity identity) in identities)
            {
                if (known.Equals(key))
                {
                    return identity; // another connection was faster
                }
            }
            if (identities.Count == IdentitiesPerCertificateMax)
            {
                identities.RemoveAt(0);
            }
            identities.Add((key, made));
        }
        return made;
    }
}

/// <summary>Everything of <see cref="SslServerAuthenticationOptions"/> that makes one identity differ from another with the same certificate.</summary>
internal sealed class IdentityKey : IEquatable<IdentityKey>
{
    private readonly object _certificate; // the certificate, or its context with the chain
    private readonly SslProtocols _protocols;
    private readonly bool _isClientCertificateRequired;
    private readonly bool _isDelayed;
    private readonly bool _allowsResumption;
    private readonly X509RevocationMode _revocationMode;
    private readonly RemoteCertificateValidationCallback? _validation;
    private readonly X509ChainPolicy? _chainPolicy;
    private readonly CipherSuitesPolicy? _ciphers;
    private readonly SslApplicationProtocol[]? _applicationProtocols;

    public IdentityKey(X509Certificate2 certificate) => _certificate = certificate;

    public IdentityKey(SslServerAuthenticationOptions options, X509Certificate2? selected, bool isDelayed)
    {
        _certificate = options.ServerCertificateContext ?? (object?)options.ServerCertificate ?? selected ?? (object)options;
        _protocols = options.EnabledSslProtocols;
        _isClientCertificateRequired = options.ClientCertificateRequired;
        _isDelayed = isDelayed;
        _allowsResumption = options.AllowTlsResume;
        _revocationMode = options.CertificateRevocationCheckMode;
        _validation = options.RemoteCertificateValidationCallback;
        _chainPolicy = options.CertificateChainPolicy;
        _ciphers = options.CipherSuitesPolicy;
        _applicationProtocols = options.ApplicationProtocols?.ToArray();
    }

    public bool Equals(IdentityKey? other)
        => other is not null
            && ReferenceEquals(_certificate, other._certificate)
            && _protocols == other._protocols
            && _isClientCertificateRequired == other._isClientCertificateRequired
            && _isDelayed == other._isDelayed
            && _allowsResumption == other._allowsResumption
            && _revocationMode == other._revocationMode
            && Equals(_validation, other._validation)
            && ReferenceEquals(_chainPolicy, other._chainPolicy)
            && ReferenceEquals(_ciphers, other._ciphers)
            && (_applicationProtocols, other._applicationProtocols) switch
            {
                (null, null) => true,
                (not null, not null) => _applicationProtocols.AsSpan().SequenceEqual(other._applicationProtocols),
                _ => false,
            };

    public override bool Equals(object? obj) => Equals(obj as IdentityKey);

    public override int GetHashCode() => RuntimeHelpers.GetHashCode(_certificate);
}
