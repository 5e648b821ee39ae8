using System;
using System.Collections.Generic;
using System.Linq;
using Aeronet.Server.Diagnostics;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Server.Kestrel;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Configuration;

namespace Aeronet.Server.Binding;

/// <summary>Decides what to listen on: URLs of the host against endpoints of code and configuration, by Kestrel's five rules.</summary>
internal static class EndpointPlanner
{
    private const string DefaultUrl = "http://localhost:5000";

    /// <exception cref="InvalidOperationException">Endpoints that cannot be served, all of them named.</exception>
    public static List<EndpointRequest> Plan(KestrelServerOptions kestrel, IServerAddressesFeature addresses, GeneralLog log, ForeignTransports? transports = null)
    {
        bool hasAddresses = addresses.Addresses.Count > 0;
        bool hasEndpoints = KestrelInternals.GetCodeBackedListenOptions(kestrel).Count > 0 || ConfiguredUrls(kestrel.ConfigurationLoader).Count > 0;

        if (hasAddresses && addresses.PreferHostingUrls)
        {
            if (hasEndpoints)
            {
                log.EndpointsOverridden(string.Join(", ", addresses.Addresses));
            }
            return FromAddresses(addresses.Addresses, kestrel, transports);
        }

        List<EndpointRequest> endpoints = ReadEndpoints(kestrel);
        if (endpoints.Count > 0)
        {
            if (hasAddresses)
            {
                log.AddressesOverridden(string.Join(", ", addresses.Addresses));
            }
            return Checked(endpoints, [], transports);
        }
        if (hasAddresses)
        {
            return FromAddresses(addresses.Addresses, kestrel, transports);
        }

        log.DefaultAddress(DefaultUrl);
        return FromAddresses([DefaultUrl], kestrel, transports);
    }

    /// <summary>Before the configuration is read: a slim builder leaves HTTPS to <c>UseKestrelHttpsConfiguration</c>, in order to leave code out; here it is there anyway.</summary>
    public static void EnableHttps(KestrelServerOptions kestrel)
    {
        if (ConfiguredUrls(kestrel.ConfigurationLoader).Exists(static endpoint => endpoint.Url.StartsWith("https:", StringComparison.OrdinalIgnoreCase)))
        {
            KestrelInternals.EnableHttpsConfiguration(kestrel);
        }
    }

    private static List<EndpointRequest> ReadEndpoints(KestrelServerOptions kestrel)
    {
        EnableHttps(kestrel);
        kestrel.ConfigurationLoader?.Load();
        return
        [
            .. KestrelInternals.GetCodeBackedListenOptions(kestrel).Select(static options => EndpointRequest.FromListenOptions(options, isConfigured: false)),
            .. KestrelInternals.GetConfigurationBackedListenOptions(kestrel).Select(static options => EndpointRequest.FromListenOptions(options, isConfigured: true)),
        ];
    }

    private static List<EndpointRequest> FromAddresses(ICollection<string> urls, KestrelServerOptions kestrel, ForeignTransports? transports)
    {
        var requests = new List<EndpointRequest>();
        var faults = new List<string>();
        foreach (string url in urls)
        {
            if (ListenAddress.TryParse(url, out ListenAddress? address) is { } fault)
            {
                faults.Add(fault);
            }
            else
            {
                try
                {
                    requests.Add(EndpointRequest.FromAddress(address!, kestrel));
                }
                catch (InvalidOperationException noCertificate) when (address!.IsHttps)
                {
                    faults.Add($"The endpoint {url} cannot be started. {noCertificate.Message}");
                }
            }
        }
        return Checked(requests, faults, transports);
    }

    private static List<EndpointRequest> Checked(List<EndpointRequest> requests, List<string> faults, ForeignTransports? transports)
    {
        faults.AddRange(requests.Select(request => request.FindFault(transports)).OfType<string>());
        ThrowIfAny(faults);
        return requests;
    }

    private static void ThrowIfAny(List<string> faults)
    {
        if (faults.Count > 0)
        {
            throw new InvalidOperationException(string.Join(Environment.NewLine, faults));
        }
    }

    private static List<(string Name, string Url)> ConfiguredUrls(KestrelConfigurationLoader? loader)
        => loader is null ? [] : loader.Configuration.GetSection("Endpoints").GetChildren().Select(static section => (section.Key, section["Url"] ?? "")).ToList();
}
