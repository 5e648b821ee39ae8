using System;
using System.Globalization;
using Aeronet.AB.Measuring;

namespace Aeronet.AB.Reporting;

/// <summary>Numbers as text: three significant digits, more only in front of the point.</summary>
internal static class Figures
{
    public static string Text(double value)
    {
        double size = Math.Abs(value);
        string format = size switch
        {
            0 => "0",
            >= 100 => "N0",
            >= 10 => "F1",
            >= 1 => "F2",
            _ => "F3",
        };
        return value.ToString(format, CultureInfo.InvariantCulture);
    }

    public static string Text(Spread spread) => $"{Text(spread.Median)} ({Text(spread.Min)}–{Text(spread.Max)})";

    public static string Ratio(Spread ratio) => string.Create(CultureInfo.InvariantCulture, $"{ratio.Median:F2} ({ratio.Min:F2}–{ratio.Max:F2})");

    /// <summary>The change of a median against a baseline's, signed, in percent; null where one is missing.</summary>
    public static string? Change(Report? baseline, string scenario, string metric, string server, double now)
    {
        double? before = baseline?.Scenarios.Find(one => one.Name == scenario)?.Find(metric)?.Of(server)?.Value.Median;
        return before is null or 0 ? null : ((now / before.Value) - 1).ToString("+0.0 %;-0.0 %;0.0 %", CultureInfo.InvariantCulture);
    }
}
