using System.Collections.Generic;
using Aeronet.Server;
using Aeronet.Transport;
using Microsoft.AspNetCore.Hosting;

namespace Aeronet.BenchApp;

/// <summary>The servers by the names that the laboratory's reports use.</summary>
internal static class ServerChoice
{
    public static IReadOnlyList<string> Names { get; } = ["kestrel", "aeronet", "aeronet-threadpool", "kestrel-on-aeronet", "kestrel-on-aeronet-threadpool"];

    public static bool TryUse(IWebHostBuilder webHost, string name)
    {
        switch (name)
        {
            case "kestrel":
                return true; // CreateSlimBuilder has registered it
            case "aeronet":
                webHost.UseAeronet();
                return true;
            case "aeronet-threadpool":
                webHost.UseAeronet(options => options.ApplicationMode = ApplicationMode.ThreadPool);
                return true;
            case "kestrel-on-aeronet":
                webHost.UseAeronetTransport();
                return true;
            case "kestrel-on-aeronet-threadpool":
                webHost.UseAeronetTransport(options => options.PipeScheduling = PipeScheduling.ThreadPool);
                return true;
            default:
                return false;
        }
    }
}
