using System;
using System.IO;

namespace Aeronet.Transport.Tls;

/// <summary>Whether the kernel encrypts records: the <c>tls</c> upper-layer protocol of TCP (Documentation/networking/tls.rst).</summary>
/// <remarks>This engine gathers records in user space before it sends them and hands none to the kernel, so the answer is no, with the reason.</remarks>
internal static class KernelTlsSupport
{
    private const string AvailableProtocols = "/proc/sys/net/ipv4/tcp_available_ulp";

    private static readonly Lazy<bool> s_kernelHasIt = new(static () => IsListed(Read()));

    /// <summary>Why records are encrypted in user space.</summary>
    public static string Reason => ReasonOf(s_kernelHasIt.Value);

    /// <summary>The fault of settings that insist on the kernel; null for the others.</summary>
    public static string? FindFault(KernelTls wanted) => wanted != KernelTls.Require ? null
        : $"{nameof(TlsSettings.KernelTls)} is {nameof(KernelTls.Require)}, and kernel TLS cannot be had: {Reason}. Choose {nameof(KernelTls.Auto)} or {nameof(KernelTls.Off)}.";

    internal static string ReasonOf(bool kernelHasIt) => kernelHasIt ? "this TLS engine sends its records itself" : "this kernel does not offer it";

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
