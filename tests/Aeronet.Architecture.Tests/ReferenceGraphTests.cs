using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Reflection;
using System.Xml.Linq;
using Xunit;

namespace Aeronet.Architecture.Tests;

public sealed class ReferenceGraphTests
{
    // The whole graph. A new arrow is a decision: it goes here and into src/README.md.
    private static readonly Dictionary<string, string[]> s_allowed = new()
    {
        ["Aeronet.Native"] = [],
        ["Aeronet.Http"] = [],
        ["Aeronet.Transport"] = ["Aeronet.Native"],
        ["Aeronet.Server"] = ["Aeronet.Http", "Aeronet.Transport"],
        ["Aeronet.Testing"] = ["Aeronet.Server"],
    };

    [Fact]
    public void Projects_reference_each_other_only_along_the_arrows()
    {
        foreach (string project in SourceTree.Projects)
        {
            string[] references = Load(project).Descendants("ProjectReference")
                .Select(static reference => Path.GetFileNameWithoutExtension(reference.Attribute("Include")!.Value.Replace('\\', '/')))
                .Order(StringComparer.Ordinal)
                .ToArray();
            Assert.True(s_allowed.TryGetValue(project, out string[]? allowed), $"{project} is not in the graph.");
            Assert.Equal(allowed, references);
        }
        Assert.Equal(s_allowed.Keys.Order(StringComparer.Ordinal), SourceTree.Projects);
    }

    [Theory]
    [InlineData("Aeronet.Server")]
    [InlineData("Aeronet.Transport")]
    [InlineData("Aeronet.Http")]
    public void Compiled_assemblies_reference_each_other_only_along_the_arrows(string assembly)
    {
        string[] references = Assembly.Load(assembly).GetReferencedAssemblies()
            .Select(static name => name.Name!)
            .Where(static name => name.StartsWith("Aeronet.", StringComparison.Ordinal))
            .Order(StringComparer.Ordinal)
            .ToArray();
        Assert.Subset(s_allowed[assembly].ToHashSet(), references.ToHashSet());
    }

    [Fact]
    public void The_codec_knows_no_socket_no_logger_and_no_web_framework()
    {
        string[] forbidden = ["System.Net.Sockets", "Microsoft.Extensions", "Microsoft.AspNetCore", "System.Threading.Channels", "System.IO.Pipelines"];
        Assert.DoesNotContain(
            Assembly.Load("Aeronet.Http").GetReferencedAssemblies(),
            name => forbidden.Any(prefix => name.Name!.StartsWith(prefix, StringComparison.Ordinal)));
        Assert.Empty(Load("Aeronet.Http").Descendants("FrameworkReference"));
        Assert.Empty(Load("Aeronet.Native").Descendants("FrameworkReference"));
    }

    [Fact]
    public void Friends_are_the_next_assembly_along_the_arrows_and_test_projects()
    {
        foreach (string project in SourceTree.Projects)
        {
            string[] users = s_allowed.Where(edge => edge.Value.Contains(project)).Select(static edge => edge.Key).ToArray();
            foreach (string friend in Load(project).Descendants("InternalsVisibleTo").Select(static item => item.Attribute("Include")!.Value))
            {
                Assert.True(
                    users.Contains(friend) || friend.EndsWith(".Tests", StringComparison.Ordinal) || friend is "Aeronet.TestSupport" or "Aeronet.Microbenchmarks",
                    $"{project} opens its internals to {friend}.");
            }
        }
    }

    [Fact]
    public void Every_project_is_in_the_solution()
    {
        string solution = File.ReadAllText(Path.Combine(SourceTree.Root, "Aeronet.Transport.sln")).Replace('\\', '/');
        foreach (string file in SourceTree.Files(SourceTree.Root, "*.csproj"))
        {
            Assert.Contains($"\"{SourceTree.Relative(file)}\"", solution, StringComparison.Ordinal);
        }
    }

    private static XDocument Load(string project) => XDocument.Load(Path.Combine(SourceTree.Src, project, $"{project}.csproj"));
}
