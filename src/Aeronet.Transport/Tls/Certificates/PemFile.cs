using System;
using System.Collections.Generic;
using System.IO;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;

namespace Aeronet.Transport.Tls.Certificates;

/// <summary>What a PEM file (RFC 7468) holds: certificates and at most one key. The key's bytes are cleared when this is disposed.</summary>
internal sealed class PemFile : IDisposable
{
    private const int FileBytesMax = 16 * 1024 * 1024; // far above any bundle of authorities

    private PemFile(string path) => Path = path;

    public string Path { get; }

    public List<X509Certificate2> Certificates { get; } = [];

    /// <summary>PKCS#8, unencrypted; null: the file has no key.</summary>
    public byte[]? PrivateKey { get; private set; }

    /// <summary>Object identifier of the key's algorithm; empty without a key.</summary>
    public string KeyAlgorithm { get; private set; } = "";

    /// <exception cref="TlsConfigurationException">The file cannot be read, or something in it is broken; names file and reason.</exception>
    public static PemFile Read(string path, string? password)
    {
        byte[] bytes = ReadAllBytes(path);
        var file = new PemFile(path);
        try
        {
            file.Parse(bytes, password);
            return file;
        }
        catch
        {
            file.Dispose();
            throw;
        }
        finally
        {
            CryptographicOperations.ZeroMemory(bytes);
        }
    }

    /// <summary>The bytes of a file in pinned memory, so that clearing them leaves no copy.</summary>
    /// <exception cref="TlsConfigurationException">The file cannot be read.</exception>
    public static byte[] ReadAllBytes(string path)
    {
        try
        {
            using FileStream stream = File.OpenRead(path);
            if (stream.Length > FileBytesMax)
            {
                throw new TlsConfigurationException($"'{path}' has {stream.Length} bytes; allowed: at most {FileBytesMax}.");
            }
            byte[] bytes = GC.AllocateUninitializedArray<byte>((int)stream.Length, pinned: true);
            stream.ReadExactly(bytes);
            return bytes;
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException or NotSupportedException)
        {
            throw new TlsConfigurationException($"'{path}' cannot be read: {failure.Message}", failure);
        }
    }

    /// <summary>The text has a PEM block; otherwise it may be DER.</summary>
    public static bool IsPem(ReadOnlySpan<byte> bytes) => bytes.IndexOf("-----BEGIN "u8) >= 0;

    public void Dispose()
    {
        if (PrivateKey is not null)
        {
            CryptographicOperations.ZeroMemory(PrivateKey);
            PrivateKey = null;
        }
    }

    private void Parse(ReadOnlySpan<byte> rest, string? password)
    {
        while (PemEncoding.TryFindUtf8(rest, out PemFields fields))
        {
            string label = Encoding.ASCII.GetString(rest[fields.Label]);
            byte[] der = GC.AllocateUninitializedArray<byte>(fields.DecodedDataLength, pinned: true);
            System.Buffers.Text.Base64.DecodeFromUtf8(rest[fields.Base64Data], der, out _, out int length);
            if (length != der.Length)
            {
                der = DecodeLines(rest[fields.Base64Data], fields.DecodedDataLength);
            }
            try
            {
                Take(label, der, password);
            }
            catch (Exception broken) when (broken is CryptographicException or System.Formats.Asn1.AsnContentException)
            {
                string reason = label == "ENCRYPTED PRIVATE KEY" ? "the password does not fit, or the key is broken" : broken.Message;
                throw new TlsConfigurationException($"'{Path}': {label} cannot be read: {reason}", broken);
            }
            finally
            {
                CryptographicOperations.ZeroMemory(der);
            }
            rest = rest[fields.Location.End..];
        }
    }

    private void Take(string label, byte[] der, string? password)
    {
        switch (label)
        {
            case "CERTIFICATE" or "X509 CERTIFICATE" or "TRUSTED CERTIFICATE":
                Certificates.Add(X509CertificateLoader.LoadCertificate(der));
                break;
            case "PRIVATE KEY":
                SetKey([.. der]);
                break;
            case "ENCRYPTED PRIVATE KEY":
                if (password is null)
                {
                    throw new TlsConfigurationException($"'{Path}': the private key is encrypted; Password is needed.");
                }
                SetKey(EncryptedKey.Decrypt(der, password));
                break;
            case "RSA PRIVATE KEY":
                using (var rsa = RSA.Create())
                {
                    rsa.ImportRSAPrivateKey(der, out _);
                    SetKey(rsa.ExportPkcs8PrivateKey());
                }
                break;
            case "EC PRIVATE KEY":
                using (var ec = ECDsa.Create())
                {
                    ec.ImportECPrivateKey(der, out _);
                    SetKey(ec.ExportPkcs8PrivateKey());
                }
                break;
            default:
                break; // parameters, requests, lists of revoked certificates: of no use here, and no harm
        }
    }

    private void SetKey(byte[] pkcs8)
    {
        if (PrivateKey is not null)
        {
            CryptographicOperations.ZeroMemory(pkcs8);
            throw new TlsConfigurationException($"'{Path}' holds more than one private key; allowed: one.");
        }
        KeyAlgorithm = EncryptedKey.AlgorithmOf(pkcs8);
        PrivateKey = GC.AllocateUninitializedArray<byte>(pkcs8.Length, pinned: true);
        pkcs8.CopyTo(PrivateKey, 0);
        CryptographicOperations.ZeroMemory(pkcs8);
    }

    // Lines of a key file end as they like; the decoder takes the characters without them.
    private static byte[] DecodeLines(ReadOnlySpan<byte> base64, int decodedLength)
    {
        byte[] packed = GC.AllocateUninitializedArray<byte>(base64.Length, pinned: true);
        int count = 0;
        foreach (byte character in base64)
        {
            if (character > ' ')
            {
                packed[count++] = character;
            }
        }
        byte[] der = GC.AllocateUninitializedArray<byte>(decodedLength, pinned: true);
        System.Buffers.Text.Base64.DecodeFromUtf8(packed.AsSpan(0, count), der, out _, out _);
        CryptographicOperations.ZeroMemory(packed);
        return der;
    }
}
