using System;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Http;

namespace Aeronet.Server.Binding;

/// <summary>How many sockets an address means.</summary>
internal enum ListenScope
{
    /// <summary>One socket.</summary>
    Single,

    /// <summary>Both loopback addresses; one of them may be missing.</summary>
    Localhost,

    /// <summary>Every address: IPv6 in dual mode, IPv4 alone where there is no IPv6.</summary>
    Any,
}

/// <summary>What a URL such as <c>http://*:5000</c> asks to listen on.</summary>
/// <param name="Url">As given.</param>
/// <param name="IsHttps">The scheme is https.</param>
/// <param name="Scope">How many sockets it means.</param>
/// <param name="EndPoint">The endpoint to bind.</param>
/// <param name="Host">The host of a localhost address, for its display name; otherwise empty.</param>
internal sealed record ListenAddress(string Url, bool IsHttps, ListenScope Scope, EndPoint EndPoint, string Host)
{
    /// <summary>Reads a URL by Kestrel's rules.</summary>
    /// <returns>Null on success, otherwise what is wrong.</returns>
    public static string? TryParse(string url, out ListenAddress? address)
    {
        address = null;
        BindingAddress parsed;
        try
        {
            parsed = BindingAddress.Parse(url);
        }
        catch (FormatException invalid)
        {
            return $"The address '{url}' is not valid: {invalid.Message}";
        }

        bool isHttps = parsed.Scheme.Equals("https", StringComparison.OrdinalIgnoreCase);
        if (!isHttps && !parsed.Scheme.Equals("http", StringComparison.OrdinalIgnoreCase))
        {
            return $"Unrecognized scheme in server address '{url}'. Only 'http://' is supported.";
        }
        if (!string.IsNullOrEmpty(parsed.PathBase))
        {
            return $"The address '{url}' has a path. A path base can only be configured using IApplicationBuilder.UsePathBase().";
        }

        if (parsed.IsUnixPipe)
        {
            address = new ListenAddress(url, isHttps, ListenScope.Single, new UnixDomainSocketEndPoint(parsed.UnixPipePath), Host: "");
        }
        else if (parsed.IsNamedPipe)
        {
            address = new ListenAddress(url, isHttps, ListenScope.Single, new NamedPipeEndPoint(parsed.NamedPipeName), Host: "");
        }
        else if (IsLocalhost(parsed.Host))
        {
            if (parsed.Port == 0)
            {
                return DynamicLocalhostPort(url);
            }
            address = new ListenAddress(url, isHttps, ListenScope.Localhost, new IPEndPoint(IPAddress.Loopback, parsed.Port), parsed.Host.ToLowerInvariant());
        }
        else if (TryGetIPAddress(parsed.Host, out IPAddress? ip))
        {
            address = new ListenAddress(url, isHttps, ListenScope.Single, new IPEndPoint(ip, parsed.Port), Host: "");
        }
        else
        {
            // '*', '+' and any other name: names are not resolved, the port is opened on every address.
            address = new ListenAddress(url, isHttps, ListenScope.Any, new IPEndPoint(IPAddress.IPv6Any, parsed.Port), Host: "");
        }
        return null;
    }

    /// <summary>The two loopback sockets would get two different ports.</summary>
    public static string DynamicLocalhostPort(string name)
        => $"The address '{name}' asks for a dynamic port on localhost, which means two sockets. Bind to 127.0.0.1:0 or [::1]:0, or both.";

    /// <summary>The form in which a bound address is published.</summary>
    public static string Display(EndPoint endPoint, string localhostName = "") => endPoint switch
    {
        IPEndPoint ip when localhostName.Length > 0 => string.Create(CultureInfo.InvariantCulture, $"http://{localhostName}:{ip.Port}"),
        IPEndPoint ip => $"http://{ip}",
        UnixDomainSocketEndPoint unix => $"http://unix:{unix}",
        FileHandleEndPoint => "http://<file handle>",
        NamedPipeEndPoint pipe => $"http://pipe:/{pipe.PipeName}",
        _ => $"http://{endPoint}",
    };

    private static bool IsLocalhost(string host)
        => host.Equals("localhost", StringComparison.OrdinalIgnoreCase) || host.EndsWith(".localhost", StringComparison.OrdinalIgnoreCase);

    private static bool TryGetIPAddress(string host, [NotNullWhen(true)] out IPAddress? address)
    {
        // A bare number such as "5" is a host name here although IPAddress would take it for 0.0.0.5.
        address = null;
        bool looksLikeAddress = host.Contains(':', StringComparison.Ordinal) || host.Split('.').Length == 4;
        return looksLikeAddress && IPAddress.TryParse(host, out address);
    }
}
