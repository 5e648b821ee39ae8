using System;
using System.Collections.Generic;
using System.Reflection;
using Aeronet.TestSupport.Hosting;
using Xunit.Sdk;

namespace Aeronet.EndToEnd.Tests.Columns;

/// <summary>One row per server and per name in a static list of the given type.</summary>
[AttributeUsage(AttributeTargets.Method, AllowMultiple = true)]
public sealed class BothServersWithAttribute(Type owner, string listOfNames) : DataAttribute
{
    /// <inheritdoc />
    public override IEnumerable<object?[]> GetData(MethodInfo testMethod)
    {
        object? names = owner.GetProperty(listOfNames, BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Static)?.GetValue(null);
        foreach (string name in names as IEnumerable<string> ?? throw new InvalidOperationException($"{owner.Name}.{listOfNames} is no list of names."))
        {
            foreach (ServerKind server in Servers.Of(testMethod))
            {
                yield return [server, name];
            }
        }
    }
}
