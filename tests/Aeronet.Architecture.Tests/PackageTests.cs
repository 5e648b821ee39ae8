using System;
using System.Diagnostics;
using System.IO;
using System.IO.Compression;
using System.Linq;
using System.Net.Http;
using System.Text;
using System.Threading.Tasks;
using Xunit;

namespace Aeronet.Architecture.Tests;

/// <summary>The packages as a user gets them: packed, restored into a fresh project, run.</summary>
public sealed class PackageTests : IDisposable
{
    private static readonly TimeSpan s_guard = TimeSpan.FromMinutes(4);
    private readonly string _folder = Directory.CreateTempSubdirectory("aeronet-packages-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task Packed_packages_are_complete_and_serve_a_request_in_a_fresh_project()
    {
        string packages = Path.Combine(_folder, "packages");
        foreach (string project in new[] { "Aeronet.Transport", "Aeronet.Server" })
        {
            await DotnetAsync(SourceTree.Root, "pack", Path.Combine("src", project), "-c", "Release", "-m:1", "--artifacts-path", Path.Combine(_folder, "build"), "-o", packages);
        }

        AssertContent(packages, "Aeronet.Transport", "Aeronet.Native.dll");
        AssertContent(packages, "Aeronet.Server", "Aeronet.Http.dll");

        string application = Directory.CreateDirectory(Path.Combine(_folder, "application")).FullName;
        await File.WriteAllTextAsync(Path.Combine(application, "nuget.config"), """
            <configuration>
              <config><add key="globalPackagesFolder" value="restored" /></config>
              <packageSources><clear /><add key="local" value="../packages" /></packageSources>
            </configuration>
            """);
        string version = Path.GetFileNameWithoutExtension(Directory.GetFiles(packages, "Aeronet.Server.*.nupkg").Single())["Aeronet.Server.".Length..];
        await File.WriteAllTextAsync(Path.Combine(application, "Fresh.csproj"), $"""
            <Project Sdk="Microsoft.NET.Sdk.Web">
              <PropertyGroup>
                <TargetFramework>net10.0</TargetFramework> <ImplicitUsings>enable</ImplicitUsings> <UseAppHost>false</UseAppHost> <NuGetAudit>false</NuGetAudit>
              </PropertyGroup>
              <ItemGroup> <PackageReference Include="Aeronet.Server" Version="{version}" /> </ItemGroup>
            </Project>
            """);
        await File.WriteAllTextAsync(Path.Combine(application, "Program.cs"), """
            var builder = WebApplication.CreateBuilder(args);
            builder.WebHost.UseAeronet();
            var app = builder.Build();
            app.MapGet("/", () => "packed");
            await app.StartAsync();
            Console.WriteLine("address=" + app.Urls.First());
            Console.In.ReadToEnd(); // until the test closes our input, or dies
            await app.StopAsync();
            """);
        await DotnetAsync(application, "build", "-c", "Release", "-m:1", "-o", "out");

        using Process server = Start(application, "out/Fresh.dll", "--urls", "http://127.0.0.1:0");
        try
        {
            string? address = null;
            while (address is null && await server.StandardOutput.ReadLineAsync().WaitAsync(s_guard) is { } line)
            {
                address = line.StartsWith("address=", StringComparison.Ordinal) ? line["address=".Length..] : null;
            }
            Assert.NotNull(address);
            using var client = new HttpClient();
            using HttpResponseMessage response = await client.GetAsync(new Uri(address)).WaitAsync(s_guard);
            Assert.Equal("packed", await response.Content.ReadAsStringAsync());
            Assert.Equal("Aeronet", response.Headers.Server.ToString());
            server.StandardInput.Close();
            await server.WaitForExitAsync().WaitAsync(s_guard);
            Assert.Equal(0, server.ExitCode);
        }
        finally
        {
            if (!server.HasExited)
            {
                server.Kill();
            }
        }
    }

    private static void AssertContent(string packages, string id, string innerAssembly)
    {
        string[] content = Entries(Directory.GetFiles(packages, $"{id}.*.nupkg").Single());
        Assert.Equal(
            [$"lib/net10.0/{innerAssembly}", $"lib/net10.0/{id}.dll", $"lib/net10.0/{id}.xml"],
            content.Where(static name => name.StartsWith("lib/", StringComparison.Ordinal)).Order(StringComparer.Ordinal));
        Assert.Contains("README.md", content);

        string[] symbols = Entries(Directory.GetFiles(packages, $"{id}.*.snupkg").Single());
        Assert.Contains($"lib/net10.0/{id}.pdb", symbols);
        Assert.Contains($"lib/net10.0/{Path.ChangeExtension(innerAssembly, ".pdb")}", symbols);

        using ZipArchive archive = ZipFile.OpenRead(Directory.GetFiles(packages, $"{id}.*.nupkg").Single());
        using var nuspec = new StreamReader(archive.Entries.Single(static entry => entry.Name.EndsWith(".nuspec", StringComparison.Ordinal)).Open());
        string text = nuspec.ReadToEnd();
        Assert.Contains("<license type=\"expression\">MIT</license>", text, StringComparison.Ordinal);
        Assert.Contains("<readme>README.md</readme>", text, StringComparison.Ordinal);
        Assert.DoesNotContain(Path.GetFileNameWithoutExtension(innerAssembly) + "\"", text, StringComparison.Ordinal); // no dependency on a package that does not exist
    }

    private static string[] Entries(string package)
    {
        using ZipArchive archive = ZipFile.OpenRead(package);
        return archive.Entries.Select(static entry => entry.FullName).ToArray();
    }

    private static async Task DotnetAsync(string folder, params string[] arguments)
    {
        using Process process = Start(folder, arguments);
        process.StandardInput.Close();
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync().WaitAsync(s_guard);
        Assert.True(process.ExitCode == 0, $"dotnet {string.Join(' ', arguments)}:{Environment.NewLine}{await output}");
    }

    private static Process Start(string folder, params string[] arguments)
    {
        var start = new ProcessStartInfo("dotnet", arguments)
        {
            WorkingDirectory = folder,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            StandardOutputEncoding = Encoding.UTF8,
        };
        // What the test runner sets for itself is not meant for these.
        foreach (string name in start.Environment.Keys.Where(static name => name.StartsWith("MSBUILD", StringComparison.OrdinalIgnoreCase)).ToArray())
        {
            start.Environment.Remove(name);
        }
        start.Environment["MSBUILDDISABLENODEREUSE"] = "1";
        start.Environment["DOTNET_CLI_USE_MSBUILD_SERVER"] = "0";
        start.Environment["UseSharedCompilation"] = "false";
        return Process.Start(start)!;
    }
}
