using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Net;
using Aeronet.Server.Https;
using Aeronet.Transport.Gate;
using Aeronet.Transport.Tls;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace Aeronet.Server.Binding;

/// <summary>One endpoint to be bound, from a URL or from Kestrel's listen options.</summary>
internal sealed class EndpointRequest
{
    private EndpointRequest(ListenOptions options, ListenScope scope, string name, string localhostName, bool isHttps, bool isConfigured)
    {
        Debug.Assert(name.Length > 0);
        Debug.Assert(scope == ListenScope.Localhost == (localhostName.Length > 0));
        Options = options;
        Scope = scope;
        Name = name;
        LocalhostName = localhostName;
        IsHttps = isHttps;
        IsConfigured = isConfigured;
    }

    /// <summary>How an address of this endpoint is shown.</summary>
    public string Display(EndPoint endPoint, string localhostName = "")
    {
        string display = ListenAddress.Display(endPoint, localhostName);
        Debug.Assert(display.StartsWith("http://", StringComparison.Ordinal));
        return IsHttps ? $"https{display.AsSpan(4)}" : display;
    }

    /// <summary>Kestrel's description, with endpoint defaults applied. Its endpoint is replaced by the real one after binding, so a restart keeps a dynamic port.</summary>
    public ListenOptions Options { get; }

    public ListenScope Scope { get; }

    /// <summary>For messages: the URL, or the display name of the listen options.</summary>
    public string Name { get; }

    /// <summary>Host of a localhost address as published, e.g. <c>localhost</c>; otherwise empty.</summary>
    public string LocalhostName { get; }

    public bool IsHttps { get; }

    /// <summary>Aeronet's own TLS takes the place of the middleware that <c>UseHttps</c> added: there is no other, but for a <see cref="Gate"/>.</summary>
    public bool IsNativeTls => HttpsEndpoint.IsNative(Options);

    /// <summary>From the configuration section: follows its changes.</summary>
    public bool IsConfigured { get; }

    public EndPoint EndPoint => Options.EndPoint;

    public static EndpointRequest FromAddress(ListenAddress address, KestrelServerOptions kestrel)
    {
        ListenOptions options = KestrelInternals.CreateListenOptions(address.EndPoint);
        KestrelInternals.ApplyEndpointDefaults(kestrel, options);
        if (address.IsHttps && !KestrelInternals.GetIsTls(options))
        {
            options.UseHttps(); // the defaults, and the default or development certificate
        }
        return new EndpointRequest(options, address.Scope, address.Url, address.Host, address.IsHttps || KestrelInternals.GetIsTls(options), isConfigured: false);
    }

    public static EndpointRequest FromListenOptions(ListenOptions options, bool isConfigured)
    {
        string name = KestrelInternals.GetDisplayName(options);
        if (KestrelInternals.IsLocalhost(options))
        {
            // The display name is the only place where a prefix such as "foo.localhost" can be seen.
            int start = name.IndexOf("://", StringComparison.Ordinal) + 3;
            int end = name.LastIndexOf(':');
            return new EndpointRequest(options, ListenScope.Localhost, name, name[start..end], KestrelInternals.GetIsTls(options), isConfigured);
        }
        return new EndpointRequest(options, KestrelInternals.IsAnyIP(options) ? ListenScope.Any : ListenScope.Single, name, "", KestrelInternals.GetIsTls(options), isConfigured);
    }

    /// <summary>Connection middleware stands before the protocol, that of <c>UseHttps</c> included.</summary>
    public bool HasMiddleware => KestrelInternals.GetMiddleware(Options) is { Count: > 0 };

    /// <summary>What stands at the front and needs no pipes where our loops listen; null: nothing.</summary>
    public ConnectionGate? Gate => ConnectionGate.Find(KestrelInternals.GetMiddleware(Options), out _);

    /// <summary>There is other middleware than that of <c>UseHttps</c> alone.</summary>
    public bool HasMiddlewareOfItsOwn => Gate is not null || NeedsPipes;

    /// <summary>There is middleware that needs pipes, even where our loops listen.</summary>
    public bool NeedsPipes
    {
        get
        {
            List<Func<ConnectionDelegate, ConnectionDelegate>> middleware = KestrelInternals.GetMiddleware(Options);
            _ = ConnectionGate.Find(middleware, out int length);
            return length < middleware.Count && !IsNativeTls;
        }
    }

    /// <summary>The endpoint's connection middleware in front of <paramref name="last"/>; <c>UseHttps</c> stands for TLS on SslStream.</summary>
    public ConnectionDelegate BuildPipeline(ConnectionDelegate last, ITlsObserver observer)
    {
        ConnectionDelegate pipeline = last;
        List<Func<ConnectionDelegate, ConnectionDelegate>> middleware = KestrelInternals.GetMiddleware(Options);
        for (int i = middleware.Count - 1; i >= 0; i--)
        {
            // Kestrel's own works only with a feature that only Kestrel can make.
            pipeline = KestrelInternals.IsHttps(middleware[i]) ? new PortableTlsMiddleware(pipeline, Options, observer).OnConnectionAsync : middleware[i](pipeline);
        }
        return pipeline;
    }

    /// <summary>Why this endpoint cannot be served; null when it can.</summary>
    /// <param name="transports">What there is beside our own loops.</param>
    public string? FindFault(ForeignTransports? transports = null)
    {
        if (EndPoint is NamedPipeEndPoint && transports?.CanBind(EndPoint) != true)
        {
            return PipeFault(Name);
        }
        if (Options.Protocols == HttpProtocols.None)
        {
            return $"The endpoint {Name} has no protocol: {nameof(ListenOptions.Protocols)} is None; Http1 must be among them.";
        }
        if (!Options.Protocols.HasFlag(HttpProtocols.Http1))
        {
            string reason = Options.Protocols == HttpProtocols.Http3 ? "HTTP/3 requires HTTPS" : "HTTP/2 is not available yet on Aeronet";
            return $"The endpoint {Name} asks for {Options.Protocols} only, and {reason}: add Http1 to {nameof(ListenOptions.Protocols)}.";
        }
        if (Scope == ListenScope.Localhost && EndPoint is IPEndPoint { Port: 0 })
        {
            return ListenAddress.DynamicLocalhostPort(Name);
        }
        if (EndPoint is FileHandleEndPoint { FileHandleType: FileHandleType.Pipe })
        {
            return PipeFault(Name);
        }
        return null;
    }

    public static string PipeFault(string name)
        => $"The endpoint {name} is a named pipe, and no transport is registered that can bind it: Kestrel's works on Windows only (UseNamedPipes).";
}
