using System;
using System.Collections.Generic;
using System.Linq;
using System.Text;

namespace Aeronet.AB.Reporting;

/// <summary>report.md: tables to paste into a README or a commit message.</summary>
internal static class MarkdownReport
{
    public static string Write(Report report, Report? baseline)
    {
        StringBuilder text = new();
        text.Append($"# Aeronet.AB, {report.Date:yyyy-MM-dd HH:mm}\n\n{Origin(report)}\n\n{report.Method}\n\n");
        if (baseline is not null)
        {
            text.Append($"In brackets: change against {baseline.Date:yyyy-MM-dd HH:mm}, commit {baseline.Commit ?? "unknown"}.\n\n");
        }

        Append(text, TextTables.Overview(report, baseline));
        foreach (ScenarioReport scenario in report.Scenarios)
        {
            text.Append($"\n## {scenario.Title}\n\n");
            Append(text, TextTables.Detail(report, scenario, baseline));
            foreach (string note in scenario.Notes)
            {
                text.Append($"\n- {note}");
            }

            text.Append(scenario.Notes.Count > 0 ? "\n" : "");
        }

        return text.ToString();
    }

    public static string Origin(Report report) =>
        $"{report.Machine.Processor}, {report.Machine.Cores} cores, {report.Machine.Memory} memory, Linux {report.Machine.Kernel}, {report.Machine.Runtime}, commit {report.Commit ?? "unknown"}.";

    private static void Append(StringBuilder text, List<string[]> rows)
    {
        Row(text, rows[0]);
        Row(text, [.. rows[0].Select((_, column) => column == 0 ? "---" : "---:")]);
        foreach (string[] row in rows.Skip(1))
        {
            Row(text, row);
        }

        static void Row(StringBuilder text, string[] cells) => text.Append("| ").AppendJoin(" | ", cells.Select(cell => cell.Replace("|", "\\|", StringComparison.Ordinal))).Append(" |\n");
    }
}
