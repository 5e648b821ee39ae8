using System;
using System.Formats.Asn1;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Aeronet.TestSupport.Tls;

/// <summary>Makes OCSP responses (RFC 6960) as a responder of a test authority would, right or wrong.</summary>
public sealed class TestOcsp
{
    /// <summary>0 good, 1 revoked, 2 unknown.</summary>
    public int CertificateStatus { get; set; }

    /// <summary>0 successful, 6 unauthorized and so on.</summary>
    public int ResponseStatus { get; set; }

    /// <summary>When the status was known to be right.</summary>
    public DateTimeOffset ThisUpdate { get; set; }

    /// <summary>When there will be news; null leaves it out.</summary>
    public DateTimeOffset? NextUpdate { get; set; }

    /// <summary>The issuer's key, or that of a delegate; an ECDSA key on P-256.</summary>
    public required X509Certificate2 Signer { get; set; }

    /// <summary>Sent along; null: none.</summary>
    public X509Certificate2? Delegate { get; set; }

    /// <summary>Names the certificate with SHA-256 instead of SHA-1.</summary>
    public bool UsesSha256 { get; set; }

    /// <summary>The response about a certificate.</summary>
    public byte[] Respond(X509Certificate2 certificate, X509Certificate2 issuer)
    {
        ArgumentNullException.ThrowIfNull(certificate);
        ArgumentNullException.ThrowIfNull(issuer);
        var response = new AsnWriter(AsnEncodingRules.DER);
        using (response.PushSequence())
        {
            response.WriteEnumeratedValue((Status)ResponseStatus);
            if (ResponseStatus == 0)
            {
                using (response.PushSequence(new Asn1Tag(TagClass.ContextSpecific, 0)))
                using (response.PushSequence())
                {
                    response.WriteObjectIdentifier("1.3.6.1.5.5.7.48.1.1");
                    response.WriteOctetString(Basic(certificate, issuer));
                }
            }
        }
        return response.Encode();
    }

    private byte[] Basic(X509Certificate2 certificate, X509Certificate2 issuer)
    {
        byte[] data = Data(certificate, issuer);
        using ECDsa key = Signer.GetECDsaPrivateKey()!;
        var basic = new AsnWriter(AsnEncodingRules.DER);
        using (basic.PushSequence())
        {
            basic.WriteEncodedValue(data);
            using (basic.PushSequence())
            {
                basic.WriteObjectIdentifier("1.2.840.10045.4.3.2");
            }
            basic.WriteBitString(key.SignData(data, HashAlgorithmName.SHA256, DSASignatureFormat.Rfc3279DerSequence));
            if (Delegate is not null)
            {
                using (basic.PushSequence(new Asn1Tag(TagClass.ContextSpecific, 0)))
                using (basic.PushSequence())
                {
                    basic.WriteEncodedValue(Delegate.RawData);
                }
            }
        }
        return basic.Encode();
    }

    private byte[] Data(X509Certificate2 certificate, X509Certificate2 issuer)
    {
        var data = new AsnWriter(AsnEncodingRules.DER);
        using (data.PushSequence())
        {
            using (data.PushSequence(new Asn1Tag(TagClass.ContextSpecific, 1)))
            {
                data.WriteEncodedValue(Signer.SubjectName.RawData);
            }
            data.WriteGeneralizedTime(ThisUpdate, omitFractionalSeconds: true);
            using (data.PushSequence())
            using (data.PushSequence())
            {
                WriteId(data, certificate, issuer);
                data.WriteNull(new Asn1Tag(TagClass.ContextSpecific, CertificateStatus));
                data.WriteGeneralizedTime(ThisUpdate, omitFractionalSeconds: true);
                if (NextUpdate is { } next)
                {
                    using (data.PushSequence(new Asn1Tag(TagClass.ContextSpecific, 0)))
                    {
                        data.WriteGeneralizedTime(next, omitFractionalSeconds: true);
                    }
                }
            }
        }
        return data.Encode();
    }

    private void WriteId(AsnWriter writer, X509Certificate2 certificate, X509Certificate2 issuer)
    {
        using (writer.PushSequence())
        {
            using (writer.PushSequence())
            {
                writer.WriteObjectIdentifier(UsesSha256 ? "2.16.840.1.101.3.4.2.1" : "1.3.14.3.2.26");
            }
            writer.WriteOctetString(Hash(issuer.SubjectName.RawData));
            writer.WriteOctetString(Hash(issuer.PublicKey.EncodedKeyValue.RawData));
            writer.WriteInteger(certificate.SerialNumberBytes.Span);
        }
    }

#pragma warning disable CA5350 // RFC 5019 names certificates by SHA-1
    private byte[] Hash(byte[] data) => UsesSha256 ? SHA256.HashData(data) : SHA1.HashData(data);
#pragma warning restore CA5350

    private enum Status
    {
        Successful,
        MalformedRequest,
        InternalError,
        TryLater,
        SignatureRequired = 5,
        Unauthorized = 6,
    }
}
