using System.Diagnostics;
using System.Reflection;
using Xunit;

namespace Aeronet.Server.Tests.Sessions;

/// <summary>A fact about optimised code: in a Debug build async state machines are classes, so every call allocates.</summary>
public sealed class OptimizedFactAttribute : FactAttribute
{
    public OptimizedFactAttribute()
    {
        if (typeof(AeronetServerOptions).Assembly.GetCustomAttribute<DebuggableAttribute>() is { IsJITOptimizerDisabled: true })
        {
            Skip = "Holds for optimised builds: run the tests with -c Release.";
        }
    }
}
