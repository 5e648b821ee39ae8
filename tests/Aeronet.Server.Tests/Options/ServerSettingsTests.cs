using System;
using System.Linq;
using System.Text;
using System.Threading;
using Aeronet.Http.Semantics;
using Aeronet.Server.Diagnostics;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Aeronet.Server.Tests.Options;

public sealed class ServerSettingsTests
{
    [Fact]
    public void Defaults_are_those_of_Kestrel()
    {
        ServerSettings settings = Create();
        Assert.Equal(8192, settings.Http1Limits.RequestLineSizeMax);
        Assert.Equal(32768, settings.Http1Limits.HeadersTotalSizeMax);
        Assert.Equal(100, settings.Http1Limits.HeaderCountMax);
        Assert.Equal(30_000_000, settings.MaxRequestBodySize);
        Assert.Equal(64 * 1024, settings.MaxResponseBufferSize);
        Assert.Equal(130_000, settings.KeepAliveTimeoutMs);
        Assert.Equal(30_000, settings.RequestHeadersTimeoutMs);
        Assert.Equal(240, settings.MinRequestBodyDataRate!.BytesPerSecond);
        Assert.Equal(240, settings.MinResponseDataRate!.BytesPerSecond);
        Assert.Null(settings.MaxConcurrentConnections);
        Assert.Null(settings.UpgradedConnections);
        Assert.False(settings.AllowSynchronousIO);
        Assert.Equal("Server: Aeronet\r\n", Encoding.ASCII.GetString(settings.ServerHeaderLine));
        Assert.Empty(settings.GlobalHeaders);
    }

    [Fact]
    public void Encoding_selectors_are_null_until_somebody_sets_one()
    {
        ServerSettings settings = Create();
        Assert.Null(settings.RequestHeaderEncodingSelector);
        Assert.Null(settings.ResponseHeaderEncodingSelector);

        settings = Create(static kestrel =>
        {
            kestrel.RequestHeaderEncodingSelector = static _ => Encoding.Latin1;
            kestrel.ResponseHeaderEncodingSelector = static _ => null;
        });
        Assert.Same(Encoding.Latin1, settings.RequestHeaderEncodingSelector!("X"));
        Assert.NotNull(settings.ResponseHeaderEncodingSelector);
    }

    [Fact]
    public void Infinite_timeouts_can_be_added_to_a_clock_without_overflow()
    {
        ServerSettings settings = Create(
            static kestrel =>
            {
                kestrel.Limits.KeepAliveTimeout = Timeout.InfiniteTimeSpan;
                kestrel.Limits.RequestHeadersTimeout = TimeSpan.MaxValue;
            },
            static aeronet => aeronet.Limits.HalfCloseGracePeriod = Timeout.InfiniteTimeSpan);
        Assert.True(checked(settings.KeepAliveTimeoutMs + Environment.TickCount64) > long.MaxValue / 1_000_000);
        Assert.True(checked(settings.RequestHeadersTimeoutMs + Environment.TickCount64) > Environment.TickCount64 + TimeSpan.FromDays(10_000_000).TotalMilliseconds);
        Assert.Equal(ServerSettings.NoTimeoutMs, settings.HalfCloseGraceMs);
    }

    [Fact]
    public void Parts_of_a_millisecond_are_never_cut_off()
        => Assert.Equal(2, Create(static kestrel => kestrel.Limits.KeepAliveTimeout = TimeSpan.FromMilliseconds(1.5)).KeepAliveTimeoutMs);

    [Fact]
    public void Global_headers_are_ready_made_lines_and_Server_replaces_ours()
    {
        ServerSettings settings = Create(configureAeronet: static aeronet =>
        {
            aeronet.GlobalHeaders["Server"] = "mine";
            aeronet.GlobalHeaders["X-Frame-Options"] = "DENY";
            aeronet.GlobalHeaders["x-own"] = "1";
        });
        Assert.Equal("Server: mine\r\n", Encoding.ASCII.GetString(settings.ServerHeaderLine));
        Assert.Equal(["X-Frame-Options: DENY\r\n", "x-own: 1\r\n"], settings.GlobalHeaders.Select(static header => Encoding.ASCII.GetString(header.Line)));
        Assert.Equal(KnownHeader.XFrameOptions, settings.GlobalHeaders[0].Known);
        Assert.Equal(settings.ServerHeaderLine.Length + settings.GlobalHeaders.Sum(static header => header.Line.Length), settings.GlobalHeadersLength);
    }

    [Fact]
    public void No_server_header_is_sent_when_Kestrel_was_told_so()
        => Assert.Empty(Create(static kestrel => kestrel.AddServerHeader = false).ServerHeaderLine);

    [Fact]
    [Trait("Defect", "HOST-32")]
    public void Response_buffering_follows_Kestrels_limit_unless_the_transport_option_was_changed()
    {
        Assert.Equal(1000, Create(static kestrel => kestrel.Limits.MaxResponseBufferSize = 1000).MaxResponseBufferSize);
        Assert.Null(Create(static kestrel => kestrel.Limits.MaxResponseBufferSize = null).MaxResponseBufferSize);
        Assert.Equal(2000, Create(static kestrel => kestrel.Limits.MaxResponseBufferSize = 1000, static aeronet => aeronet.Transport.MaxWriteBufferSize = 2000).MaxResponseBufferSize);
        Assert.Equal(0, Create(static kestrel => kestrel.Limits.MaxResponseBufferSize = 0).DeferredResponseBytesMax);
    }

    [Fact]
    public void Switches_of_Kestrel_reach_the_codec()
    {
        ServerSettings settings = Create(static kestrel => kestrel.AllowHostHeaderOverride = true, static aeronet =>
        {
            aeronet.AllowLineFeedTerminators = true;
            aeronet.RejectUnknownMethods = true;
        });
        Assert.True(settings.Http1Limits.AllowHostHeaderOverride);
        Assert.True(settings.Http1Limits.AllowLineFeedTerminators);
        Assert.True(settings.Http1Limits.RejectUnknownMethods);
    }

    [Fact]
    public void The_hand_off_time_is_also_what_makes_an_endpoint_slow()
    {
        ServerSettings settings = Create(configureAeronet: static aeronet => aeronet.Transport.HandOffTime = TimeSpan.FromSeconds(3));
        Assert.Equal(TimeSpan.FromSeconds(3), settings.EndpointLoads.HandOffTime);
    }

    private static ServerSettings Create(Action<KestrelServerOptions>? configureKestrel = null, Action<AeronetServerOptions>? configureAeronet = null)
    {
        var kestrel = new KestrelServerOptions();
        configureKestrel?.Invoke(kestrel);
        var aeronet = new AeronetServerOptions();
        configureAeronet?.Invoke(aeronet);
        return ServerSettings.Create(kestrel, aeronet, new ServerLog(NullLoggerFactory.Instance), new ServerMetrics(null), TimeProvider.System, null);
    }
}
