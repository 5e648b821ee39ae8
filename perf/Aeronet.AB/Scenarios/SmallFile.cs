using Aeronet.AB.Load;

namespace Aeronet.AB.Scenarios;

/// <summary>A static file through SendFileAsync.</summary>
internal sealed class SmallFile : RequestScenario
{
    public override string Name => "file-100k";

    public override string Title => "100 KB file, 64 connections";

    public override LoadRequest Request { get; } = new(RequestText.Get("/file/100k"));

    public override int Connections => 64;

    public override bool IsForForeignServers => false;
}
