using System;

namespace Aeronet.Native.Libc;

/// <summary>The one place that asks what the operating system is.</summary>
internal static class HostSystem
{
    /// <summary>Whether the calls of this assembly are there at all: they are those of Linux.</summary>
    public static readonly bool IsLinux = OperatingSystem.IsLinux();
}
