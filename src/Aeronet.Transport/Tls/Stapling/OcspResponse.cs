using System;
using System.Collections.Generic;
using System.Formats.Asn1;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Aeronet.Transport.Tls.Certificates;

namespace Aeronet.Transport.Tls.Stapling;

/// <summary>What a responder says of one certificate, checked: the status is good, the signature the issuer's or its delegate's, the time right. RFC 6960 section 4.2.</summary>
internal sealed class OcspResponse
{
    private const string BasicOid = "1.3.6.1.5.5.7.48.1.1";
    private const string OcspSigningOid = "1.3.6.1.5.5.7.3.9";

    private static readonly TimeSpan s_clockSkewMax = TimeSpan.FromMinutes(5);

    private OcspResponse(byte[] der, DateTimeOffset thisUpdate, DateTimeOffset? nextUpdate)
    {
        Der = der;
        ThisUpdate = thisUpdate;
        NextUpdate = nextUpdate;
    }

    /// <summary>As it came, and as clients get it.</summary>
    /// <summary>The one fault that says something of the certificate, and not of the answer.</summary>
    public const string RevokedFault = "THE CERTIFICATE IS REVOKED.";

    public byte[] Der { get; }

    public DateTimeOffset ThisUpdate { get; }

    /// <summary>Null: newer information is available at any time.</summary>
    public DateTimeOffset? NextUpdate { get; }

    /// <summary>Reads and checks a response.</summary>
    /// <param name="der">The whole response.</param>
    /// <param name="certificate">That it is to be about.</param>
    /// <param name="issuer">Who has issued it.</param>
    /// <param name="now">The time.</param>
    /// <param name="fault">Why it cannot be used; null when it can.</param>
    /// <returns>Null when it cannot be used.</returns>
    public static OcspResponse? Read(byte[] der, X509Certificate2 certificate, X509Certificate2 issuer, DateTimeOffset now, out string? fault)
    {
        try
        {
            fault = Check(der, certificate, issuer, now, out OcspResponse? response);
            return fault is null ? response : null;
        }
        catch (Exception broken) when (broken is AsnContentException or CryptographicException)
        {
            fault = $"it is broken: {broken.Message}";
            return null;
        }
    }

    private static string? Check(byte[] der, X509Certificate2 certificate, X509Certificate2 issuer, DateTimeOffset now, out OcspResponse? response)
    {
        response = null;
        AsnReader outer = new AsnReader(der, AsnEncodingRules.DER).ReadSequence();
        byte status = outer.ReadEnumeratedBytes().Span[^1];
        if (status != 0)
        {
            return $"the responder answered with status {status} (RFC 6960 section 4.2.1).";
        }
        AsnReader bytes = outer.ReadSequence(new Asn1Tag(TagClass.ContextSpecific, 0)).ReadSequence();
        if (bytes.ReadObjectIdentifier() != BasicOid)
        {
            return "it is of a type that nobody knows.";
        }
        AsnReader basic = new AsnReader(bytes.ReadOctetString(), AsnEncodingRules.DER).ReadSequence();
        SignedData signed = SignedData.Read(basic);
        if (!IsSignedFor(signed, basic, issuer, now))
        {
            return $"its signature is neither that of {issuer.Subject} nor of somebody authorised by it.";
        }

        AsnReader data = new AsnReader(signed.SignedBytes, AsnEncodingRules.DER).ReadSequence();
        var version = new Asn1Tag(TagClass.ContextSpecific, 0, isConstructed: true);
        if (data.PeekTag().HasSameClassAndValue(version))
        {
            data.ReadSequence(version);
        }
        data.ReadEncodedValue(); // who the responder says it is: its signature has told
        data.ReadGeneralizedTime(); // producedAt
        AsnReader singles = data.ReadSequence();
        while (singles.HasData)
        {
            AsnReader single = singles.ReadSequence();
            if (IsAbout(single.ReadSequence(), certificate, issuer))
            {
                return Judge(der, single, now, out response);
            }
        }
        return "it is about other certificates.";
    }

    private static string? Judge(byte[] der, AsnReader single, DateTimeOffset now, out OcspResponse? response)
    {
        response = null;
        Asn1Tag status = single.PeekTag();
        single.ReadEncodedValue();
        DateTimeOffset thisUpdate = single.ReadGeneralizedTime();
        DateTimeOffset? nextUpdate = null;
        var nextTag = new Asn1Tag(TagClass.ContextSpecific, 0, isConstructed: true);
        if (single.HasData && single.PeekTag().HasSameClassAndValue(nextTag))
        {
            nextUpdate = single.ReadSequence(nextTag).ReadGeneralizedTime();
        }

        switch (status.TagValue)
        {
            case 0:
                break;
            case 1:
                return RevokedFault;
            default:
                return "the responder does not know the certificate.";
        }
        if (thisUpdate > now + s_clockSkewMax)
        {
            return $"it is from the future ({thisUpdate:u}).";
        }
        if (nextUpdate <= now)
        {
            return $"it has expired ({nextUpdate:u}).";
        }
        response = new OcspResponse(der, thisUpdate, nextUpdate);
        return null;
    }

    private static bool IsAbout(AsnReader id, X509Certificate2 certificate, X509Certificate2 issuer)
    {
        string hash = id.ReadSequence().ReadObjectIdentifier();
        byte[] nameHash = id.ReadOctetString();
        byte[] keyHash = id.ReadOctetString();
        ReadOnlyMemory<byte> serialNumber = id.ReadIntegerBytes();
        return serialNumber.Span.SequenceEqual(certificate.SerialNumberBytes.Span)
            && Hash(hash, issuer.SubjectName.RawData) is { } name && nameHash.AsSpan().SequenceEqual(name)
            && Hash(hash, issuer.PublicKey.EncodedKeyValue.RawData) is { } key && keyHash.AsSpan().SequenceEqual(key);
    }

#pragma warning disable CA5350 // A name, not a signature.
    private static byte[]? Hash(string oid, byte[] data) => oid switch
    {
        "1.3.14.3.2.26" => SHA1.HashData(data),
        "2.16.840.1.101.3.4.2.1" => SHA256.HashData(data),
        "2.16.840.1.101.3.4.2.2" => SHA384.HashData(data),
        "2.16.840.1.101.3.4.2.3" => SHA512.HashData(data),
        _ => null,
    };
#pragma warning restore CA5350

    // RFC 6960 section 4.2.2.2: the issuer itself, or a certificate that the issuer has made for signing such responses.
    private static bool IsSignedFor(SignedData signed, AsnReader basic, X509Certificate2 issuer, DateTimeOffset now)
    {
        if (signed.IsSignedBy(issuer))
        {
            return true;
        }
        var certificates = new Asn1Tag(TagClass.ContextSpecific, 0, isConstructed: true);
        if (!basic.HasData || !basic.PeekTag().HasSameClassAndValue(certificates))
        {
            return false;
        }
        AsnReader list = basic.ReadSequence(certificates).ReadSequence();
        while (list.HasData)
        {
            ReadOnlyMemory<byte> encoded = list.ReadEncodedValue();
            using X509Certificate2 delegated = X509CertificateLoader.LoadCertificate(encoded.Span);
            if (signed.IsSignedBy(delegated)
                && IsForOcsp(delegated)
                && delegated.NotBefore.ToUniversalTime() <= now.UtcDateTime && now.UtcDateTime <= delegated.NotAfter.ToUniversalTime()
                && delegated.IssuerName.RawData.AsSpan().SequenceEqual(issuer.SubjectName.RawData)
                && SignedData.Read(new AsnReader(encoded, AsnEncodingRules.DER).ReadSequence()).IsSignedBy(issuer))
            {
                return true;
            }
        }
        return false;
    }

    private static bool IsForOcsp(X509Certificate2 certificate)
    {
        foreach (X509Extension extension in certificate.Extensions)
        {
            if (extension is X509EnhancedKeyUsageExtension purposes)
            {
                foreach (Oid purpose in purposes.EnhancedKeyUsages)
                {
                    if (purpose.Value == OcspSigningOid)
                    {
                        return true;
                    }
                }
            }
        }
        return false;
    }
}
