using System.Collections.Generic;
using System.Text;
using Aeronet.AB.Load;

namespace Aeronet.AB.Scenarios;

/// <summary>The transport alone: a <c>ConnectionHandler</c> that sends back 64-byte messages.</summary>
/// <remarks>The message is a response: so the load client, which knows nothing but HTTP, understands its echo.</remarks>
internal sealed class RawEcho : RequestScenario
{
    public override string Name => "raw-echo";

    public override string Title => "raw TCP echo of 64-byte messages, 64 connections";

    public override bool IsForForeignServers => false;

    public override IReadOnlyList<string> ServerArguments { get; } = ["--echo", "true"];

    public override LoadRequest Request { get; } = new(Encoding.ASCII.GetBytes("HTTP/1.1 200 OK\r\nContent-Length: 25\r\n\r\n0123456789012345678901234"));

    public override int Connections => 64;
}
