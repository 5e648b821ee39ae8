using System;
using System.Collections.Generic;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;

namespace Aeronet.Server.Binding;

/// <summary>Settings made for Kestrel that have no effect here: compared with their defaults, so that only what somebody asked for is named.</summary>
internal static class UnusedSettings
{
    public static List<string> Find(KestrelServerOptions kestrel, AeronetServerOptions aeronet)
    {
        var defaults = new KestrelServerOptions();
        var unused = new List<string>();

        Compare(nameof(kestrel.AllowAlternateSchemes), kestrel.AllowAlternateSchemes, defaults.AllowAlternateSchemes);
        Compare(nameof(kestrel.AllowResponseHeaderCompression), kestrel.AllowResponseHeaderCompression, defaults.AllowResponseHeaderCompression);

        Http2Limits http2 = kestrel.Limits.Http2;
        Http2Limits http2Default = defaults.Limits.Http2;
        Compare("Limits.Http2.MaxStreamsPerConnection", http2.MaxStreamsPerConnection, http2Default.MaxStreamsPerConnection);
        Compare("Limits.Http2.HeaderTableSize", http2.HeaderTableSize, http2Default.HeaderTableSize);
        Compare("Limits.Http2.MaxFrameSize", http2.MaxFrameSize, http2Default.MaxFrameSize);
        Compare("Limits.Http2.MaxRequestHeaderFieldSize", http2.MaxRequestHeaderFieldSize, http2Default.MaxRequestHeaderFieldSize);
        Compare("Limits.Http2.InitialConnectionWindowSize", http2.InitialConnectionWindowSize, http2Default.InitialConnectionWindowSize);
        Compare("Limits.Http2.InitialStreamWindowSize", http2.InitialStreamWindowSize, http2Default.InitialStreamWindowSize);
        Compare("Limits.Http2.KeepAlivePingDelay", http2.KeepAlivePingDelay, http2Default.KeepAlivePingDelay);
        Compare("Limits.Http2.KeepAlivePingTimeout", http2.KeepAlivePingTimeout, http2Default.KeepAlivePingTimeout);
        Compare("Limits.Http3.MaxRequestHeaderFieldSize", kestrel.Limits.Http3.MaxRequestHeaderFieldSize, defaults.Limits.Http3.MaxRequestHeaderFieldSize);

        unused.AddRange(aeronet.SettingsWithoutEffect);
        return unused;

        void Compare<T>(string name, T value, T defaultValue)
        {
            if (!EqualityComparer<T>.Default.Equals(value, defaultValue))
            {
                unused.Add(name);
            }
        }
    }

    public static IEnumerable<string> FindSocketSettings(SocketTransportOptions sockets)
    {
        var defaults = new SocketTransportOptions();
        if (sockets.IOQueueCount != defaults.IOQueueCount)
        {
            yield return "SocketTransportOptions.IOQueueCount";
        }
        if (sockets.WaitForDataBeforeAllocatingBuffer != defaults.WaitForDataBeforeAllocatingBuffer)
        {
            yield return "SocketTransportOptions.WaitForDataBeforeAllocatingBuffer";
        }
        if (sockets.UnsafePreferInlineScheduling != defaults.UnsafePreferInlineScheduling)
        {
            yield return "SocketTransportOptions.UnsafePreferInlineScheduling";
        }
    }
}
