using Aeronet.AB.Load;

namespace Aeronet.AB.Scenarios;

/// <summary>A request body read and written back.</summary>
internal sealed class PostEcho : RequestScenario
{
    public override string Name => "post-4k";

    public override string Title => "POST 4 KB echo, 64 connections";

    public override LoadRequest Request { get; } = new(RequestText.Post("/echo", 4096));

    public override int Connections => 64;

    public override bool IsForForeignServers => false;
}
