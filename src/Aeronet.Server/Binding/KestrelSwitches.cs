using System;

namespace Aeronet.Server.Binding;

/// <summary>The shape of <c>AppContext.TryGetSwitch</c>.</summary>
internal delegate bool TryGetSwitch(string name, out bool isOn);

/// <summary>Kestrel's switches that live in AppContext, not in its options: honoured where there is something to honour, otherwise named at start.</summary>
internal static class KestrelSwitches
{
    private const string Prefix = "Microsoft.AspNetCore.Server.Kestrel.";

    public static void Read(AeronetServerOptions options) => Read(AppContext.TryGetSwitch, options);

    internal static void Read(TryGetSwitch tryGet, AeronetServerOptions options)
    {
        if (tryGet(Prefix + "DisableHttp1LineFeedTerminators", out bool isDisabled))
        {
            options.AllowLineFeedTerminators = !isDisabled;
        }

        // Two are laxer than HTTP allows (RFC 9112 sections 6.3 and 7.1.1), one is about how Kestrel's own sockets close: Aeronet stays as it is.
        NameIfOn("AllowKeepAliveAfterCLTE");
        NameIfOn("EnableInsecureChunkedRequestParsing");
        NameIfOn("FinOnError");

        void NameIfOn(string name)
        {
            if (tryGet(Prefix + name, out bool isOn) && isOn)
            {
                options.SettingsWithoutEffect.Add($"AppContext switch {Prefix}{name}");
            }
        }
    }
}
