using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Text.RegularExpressions;
using Xunit;

namespace Aeronet.Architecture.Tests;

public sealed partial class SourceRulesTests
{
    [Fact]
    public void Namespaces_are_folders()
    {
        // Extension methods live where users look for them.
        var exceptions = new Dictionary<string, string>
        {
            ["src/Aeronet.Server/AeronetServerExtensions.cs"] = "Microsoft.AspNetCore.Hosting",
            ["src/Aeronet.Server/AeronetTransportTlsExtensions.cs"] = "Microsoft.AspNetCore.Hosting",
            ["src/Aeronet.Server/AeronetEndpointConventionBuilderExtensions.cs"] = "Microsoft.AspNetCore.Builder",
            ["src/Aeronet.Transport/AeronetTransportExtensions.cs"] = "Microsoft.AspNetCore.Hosting",
            ["src/Aeronet.Transport/AeronetConnectionBuilderExtensions.cs"] = "Microsoft.AspNetCore.Hosting",
        };
        foreach (string file in SourceTree.Files(SourceTree.Src).Concat(SourceTree.Files(SourceTree.Tests)))
        {
            Match declaration = NamespaceLine().Match(File.ReadAllText(file));
            if (!declaration.Success)
            {
                continue; // assembly attributes, a Program of top-level statements
            }
            string relative = SourceTree.Relative(file);
            string expected = exceptions.GetValueOrDefault(relative) ?? string.Join('.', Path.GetDirectoryName(relative)!.Split('/').Skip(1));
            Assert.True(declaration.Groups[1].Value == expected, $"{relative} is in namespace {declaration.Groups[1].Value}; expected {expected}.");
        }
    }

    [Fact]
    public void The_map_names_every_folder_once_and_nothing_else()
    {
        string map = File.ReadAllText(Path.Combine(SourceTree.Src, "README.md"));
        string[] named = MapEntry().Matches(map).Select(static match => match.Groups[1].Value).ToArray();
        string[] folders = SourceTree.Projects
            .SelectMany(static project =>
            {
                string[] below = SourceTree.Folders(Path.Combine(SourceTree.Src, project)).Select(folder => $"{project}/{folder}/").ToArray();
                return below.Length > 0 ? below : [$"{project}/"];
            })
            .ToArray();
        Assert.Equal(folders.Order(StringComparer.Ordinal), named.Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Unsafe_code_and_native_calls_are_only_in_Native()
    {
        foreach (string project in SourceTree.Projects.Where(static project => project != "Aeronet.Native"))
        {
            string projectFolder = Path.Combine(SourceTree.Src, project);
            Assert.DoesNotContain("AllowUnsafeBlocks", File.ReadAllText(Path.Combine(projectFolder, $"{project}.csproj")), StringComparison.Ordinal);
            AssertNoLine(projectFolder, UnsafeCode(), "unsafe code or a native call outside of Aeronet.Native");
        }
    }

    [Fact]
    [Trait("Defect", "LOOP-32")]
    public void Calls_without_a_garbage_collector_transition_are_none()
        => AssertNoLine(SourceTree.Src, NoTransition(), "a native call that would hold up every garbage collection if it took long");

    [Fact]
    public void Only_one_file_depends_on_internals_of_other_assemblies()
    {
        string[] files = SourceTree.Files(SourceTree.Src).Where(static file => File.ReadAllText(file).Contains("UnsafeAccessor", StringComparison.Ordinal)).Select(SourceTree.Relative).ToArray();
        Assert.Equal(["src/Aeronet.Server/Binding/KestrelInternals.cs"], files);
    }

    [Fact]
    public void Nothing_is_left_to_be_done_in_a_comment()
    {
        foreach (string folder in TopFolders())
        {
            AssertNoLine(folder, LeftOver(), "a note of unfinished work");
        }
    }

    [Fact]
    public void Folders_and_files_say_where_to_look()
    {
        string[] drawers = ["Utils", "Util", "Common", "Shared", "Helpers", "Internal", "Infrastructure", "Misc"];
        foreach (string file in TopFolders().SelectMany(static folder => SourceTree.Files(folder)))
        {
            string[] parts = SourceTree.Relative(file).Split('/', '.');
            Assert.True(!parts.Intersect(drawers).Any(), $"{SourceTree.Relative(file)} is in a drawer.");
        }
    }

    [Fact]
    public void Errors_of_the_kernel_have_names()
        => AssertNoLine(SourceTree.Src, NumericErrno(), "a literal errno");

    [Fact]
    [Trait("Defect", "HOST-25")]
    public void No_setting_hides_in_the_environment_or_in_AppContext()
        => AssertNoLine(SourceTree.Src, BackDoor(), "a setting outside of the options", except: "src/Aeronet.Server/Binding/KestrelSwitches.cs"); // Kestrel's switches: defaults of a documented option

    [Fact]
    public void What_the_operating_system_is_is_asked_in_one_place()
        => AssertNoLine(SourceTree.Src, OperatingSystemCheck(), "a question for the operating system", except: "src/Aeronet.Native/Libc/HostSystem.cs");

    [Fact]
    public void Tests_stand_where_the_code_stands()
    {
        // Aeronet.Testing is tested with an application of its own.
        foreach (string project in SourceTree.Projects)
        {
            string tests = Path.Combine(SourceTree.Tests, $"{project}.Tests");
            Assert.True(Directory.Exists(tests), $"{project} has no test project.");
            foreach (string folder in SourceTree.Folders(Path.Combine(SourceTree.Src, project)))
            {
                string mirror = Path.Combine(tests, folder);
                Assert.True(
                    Directory.Exists(mirror) && SourceTree.Files(mirror, "*Tests.cs").Any(),
                    $"src/{project}/{folder} has no tests in {SourceTree.Relative(mirror)}.");
            }
        }
    }

    [Fact]
    public void Public_types_are_sealed_static_or_meant_to_be_derived_from()
    {
        string[] open = SourceTree.Files(SourceTree.Src)
            .Where(static file => OpenPublicClass().IsMatch(File.ReadAllText(file)))
            .Select(SourceTree.Relative)
            .ToArray();
        Assert.Equal(["src/Aeronet.Testing/AeronetWebApplicationFactory.cs"], open);
    }

    [Fact]
    public void Every_option_is_read_by_what_it_is_for_and_set_by_a_test()
    {
        string[] code = SourceTree.Files(SourceTree.Src).ToArray();
        string tests = string.Concat(SourceTree.Files(SourceTree.Tests).Select(File.ReadAllText));
        int count = 0;
        foreach (Match option in SourceTree.Projects
            .Select(static project => Path.Combine(SourceTree.Src, project, "PublicAPI.Unshipped.txt"))
            .Where(File.Exists)
            .SelectMany(static file => OptionLine().Matches(File.ReadAllText(file))))
        {
            (string type, string property) = (option.Groups[1].Value, option.Groups[2].Value);
            Regex reading = new($@"[.?]{property}\b|\b{property} =>");
            Assert.True(
                code.Any(file => !IsAboutOptions(file, type) && reading.IsMatch(File.ReadAllText(file))) || (type, property) == ("ProxyProtocolOptions", "TrustedNetworks"), // its own IsTrusted reads it
                $"{type}.{property} is read by nothing but its validation.");
            Assert.True(Regex.IsMatch(tests, $@"\b{property}\b"), $"{type}.{property} is in no test.");
            count++;
        }

        Assert.InRange(count, 90, 1000);

        static bool IsAboutOptions(string file, string type)
        {
            string name = Path.GetFileNameWithoutExtension(file);
            return name == type || name.EndsWith("Validator", StringComparison.Ordinal) || name.EndsWith("Reader", StringComparison.Ordinal) || name.EndsWith("Setup", StringComparison.Ordinal);
        }
    }

    private static IEnumerable<string> TopFolders()
        => new[] { "src", "tests", "samples", "perf" }.Select(static name => Path.Combine(SourceTree.Root, name)).Where(Directory.Exists);

    private static void AssertNoLine(string folder, Regex pattern, string what, string? except = null)
    {
        foreach (string file in SourceTree.Files(folder).Where(file => SourceTree.Relative(file) != except))
        {
            string[] lines = File.ReadAllLines(file);
            for (int i = 0; i < lines.Length; i++)
            {
                Assert.False(pattern.IsMatch(lines[i]), $"{SourceTree.Relative(file)}:{i + 1}: {what}: {lines[i].Trim()}");
            }
        }
    }

    // The getter of a property of an options class, as the list of the public API has it.
    [GeneratedRegex(@"^Aeronet\.[\w.]*?\b(\w+Options|AeronetTls\w+|Aeronet\w*Limits)\.(\w+)\.get -> ", RegexOptions.Multiline)]
    private static partial Regex OptionLine();

    [GeneratedRegex(@"^namespace ([\w.]+);", RegexOptions.Multiline)]
    private static partial Regex NamespaceLine();

    [GeneratedRegex(@"^\| `([^`]+/)` \|", RegexOptions.Multiline)]
    private static partial Regex MapEntry();

    // "unsafe" as a modifier or block; the words in comments and in names such as UnsafeRegister do not count.
    [GeneratedRegex(@"^\s*(?!//)(?:.*[\s(])?unsafe\b(?=\s+[\w{(])|^\s*unsafe\s*$|\[(?:LibraryImport|DllImport)\b")]
    private static partial Regex UnsafeCode();

    // Split so that this file does not find itself.
    [GeneratedRegex(@"\b(?:TO" + @"DO|FIX" + @"ME|HA" + @"CK|X" + @"XX)\b|NotImplemented" + @"Exception")]
    private static partial Regex LeftOver();

    [GeneratedRegex(@"(?i)\berr(?:no|or)?\b\s*\)?\s*(?:==|!=|is(?: not)?)\s*-?(?!0\b)\d+\b")]
    private static partial Regex NumericErrno();

    [GeneratedRegex(@"\bAppContext\.(?:TryGetSwitch|GetData)|\bEnvironment\.(?:GetEnvironmentVariable|ExpandEnvironmentVariables)")]
    private static partial Regex BackDoor();

    [GeneratedRegex(@"\bOperatingSystem\.Is|\bIsOSPlatform\(|\bOSVersion\b|\bRuntimeInformation\.OS")]
    private static partial Regex OperatingSystemCheck();

    [GeneratedRegex(@"\[SuppressGCTransition\b")]
    private static partial Regex NoTransition();

    [GeneratedRegex(@"^public (?:partial )?class ", RegexOptions.Multiline)]
    private static partial Regex OpenPublicClass();
}
