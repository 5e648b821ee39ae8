using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;

namespace Aeronet.Architecture.Tests;

/// <summary>The repository as files: found from the test's own folder upwards or, when tests are built elsewhere, from where this file was compiled.</summary>
internal static class SourceTree
{
    public static string Root { get; } = FindRoot();

    public static string Src { get; } = Path.Combine(Root, "src");

    public static string Tests { get; } = Path.Combine(Root, "tests");

    /// <summary>Projects below src, by name.</summary>
    public static IReadOnlyList<string> Projects { get; } = Directory.GetDirectories(Src)
        .Where(static folder => Directory.GetFiles(folder, "*.csproj").Length == 1)
        .Select(static folder => Path.GetFileName(folder)!)
        .Order(StringComparer.Ordinal)
        .ToArray();

    /// <summary>Source files of a folder and below, build output left out.</summary>
    public static IEnumerable<string> Files(string folder, string pattern = "*.cs")
        => Directory.EnumerateFiles(folder, pattern, SearchOption.AllDirectories)
            .Where(static file => !Relative(file).Split('/').Any(static part => part is "bin" or "obj" or "artifacts" or "TestResults"))
            .Order(StringComparer.Ordinal);

    /// <summary>Folders of a project with source in them, relative to the project, without its root.</summary>
    public static IEnumerable<string> Folders(string projectFolder)
        => Files(projectFolder)
            .Select(file => Path.GetDirectoryName(Path.GetRelativePath(projectFolder, file))!.Replace('\\', '/'))
            .Where(static folder => folder.Length > 0)
            .Distinct(StringComparer.Ordinal);

    /// <summary>Path from the repository's root, with slashes.</summary>
    public static string Relative(string path) => Path.GetRelativePath(Root, path).Replace('\\', '/');

    private static string FindRoot([System.Runtime.CompilerServices.CallerFilePath] string thisFile = "")
    {
        foreach (string start in (ReadOnlySpan<string>)[AppContext.BaseDirectory, Path.GetDirectoryName(thisFile)!])
        {
            for (DirectoryInfo? folder = new(start); folder is not null; folder = folder.Parent)
            {
                if (File.Exists(Path.Combine(folder.FullName, "Aeronet.Transport.sln")))
                {
                    return folder.FullName;
                }
            }
        }
        throw new InvalidOperationException("The repository's root was not found.");
    }
}
