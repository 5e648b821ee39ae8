using System.Diagnostics;
using System.Formats.Asn1;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Aeronet.Transport.Tls.Stapling;

/// <summary>Asks for the status of one certificate. RFC 6960 section 4.1, in the profile of RFC 5019 section 2.1: one certificate, SHA-1 as its name, no nonce, so that responders can cache.</summary>
internal static class OcspRequest
{
    private const string Sha1Oid = "1.3.14.3.2.26";

    public static byte[] Create(X509Certificate2 certificate, X509Certificate2 issuer)
    {
        Debug.Assert(certificate.IssuerName.Name == issuer.SubjectName.Name);
        var writer = new AsnWriter(AsnEncodingRules.DER);
        using (writer.PushSequence()) // OCSPRequest
        using (writer.PushSequence()) // TBSRequest
        using (writer.PushSequence()) // requestList
        using (writer.PushSequence()) // Request
        using (writer.PushSequence()) // CertID
        {
            using (writer.PushSequence())
            {
                writer.WriteObjectIdentifier(Sha1Oid);
                writer.WriteNull();
            }
#pragma warning disable CA5350 // A name, not a signature; responders know no other (RFC 5019 section 2.1.1).
            writer.WriteOctetString(SHA1.HashData(issuer.SubjectName.RawData));
            writer.WriteOctetString(SHA1.HashData(issuer.PublicKey.EncodedKeyValue.RawData));
#pragma warning restore CA5350
            writer.WriteInteger(certificate.SerialNumberBytes.Span);
        }
        return writer.Encode();
    }
}
