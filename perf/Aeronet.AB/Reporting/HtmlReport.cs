using System;
using System.Collections.Generic;
using System.Globalization;
using System.Linq;
using System.Net;
using System.Text;
using Aeronet.AB.Measuring;

namespace Aeronet.AB.Reporting;

/// <summary>report.html: one file, nothing loaded from anywhere, readable in light and dark.</summary>
internal static class HtmlReport
{
    private const int SeriesCount = 6;
    private const int OverviewLabelWidth = 140, OverviewBarWidth = 620;

    private const string Style = """
        :root { color-scheme: light dark; --page: light-dark(#f5f6f8, #131519); --panel: light-dark(#ffffff, #1c1f25); --text: light-dark(#1b1f27, #e6e8ec); --soft: light-dark(#5a6270, #9aa3b2);
          --line: light-dark(#dce0e6, #343943); --good: light-dark(#146c36, #6fd596); --bad: light-dark(#a3211b, #ff958e); --spread: light-dark(#1b1f27, #f2f3f5); --mark: light-dark(#a3211b, #ff958e);
          --s0: light-dark(#8a94a6, #7d8798); --s1: light-dark(#2f7de1, #4c97f5); --s2: light-dark(#e08a1e, #eda548); --s3: light-dark(#2e9e6b, #45b983); --s4: light-dark(#a25bd0, #b97ce2); --s5: light-dark(#cf4f7d, #e2719a); }
        body { margin: 0 auto; max-width: 84rem; padding: 1.5rem; background: var(--page); color: var(--text); font: 15px/1.5 system-ui, sans-serif; }
        h1 { margin: 0 0 .3rem; font-size: 1.5rem; } h2 { margin: 0 0 .6rem; font-size: 1.1rem; } h3 { margin: 0 0 .2rem; font-size: .85rem; font-weight: 600; color: var(--soft); }
        p { margin: .2rem 0; max-width: 76rem; } .soft, li { color: var(--soft); font-size: .88rem; }
        section { margin: 1.1rem 0; padding: 1rem 1.2rem; border: 1px solid var(--line); border-radius: .6rem; background: var(--panel); }
        .charts { display: flex; flex-wrap: wrap; gap: 1rem 1.9rem; } .legend { display: flex; flex-wrap: wrap; gap: .3rem 1.3rem; margin: .5rem 0; font-size: .88rem; }
        .legend i { display: inline-block; width: .8rem; height: .8rem; margin-right: .4rem; border-radius: .15rem; vertical-align: -.05rem; }
        .scroll { overflow-x: auto; } .overview th:nth-child(2), .overview td:nth-child(2) { text-align: left; } table { border-collapse: collapse; font-size: .86rem; font-variant-numeric: tabular-nums; } caption { text-align: left; }
        th, td { padding: .22rem .55rem; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap; } th:first-child, td:first-child { padding-left: 0; text-align: left; } thead th { color: var(--soft); font-weight: 600; }
        .good { color: var(--good); font-weight: 600; } .bad { color: var(--bad); font-weight: 600; } ul { margin: .5rem 0 0; padding-left: 1.1rem; } details { margin-top: .7rem; } summary { cursor: pointer; font-size: .88rem; color: var(--soft); }
        svg { max-width: 100%; height: auto; } svg text { font: 12px system-ui, sans-serif; fill: var(--text); font-variant-numeric: tabular-nums; paint-order: stroke; stroke: var(--panel); stroke-width: 3px; } svg .darker { fill: #000; opacity: .28; }
        svg .spread { stroke: var(--spread); stroke-width: 1.2; fill: none; opacity: .75; } svg .mark { stroke: var(--mark); stroke-width: 1.2; stroke-dasharray: 4 3; }
        """;

    public static string Write(Report report, Report? baseline)
    {
        StringBuilder page = new();
        page.Append(CultureInfo.InvariantCulture, $"<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>Aeronet.AB, {report.Date:yyyy-MM-dd}</title><style>\n{Style}\n{SeriesStyle()}</style></head><body>\n");
        page.Append(CultureInfo.InvariantCulture, $"<h1>Aeronet.AB, {report.Date:yyyy-MM-dd HH:mm}</h1>\n<p>{Encode(MarkdownReport.Origin(report))}</p>\n<p class=\"soft\">{Encode(report.Method)}</p>\n");
        AppendLegend(page, report);
        AppendOverview(page, report, baseline);
        foreach (ScenarioReport scenario in report.Scenarios)
        {
            AppendScenario(page, report, scenario, baseline);
        }

        return page.Append("</body></html>\n").ToString();
    }

    private static void AppendLegend(StringBuilder page, Report report)
    {
        page.Append("<div class=\"legend\">");
        for (int server = 0; server < report.Servers.Count; server++)
        {
            page.Append(CultureInfo.InvariantCulture, $"<span><i style=\"background:var(--s{server % SeriesCount})\"></i>{Encode(report.Servers[server])}</span>");
        }

        page.Append("<span class=\"soft\">bar: median; line: lowest to highest round; darker part of a CPU bar: time in the kernel</span></div>\n");
    }

    private static void AppendOverview(StringBuilder page, Report report, Report? baseline)
    {
        List<Bar> bars = [];
        foreach (ScenarioReport scenario in report.Scenarios)
        {
            foreach (string server in report.Servers.Skip(1))
            {
                if (scenario.First?.Of(server)?.Ratio is { } ratio)
                {
                    string label = bars.Count > 0 && bars[^1].Hint!.StartsWith(scenario.Title + ",", StringComparison.Ordinal) ? "" : scenario.Name;
                    bars.Add(new Bar(label, ratio, ratio.Median.ToString("F2", CultureInfo.InvariantCulture), SeriesOf(report, server), Hint: $"{scenario.Title}, {scenario.First.Title}: {server} {Figures.Ratio(ratio)}"));
                }
            }
        }

        page.Append("<section><h2>Overview</h2>\n");
        if (bars.Count > 0)
        {
            page.Append(CultureInfo.InvariantCulture, $"<h3>first figure of each scenario, as a ratio to {Encode(report.Reference)} (dashed line): shorter is better</h3>\n{SvgBars.Draw(bars, OverviewLabelWidth, OverviewBarWidth, mark: 1)}\n");
        }

        page.Append("<div class=\"overview\">");
        AppendTable(page, TextTables.Overview(report, baseline), lowerIsBetter: [.. report.Scenarios.Where(scenario => scenario.First is not null).Select(scenario => scenario.First!.LowerIsBetter)]);
        page.Append("</div></section>\n");
    }

    private static void AppendScenario(StringBuilder page, Report report, ScenarioReport scenario, Report? baseline)
    {
        page.Append(CultureInfo.InvariantCulture, $"<section id=\"{Encode(scenario.Name)}\"><h2>{Encode(scenario.Title)}</h2>\n<div class=\"charts\">\n");
        foreach (MetricReport metric in scenario.Headline.Select(scenario.Find).OfType<MetricReport>())
        {
            List<Bar> bars = [.. metric.Figures.Select(figures => new Bar(
                figures.Server, figures.Value, Figures.Text(figures.Value.Median), SeriesOf(report, figures.Server), metric.Key == Metric.Cpu.Key ? KernelShare(scenario, figures) : 0, $"{figures.Server}: {Figures.Text(figures.Value)} {metric.Unit}"))];
            page.Append(CultureInfo.InvariantCulture, $"<div><h3>{Encode(metric.Label)} ({(metric.LowerIsBetter ? "shorter" : "longer")} is better)</h3>{SvgBars.Draw(bars)}</div>\n");
        }

        page.Append("</div>\n");
        if (scenario.Notes.Count > 0)
        {
            page.Append("<ul>").AppendJoin("", scenario.Notes.Select(note => $"<li>{Encode(note)}</li>")).Append("</ul>\n");
        }

        page.Append("<details><summary>all figures</summary>\n");
        AppendTable(page, TextTables.Detail(report, scenario, baseline), [.. scenario.Metrics.Select(metric => metric.LowerIsBetter)]);
        page.Append("</details></section>\n");
    }

    private static void AppendTable(StringBuilder page, List<string[]> rows, bool[] lowerIsBetter)
    {
        page.Append("<div class=\"scroll\"><table><thead><tr>").AppendJoin("", rows[0].Select(cell => $"<th>{Encode(cell)}</th>")).Append("</tr></thead><tbody>\n");
        for (int row = 1; row < rows.Count; row++)
        {
            page.Append("<tr>");
            for (int column = 0; column < rows[row].Length; column++)
            {
                string cell = rows[row][column];
                string judgement = rows[0][column] == "ratio" ? Judge(cell, lowerIsBetter[row - 1]) : "";
                page.Append(CultureInfo.InvariantCulture, $"<td{judgement}>{Encode(cell)}</td>");
            }

            page.Append("</tr>\n");
        }

        page.Append("</tbody></table></div>\n");
    }

    // Ten percent is the noise of a round on an ordinary machine: less than that is neither good nor bad.
    private static string Judge(string ratio, bool lowerIsBetter)
    {
        if (!double.TryParse(ratio.Split(' ')[0], CultureInfo.InvariantCulture, out double median))
        {
            return "";
        }

        double cost = lowerIsBetter ? median : median > 0 ? 1 / median : 1;
        return cost < 0.9 ? " class=\"good\"" : cost > 1.1 ? " class=\"bad\"" : "";
    }

    private static double KernelShare(ScenarioReport scenario, ServerFigures cpu)
    {
        double? system = scenario.Find(Metric.CpuSystem.Key)?.Of(cpu.Server)?.Value.Median;
        return system is { } known && cpu.Value.Median > 0 ? Math.Min(1, known / cpu.Value.Median) : 0;
    }

    private static int SeriesOf(Report report, string server) => report.Servers.ToList().IndexOf(server) % SeriesCount;

    private static string SeriesStyle() => string.Concat(Enumerable.Range(0, SeriesCount).Select(series => $"svg .s{series} {{ fill: var(--s{series}); }}\n"));

    private static string Encode(string text) => WebUtility.HtmlEncode(text);
}
