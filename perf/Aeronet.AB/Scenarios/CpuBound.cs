using Aeronet.AB.Load;

namespace Aeronet.AB.Scenarios;

/// <summary>One millisecond of computation per request: the server should be lost in the noise.</summary>
internal sealed class CpuBound : RequestScenario
{
    public override string Name => "cpu-1ms";

    public override string Title => "CPU-bound endpoint (1 ms), 64 connections";

    public override LoadRequest Request { get; } = new(RequestText.Get("/cpu"));

    public override int Connections => 64;

    public override bool IsForForeignServers => false;

    protected override bool HasRateRounds => false;
}
