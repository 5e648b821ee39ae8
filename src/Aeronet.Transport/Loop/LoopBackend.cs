using System;
using System.Diagnostics;
using Aeronet.Native.Libc;

namespace Aeronet.Transport.Loop;

/// <summary>Which kind of loop this system can run: the one place that asks what the operating system is.</summary>
internal static class LoopBackend
{
    /// <summary>Turns <see cref="TransportBackend.Auto"/> into what this system offers.</summary>
    /// <param name="asked">As configured.</param>
    /// <param name="reason">Why it is not epoll; null when it is, or when nobody asked for it.</param>
    /// <exception cref="PlatformNotSupportedException">Epoll was asked for by name and is not there.</exception>
    public static TransportBackend Resolve(TransportBackend asked, out string? reason)
    {
        reason = null;
        if (asked == TransportBackend.Sockets)
        {
            return TransportBackend.Sockets;
        }

        reason = OperatingSystem.IsLinux() ? RefusalOf(Epoll.Create()) : "the operating system is not Linux";
        if (reason is null)
        {
            return TransportBackend.Epoll;
        }
        if (asked == TransportBackend.Epoll)
        {
            throw new PlatformNotSupportedException(
                $"{nameof(AeronetTransportOptions)}.{nameof(AeronetTransportOptions.Backend)} is {TransportBackend.Epoll}, but {reason}. Use {TransportBackend.Auto} or {TransportBackend.Sockets}.");
        }
        return TransportBackend.Sockets;
    }

    /// <summary>Why the system refuses epoll altogether. A lack of descriptors is no refusal: it fails the start as it always did.</summary>
    internal static string? RefusalOf(SysResult created)
    {
        if (created.IsOk)
        {
            _ = Descriptors.Close(created.Value);
            return null;
        }

        // ENOSYS: no such call here (an emulated kernel). EPERM, EACCES: a sandbox's filter (seccomp).
        return created.Errno is Errno.ENOSYS or Errno.EPERM or Errno.EACCES ? $"epoll_create1 answered {created.Errno}" : null;
    }
}
