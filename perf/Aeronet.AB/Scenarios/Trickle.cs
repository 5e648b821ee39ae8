using System;
using System.Collections.Generic;
using System.Globalization;
using Aeronet.AB.Load;
using Aeronet.AB.Measuring;

namespace Aeronet.AB.Scenarios;

/// <summary>A few requests a second on one connection: what waking up costs, and whatever runs beside the requests.</summary>
internal sealed class Trickle(int perSecond) : RequestScenario
{
    public override string Name => string.Create(CultureInfo.InvariantCulture, $"trickle-{perSecond}");

    public override string Title => string.Create(CultureInfo.InvariantCulture, $"{perSecond} requests a second, 1 connection");

    public override IReadOnlyList<Metric> Headline { get; } = [Metric.Cpu, Metric.P50, Metric.P99];

    public override LoadRequest Request { get; } = new(RequestText.Get("/plaintext"));

    public override int Connections => 1;

    protected override bool HasRateRounds => false;

    protected override double? RequestsPerSecond => perSecond;

    protected override TimeSpan DurationMin { get; } = TimeSpan.FromSeconds(10);
}
