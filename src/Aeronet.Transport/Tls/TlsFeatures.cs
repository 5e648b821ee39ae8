using System;
using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Threading;
using System.Threading.Tasks;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core.Features;

namespace Aeronet.Transport.Tls;

/// <summary>TLS as the application sees it: one object for the three features, made when somebody asks.</summary>
internal sealed class TlsFeatures : ITlsConnectionFeature, ITlsHandshakeFeature, ITlsApplicationProtocolFeature
{
    private static readonly Type[] s_types = [typeof(ITlsConnectionFeature), typeof(ITlsHandshakeFeature), typeof(ITlsApplicationProtocolFeature)];

    private readonly TlsConnection _connection;
    private readonly ReadOnlyMemory<byte> _applicationProtocol;

    internal TlsFeatures(TlsConnection connection, string applicationProtocol)
    {
        _connection = connection;
        _applicationProtocol = Encoding.ASCII.GetBytes(applicationProtocol);
        ClientCertificate = connection.ClientCertificate;
    }

    public bool HasServerNames => _connection.HasServerNames;

    /// <summary>See <see cref="Connections.TransportConnection.IsMisdirected"/>.</summary>
    public bool IsMisdirected(ReadOnlySpan<byte> host) => _connection.IsMisdirected(host);

    public static bool Has(Type type) => Array.IndexOf(s_types, type) >= 0;

    public X509Certificate2? ClientCertificate { get; set; }

    /// <summary>The certificate that the client has presented. With <see cref="TlsClientCertificateMode.Delay"/> the client is asked now.</summary>
    public Task<X509Certificate2?> GetClientCertificateAsync(CancellationToken cancellationToken) => AskAsync(cancellationToken);

    private async Task<X509Certificate2?> AskAsync(CancellationToken cancellationToken) =>
        ClientCertificate ??= await _connection.GetClientCertificateAsync(cancellationToken).ConfigureAwait(false);

    public SslProtocols Protocol => _connection.Protocol;

    public TlsCipherSuite? NegotiatedCipherSuite => (TlsCipherSuite)_connection.CipherSuite;

    public string HostName => _connection.ServerName;

    public ReadOnlyMemory<byte> ApplicationProtocol => _applicationProtocol;

#pragma warning disable SYSLIB0058 // obsolete in favour of NegotiatedCipherSuite; still members of the interface
    public CipherAlgorithmType CipherAlgorithm => TlsCipherFacts.Of(_connection.CipherSuite).Cipher;

    public int CipherStrength => TlsCipherFacts.Of(_connection.CipherSuite).CipherBits;

    public HashAlgorithmType HashAlgorithm => TlsCipherFacts.Of(_connection.CipherSuite).Hash;

    public int HashStrength => TlsCipherFacts.Of(_connection.CipherSuite).HashBits;

    public ExchangeAlgorithmType KeyExchangeAlgorithm => TlsCipherFacts.Of(_connection.CipherSuite).Exchange;

    public int KeyExchangeStrength => 0;
#pragma warning restore SYSLIB0058
}
