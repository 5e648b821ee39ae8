using System;
using System.Collections.Generic;
using System.Reflection;
using Aeronet.TestSupport.Hosting;
using Xunit.Sdk;

namespace Aeronet.EndToEnd.Tests.Columns;

/// <summary>One row per server, each with the same further arguments. Kestrel is the oracle.</summary>
[AttributeUsage(AttributeTargets.Method, AllowMultiple = true)]
public sealed class BothServersAttribute(params object?[]? arguments) : DataAttribute
{
    // A single null in an attribute's params list arrives as a null array.
    private readonly object?[] _arguments = arguments ?? [null];

    /// <inheritdoc />
    public override IEnumerable<object?[]> GetData(MethodInfo testMethod)
    {
        foreach (ServerKind server in Servers.Of(testMethod))
        {
            yield return [server, .. _arguments];
        }
    }
}
