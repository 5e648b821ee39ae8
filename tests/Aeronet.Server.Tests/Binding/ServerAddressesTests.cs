using Aeronet.Server.Binding;
using Xunit;

namespace Aeronet.Server.Tests.Binding;

public sealed class ServerAddressesTests
{
    [Fact]
    [Trait("Defect", "HOST-11")]
    public void Changes_from_outside_have_no_effect_while_the_server_runs()
    {
        ServerAddresses addresses = new() { "http://127.0.0.1:0" };
        addresses.BeginRun();
        addresses.Publish("http://127.0.0.1:43210");

        addresses.Clear();
        addresses.Add("http://127.0.0.1:0");

        Assert.True(addresses.IsReadOnly);
        Assert.False(addresses.Remove("http://127.0.0.1:43210"));
        Assert.Equal(["http://127.0.0.1:43210"], addresses);
    }

    [Fact]
    [Trait("Defect", "HOST-12")]
    public void A_failed_start_gives_back_what_was_asked_for()
    {
        ServerAddresses addresses = new() { "http://127.0.0.1:0" };
        addresses.BeginRun();
        addresses.Publish("http://127.0.0.1:43210");

        addresses.EndRun(["http://127.0.0.1:0"]);
        addresses.Add("http://127.0.0.1:1");

        Assert.Equal(["http://127.0.0.1:0", "http://127.0.0.1:1"], addresses);
    }
}
