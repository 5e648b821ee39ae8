using System;
using System.ComponentModel;
using System.Diagnostics;
using System.IO;
using System.Linq;
using System.Text.Json;
using Aeronet.AB;
using Aeronet.AB.Load;
using Aeronet.AB.Measuring;
using Aeronet.AB.Reporting;
using Aeronet.AB.Scenarios;

if (!OperatingSystem.IsLinux())
{
    Console.Error.WriteLine("The laboratory reads /proc and uses epoll: it runs on Linux only.");
    return 2;
}

if (args is ["--help" or "-h"])
{
    Console.WriteLine(LaboratoryOptions.Usage);
    return 0;
}

LaboratoryOptions options;
CorePlacement cores;
Report? baseline;
try
{
    options = LaboratoryOptions.Parse(args);
    cores = CorePlacement.Choose(options.ServerCores, options.LoaderCores);
    baseline = options.Baseline is null ? null : JsonReport.Read(options.Baseline);
}
catch (Exception exception) when (exception is FormatException or IOException or JsonException)
{
    Console.Error.WriteLine($"{exception.Message}\n\n{LaboratoryOptions.Usage}");
    return 2;
}

if (options.OnlyList)
{
    TextTables.Write(Console.Out, [.. options.Scenarios.Select(scenario => new[] { scenario.Name, scenario.Title })]);
    return 0;
}

Machine machine = Machine.Describe();
Libc.RaiseOpenFileLimit();
Libc.SetAffinity(cores.Loader);
string method = $"Server processes and load client ({(options.Loader == LoaderKind.Wrk ? "wrk" : "built in")}) on the same machine, {cores}; {options.WarmUp.TotalSeconds:0.#} s of warm-up and more while methods are still compiled, then {options.Rounds} alternating rounds of {options.Duration.TotalSeconds:0.#} s. "
    + $"Server CPU is the time of all its threads divided by the requests answered. Medians with lowest and highest round; ratios are taken round by round to {options.Servers[0].Name}. One round is noisy by about 15 %: differences under 10 % are none.";
Report report = new(DateTimeOffset.Now, ReadCommit(), machine, method, [.. options.Servers.Select(server => server.Name)], []);
Console.WriteLine($"{MarkdownReport.Origin(report)}\n{method}\n");

Laboratory laboratory = new(options, cores);
foreach (Scenario scenario in options.Scenarios)
{
    Console.WriteLine($"== {scenario.Name}: {scenario.Title}");
    ScenarioRun run = new(scenario);
    scenario.Run(laboratory, run);
    ScenarioReport summary = ScenarioReport.Summarise(run, report.Servers);
    report.Scenarios.Add(summary);
    TextTables.Write(Console.Out, TextTables.Detail(report, summary, baseline));
    foreach (string note in summary.Notes)
    {
        Console.WriteLine($"   {note}");
    }

    Console.WriteLine();
    WriteFiles(); // after every scenario: a long run that is broken off keeps what it has
}

TextTables.Write(Console.Out, TextTables.Overview(report, baseline));
Console.WriteLine($"\n{Path.GetFullPath(options.Output)}: report.md, report.json, report.html");
return 0;

void WriteFiles()
{
    Directory.CreateDirectory(options.Output);
    File.WriteAllText(Path.Combine(options.Output, "report.json"), JsonReport.Write(report));
    File.WriteAllText(Path.Combine(options.Output, "report.md"), MarkdownReport.Write(report, baseline));
    File.WriteAllText(Path.Combine(options.Output, "report.html"), HtmlReport.Write(report, baseline));
}

static string? ReadCommit()
{
    try
    {
        using Process? git = Process.Start(new ProcessStartInfo("git", ["describe", "--always", "--dirty"]) { RedirectStandardOutput = true, RedirectStandardError = true });
        string? commit = git?.StandardOutput.ReadToEnd().Trim();
        return string.IsNullOrEmpty(commit) ? null : commit;
    }
    catch (Win32Exception)
    {
        return null; // no git
    }
}
