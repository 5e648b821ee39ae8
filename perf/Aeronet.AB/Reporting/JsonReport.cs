using System.IO;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Aeronet.AB.Reporting;

/// <summary>report.json: every sample, and what <c>--baseline</c> reads.</summary>
internal static class JsonReport
{
    public static string Write(Report report) => JsonSerializer.Serialize(report, ReportJsonContext.Default.Report) + "\n";

    /// <exception cref="IOException">The file cannot be read.</exception>
    /// <exception cref="JsonException">It is no report.</exception>
    public static Report Read(string file) =>
        JsonSerializer.Deserialize(File.ReadAllText(file), ReportJsonContext.Default.Report) ?? throw new JsonException($"{file} holds no report");
}

[JsonSourceGenerationOptions(WriteIndented = true, PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(Report))]
internal sealed partial class ReportJsonContext : JsonSerializerContext;
