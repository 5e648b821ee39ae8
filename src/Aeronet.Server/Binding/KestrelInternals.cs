using System;
using System.Collections;
using System.Collections.Generic;
using System.Net;
using System.Net.Security;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Security.Authentication;
using System.Threading;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.Extensions.Primitives;

namespace Aeronet.Server.Binding;

/// <summary>The parts of Kestrel's configuration that only Kestrel can see: the one file that depends on its internals.</summary>
/// <remarks>A name that a future Kestrel drops fails with <see cref="MissingMethodException"/> or <see cref="MissingFieldException"/> at start; a test calls each of them.</remarks>
internal static class KestrelInternals
{
    /// <summary>Endpoints added in code, in order.</summary>
    [UnsafeAccessor(UnsafeAccessorKind.Method, Name = "get_CodeBackedListenOptions")]
    public static extern List<ListenOptions> GetCodeBackedListenOptions(KestrelServerOptions options);

    /// <summary>Endpoints of the configuration section, filled by <see cref="KestrelConfigurationLoader.Load"/>.</summary>
    [UnsafeAccessor(UnsafeAccessorKind.Method, Name = "get_ConfigurationBackedListenOptions")]
    public static extern List<ListenOptions> GetConfigurationBackedListenOptions(KestrelServerOptions options);

    /// <summary>Applies the endpoint defaults of configuration and code.</summary>
    [UnsafeAccessor(UnsafeAccessorKind.Method, Name = "ApplyEndpointDefaults")]
    public static extern void ApplyEndpointDefaults(KestrelServerOptions options, ListenOptions listenOptions);

    [UnsafeAccessor(UnsafeAccessorKind.Constructor)]
    public static extern ListenOptions CreateListenOptions(EndPoint endPoint);

    [UnsafeAccessor(UnsafeAccessorKind.Method, Name = "set_EndPoint")]
    public static extern void SetEndPoint(ListenOptions options, EndPoint endPoint);

    [UnsafeAccessor(UnsafeAccessorKind.Method, Name = "get_IsTls")]
    public static extern bool GetIsTls(ListenOptions options);

    [UnsafeAccessor(UnsafeAccessorKind.Method, Name = "get_ProtocolsSetExplicitly")]
    public static extern bool GetProtocolsSetExplicitly(ListenOptions options);

    [UnsafeAccessor(UnsafeAccessorKind.Method, Name = "GetDisplayName")]
    public static extern string GetDisplayName(ListenOptions options);

    /// <summary>Connection middleware added with <c>Use</c>.</summary>
    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_middleware")]
    public static extern ref List<Func<ConnectionDelegate, ConnectionDelegate>> GetMiddleware(ListenOptions options);

    [UnsafeAccessor(UnsafeAccessorKind.Method, Name = "get_ReloadOnChange")]
    public static extern bool GetReloadOnChange(KestrelConfigurationLoader loader);

    /// <summary>Reads the configuration again: endpoints whose section changed are new objects afterwards, the others keep theirs.</summary>
    [UnsafeAccessor(UnsafeAccessorKind.Method, Name = "Reload")]
    public static extern (List<ListenOptions> ToStop, List<ListenOptions> ToStart) Reload(KestrelConfigurationLoader loader);

    /// <summary>What <c>UseHttps</c> was given; null without it, or when it was given a callback.</summary>
    [UnsafeAccessor(UnsafeAccessorKind.Method, Name = "get_HttpsOptions")]
    public static extern HttpsConnectionAdapterOptions? GetHttpsOptions(ListenOptions options);

    /// <summary>The callback that <c>UseHttps</c> was given, or that stands for the <c>Sni</c> section; otherwise null.</summary>
    [UnsafeAccessor(UnsafeAccessorKind.Method, Name = "get_HttpsCallbackOptions")]
    public static extern TlsHandshakeCallbackOptions? GetHttpsCallbackOptions(ListenOptions options);

    /// <summary>Lets the loader read certificates and https endpoints, as <c>UseKestrelHttpsConfiguration</c> and <c>UseHttps</c> do.</summary>
    [UnsafeAccessor(UnsafeAccessorKind.Method, Name = "EnableHttpsConfiguration")]
    public static extern void EnableHttpsConfiguration(KestrelServerOptions options);

    /// <summary>What <c>ConfigureHttpsDefaults</c> was given.</summary>
    [UnsafeAccessor(UnsafeAccessorKind.Method, Name = "get_HttpsDefaults")]
    public static extern Action<HttpsConnectionAdapterOptions> GetHttpsDefaults(KestrelServerOptions options);

    /// <summary>Fires when the configuration or one of the certificate files in it has changed; null when nothing is followed.</summary>
    [UnsafeAccessor(UnsafeAccessorKind.Method, Name = "GetReloadToken")]
    public static extern IChangeToken? GetReloadToken(KestrelConfigurationLoader loader);

    [UnsafeAccessor(UnsafeAccessorKind.Method, Name = "set_SslStream")]
    public static extern void SetSslStream(TlsHandshakeCallbackContext context, SslStream value);

    [UnsafeAccessor(UnsafeAccessorKind.Method, Name = "set_ClientHelloInfo")]
    public static extern void SetClientHelloInfo(TlsHandshakeCallbackContext context, SslClientHelloInfo value);

    [UnsafeAccessor(UnsafeAccessorKind.Method, Name = "set_State")]
    public static extern void SetState(TlsHandshakeCallbackContext context, object? value);

    [UnsafeAccessor(UnsafeAccessorKind.Method, Name = "set_CancellationToken")]
    public static extern void SetCancellationToken(TlsHandshakeCallbackContext context, CancellationToken value);

    [UnsafeAccessor(UnsafeAccessorKind.Method, Name = "set_Connection")]
    public static extern void SetConnection(TlsHandshakeCallbackContext context, ConnectionContext value);

    [UnsafeAccessor(UnsafeAccessorKind.Constructor)]
    public static extern SslClientHelloInfo CreateClientHelloInfo(string serverName, SslProtocols sslProtocols);

    /// <summary>The middleware that <c>UseHttps</c> added, as opposed to one of the application's.</summary>
    public static bool IsHttps(Func<ConnectionDelegate, ConnectionDelegate> middleware)
    {
        Type? type = middleware.Method.DeclaringType; // the closure's class, nested in the class of the extension method
        return type == typeof(ListenOptionsHttpsExtensions) || type?.DeclaringType == typeof(ListenOptionsHttpsExtensions);
    }

    /// <summary>The <c>Sni</c> section of an endpoint as Kestrel has loaded it; null when the callback is the application's own.</summary>
    public static KestrelSni? ReadSni(TlsHandshakeCallbackOptions callback)
    {
        const string type = "Microsoft.AspNetCore.Server.Kestrel.Core.Internal.SniOptionsSelector, Microsoft.AspNetCore.Server.Kestrel.Core";
        const string entryType = "Microsoft.AspNetCore.Server.Kestrel.Core.Internal.SniOptionsSelector+SniOptions, Microsoft.AspNetCore.Server.Kestrel.Core";
        Type selectorType = Type.GetType(type, throwOnError: true)!;
        if (callback.OnConnectionState is not { } selector || selector.GetType() != selectorType)
        {
            return null;
        }
        Type optionsType = Type.GetType(entryType, throwOnError: true)!;
        PropertyInfo sslOptions = optionsType.GetProperty("SslOptions") ?? throw new MissingMemberException(entryType, "SslOptions");
        PropertyInfo protocols = optionsType.GetProperty("HttpProtocols") ?? throw new MissingMemberException(entryType, "HttpProtocols");
        PropertyInfo mode = optionsType.GetProperty("ClientCertificateMode") ?? throw new MissingMemberException(entryType, "ClientCertificateMode");

        const BindingFlags fields = BindingFlags.Instance | BindingFlags.NonPublic;
        object? onAuthenticate = Require(selectorType.GetField("_onAuthenticateCallback", fields)).GetValue(selector);
        object? certificateSelector = Require(selectorType.GetField("_fallbackServerCertificateSelector", fields)).GetValue(selector);
        var names = new Dictionary<string, KestrelSniEntry>(StringComparer.OrdinalIgnoreCase);
        foreach (DictionaryEntry entry in (IDictionary)Require(selectorType.GetField("_exactNameOptions", fields)).GetValue(selector)!)
        {
            names.Add((string)entry.Key, Read(entry.Value!));
        }
        foreach (DictionaryEntry entry in (IDictionary)Require(selectorType.GetField("_wildcardPrefixOptions", fields)).GetValue(selector)!)
        {
            names.Add("*" + (string)entry.Key, Read(entry.Value!));
        }
        object? others = Require(selectorType.GetField("_wildcardOptions", fields)).GetValue(selector);
        return new KestrelSni(names, others is null ? null : Read(others), HasCallbacks: onAuthenticate is not null || certificateSelector is not null);

        KestrelSniEntry Read(object entry)
            => new((SslServerAuthenticationOptions)sslOptions.GetValue(entry)!, (HttpProtocols)protocols.GetValue(entry)!, (ClientCertificateMode)mode.GetValue(entry)!);

        static FieldInfo Require(FieldInfo? field) => field ?? throw new MissingFieldException(type, "a field of SniOptionsSelector");
    }

    /// <summary><c>ListenLocalhost</c> and localhost URLs of the configuration: both loopback addresses.</summary>
    public static bool IsLocalhost(ListenOptions options) => options.GetType().Name == "LocalhostListenOptions";

    /// <summary><c>ListenAnyIP</c> and wildcard URLs of the configuration: IPv6Any in dual mode, IPv4Any where there is no IPv6.</summary>
    public static bool IsAnyIP(ListenOptions options) => options.GetType().Name == "AnyIPListenOptions";
}

/// <summary>One name of an endpoint's <c>Sni</c> section.</summary>
internal sealed record KestrelSniEntry(SslServerAuthenticationOptions SslOptions, HttpProtocols Protocols, ClientCertificateMode ClientCertificateMode);

/// <summary>An endpoint's <c>Sni</c> section.</summary>
/// <param name="Names">Exact names, and wildcards with their <c>*.</c>.</param>
/// <param name="Others">What <c>*</c> stands for; null: clients without a known name are refused.</param>
/// <param name="HasCallbacks"><c>ConfigureHttpsDefaults</c> has set callbacks that Kestrel calls for every connection.</param>
internal sealed record KestrelSni(IReadOnlyDictionary<string, KestrelSniEntry> Names, KestrelSniEntry? Others, bool HasCallbacks);
