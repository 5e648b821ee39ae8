using System;

namespace Aeronet.TestSupport.Wire;

/// <summary>The server sent bytes that RFC 9112 does not allow, or closed where it may not.</summary>
public sealed class WireFormatException : Exception
{
    /// <summary>Says what is wrong and with which bytes.</summary>
    public WireFormatException(string message)
        : base(message)
    {
    }
}
