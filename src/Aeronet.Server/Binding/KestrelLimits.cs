using System;
using System.Collections.Generic;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace Aeronet.Server.Binding;

/// <summary>Rules between Kestrel's limits that its setters cannot check one by one.</summary>
/// <remarks><c>MaxRequestBufferSize</c> is kept without being read anywhere else: a connection never holds more than one request's head and one receive, because nothing is received ahead of its reader.</remarks>
internal static class KestrelLimits
{
    /// <exception cref="InvalidOperationException">Limits that contradict each other, all of them named.</exception>
    public static void ThrowIfInconsistent(KestrelServerLimits limits)
    {
        if (limits.MaxRequestBufferSize is not { } buffer)
        {
            return;
        }
        var faults = new List<string>();
        if (buffer < limits.MaxRequestLineSize)
        {
            faults.Add($"{nameof(limits.MaxRequestBufferSize)} ({buffer}) must be greater than or equal to {nameof(limits.MaxRequestLineSize)} ({limits.MaxRequestLineSize}).");
        }
        if (buffer < limits.MaxRequestHeadersTotalSize)
        {
            faults.Add($"{nameof(limits.MaxRequestBufferSize)} ({buffer}) must be greater than or equal to {nameof(limits.MaxRequestHeadersTotalSize)} ({limits.MaxRequestHeadersTotalSize}).");
        }
        if (faults.Count > 0)
        {
            throw new InvalidOperationException(string.Join(Environment.NewLine, faults));
        }
    }
}
