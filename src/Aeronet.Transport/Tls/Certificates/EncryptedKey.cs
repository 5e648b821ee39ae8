using System;
using System.Formats.Asn1;
using System.Security.Cryptography;

namespace Aeronet.Transport.Tls.Certificates;

/// <summary>Keys in PKCS#8 (RFC 5958), and their decryption by password: PBES2 with PBKDF2 and AES-CBC (RFC 8018), which OpenSSL writes, for any key algorithm; older schemes for RSA and ECDSA.</summary>
internal static class EncryptedKey
{
    private const string Pbes2 = "1.2.840.113549.1.5.13";
    private const string Pbkdf2 = "1.2.840.113549.1.5.12";
    private const int IterationsMax = 10_000_000; // a file with more would hold up the start for minutes

    /// <summary>Object identifier of the algorithm of an unencrypted key.</summary>
    /// <exception cref="AsnContentException">It is no PKCS#8.</exception>
    public static string AlgorithmOf(ReadOnlyMemory<byte> pkcs8)
    {
        AsnReader key = new AsnReader(pkcs8, AsnEncodingRules.BER).ReadSequence();
        key.ReadInteger();
        return key.ReadSequence().ReadObjectIdentifier();
    }

    /// <returns>PKCS#8 without encryption; the caller clears it.</returns>
    /// <exception cref="CryptographicException">The password does not fit, or the scheme is not known.</exception>
    /// <exception cref="AsnContentException">It is no encrypted key.</exception>
    public static byte[] Decrypt(byte[] encrypted, string password)
    {
        AsnReader info = new AsnReader(encrypted, AsnEncodingRules.BER).ReadSequence();
        AsnReader scheme = info.ReadSequence();
        byte[] data = info.ReadOctetString();
        if (scheme.ReadObjectIdentifier() != Pbes2)
        {
            return DecryptWithOlderScheme(encrypted, password);
        }

        AsnReader parameters = scheme.ReadSequence();
        AsnReader derivation = parameters.ReadSequence();
        AsnReader cipher = parameters.ReadSequence();
        if (derivation.ReadObjectIdentifier() != Pbkdf2 || AesKeyLength(cipher.ReadObjectIdentifier()) is not { } keyLength)
        {
            return DecryptWithOlderScheme(encrypted, password);
        }
        byte[] iv = cipher.ReadOctetString();

        AsnReader pbkdf2 = derivation.ReadSequence();
        byte[] salt = pbkdf2.ReadOctetString();
        if (!pbkdf2.TryReadInt32(out int iterations) || iterations is < 1 or > IterationsMax)
        {
            throw new CryptographicException("The number of PBKDF2 iterations is out of range.");
        }
        if (pbkdf2.HasData && pbkdf2.PeekTag().HasSameClassAndValue(Asn1Tag.Integer))
        {
            pbkdf2.ReadInteger(); // the length of the key, which the cipher says as well
        }
        HashAlgorithmName hash = pbkdf2.HasData ? HashOf(pbkdf2.ReadSequence().ReadObjectIdentifier()) : HashAlgorithmName.SHA1;

        byte[] secret = Rfc2898DeriveBytes.Pbkdf2(password, salt, iterations, hash, keyLength);
        try
        {
            using var aes = Aes.Create();
            aes.SetKey(secret);
            byte[] key = aes.DecryptCbc(data, iv);
            AlgorithmOf(key); // a wrong password can leave padding that looks right
            return key;
        }
        finally
        {
            CryptographicOperations.ZeroMemory(secret);
        }
    }

    private static byte[] DecryptWithOlderScheme(byte[] encrypted, string password)
    {
        try
        {
            using var rsa = RSA.Create();
            rsa.ImportEncryptedPkcs8PrivateKey(password, encrypted, out _);
            return rsa.ExportPkcs8PrivateKey();
        }
        catch (CryptographicException)
        {
            using var ec = ECDsa.Create();
            ec.ImportEncryptedPkcs8PrivateKey(password, encrypted, out _);
            return ec.ExportPkcs8PrivateKey();
        }
    }

    private static int? AesKeyLength(string oid) => oid switch
    {
        "2.16.840.1.101.3.4.1.2" => 16,
        "2.16.840.1.101.3.4.1.22" => 24,
        "2.16.840.1.101.3.4.1.42" => 32,
        _ => null,
    };

    private static HashAlgorithmName HashOf(string hmacOid) => hmacOid switch
    {
        "1.2.840.113549.2.7" => HashAlgorithmName.SHA1,
        "1.2.840.113549.2.9" => HashAlgorithmName.SHA256,
        "1.2.840.113549.2.10" => HashAlgorithmName.SHA384,
        "1.2.840.113549.2.11" => HashAlgorithmName.SHA512,
        _ => throw new CryptographicException($"The PBKDF2 function {hmacOid} is not known."),
    };
}
