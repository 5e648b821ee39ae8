using System;
using System.Collections.Generic;
using System.Linq;
using System.Reflection;
using Aeronet.TestSupport.Hosting;
using Xunit.Sdk;

namespace Aeronet.EndToEnd.Tests.Columns;

/// <summary>One row per mode of Aeronet, for what the oracle does not do; the test says why.</summary>
[AttributeUsage(AttributeTargets.Method, AllowMultiple = true)]
public sealed class AeronetOnlyAttribute(params object?[] arguments) : DataAttribute
{
    /// <inheritdoc />
    public override IEnumerable<object?[]> GetData(MethodInfo testMethod)
    {
        foreach (ServerKind server in Servers.Of(testMethod).Where(server => server.IsAeronet()))
        {
            yield return [server, .. arguments];
        }
    }
}
