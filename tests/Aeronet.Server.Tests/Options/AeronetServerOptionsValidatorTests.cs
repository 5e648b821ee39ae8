using System;
using System.Linq;
using System.Threading;
using Microsoft.Extensions.Options;
using Xunit;

namespace Aeronet.Server.Tests.Options;

public sealed class AeronetServerOptionsValidatorTests
{
    private static readonly AeronetServerOptionsValidator s_validator = new();

    [Fact]
    public void The_defaults_are_valid() => Assert.True(s_validator.Validate(null, new AeronetServerOptions()).Succeeded);

    public static TheoryData<string, Action<AeronetServerOptions>> Faults => new()
    {
        { "Limits.MaxRequestsPerConnection is 0", static options => options.Limits.MaxRequestsPerConnection = 0 },
        { "Limits.InlineBodyThreshold is -1", static options => options.Limits.InlineBodyThreshold = -1 },
        { "Limits.InlineBodyThreshold is 1048577", static options => options.Limits.InlineBodyThreshold = 1024 * 1024 + 1 },
        { "Limits.HalfCloseGracePeriod is -00:00:05", static options => options.Limits.HalfCloseGracePeriod = TimeSpan.FromSeconds(-5) },
        { "Limits.LingerTimeout is 00:01:00.0010000", static options => options.Limits.LingerTimeout = TimeSpan.FromMilliseconds(60_001) },
        { "Limits.LingerTimeout is -00:00:00.0010000", static options => options.Limits.LingerTimeout = Timeout.InfiniteTimeSpan },
        { "Limits.LingerBytes is -1", static options => options.Limits.LingerBytes = -1 },
        { "Limits.LingerBytes is 1073741825", static options => options.Limits.LingerBytes = 1024L * 1024 * 1024 + 1 },
        { "Limits.BodyDrainTimeout is -00:00:01", static options => options.Limits.BodyDrainTimeout = TimeSpan.FromSeconds(-1) },
        { "ApplicationMode is 7", static options => options.ApplicationMode = (ApplicationMode)7 },
        { "HalfClosedClients is 7", static options => options.HalfClosedClients = (HalfClosedClients)7 },
        { "Http10StatusLine is 7", static options => options.Http10StatusLine = (Http10StatusLine)7 },
        { "OptionsAsterisk is 7", static options => options.OptionsAsterisk = (OptionsAsteriskPolicy)7 },
        { "TracePolicy is 7", static options => options.TracePolicy = (TracePolicy)7 },
        { "RejectedConnectionResponse is 7", static options => options.RejectedConnectionResponse = (RejectedConnectionResponse)7 },
        { "AllowedMethods is \"GE T\"", static options => options.AllowedMethods.Add("GE T") },
        { "AllowedMethods is \"\"", static options => options.AllowedMethods.Add("") },
        { "GlobalHeaders is \"X Y\"", static options => options.GlobalHeaders["X Y"] = "1" },
        { "GlobalHeaders is \"content-length\"", static options => options.GlobalHeaders["content-length"] = "1" },
        { "GlobalHeaders is \"Date\"", static options => options.GlobalHeaders["Date"] = "now" },
        { "GlobalHeaders is \"Transfer-Encoding\"", static options => options.GlobalHeaders["Transfer-Encoding"] = "chunked" },
        { "GlobalHeaders[X] is \"a\\u000D\\u000Ab\"", static options => options.GlobalHeaders["X"] = "a\r\nb" },
        { "GlobalHeaders[X] is \"\\u00E9\"", static options => options.GlobalHeaders["X"] = "\u00e9" },
        { "GlobalHeaders[X] is \"\"", static options => options.GlobalHeaders["X"] = "" },
        { "GlobalHeaders[X] is \" a\"", static options => options.GlobalHeaders["X"] = " a" },
        { "ConnectTunnels.Allow is \"a.example\"", static options => options.ConnectTunnels.Allow.Add("a.example") },
        { "ConnectTunnels.ConnectTimeout is 00:00:00", static options => options.ConnectTunnels.ConnectTimeout = TimeSpan.Zero },
        { "ConnectTunnels.IdleTimeout is 2.00:00:00", static options => options.ConnectTunnels.IdleTimeout = TimeSpan.FromDays(2) },
        { "ConnectTunnels.MaxConcurrentTunnels is 0", static options => options.ConnectTunnels.MaxConcurrentTunnels = 0 },
        { "Transport.", static options => options.Transport.IOThreadCount = 0 },
    };

    [Theory]
    [MemberData(nameof(Faults))]
    public void Each_fault_is_named_with_its_value_and_range(string expected, Action<AeronetServerOptions> breakIt)
    {
        var options = new AeronetServerOptions();
        breakIt(options);
        ValidateOptionsResult result = s_validator.Validate(null, options);
        Assert.True(result.Failed);
        string fault = Assert.Single(result.Failures);
        Assert.Contains(expected, fault, StringComparison.Ordinal);
        Assert.DoesNotContain(fault, char.IsControl);
    }

    public static TheoryData<Action<AeronetServerOptions>> Edges => new()
    {
        static options => options.Limits.MaxRequestsPerConnection = 1,
        static options => options.Limits.MaxRequestsPerConnection = int.MaxValue,
        static options => options.Limits.InlineBodyThreshold = 0,
        static options => options.Limits.InlineBodyThreshold = 1024 * 1024,
        static options => options.Limits.HalfCloseGracePeriod = TimeSpan.Zero,
        static options => options.Limits.HalfCloseGracePeriod = Timeout.InfiniteTimeSpan,
        static options => options.Limits.LingerTimeout = TimeSpan.Zero,
        static options => options.Limits.LingerTimeout = TimeSpan.FromSeconds(60),
        static options => options.Limits.LingerBytes = 0,
        static options => options.GlobalHeaders["Server"] = "mine/1.0 (x)",
        static options => options.GlobalHeaders["x-frame-options"] = "DENY",
    };

    [Theory]
    [MemberData(nameof(Edges))]
    public void The_ends_of_the_ranges_are_allowed(Action<AeronetServerOptions> set)
    {
        var options = new AeronetServerOptions();
        set(options);
        Assert.True(s_validator.Validate(null, options).Succeeded);
    }

    [Fact]
    public void All_faults_come_at_once()
    {
        var options = new AeronetServerOptions();
        options.Limits.InlineBodyThreshold = -1;
        options.Limits.LingerBytes = -1;
        options.Transport.Backlog = 0;
        options.ConfigurationFaults.Add("Aeronet:Typo is not a setting of Aeronet.");
        ValidateOptionsResult result = s_validator.Validate(null, options);
        Assert.Equal(4, result.Failures!.Count());
    }
}
