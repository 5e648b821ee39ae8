using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Linq;
using System.Threading;
using Aeronet.Server.Binding;
using Aeronet.Transport.Gate;
using Aeronet.Transport.Tls;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;

namespace Aeronet.Server.Https;

/// <summary>Reads what was configured for Kestrel's HTTPS into the settings of Aeronet's TLS.</summary>
internal static class HttpsEndpoint
{
    /// <summary>The endpoint's only middleware, but for a gate in front of it, is that of <c>UseHttps</c>: Aeronet's TLS can take its place. With other middleware around it Kestrel's own stays where it is.</summary>
    public static bool IsNative(ListenOptions options)
        => KestrelInternals.GetIsTls(options)
            && KestrelInternals.GetMiddleware(options) is { } middleware && ConnectionGate.Find(middleware, out int length) is var _
            && length == middleware.Count - 1 && KestrelInternals.IsHttps(middleware[^1])
            && (KestrelInternals.GetHttpsOptions(options) is not null || KestrelInternals.GetHttpsCallbackOptions(options) is not null);

    /// <summary>The middleware of <c>UseHttps</c> is the first that a connection meets: TLS that is ended in front of all of them takes its place.</summary>
    public static bool IsOutermost(ListenOptions options)
        => KestrelInternals.GetIsTls(options)
            && KestrelInternals.GetMiddleware(options) is [Func<ConnectionDelegate, ConnectionDelegate> first, ..] && KestrelInternals.IsHttps(first)
            && (KestrelInternals.GetHttpsOptions(options) is not null || KestrelInternals.GetHttpsCallbackOptions(options) is not null);

    /// <param name="options">For which <see cref="IsNative"/> or <see cref="IsOutermost"/> is true.</param>
    /// <param name="shared">Of the server.</param>
    /// <exception cref="TlsConfigurationException">A certificate or setting cannot be used; the message names the endpoint.</exception>
    public static TlsSettings Read(ListenOptions options, SharedTls shared)
    {
        Debug.Assert(IsNative(options) || IsOutermost(options));
        try
        {
            return KestrelInternals.GetHttpsOptions(options) is { } https
                ? FromOptions(https, options.Protocols, shared)
                : FromCallback(KestrelInternals.GetHttpsCallbackOptions(options)!, options.Protocols, shared);
        }
        catch (TlsConfigurationException fault)
        {
            throw new TlsConfigurationException($"The HTTPS endpoint {KestrelInternals.GetDisplayName(options)} cannot be started. {fault.Message}", fault);
        }
    }

    private static TlsSettings FromOptions(HttpsConnectionAdapterOptions https, HttpProtocols protocols, SharedTls shared)
    {
        bool hasOwnCertificate = https.ServerCertificateSelector is null && https.ServerCertificate is not null;
        IReadOnlyList<TlsCertificate> certificates = shared.Certificates.Count > 0 ? shared.Certificates
            : hasOwnCertificate ? [ServerCertificates.ToTls(https.ServerCertificate!, https.ServerCertificateChain, "ServerCertificate")]
            : [];

        // Names of the server's options take everything else from the endpoint; one without a certificate of its own needs the endpoint's.
        TlsIdentity endpoint = TlsIdentities.From(https, certificates, protocols, shared);
        bool needsSelector = HttpsSelector.IsNeeded(https) && (shared.Certificates.Count == 0 || https.TlsClientHelloBytesCallback is not null || https.OnAuthenticate is not null);
        return new TlsSettings
        {
            Default = certificates.Count > 0 ? endpoint : null,
            Names = NamesOf(endpoint, shared),
            Selector = needsSelector ? new HttpsSelector(https, callback: null, protocols, shared, name => FindName(shared, name) is not null) : null,
            HandshakeTimeout = ToTimeout(https.HandshakeTimeout),
            KernelTls = shared.KernelTls,
            Services = https.TlsClientHelloBytesCallback is null ? shared.Services : WithClientHello(shared.Services),
        };
    }

    private static TlsSettings FromCallback(TlsHandshakeCallbackOptions callback, HttpProtocols protocols, SharedTls shared)
    {
        KestrelSni? sni = KestrelInternals.ReadSni(callback);
        if (sni is null || sni.HasCallbacks)
        {
            TlsIdentity? own = shared.Certificates.Count > 0 ? TlsIdentities.From(new HttpsConnectionAdapterOptions(), shared.Certificates, protocols, shared) : null;
            return new TlsSettings
            {
                Default = own,
                Names = NamesOf(own ?? TlsIdentities.From(new HttpsConnectionAdapterOptions(), [], protocols, shared), shared),
                Selector = own is null ? new HttpsSelector(options: null, callback, protocols, shared, name => FindName(shared, name) is not null) : null,
                HandshakeTimeout = ToTimeout(callback.HandshakeTimeout),
                KernelTls = shared.KernelTls,
                Services = shared.Services,
            };
        }

        var names = new Dictionary<string, TlsIdentity>(StringComparer.OrdinalIgnoreCase);
        foreach ((string name, KestrelSniEntry entry) in sni.Names)
        {
            names.Add(name, Identity(entry));
        }
        TlsIdentity? others = sni.Others is null ? null : Identity(sni.Others);
        TlsIdentity template = others ?? TlsIdentities.From(new HttpsConnectionAdapterOptions(), [], protocols, shared);
        foreach ((string name, TlsIdentity identity) in NamesOf(template, shared))
        {
            names[name] = identity;
        }
        return new TlsSettings
        {
            Default = others,
            Names = names,
            WildcardsSpanLabels = true, // Kestrel's rule for this section
            HandshakeTimeout = ToTimeout(callback.HandshakeTimeout),
            KernelTls = shared.KernelTls,
            Services = shared.Services,
        };

        TlsIdentity Identity(KestrelSniEntry entry)
            => TlsIdentities.From(entry.SslOptions, selected: null, entry.ClientCertificateMode == ClientCertificateMode.DelayCertificate, entry.Protocols, shared);
    }

    private static Dictionary<string, TlsIdentity> NamesOf(TlsIdentity endpoint, SharedTls shared)
    {
        var names = new Dictionary<string, TlsIdentity>(StringComparer.OrdinalIgnoreCase);
        foreach ((string name, SharedTlsName settings) in shared.Names)
        {
            if (settings.Certificates.Count == 0 && endpoint.Certificates.Count == 0)
            {
                throw new TlsConfigurationException($"The server name {name} has no certificate of its own, and neither has the endpoint.");
            }
            names.Add(name, TlsIdentities.ForName(endpoint, settings, shared.ClientTrust));
        }
        return names;
    }

    private static SharedTlsName? FindName(SharedTls shared, string serverName)
    {
        if (serverName.Length == 0 || shared.Names.Count == 0)
        {
            return null;
        }
        if (shared.Names.TryGetValue(serverName, out SharedTlsName? exact))
        {
            return exact;
        }
        int dot = serverName.IndexOf('.', StringComparison.Ordinal);
        return dot > 0 && shared.Names.TryGetValue("*" + serverName[dot..], out SharedTlsName? wildcard) ? wildcard : null;
    }

    // Kestrel keeps "no time-out" as TimeSpan.MaxValue.
    private static TimeSpan ToTimeout(TimeSpan value) => value == TimeSpan.MaxValue ? Timeout.InfiniteTimeSpan : value;

    private static TlsServices WithClientHello(TlsServices services) => new()
    {
        TicketKeys = services.TicketKeys,
        Staples = services.Staples,
        KeyLog = services.KeyLog,
        Admission = services.Admission,
        Observer = services.Observer,
        CapturesClientHello = true,
    };
}
