using System.Collections.Generic;
using Aeronet.AB.Load;

namespace Aeronet.AB.Scenarios;

/// <summary>HTTP behind connection middleware that has looked at the first bytes: what the pipes between socket and protocol cost.</summary>
internal sealed class BehindMiddleware : RequestScenario
{
    public override string Name => "middleware-64";

    public override string Title => "keep-alive GET behind connection middleware, 64 connections";

    public override bool IsForForeignServers => false;

    public override IReadOnlyList<string> ServerArguments { get; } = ["--echo", "true"];

    public override LoadRequest Request { get; } = new(RequestText.Get("/plaintext"));

    public override int Connections => 64;
}
