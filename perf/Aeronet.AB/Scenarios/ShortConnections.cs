using Aeronet.AB.Load;

namespace Aeronet.AB.Scenarios;

/// <summary>Accepting and closing is part of the cost: connection churn as behind a proxy without keep-alive.</summary>
internal sealed class ShortConnections : RequestScenario
{
    public override string Name => "short-connections";

    public override string Title => "10 requests per connection, 64 at a time";

    public override LoadRequest Request { get; } = new(RequestText.Get("/plaintext"), PerConnection: 10);

    public override int Connections => 64;
}
