using System;
using System.Collections.Generic;
using System.Globalization;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Aeronet.Native.OpenSsl;

namespace Aeronet.Transport.Tls;

/// <summary>An identity as OpenSSL has it: one <c>SSL_CTX</c>, shared by the sessions made from it.</summary>
internal sealed class TlsContext
{
#pragma warning disable SYSLIB0039, CA5397, CA5398 // old versions only where somebody asks for them
    private const SslProtocols Known = SslProtocols.Tls | SslProtocols.Tls11 | SslProtocols.Tls12 | SslProtocols.Tls13;
    private const SslProtocols Usual = SslProtocols.Tls12 | SslProtocols.Tls13;

    private TlsContext(TlsIdentity identity, SslContext ssl)
    {
        Identity = identity;
        Ssl = ssl;
    }

    public TlsIdentity Identity { get; }

    public SslContext Ssl { get; }

    /// <summary>The set with the names beside which this context was chosen; null: there are no names.</summary>
    public TlsContextSet? Names { get; private init; }

    /// <summary>One of those names.</summary>
    public bool IsNamed { get; private init; }

    /// <param name="identity">What is to be used.</param>
    /// <param name="name">Sessions resume only under the same name and the same demands on the client's certificate.</param>
    /// <param name="settings">The rest of the endpoint's settings.</param>
    /// <param name="names">The set that it is for, if that has names.</param>
    /// <param name="isNamed">One of them.</param>
    /// <exception cref="TlsConfigurationException">It cannot be used; one reason at least.</exception>
    public static TlsContext Create(TlsIdentity identity, string name, TlsSettings settings, TlsContextSet? names, bool isNamed)
    {
        List<SslCertificate> certificates = [];
        try
        {
            AddCertificates(identity, certificates);
            return new TlsContext(identity, SslContext.Create(MakeOptions(identity, name, settings, certificates))) { Names = names, IsNamed = isNamed };
        }
        catch (SslContextException refused)
        {
            throw new TlsConfigurationException($"{refused.Message}{SourcesOf(identity)}", refused);
        }
        finally
        {
            foreach (SslCertificate certificate in certificates)
            {
                CryptographicOperations.ZeroMemory(certificate.PrivateKey);
            }
        }
    }

    private static SslContextOptions MakeOptions(TlsIdentity identity, string name, TlsSettings settings, List<SslCertificate> certificates)
    {
        SslProtocols protocols = identity.Protocols == SslProtocols.None ? Usual : identity.Protocols;
        if ((protocols & ~Known) != 0)
        {
            throw new TlsConfigurationException($"{nameof(TlsIdentity.Protocols)} is {protocols}: only TLS 1.0 to TLS 1.3 can be used.");
        }

        TlsServices services = settings.Services;
        TlsClientCertificates clients = identity.ClientCertificates;
        bool requests = clients.Mode is TlsClientCertificateMode.Allow or TlsClientCertificateMode.Require;
        return new SslContextOptions
        {
            Certificates = certificates,
            Tls10 = protocols.HasFlag(SslProtocols.Tls),
            Tls11 = protocols.HasFlag(SslProtocols.Tls11),
            Tls12 = protocols.HasFlag(SslProtocols.Tls12),
            Tls13 = protocols.HasFlag(SslProtocols.Tls13),
            CipherList = identity.Ciphers.CipherList,
            CipherSuites = identity.Ciphers.CipherSuites,
            ApplicationProtocols = ToWire(identity.ApplicationProtocols),
            RequireApplicationProtocolMatch = identity.RequireApplicationProtocolMatch,
            RequestsClientCertificate = requests,
            RequiresClientCertificate = clients.Mode == TlsClientCertificateMode.Require,
            ClientAuthorities = AuthoritiesOf(clients),
            SessionContext = MakeSessionContext(name, clients),
            AllowsResumption = identity.AllowResumption,
            SessionCacheSize = identity.SessionCacheSize,
            TicketKeys = services.TicketKeys is { } keys ? new Tickets(keys) : null,
            SessionSeconds = services.TicketKeys is { } source ? (int)Math.Clamp(source.TicketLifetime.TotalSeconds, 1, int.MaxValue) : 24 * 60 * 60,
            OffersSendKey = settings.UsesKernelTls,
            FindStaple = services.Staples is { } staples ? MakeFindStaple(identity, staples) : null,
            KeyLog = services.KeyLog is { } log ? line => log.Write(line) : null,
        };
    }

    private static void AddCertificates(TlsIdentity identity, List<SslCertificate> into)
    {
        if (identity.Certificates.Count == 0)
        {
            throw new TlsConfigurationException("It has no certificate.");
        }

        HashSet<string> keyTypes = [];
        foreach (TlsCertificate certificate in identity.Certificates)
        {
            if (!keyTypes.Add(certificate.Leaf.GetKeyAlgorithm()))
            {
                throw new TlsConfigurationException($"It has two certificates of one key type: {Describe(certificate)}.");
            }

            byte[][] chain = new byte[certificate.Chain.Count][];
            for (int i = 0; i < chain.Length; i++)
            {
                chain[i] = certificate.Chain[i].RawData;
            }

            into.Add(new SslCertificate(certificate.Leaf.RawData, chain, ExportKey(certificate)));
        }
    }

    private static byte[] ExportKey(TlsCertificate certificate)
    {
        if (!certificate.PrivateKey.IsEmpty)
        {
            return certificate.PrivateKey.ToArray();
        }

        try
        {
            using AsymmetricAlgorithm? key = (AsymmetricAlgorithm?)certificate.Leaf.GetRSAPrivateKey() ?? certificate.Leaf.GetECDsaPrivateKey();
            return key is null
                ? throw new TlsConfigurationException($"There is no usable private key (RSA or ECDSA) with {Describe(certificate)}.")
                : key.ExportPkcs8PrivateKey();
        }
        catch (CryptographicException failure)
        {
            throw new TlsConfigurationException($"The private key of {Describe(certificate)} cannot be exported: {failure.Message} Keys of hardware stores cannot be used by this TLS engine.", failure);
        }
    }

    private static string Describe(TlsCertificate certificate) =>
        certificate.Source.Length > 0 ? $"the certificate {certificate.Source}" : $"the certificate {certificate.Leaf.Subject} ({certificate.Leaf.Thumbprint})";

    private static string SourcesOf(TlsIdentity identity)
    {
        StringBuilder sources = new();
        foreach (TlsCertificate certificate in identity.Certificates)
        {
            sources.Append(sources.Length == 0 ? " With " : ", ").Append(Describe(certificate));
        }

        return sources.Append('.').ToString();
    }

    private static byte[] ToWire(IReadOnlyList<string> protocols)
    {
        List<byte> wire = [];
        foreach (string protocol in protocols)
        {
            if (protocol.Length is 0 or > byte.MaxValue || !Ascii.IsValid(protocol))
            {
                throw new TlsConfigurationException($"{nameof(TlsIdentity.ApplicationProtocols)} has \"{protocol}\": names are 1 to 255 characters of ASCII.");
            }

            wire.Add((byte)protocol.Length);
            wire.AddRange(Encoding.ASCII.GetBytes(protocol));
        }

        return [.. wire];
    }

    private static byte[][] AuthoritiesOf(TlsClientCertificates clients)
    {
        byte[][] authorities = new byte[clients.Mode == TlsClientCertificateMode.None ? 0 : clients.TrustedAuthorities?.Count ?? 0][];
        for (int i = 0; i < authorities.Length; i++)
        {
            authorities[i] = clients.TrustedAuthorities![i].RawData;
        }

        return authorities;
    }

    // The same on every machine with the same configuration, so that they can resume each other's sessions; another one as soon as the demands on
    // the client change, so that a session from before cannot pass them by. The server's certificate is not in it: a renewal ends no session.
    private static byte[] MakeSessionContext(string name, TlsClientCertificates clients)
    {
        StringBuilder text = new();
        text.Append("aeronet 1\n").Append(name.ToLowerInvariant()).Append('\n').Append(((int)clients.Mode).ToString(CultureInfo.InvariantCulture));
        for (int i = 0; i < (clients.TrustedAuthorities?.Count ?? 0); i++)
        {
            text.Append('\n').Append(clients.TrustedAuthorities![i].Thumbprint);
        }

        return SHA256.HashData(Encoding.UTF8.GetBytes(text.ToString()));
    }

    private static Func<byte[], byte[]?> MakeFindStaple(TlsIdentity identity, IOcspStapleSource staples) => der =>
    {
        foreach (TlsCertificate certificate in identity.Certificates)
        {
            if (certificate.Leaf.RawDataMemory.Span.SequenceEqual(der))
            {
                return staples.Find(certificate.Leaf);
            }
        }

        return null;
    };

    private sealed class Tickets(ITicketKeySource source) : ISslTicketKeys
    {
        public int CopyCurrent(Span<byte> name, Span<byte> aesKey, Span<byte> hmacKey) => source.CopyCurrent(name, aesKey, hmacKey);

        public int CopyByName(ReadOnlySpan<byte> name, Span<byte> aesKey, Span<byte> hmacKey, out bool isCurrent) => source.CopyByName(name, aesKey, hmacKey, out isCurrent);
    }
}
