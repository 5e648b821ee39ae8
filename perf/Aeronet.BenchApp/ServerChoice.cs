using System.Collections.Generic;
using Microsoft.AspNetCore.Hosting;

namespace Aeronet.BenchApp;

/// <summary>The servers by the names that the laboratory's reports use.</summary>
internal static class ServerChoice
{
    public static IReadOnlyList<string> Names { get; } = ["kestrel", "aeronet", "aeronet-inline"];

    public static bool TryUse(IWebHostBuilder webHost, string name)
    {
        switch (name)
        {
            case "kestrel":
                return true; // CreateSlimBuilder has registered it
#if AERONET_READY
            case "aeronet":
                webHost.UseAeronet();
                return true;
            case "aeronet-inline":
                webHost.UseAeronet(options => options.ApplicationMode = Aeronet.Server.ApplicationMode.Inline);
                return true;
#endif
            default:
                return false;
        }
    }
}
