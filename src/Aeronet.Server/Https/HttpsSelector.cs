using System;
using System.Buffers;
using System.Collections.Generic;
using System.IO;
using System.Net.Security;
using System.Runtime.CompilerServices;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using System.Threading;
using System.Threading.Tasks;
using Aeronet.Server.Binding;
using Aeronet.Transport.Tls;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;

namespace Aeronet.Server.Https;

/// <summary>Calls the application where Kestrel would, once per connection and on the thread pool: ClientHello listener, <c>OnAuthenticate</c>, certificate selector, options callback.</summary>
internal sealed class HttpsSelector : ITlsSelector
{
    private readonly HttpsConnectionAdapterOptions? _options;
    private readonly TlsHandshakeCallbackOptions? _callback;
    private readonly HttpProtocols _protocols;
    private readonly SharedTls _shared;
    private readonly Func<string, bool> _isNamedElsewhere;
    private readonly IdentityCache _identities = new();

    /// <param name="options">Of <c>UseHttps</c>, with at least one callback; null with <paramref name="callback"/>.</param>
    /// <param name="callback">Of <c>UseHttps</c>; null with <paramref name="options"/>.</param>
    /// <param name="protocols">Of the endpoint.</param>
    /// <param name="shared">Of the server.</param>
    /// <param name="isNamedElsewhere">The server's own options have this name: it is not the callbacks' matter.</param>
    public HttpsSelector(HttpsConnectionAdapterOptions? options, TlsHandshakeCallbackOptions? callback, HttpProtocols protocols, SharedTls shared, Func<string, bool> isNamedElsewhere)
    {
        _options = options;
        _callback = callback;
        _protocols = protocols;
        _shared = shared;
        _isNamedElsewhere = isNamedElsewhere;
    }

    /// <summary>These options have something that must be called for every connection.</summary>
    public static bool IsNeeded(HttpsConnectionAdapterOptions options)
        => options.ServerCertificateSelector is not null || options.OnAuthenticate is not null || options.TlsClientHelloBytesCallback is not null;

    public ValueTask<TlsIdentity?> SelectAsync(TlsClientHello hello, CancellationToken cancellationToken)
    {
        var connection = new SelectorConnection(hello.Connection);
        _options?.TlsClientHelloBytesCallback?.Invoke(connection, new ReadOnlySequence<byte>(hello.Bytes));
        if (_isNamedElsewhere(hello.ServerName))
        {
            return default;
        }
        return _callback is not null ? CallBackAsync(_callback, connection, hello, cancellationToken) : new ValueTask<TlsIdentity?>(Select(_options!, connection, hello));
    }

    private TlsIdentity? Select(HttpsConnectionAdapterOptions options, ConnectionContext connection, TlsClientHello hello)
    {
        string? serverName = hello.ServerName.Length > 0 ? hello.ServerName : null;
        if (options.OnAuthenticate is null)
        {
            if (options.ServerCertificateSelector is not { } selector)
            {
                return null; // only the listener was wanted
            }
            X509Certificate2 certificate = selector(connection, serverName)
                ?? throw new AuthenticationException($"The certificate selector has no certificate for the server name '{serverName}'.");
            return _identities.Get(certificate, new IdentityKey(certificate), this, static (certificate, selector)
                => TlsIdentities.From(selector._options!, [ServerCertificates.ToTls(certificate, chain: null, "ServerCertificateSelector")], selector._protocols, selector._shared));
        }

        var ssl = new SslServerAuthenticationOptions
        {
            ServerCertificate = options.ServerCertificateSelector is null ? options.ServerCertificate : null,
            ServerCertificateSelectionCallback = options.ServerCertificateSelector is { } select ? (_, name) => select(connection, name)! : null,
            ClientCertificateRequired = options.ClientCertificateMode is ClientCertificateMode.AllowCertificate or ClientCertificateMode.RequireCertificate,
            EnabledSslProtocols = options.SslProtocols,
            CertificateRevocationCheckMode = options.CheckCertificateRevocation ? X509RevocationMode.Online : X509RevocationMode.NoCheck,
            ApplicationProtocols = ApplicationProtocols(),
        };
        options.OnAuthenticate(connection, ssl);

        // Kestrel's own validation is not on these options but on the stream: it holds whatever the callback has changed.
        bool isDelayed = options.ClientCertificateMode == ClientCertificateMode.DelayCertificate;
        TlsIdentity identity = Translate(ssl, serverName, isDelayed);
        return ssl.RemoteCertificateValidationCallback is null && identity.ClientCertificates.Mode != TlsClientCertificateMode.None
            ? WithClientRule(identity, options)
            : identity;
    }

    private async ValueTask<TlsIdentity?> CallBackAsync(TlsHandshakeCallbackOptions callback, ConnectionContext connection, TlsClientHello hello, CancellationToken cancellationToken)
    {
        var context = new TlsHandshakeCallbackContext();
        // There is no SslStream here. Callbacks get one that has never been used, as Kestrel's is at this moment; it is connected to nothing.
        await using var stream = new SslStream(Stream.Null);
        KestrelInternals.SetSslStream(context, stream);
        KestrelInternals.SetClientHelloInfo(context, KestrelInternals.CreateClientHelloInfo(hello.ServerName, SslProtocols.None));
        KestrelInternals.SetState(context, callback.OnConnectionState);
        KestrelInternals.SetCancellationToken(context, cancellationToken);
        KestrelInternals.SetConnection(context, connection);

        SslServerAuthenticationOptions ssl = await callback.OnConnection(context).ConfigureAwait(false)
            ?? throw new AuthenticationException($"The callback has no options for the server name '{hello.ServerName}'.");
        return Translate(ssl, hello.ServerName.Length > 0 ? hello.ServerName : null, context.AllowDelayedClientCertificateNegotation);
    }

    private List<SslApplicationProtocol> ApplicationProtocols()
    {
        var protocols = new List<SslApplicationProtocol>();
        foreach (string name in SharedTls.ApplicationProtocols(_protocols))
        {
            protocols.Add(new SslApplicationProtocol(name));
        }
        return protocols;
    }

    // Options that are alike give one identity, so that connections share its OpenSSL context and its sessions.
    private TlsIdentity Translate(SslServerAuthenticationOptions ssl, string? serverName, bool isDelayed)
    {
        X509Certificate2? leaf = ssl.ServerCertificateContext?.TargetCertificate ?? (ssl.ServerCertificate ?? ssl.ServerCertificateSelectionCallback?.Invoke(this, serverName)) as X509Certificate2;
        if (leaf is null)
        {
            return TlsIdentities.From(ssl, serverName, isDelayed, _protocols, _shared);
        }
        if (ssl.ServerCertificateContext is null && ssl.ServerCertificate is null)
        {
            ssl.ServerCertificate = leaf;
        }
        return _identities.Get(leaf, new IdentityKey(ssl, isDelayed), (ssl, serverName, isDelayed, this), static (_, what)
            => TlsIdentities.From(what.ssl, what.serverName, what.isDelayed, what.Item4._protocols, what.Item4._shared));
    }

    private readonly ConditionalWeakTable<TlsIdentity, TlsIdentity> _withClientRule = [];

    private TlsIdentity WithClientRule(TlsIdentity identity, HttpsConnectionAdapterOptions options)
        => _withClientRule.GetValue(identity, plain =>
        {
            TlsClientCertificates rule = TlsIdentities.From(options, plain.Certificates, _protocols, _shared).ClientCertificates;
            return new TlsIdentity
            {
                Certificates = plain.Certificates,
                Protocols = plain.Protocols,
                Ciphers = plain.Ciphers,
                ApplicationProtocols = plain.ApplicationProtocols,
                RequireApplicationProtocolMatch = plain.RequireApplicationProtocolMatch,
                AllowResumption = plain.AllowResumption,
                SessionCacheSize = plain.SessionCacheSize,
                ClientCertificates = new TlsClientCertificates
                {
                    // The callback may ask for a certificate that the endpoint does not ask for: then a client without one is let in, as Kestrel's rule for that mode says.
                    Mode = rule.Mode == TlsClientCertificateMode.None ? TlsClientCertificateMode.Allow : rule.Mode,
                    TrustedAuthorities = plain.ClientCertificates.TrustedAuthorities,
                    RevocationMode = plain.ClientCertificates.RevocationMode,
                    Validation = rule.Validation ?? plain.ClientCertificates.Validation,
                    IsNotRevoked = plain.ClientCertificates.IsNotRevoked,
                },
            };
        });
}
