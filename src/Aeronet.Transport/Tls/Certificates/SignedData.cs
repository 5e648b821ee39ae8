using System;
using System.Formats.Asn1;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Aeronet.Transport.Tls.Certificates;

/// <summary>The shape that certificates, lists of revoked ones and OCSP responses share: what is signed, the algorithm, the signature. RFC 5280 section 4.1.1.</summary>
internal sealed class SignedData
{
    private readonly ReadOnlyMemory<byte> _signedBytes;
    private readonly string _algorithm;
    private readonly byte[] _signature;

    private SignedData(ReadOnlyMemory<byte> signedBytes, string algorithm, byte[] signature)
    {
        _signedBytes = signedBytes;
        _algorithm = algorithm;
        _signature = signature;
    }

    /// <summary>The signed part, tag and length included.</summary>
    public ReadOnlyMemory<byte> SignedBytes => _signedBytes;

    /// <summary>Reads the three parts from the inside of their sequence; what follows stays in the reader.</summary>
    /// <exception cref="AsnContentException">Something else is there.</exception>
    public static SignedData Read(AsnReader sequence)
    {
        ReadOnlyMemory<byte> signed = sequence.ReadEncodedValue();
        string algorithm = sequence.ReadSequence().ReadObjectIdentifier();
        byte[] signature = sequence.ReadBitString(out _);
        return new SignedData(signed, algorithm, signature);
    }

    /// <summary>The signature is that of this certificate's key. False, too, for algorithms that are broken (MD5, SHA-1) or not known to .NET.</summary>
    public bool IsSignedBy(X509Certificate2 signer)
    {
        try
        {
            switch (_algorithm)
            {
                case "1.2.840.113549.1.1.11":
                    return VerifyRsa(signer, HashAlgorithmName.SHA256);
                case "1.2.840.113549.1.1.12":
                    return VerifyRsa(signer, HashAlgorithmName.SHA384);
                case "1.2.840.113549.1.1.13":
                    return VerifyRsa(signer, HashAlgorithmName.SHA512);
                case "1.2.840.10045.4.3.2":
                    return VerifyEcdsa(signer, HashAlgorithmName.SHA256);
                case "1.2.840.10045.4.3.3":
                    return VerifyEcdsa(signer, HashAlgorithmName.SHA384);
                case "1.2.840.10045.4.3.4":
                    return VerifyEcdsa(signer, HashAlgorithmName.SHA512);
                default:
                    return false;
            }
        }
        catch (CryptographicException)
        {
            return false; // a key or signature that cannot even be tried
        }
    }

    private bool VerifyRsa(X509Certificate2 signer, HashAlgorithmName hash)
    {
        using RSA? key = signer.GetRSAPublicKey();
        return key is not null && key.VerifyData(_signedBytes.Span, _signature, hash, RSASignaturePadding.Pkcs1);
    }

    private bool VerifyEcdsa(X509Certificate2 signer, HashAlgorithmName hash)
    {
        using ECDsa? key = signer.GetECDsaPublicKey();
        return key is not null && key.VerifyData(_signedBytes.Span, _signature, hash, DSASignatureFormat.Rfc3279DerSequence);
    }
}
