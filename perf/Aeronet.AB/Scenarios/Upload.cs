using Aeronet.AB.Load;

namespace Aeronet.AB.Scenarios;

/// <summary>A body much larger than any buffer, read as it arrives.</summary>
internal sealed class Upload : RequestScenario
{
    public override string Name => "upload-20m";

    public override string Title => "20 MB upload, 4 connections";

    public override LoadRequest Request { get; } = new(RequestText.Post("/upload", 20_000_000));

    public override int Connections => 4;

    public override bool IsForForeignServers => false;

    protected override bool HasRateRounds => false;
}
