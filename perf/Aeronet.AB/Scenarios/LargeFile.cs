using Aeronet.AB.Load;

namespace Aeronet.AB.Scenarios;

/// <summary>A larger static file through SendFileAsync.</summary>
internal sealed class LargeFile : RequestScenario
{
    public override string Name => "file-1m";

    public override string Title => "1 MB file, 16 connections";

    public override LoadRequest Request { get; } = new(RequestText.Get("/file/1m"));

    public override int Connections => 16;

    public override bool IsForForeignServers => false;
}
