using System;

namespace Aeronet.Transport.Diagnostics;

/// <summary>Runs what only tells somebody something: log providers and listeners of metrics are foreign code, and what they throw must not end a loop or keep a descriptor open.</summary>
internal static class Guard
{
    public static void Run(Action tell)
    {
        try
        {
            tell();
        }
        catch (Exception)
        {
            // Nowhere is left to say it.
        }
    }
}
