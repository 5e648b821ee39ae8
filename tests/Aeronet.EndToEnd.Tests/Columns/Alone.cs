using Xunit;

namespace Aeronet.EndToEnd.Tests.Columns;

/// <summary>Tests that load the whole machine or count what the whole process has: they run one after the other when all others are done.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class Alone
{
    /// <summary>For the attribute of the test class.</summary>
    public const string Name = "Alone";
}
