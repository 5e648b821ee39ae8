using Microsoft.AspNetCore.Hosting;

namespace Aeronet.TestSupport.Hosting;

/// <summary>The one place that knows how each server under test is put in place.</summary>
public static class ServerChoice
{
#if AERONET
    /// <summary>Whether Aeronet's columns run.</summary>
    public const bool AeronetIsThere = true;
#else
    /// <summary>Whether Aeronet's columns run.</summary>
    public const bool AeronetIsThere = false;
#endif

    /// <summary>Registers the server. A builder with defaults has Kestrel already.</summary>
    public static void Use(IWebHostBuilder web, ServerKind server, BuilderShape shape)
    {
        if (server == ServerKind.Kestrel)
        {
            if (shape == BuilderShape.Empty)
            {
                web.UseKestrelCore();
            }

            return;
        }

#if AERONET
        web.UseAeronet(options => options.ApplicationMode = server == ServerKind.AeronetInline
            ? Aeronet.Server.ApplicationMode.Inline
            : Aeronet.Server.ApplicationMode.ThreadPool);
#else
        throw new System.NotSupportedException($"{server} is switched off in this build.");
#endif
    }
}
