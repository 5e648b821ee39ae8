using System;

namespace Aeronet.TestSupport.Hosting;

/// <summary>How long a test waits for something that must happen before it is called a failure. Never a measure of speed.</summary>
public static class Guard
{
    /// <summary>Generous: the machine may be shared.</summary>
    public static readonly TimeSpan Time = TimeSpan.FromSeconds(20);
}
