using System;
using Aeronet.Native.Libc;
using Aeronet.Native.OpenSsl;

namespace Aeronet.Transport.Tls;

/// <summary>Whether the kernel can encrypt what is sent: its <c>tls</c> protocol (Documentation/networking/tls.rst), and a libssl that was built to use it.</summary>
/// <param name="obstacle">Why it cannot; null when it can.</param>
internal sealed class KernelTlsSupport(string? obstacle)
{
    private static readonly Lazy<KernelTlsSupport> s_ofThisMachine = new(static () => new KernelTlsSupport(FindObstacle(KernelTlsSocket.IsOffered, static () => OpenSslLibrary.HasKernelTls)));

    /// <summary>Asked once, when it is first wanted.</summary>
    public static KernelTlsSupport OfThisMachine => s_ofThisMachine.Value;

    /// <summary>Why records are encrypted in user space whatever is wanted; null: they need not be.</summary>
    public string? Obstacle => obstacle;

    /// <summary>The fault of settings that insist on the kernel; null for the others.</summary>
    public string? FindFault(KernelTls wanted) => wanted != KernelTls.Require || obstacle is null ? null
        : $"{nameof(TlsSettings.KernelTls)} is {nameof(KernelTls.Require)}, and kernel TLS cannot be had: {obstacle}. Choose {nameof(KernelTls.Auto)} or {nameof(KernelTls.Off)}.";

    internal static string? FindObstacle(Func<bool> kernelHasIt, Func<bool> libraryHasIt) =>
        !kernelHasIt() ? "this kernel does not offer it (is the module tls loaded?)"
        : !libraryHasIt() ? $"{OpenSslLibrary.Version} was built without it"
        : null;
}
