using System;
using System.Net.Security;
using System.Security.Authentication;

namespace Aeronet.Transport.Tls;

/// <summary>A cipher suite in the terms of <c>ITlsHandshakeFeature</c>'s older members, read off its registered name.</summary>
#pragma warning disable SYSLIB0058 // the members are obsolete; applications that log them still get what SslStream says
internal readonly record struct TlsCipherFacts(CipherAlgorithmType Cipher, int CipherBits, HashAlgorithmType Hash, int HashBits, ExchangeAlgorithmType Exchange)
{
    public static TlsCipherFacts Of(ushort suite)
    {
        string name = Enum.GetName((TlsCipherSuite)suite) ?? "";
        (CipherAlgorithmType cipher, int cipherBits) = name switch
        {
            _ when Has(name, "_AES_128_") => (CipherAlgorithmType.Aes128, 128),
            _ when Has(name, "_AES_256_") => (CipherAlgorithmType.Aes256, 256),
            _ when Has(name, "_3DES_") => (CipherAlgorithmType.TripleDes, 168),
            _ => (CipherAlgorithmType.None, 0),
        };
        (HashAlgorithmType hash, int hashBits) = name switch
        {
            _ when name.EndsWith("_SHA256", StringComparison.Ordinal) => (HashAlgorithmType.Sha256, 256),
            _ when name.EndsWith("_SHA384", StringComparison.Ordinal) => (HashAlgorithmType.Sha384, 384),
            _ when name.EndsWith("_SHA", StringComparison.Ordinal) => (HashAlgorithmType.Sha1, 160),
            _ => (HashAlgorithmType.None, 0),
        };
        ExchangeAlgorithmType exchange = name switch
        {
            _ when Has(name, "_DHE_") || Has(name, "_ECDHE_") => ExchangeAlgorithmType.DiffieHellman,
            _ when name.StartsWith("TLS_RSA_", StringComparison.Ordinal) => ExchangeAlgorithmType.RsaKeyX,
            _ => ExchangeAlgorithmType.None, // TLS 1.3: the suite does not say
        };
        return new TlsCipherFacts(cipher, cipherBits, hash, hashBits, exchange);
    }

    private static bool Has(string name, string part) => name.Contains(part, StringComparison.Ordinal);
}
