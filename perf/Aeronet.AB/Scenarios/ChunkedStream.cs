using Aeronet.AB.Load;

namespace Aeronet.AB.Scenarios;

/// <summary>64 pieces of 16 KB, each flushed by the application.</summary>
internal sealed class ChunkedStream : RequestScenario
{
    public override string Name => "stream-1m";

    public override string Title => "1 MB chunked stream, 16 connections";

    public override LoadRequest Request { get; } = new(RequestText.Get("/stream"));

    public override int Connections => 16;

    public override bool IsForForeignServers => false;
}
