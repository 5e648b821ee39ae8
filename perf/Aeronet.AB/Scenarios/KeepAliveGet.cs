using System.Globalization;
using Aeronet.AB.Load;

namespace Aeronet.AB.Scenarios;

/// <summary>The smallest request and response over connections that stay: what the server itself costs.</summary>
internal sealed class KeepAliveGet(int connections) : RequestScenario
{
    public override string Name => string.Create(CultureInfo.InvariantCulture, $"keepalive-{connections}");

    public override string Title => string.Create(CultureInfo.InvariantCulture, $"keep-alive GET, {connections} connection{(connections == 1 ? "" : "s")}");

    public override LoadRequest Request { get; } = new(RequestText.Get("/plaintext"));

    public override int Connections => connections;
}
