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
    private readonly SslStreamCertificateContext? _context; // the endpoint's own certificate and chain; null with a certificate selector, and for callbacks
    private readonly ConditionalWeakTable<TlsIdentity, TlsIdentity> _adapted = []; // what OnAuthenticate has made, with the endpoint's rule for clients

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
        if (options is { OnAuthenticate: not null, ServerCertificateSelector: null, ServerCertificate: { } certificate })
        {
            _context = SslStreamCertificateContext.Create(ServerCertificates.WithPrivateKey(certificate), options.ServerCertificateChain, offline: true);
        }
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
            if (options.ServerCertificateSelector is not { } selector || _shared.Certificates.Count > 0)
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
            ServerCertificateContext = _context,
            ServerCertificateSelectionCallback = options.ServerCertificateSelector is { } select ? (_, name) => select(connection, name)! : null,
            ClientCertificateRequired = options.ClientCertificateMode is ClientCertificateMode.AllowCertificate or ClientCertificateMode.RequireCertificate,
            EnabledSslProtocols = options.SslProtocols,
            CertificateRevocationCheckMode = options.CheckCertificateRevocation ? X509RevocationMode.Online : X509RevocationMode.NoCheck,
            ApplicationProtocols = ApplicationProtocols(),
        };
        options.OnAuthenticate(connection, ssl);

        bool isDelayed = options.ClientCertificateMode == ClientCertificateMode.DelayCertificate;
        TlsIdentity identity = Translate(ssl, serverName, isDelayed);
        // Kestrel's own validation is not on these options but on the stream: it holds whatever the callback has changed.
        bool takesRule = ssl.RemoteCertificateValidationCallback is null && identity.ClientCertificates.Mode != TlsClientCertificateMode.None;
        // Certificates of the server's own options replace those of the endpoint, not one that the callback has chosen.
        bool takesCertificates = _shared.Certificates.Count > 0 && ReferenceEquals(ssl.ServerCertificateContext, _context) && ReferenceEquals(ssl.ServerCertificate, options.ServerCertificate);
        return takesRule || takesCertificates ? Adapt(identity, options, takesRule, takesCertificates) : identity;
    }

    private async ValueTask<TlsIdentity?> CallBackAsync(TlsHandshakeCallbackOptions callback, ConnectionContext connection, TlsClientHello hello, CancellationToken cancellationToken)
    {
        var context = new TlsHandshakeCallbackContext();
        // There is no SslStream here. Callbacks get one that has never been used, as Kestrel's is at this moment; it is connected to nothing.
        await using var stream = new SslStream(new MemoryStream());
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
        foreach (string name in _shared.ApplicationProtocols(_protocols))
        {
            protocols.Add(new SslApplicationProtocol(name));
        }
        return protocols;
    }

    // Options that are alike give one identity, so that connections share its OpenSSL context and its sessions.
    private TlsIdentity Translate(SslServerAuthenticationOptions ssl, string? serverName, bool isDelayed)
    {
        X509Certificate2? selected = ssl.ServerCertificateContext is null && ssl.ServerCertificate is null
            ? ssl.ServerCertificateSelectionCallback?.Invoke(this, serverName) as X509Certificate2 ?? throw new AuthenticationException($"No certificate was selected for the server name '{serverName}'.")
            : null;
        X509Certificate2? leaf = selected ?? ssl.ServerCertificateContext?.TargetCertificate ?? ssl.ServerCertificate as X509Certificate2;
        return leaf is null
            ? TlsIdentities.From(ssl, selected: null, isDelayed, _protocols, _shared) // says what is wrong with the certificate
            : _identities.Get(leaf, new IdentityKey(ssl, selected, isDelayed), (Ssl: ssl, Selected: selected, IsDelayed: isDelayed, Owner: this), static (_, what)
                => TlsIdentities.From(what.Ssl, what.Selected, what.IsDelayed, what.Owner._protocols, what.Owner._shared));
    }

    private TlsIdentity Adapt(TlsIdentity identity, HttpsConnectionAdapterOptions options, bool takesRule, bool takesCertificates)
        => _adapted.GetValue(identity, plain =>
        {
            TlsClientCertificates clients = plain.ClientCertificates;
            TlsClientCertificates rule = TlsIdentities.From(options, plain.Certificates, _protocols, _shared).ClientCertificates;
            return new TlsIdentity
            {
                Certificates = takesCertificates ? _shared.Certificates : plain.Certificates,
                Protocols = plain.Protocols,
                Ciphers = plain.Ciphers,
                ApplicationProtocols = plain.ApplicationProtocols,
                RequireApplicationProtocolMatch = plain.RequireApplicationProtocolMatch,
                AllowResumption = plain.AllowResumption,
                SessionCacheSize = plain.SessionCacheSize,
                ClientCertificates = !takesRule ? clients : new TlsClientCertificates
                {
                    // The callback may ask for a certificate that the endpoint does not ask for: then a client without one is let in, as Kestrel's rule for that mode says.
                    Mode = rule.Mode == TlsClientCertificateMode.None ? TlsClientCertificateMode.Allow : rule.Mode,
                    TrustedAuthorities = clients.TrustedAuthorities,
                    RevocationMode = clients.RevocationMode,
                    Validation = rule.Validation ?? clients.Validation,
                    IsNotRevoked = clients.IsNotRevoked,
                },
            };
        });
}
