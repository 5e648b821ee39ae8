using System;
using System.Collections.Concurrent;
using System.Collections.Generic;
using System.Security.Cryptography.X509Certificates;
using Aeronet.Transport.Diagnostics;
using Microsoft.Extensions.Logging;

namespace Aeronet.Transport.Tls.Revocation;

/// <summary>Judges chains of client certificates by lists of revoked ones. Immutable but for what it remembers of signatures; a reload makes a new one. Any thread; costs a signature check per list and issuer, once.</summary>
internal sealed class RevocationLists
{
    private readonly List<RevocationList> _lists;
    private readonly bool _isRequired;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly ConcurrentDictionary<(RevocationList List, string Issuer), bool> _signatures = new();

    /// <param name="lists">From all files.</param>
    /// <param name="isRequired">A certificate for whose issuer there is no current list is refused.</param>
    /// <param name="time">The clock.</param>
    /// <param name="logger">Hears of lists that cannot be used.</param>
    public RevocationLists(List<RevocationList> lists, bool isRequired, TimeProvider time, ILogger logger)
    {
        _lists = lists;
        _isRequired = isRequired;
        _time = time;
        _logger = logger;
    }

    /// <summary>No certificate of the chain is named by a list of its issuer. The root is trusted, not judged.</summary>
    public bool IsAccepted(X509Chain chain)
    {
        DateTimeOffset now = _time.GetUtcNow();
        X509ChainElementCollection elements = chain.ChainElements;
        for (int i = 0; i < elements.Count; i++)
        {
            X509Certificate2 certificate = elements[i].Certificate;
            if (certificate.SubjectName.RawData.AsSpan().SequenceEqual(certificate.IssuerName.RawData))
            {
                continue;
            }
            if (!IsAccepted(certificate, i + 1 < elements.Count ? elements[i + 1].Certificate : null, now))
            {
                return false;
            }
        }
        return true;
    }

    private bool IsAccepted(X509Certificate2 certificate, X509Certificate2? issuer, DateTimeOffset now)
    {
        bool hasCurrent = false;
        foreach (RevocationList list in _lists)
        {
            if (!list.IsOf(certificate.IssuerName))
            {
                continue;
            }
            if (issuer is null ? !list.Names(certificate) : !IsSigned(list, issuer))
            {
                continue; // without the issuer the signature cannot be checked; but a certificate that the operator's own list names is not let in
            }
            // A list that is too old can miss a name, but what it names is revoked for good.
            if (list.Names(certificate))
            {
                return false;
            }
            hasCurrent |= list.IsCurrent(now);
        }
        return hasCurrent || !_isRequired;
    }

    private bool IsSigned(RevocationList list, X509Certificate2 issuer)
    {
        (RevocationList, string) key = (list, issuer.Thumbprint);
        if (_signatures.TryGetValue(key, out bool known))
        {
            return known;
        }
        bool isSigned = list.IsSignedBy(issuer);
        if (_signatures.TryAdd(key, isSigned) && !isSigned)
        {
            TlsServiceLog.RevocationListUnused(_logger, list.Source, $"its signature is not that of {issuer.Subject} (RSA and ECDSA with SHA-256, SHA-384 and SHA-512 are known).");
        }
        return isSigned;
    }
}
