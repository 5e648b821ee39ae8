using Aeronet.AB.Load;

namespace Aeronet.AB.Scenarios;

/// <summary>What TechEmpower-like clients do and browsers do not: sixteen requests in one send.</summary>
internal sealed class Pipelined : RequestScenario
{
    public override string Name => "pipeline-16";

    public override string Title => "16-deep pipeline, 64 connections";

    public override LoadRequest Request { get; } = new(RequestText.Get("/plaintext"), Pipeline: 16);

    public override int Connections => 64;

    protected override bool HasRateRounds => false;
}
