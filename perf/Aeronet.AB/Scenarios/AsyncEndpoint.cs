using Aeronet.AB.Load;

namespace Aeronet.AB.Scenarios;

/// <summary>The handler awaits a one-millisecond timer and goes on on the thread pool.</summary>
internal sealed class AsyncEndpoint : RequestScenario
{
    public override string Name => "async";

    public override string Title => "async endpoint (1 ms timer), 64 connections";

    public override LoadRequest Request { get; } = new(RequestText.Get("/async"));

    public override int Connections => 64;

    public override bool IsForForeignServers => false;
}
