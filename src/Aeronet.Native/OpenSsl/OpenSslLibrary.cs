using System;
using System.Globalization;
using System.Runtime.InteropServices;

namespace Aeronet.Native.OpenSsl;

/// <summary>Finding libssl, once, when the first endpoint with TLS asks for it.</summary>
internal static unsafe class OpenSslLibrary
{
    private static readonly Lazy<string?> s_fault = new(FindFault);
    private static readonly Lazy<bool> s_hasKernelTls = new(FindKernelTls);

    /// <summary>Why TLS cannot be had here; null when it can. A text for the person who starts the server.</summary>
    public static string? Fault => s_fault.Value;

    /// <summary>For messages, e.g. <c>OpenSSL 3.0.19 27 Jan 2026</c>. Only without a <see cref="Fault"/>.</summary>
    public static string Version => Marshal.PtrToStringUTF8((nint)LibCrypto.OpenSSL_version(0)) ?? "";

    /// <summary>Whether libssl was built with kernel TLS. Only without a <see cref="Fault"/>.</summary>
    public static bool HasKernelTls => s_hasKernelTls.Value;

    /// <summary>OpenSSL's words for an error code.</summary>
    public static string Describe(uint error)
    {
        byte* reason = LibCrypto.ERR_reason_error_string(error);
        return reason is null ? $"error {error.ToString("X8", CultureInfo.InvariantCulture)}" : Marshal.PtrToStringUTF8((nint)reason)!;
    }

    internal static string? FaultOf(nuint version) => version >= OpenSslConstants.VersionMin
        ? null
        : $"TLS needs OpenSSL 3.0 or later; {LibCrypto.Name} says it is {version.ToString("X", CultureInfo.InvariantCulture)}.";

    private static string? FindFault()
    {
        // By their versioned names, in this order: libssl would load whichever libcrypto it was linked with, and it must be the same one.
        foreach (string name in (ReadOnlySpan<string>)[LibCrypto.Name, LibSsl.Name])
        {
            if (!NativeLibrary.TryLoad(name, typeof(OpenSslLibrary).Assembly, null, out _))
            {
                return $"TLS needs OpenSSL 3.0 or later, and {name} was not found: install the package libssl3 (Debian, Ubuntu), openssl-libs (Fedora, RHEL) or libssl3 (Alpine).";
            }
        }

        return FaultOf(LibCrypto.OpenSSL_version_num());
    }

    // No function says so. One built with it asks the BIO before it refuses to send a file; one without refuses at once.
    private static bool FindKernelTls()
    {
        nint context = LibSsl.SSL_CTX_new(LibSsl.TLS_server_method());
        nint ssl = context == 0 ? 0 : LibSsl.SSL_new(context);
        nint bio = ssl == 0 ? 0 : LibCrypto.BIO_new(SslCallbacks.KeyTakingMethod);
        SslCallbacks.AskedForKernelTls = false;
        if (bio != 0)
        {
            LibSsl.SSL_set_bio(ssl, bio, bio); // the session's from here on
            LibSsl.SSL_set_accept_state(ssl);
            _ = LibSsl.SSL_sendfile(ssl, -1, 0, 1, 0);
        }

        if (ssl != 0)
        {
            LibSsl.SSL_free(ssl);
        }

        if (context != 0)
        {
            LibSsl.SSL_CTX_free(context);
        }

        LibCrypto.ERR_clear_error();
        return SslCallbacks.AskedForKernelTls;
    }
}
