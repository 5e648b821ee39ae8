using System;
using System.Collections.Generic;
using System.Formats.Asn1;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Aeronet.Transport.Tls.Certificates;

namespace Aeronet.Transport.Tls.Revocation;

/// <summary>One list of revoked certificates (CRL). RFC 5280 section 5.1. Immutable.</summary>
internal sealed class RevocationList
{
    private readonly SignedData _signed;
    private readonly ReadOnlyMemory<byte> _issuer; // the issuer's name in DER
    private readonly HashSet<string> _serialNumbers; // hexadecimal, as X509Certificate2.SerialNumber

    private RevocationList(string source, SignedData signed, ReadOnlyMemory<byte> issuer, HashSet<string> serialNumbers, DateTimeOffset thisUpdate, DateTimeOffset? nextUpdate)
    {
        Source = source;
        _signed = signed;
        _issuer = issuer;
        _serialNumbers = serialNumbers;
        ThisUpdate = thisUpdate;
        NextUpdate = nextUpdate;
    }

    /// <summary>For messages: the file.</summary>
    public string Source { get; }

    public DateTimeOffset ThisUpdate { get; }

    /// <summary>Null: the issuer has not said.</summary>
    public DateTimeOffset? NextUpdate { get; }

    public int Count => _serialNumbers.Count;

    /// <summary>Every list in a PEM file, or the one in a DER file.</summary>
    /// <exception cref="TlsConfigurationException">The file cannot be read, or holds no list.</exception>
    public static List<RevocationList> LoadFile(string path)
    {
        byte[] bytes = PemFile.ReadAllBytes(path);
        var lists = new List<RevocationList>();
        try
        {
            if (!PemFile.IsPem(bytes))
            {
                lists.Add(Parse(bytes, path));
                return lists;
            }
            ReadOnlySpan<char> rest = System.Text.Encoding.ASCII.GetString(bytes);
            while (PemEncoding.TryFind(rest, out PemFields fields))
            {
                if (rest[fields.Label] is "X509 CRL")
                {
                    lists.Add(Parse(Convert.FromBase64String(rest[fields.Base64Data].ToString()), path));
                }
                rest = rest[fields.Location.End..];
            }
        }
        catch (Exception broken) when (broken is AsnContentException or CryptographicException)
        {
            throw new TlsConfigurationException($"'{path}' is no list of revoked certificates (CRL): {broken.Message}", broken);
        }
        return lists.Count > 0 ? lists : throw new TlsConfigurationException($"'{path}' holds no list of revoked certificates (X509 CRL).");
    }

    /// <exception cref="AsnContentException">It is no such list.</exception>
    public static RevocationList Parse(ReadOnlyMemory<byte> der, string source)
    {
        AsnReader outer = new AsnReader(der, AsnEncodingRules.DER).ReadSequence();
        SignedData signed = SignedData.Read(outer);
        outer.ThrowIfNotEmpty();

        AsnReader list = new AsnReader(signed.SignedBytes, AsnEncodingRules.DER).ReadSequence();
        if (list.PeekTag().HasSameClassAndValue(Asn1Tag.Integer))
        {
            list.ReadInteger(); // the version
        }
        list.ReadSequence(); // the algorithm again
        ReadOnlyMemory<byte> issuer = list.ReadEncodedValue();
        DateTimeOffset thisUpdate = ReadTime(list);
        DateTimeOffset? nextUpdate = list.HasData && IsTime(list.PeekTag()) ? ReadTime(list) : null;
        var serialNumbers = new HashSet<string>(StringComparer.Ordinal);
        if (list.HasData && list.PeekTag().HasSameClassAndValue(Asn1Tag.Sequence))
        {
            AsnReader revoked = list.ReadSequence();
            while (revoked.HasData)
            {
                serialNumbers.Add(Convert.ToHexString(revoked.ReadSequence().ReadIntegerBytes().Span));
            }
        }
        return new RevocationList(source, signed, issuer, serialNumbers, thisUpdate, nextUpdate);
    }

    /// <summary>This list is about certificates of that issuer, as far as its name goes.</summary>
    public bool IsOf(X500DistinguishedName issuer) => issuer.RawData.AsSpan().SequenceEqual(_issuer.Span);

    public bool IsSignedBy(X509Certificate2 issuer) => _signed.IsSignedBy(issuer);

    public bool IsCurrent(DateTimeOffset now) => ThisUpdate <= now && (NextUpdate is null || now <= NextUpdate);

    public bool Names(X509Certificate2 certificate) => _serialNumbers.Contains(Convert.ToHexString(certificate.SerialNumberBytes.Span));

    private static bool IsTime(Asn1Tag tag) => tag.HasSameClassAndValue(Asn1Tag.UtcTime) || tag.HasSameClassAndValue(Asn1Tag.GeneralizedTime);

    private static DateTimeOffset ReadTime(AsnReader reader)
        => reader.PeekTag().HasSameClassAndValue(Asn1Tag.UtcTime) ? reader.ReadUtcTime() : reader.ReadGeneralizedTime();
}
