using System;
using System.Collections.Generic;
using System.Globalization;
using System.Linq;
using System.Net;
using System.Text;
using Aeronet.AB.Measuring;

namespace Aeronet.AB.Reporting;

/// <summary>One horizontal bar: its length, its spread, and the part of it that is drawn darker (system time of a CPU figure). Bars without a label belong to the labelled one above.</summary>
internal sealed record Bar(string Label, Spread Value, string Text, int Series, double DarkerShare = 0, string? Hint = null);

/// <summary>Bar charts as inline SVG; colours come from the page's style sheet, so that they follow light and dark.</summary>
internal static class SvgBars
{
    private const int LabelWidth = 95, BarWidth = 185, TextWidth = 84, RowHeight = 26, BarHeight = 14, Top = 6, GroupGap = 8;

    /// <param name="bars">From top to bottom.</param>
    /// <param name="labelWidth">Room for the labels, in pixels.</param>
    /// <param name="barWidth">Room for the longest bar and its spread, in pixels.</param>
    /// <param name="mark">A value to mark by a vertical line, such as 1 for ratios.</param>
    public static string Draw(IReadOnlyList<Bar> bars, int labelWidth = LabelWidth, int barWidth = BarWidth, double? mark = null)
    {
        double end = bars.Max(bar => Math.Max(bar.Value.Max, mark ?? 0));
        double scale = end > 0 ? barWidth / end : 0;
        int width = labelWidth + barWidth + TextWidth, height = Top + (bars.Count * RowHeight) + (bars.Count(IsGroupStart) * GroupGap) + 4;
        StringBuilder svg = new();
        svg.Append(CultureInfo.InvariantCulture, $"<svg viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" role=\"img\">");
        if (mark is { } value)
        {
            svg.Append(CultureInfo.InvariantCulture, $"<line class=\"mark\" x1=\"{labelWidth + (value * scale):F1}\" x2=\"{labelWidth + (value * scale):F1}\" y1=\"0\" y2=\"{height}\"/>");
        }

        int top = Top;
        foreach (Bar bar in bars)
        {
            top += IsGroupStart(bar) ? GroupGap : 0;
            Append(svg, bar, top, labelWidth, scale);
            top += RowHeight;
        }

        return svg.Append("</svg>").ToString();

        bool IsGroupStart(Bar bar) => mark is not null && bar.Label.Length > 0 && bar != bars[0];
    }

    private static void Append(StringBuilder svg, Bar bar, int top, int labelWidth, double scale)
    {
        double length = Math.Max(1, bar.Value.Median * scale), low = labelWidth + (bar.Value.Min * scale), high = labelWidth + (bar.Value.Max * scale);
        int middle = top + (RowHeight / 2), barTop = middle - (BarHeight / 2);
        svg.Append("<g>");
        svg.Append(CultureInfo.InvariantCulture, $"<title>{WebUtility.HtmlEncode(bar.Hint ?? $"{bar.Label}: {bar.Text}")}</title>");
        svg.Append(CultureInfo.InvariantCulture, $"<text class=\"label\" x=\"{labelWidth - 8}\" y=\"{middle + 4}\" text-anchor=\"end\">{WebUtility.HtmlEncode(bar.Label)}</text>");
        svg.Append(CultureInfo.InvariantCulture, $"<rect class=\"s{bar.Series}\" x=\"{labelWidth}\" y=\"{barTop}\" width=\"{length:F1}\" height=\"{BarHeight}\" rx=\"2\"/>");
        if (bar.DarkerShare > 0)
        {
            double darker = length * bar.DarkerShare;
            svg.Append(CultureInfo.InvariantCulture, $"<rect class=\"darker\" x=\"{labelWidth + length - darker:F1}\" y=\"{barTop}\" width=\"{darker:F1}\" height=\"{BarHeight}\" rx=\"2\"/>");
        }

        svg.Append(CultureInfo.InvariantCulture, $"<path class=\"spread\" d=\"M{low:F1} {middle - 4}v8M{low:F1} {middle}H{high:F1}M{high:F1} {middle - 4}v8\"/>");
        double textAt = Math.Max(labelWidth + length, high) + 7;
        svg.Append(CultureInfo.InvariantCulture, $"<text class=\"value\" x=\"{textAt:F1}\" y=\"{middle + 4}\">{WebUtility.HtmlEncode(bar.Text)}</text></g>");
    }
}
