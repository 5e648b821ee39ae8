using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;

namespace Aeronet.AB.Reporting;

/// <summary>Rows of the two kinds of table, shared by the console, Markdown and HTML.</summary>
internal static class TextTables
{
    /// <summary>One row per scenario: its first headline figure for every server, ratios to the reference.</summary>
    public static List<string[]> Overview(Report report, Report? baseline)
    {
        List<string[]> rows = [["scenario", "figure", .. report.Servers.SelectMany(server => server == report.Reference ? [server] : new[] { server, "ratio" })]];
        foreach (ScenarioReport scenario in report.Scenarios)
        {
            if (scenario.First is not { } metric)
            {
                continue;
            }

            List<string> row = [scenario.Name, metric.Label];
            foreach (string server in report.Servers)
            {
                ServerFigures? figures = metric.Of(server);
                row.Add(figures is null ? "" : Figures.Text(figures.Value.Median) + Suffix(Figures.Change(baseline, scenario.Name, metric.Key, server, figures.Value.Median)));
                if (server != report.Reference)
                {
                    row.Add(figures?.Ratio is { } ratio ? Figures.Ratio(ratio) : "");
                }
            }

            rows.Add([.. row]);
        }

        return rows;
    }

    /// <summary>One row per metric of a scenario.</summary>
    public static List<string[]> Detail(Report report, ScenarioReport scenario, Report? baseline)
    {
        List<string[]> rows = [["", .. report.Servers.SelectMany(server => server == report.Reference ? [server] : new[] { server, "ratio" })]];
        foreach (MetricReport metric in scenario.Metrics)
        {
            List<string> row = [metric.Label];
            foreach (string server in report.Servers)
            {
                ServerFigures? figures = metric.Of(server);
                row.Add(figures is null ? "" : Figures.Text(figures.Value) + Suffix(Figures.Change(baseline, scenario.Name, metric.Key, server, figures.Value.Median)));
                if (server != report.Reference)
                {
                    row.Add(figures?.Ratio is { } ratio ? Figures.Ratio(ratio) : "");
                }
            }

            rows.Add([.. row]);
        }

        return rows;
    }

    /// <summary>Aligned columns: the first to the left, the others to the right.</summary>
    public static void Write(TextWriter output, List<string[]> rows)
    {
        int columns = rows.Max(row => row.Length);
        int[] widths = [.. Enumerable.Range(0, columns).Select(column => rows.Max(row => column < row.Length ? row[column].Length : 0))];
        foreach (string[] row in rows)
        {
            output.WriteLine(string.Join("  ", row.Select((cell, column) => column == 0 ? cell.PadRight(widths[column]) : cell.PadLeft(widths[column]))).TrimEnd());
        }
    }

    private static string Suffix(string? change) => change is null ? "" : $" [{change}]";
}
