using System;
using System.IO;

namespace Aeronet.Transport.Tls;

/// <summary>Whether the kernel can encrypt records: the <c>tls</c> upper-layer protocol of TCP (Documentation/networking/tls.rst).</summary>
internal static class KernelTlsSupport
{
    private const string AvailableProtocols = "/proc/sys/net/ipv4/tcp_available_ulp";

    private static readonly Lazy<bool> s_isAvailable = new(static () => IsListed(Read()));

    public static bool IsAvailable => s_isAvailable.Value;

    /// <summary>For whoever required it.</summary>
    public static string Missing => $"{nameof(TlsSettings.KernelTls)} is {nameof(KernelTls.Require)}, and this kernel offers no TLS: load its module (modprobe tls) or choose {nameof(KernelTls.Auto)}.";

    /// <summary>True when connections are to ask for it.</summary>
    public static bool Decide(KernelTls wanted, bool isAvailable) => wanted != KernelTls.Off && isAvailable;

    internal static bool IsListed(string protocols) => Array.IndexOf(protocols.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries), "tls") >= 0;

    private static string Read()
    {
        try
        {
            return File.ReadAllText(AvailableProtocols);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            return ""; // an older kernel, or a container that hides it
        }
    }
}
