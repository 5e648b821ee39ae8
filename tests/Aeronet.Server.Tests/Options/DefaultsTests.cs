using System;
using System.Text;
using Aeronet.Server.Diagnostics;
using Aeronet.Transport;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Aeronet.Server.Tests.Options;

/// <summary>What an application gets that sets nothing: Kestrel's values where Kestrel has the setting, because one line in a program must not change its limits.</summary>
public sealed class DefaultsTests
{
    private static readonly AeronetServerOptions s_options = new();
    private static readonly AeronetTransportOptions s_transport = s_options.Transport;
    private static readonly ServerSettings s_settings = ServerSettings.Create(new KestrelServerOptions(), s_options, new ServerLog(NullLoggerFactory.Instance), new ServerMetrics(null), TimeProvider.System, null);

    [Fact]
    [Trait("Feature", "C2")]
    public void Other_processes_may_not_share_an_endpoint() => Assert.False(s_transport.ReusePort);

    [Fact]
    [Trait("Feature", "C3")]
    public void A_head_may_have_a_line_of_8_KiB_and_100_fields_of_32_KiB_together()
        => Assert.Equal((8192, 32768, 100), (s_settings.Http1Limits.RequestLineSizeMax, s_settings.Http1Limits.HeadersTotalSizeMax, s_settings.Http1Limits.HeaderCountMax));

    [Fact]
    [Trait("Feature", "C4")]
    public void A_request_body_may_have_30_million_bytes() => Assert.Equal(30_000_000, s_settings.MaxRequestBodySize);

    [Fact]
    [Trait("Feature", "C5")]
    public void Content_up_to_8_KiB_is_copied_behind_the_head() => Assert.Equal(8192, s_settings.InlineBodyThreshold);

    [Fact]
    [Trait("Feature", "C6")]
    public void Writers_wait_above_64_KiB() => Assert.Equal(64 * 1024, s_settings.MaxResponseBufferSize);

    [Fact]
    [Trait("Feature", "C8")]
    public void Requests_of_a_connection_are_not_counted_out() => Assert.Equal(int.MaxValue, s_settings.MaxRequestsPerConnection);

    [Fact]
    [Trait("Feature", "C9")]
    public void Connections_are_kept_alive() => Assert.True(s_options.EnableKeepAlive);

    [Fact]
    [Trait("Feature", "C10")]
    public void An_idle_connection_may_stay_130_seconds() => Assert.Equal(130_000, s_settings.KeepAliveTimeoutMs);

    [Fact]
    [Trait("Feature", "C12")]
    public void A_head_may_take_30_seconds() => Assert.Equal(30_000, s_settings.RequestHeadersTimeoutMs);

    [Fact]
    [Trait("Feature", "C17"), Trait("Feature", "C18"), Trait("Feature", "C19")]
    public void Receives_ask_for_4_KiB_then_8_KiB_and_at_most_128_KiB_a_turn()
        => Assert.Equal((4096, 8192, 128 * 1024), (s_settings.InitialReadSize, s_settings.BodyReadSize, s_settings.MaxReadPerEvent));

    [Fact]
    [Trait("Feature", "C19")]
    public void A_turn_without_a_limit_is_written_as_0()
    {
        var options = new AeronetServerOptions { Transport = { MaxReadPerEvent = 0 } };
        var settings = ServerSettings.Create(new KestrelServerOptions(), options, new ServerLog(NullLoggerFactory.Instance), new ServerMetrics(null), TimeProvider.System, null);
        Assert.Equal(int.MaxValue, settings.MaxReadPerEvent);
    }

    [Fact]
    [Trait("Feature", "C20")]
    public void The_only_field_of_our_own_is_Server()
    {
        Assert.Equal("Server: Aeronet\r\n", Encoding.ASCII.GetString(s_settings.ServerHeaderLine));
        Assert.Empty(s_settings.GlobalHeaders);
    }

    [Fact]
    [Trait("Feature", "C21"), Trait("Feature", "B54"), Trait("Feature", "B53"), Trait("Feature", "B62")]
    public void TRACE_OPTIONS_asterisk_and_unknown_methods_are_the_applications()
        => Assert.Equal((TracePolicy.PassThrough, OptionsAsteriskPolicy.PassThrough, false), (s_settings.TracePolicy, s_settings.OptionsAsterisk, s_settings.Http1Limits.RejectUnknownMethods));

    [Fact]
    [Trait("Feature", "C26"), Trait("Feature", "B18")]
    public void There_is_a_loop_for_each_core() => Assert.Equal(Environment.ProcessorCount, s_transport.IOThreadCount);

    [Fact]
    [Trait("Feature", "C27a")]
    public void The_backlog_is_Kestrels() => Assert.Equal(512, s_transport.Backlog);

    [Fact]
    [Trait("Feature", "B89"), Trait("Defect", "BODY-14")]
    public void A_refused_upload_is_dropped_for_2_seconds_or_a_megabyte()
        => Assert.Equal((2000L, 1024L * 1024), (s_settings.LingerTimeoutMs, s_settings.LingerBytes));

    [Fact]
    [Trait("Defect", "BODY-16")]
    public void An_unread_body_is_drained_for_5_seconds() => Assert.Equal(5000, s_settings.BodyDrainTimeoutMs);

    [Fact]
    [Trait("Feature", "B37"), Trait("Defect", "DRAIN-15"), Trait("Defect", "HOST-14")]
    public void Where_the_RFC_says_more_than_Kestrel_does_the_RFC_is_followed_and_a_rejected_connection_is_told_nothing()
        => Assert.Equal(
            (Http10StatusLine.Http10, false, false, RejectedConnectionResponse.None),
            (s_settings.Http10StatusLine, s_settings.AbortHalfClosedClients, s_settings.Http1Limits.AllowLineFeedTerminators, s_settings.RejectedConnectionResponse));
}
