using System.Collections.Generic;
using Aeronet.Server.Binding;
using Xunit;

namespace Aeronet.Server.Tests.Options;

public sealed class KestrelSwitchesTests
{
    private const string LineFeeds = "Microsoft.AspNetCore.Server.Kestrel.DisableHttp1LineFeedTerminators";

    [Fact]
    [Trait("Defect", "PARSE-17")]
    public void Without_the_switch_a_bare_line_feed_is_refused() => Assert.False(Read([]).AllowLineFeedTerminators);

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    [Trait("Defect", "PARSE-17")]
    public void The_line_feed_switch_means_what_it_means_on_Kestrel(bool isDisabled)
        => Assert.Equal(!isDisabled, Read(new() { [LineFeeds] = isDisabled }).AllowLineFeedTerminators);

    [Theory]
    [InlineData("AllowKeepAliveAfterCLTE")]
    [InlineData("EnableInsecureChunkedRequestParsing")]
    [InlineData("FinOnError")]
    public void A_switch_without_effect_is_named_when_it_is_on(string name)
    {
        string full = $"Microsoft.AspNetCore.Server.Kestrel.{name}";
        Assert.Equal($"AppContext switch {full}", Assert.Single(Read(new() { [full] = true }).SettingsWithoutEffect));
        Assert.Empty(Read(new() { [full] = false }).SettingsWithoutEffect);
    }

    private static AeronetServerOptions Read(Dictionary<string, bool> switches)
    {
        var options = new AeronetServerOptions();
        KestrelSwitches.Read(switches.TryGetValue, options);
        return options;
    }
}
