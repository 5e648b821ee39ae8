using Aeronet.AB.Load;

namespace Aeronet.AB.Scenarios;

/// <summary>An object serialised by System.Text.Json in a minimal API.</summary>
internal sealed class JsonSerialization : RequestScenario
{
    public override string Name => "json";

    public override string Title => "JSON serialisation, 64 connections";

    public override LoadRequest Request { get; } = new(RequestText.Get("/json"));

    public override int Connections => 64;

    public override bool IsForForeignServers => false;
}
