using System;
using System.Collections.Generic;
using System.Net;
using System.Runtime.CompilerServices;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Server.Kestrel;
using Microsoft.AspNetCore.Server.Kestrel.Core;

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

    /// <summary><c>ListenLocalhost</c> and localhost URLs of the configuration: both loopback addresses.</summary>
    public static bool IsLocalhost(ListenOptions options) => options.GetType().Name == "LocalhostListenOptions";

    /// <summary><c>ListenAnyIP</c> and wildcard URLs of the configuration: IPv6Any in dual mode, IPv4Any where there is no IPv6.</summary>
    public static bool IsAnyIP(ListenOptions options) => options.GetType().Name == "AnyIPListenOptions";
}
