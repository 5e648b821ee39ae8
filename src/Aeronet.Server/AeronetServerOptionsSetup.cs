using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Linq;
using Aeronet.Server.Binding;
using Aeronet.Transport;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Options;

namespace Aeronet.Server;

/// <summary>Fills the options from what was configured for Kestrel's sockets, then from the section <c>Aeronet</c>; code comes after and wins.</summary>
/// <remarks>Bound by hand: every unknown key and every value that cannot be read is reported, which the general binder does not do, and nothing is found by reflection.</remarks>
internal sealed class AeronetServerOptionsSetup : IConfigureOptions<AeronetServerOptions>
{
    public const string SectionName = "Aeronet";

    private readonly IConfiguration? _configuration;
    private readonly SocketTransportOptions _sockets;

    public AeronetServerOptionsSetup(IOptions<SocketTransportOptions> sockets, IConfiguration? configuration = null)
    {
        _configuration = configuration;
        _sockets = sockets.Value;
    }

    public void Configure(AeronetServerOptions options)
    {
        // Words that both transports have mean the same. SocketTransportOptions.MaxReadBufferSize has no counterpart: nothing is received before it is asked for.
        AeronetTransportOptionsSetup.TakeOver(_sockets, options.Transport);
        options.SettingsWithoutEffect.AddRange(UnusedSettings.FindSocketSettings(_sockets));
        KestrelSwitches.Read(options);

        if (_configuration is not null)
        {
            Read(_configuration.GetSection(SectionName), options);
        }
    }

    internal static void Read(IConfigurationSection section, AeronetServerOptions options)
    {
        AeronetServerLimits limits = options.Limits;
        AeronetTransportOptions transport = options.Transport;
        var reader = new SectionReader(section, options.ConfigurationFaults);

        reader.Enum<ApplicationMode>(nameof(options.ApplicationMode), value => options.ApplicationMode = value);
        reader.Enum<HalfClosedClients>(nameof(options.HalfClosedClients), value => options.HalfClosedClients = value);
        reader.Enum<Http10StatusLine>(nameof(options.Http10StatusLine), value => options.Http10StatusLine = value);
        reader.Bool(nameof(options.EnableKeepAlive), value => options.EnableKeepAlive = value);
        reader.Bool(nameof(options.AllowLineFeedTerminators), value => options.AllowLineFeedTerminators = value);
        reader.Bool(nameof(options.AddTrailerHeader), value => options.AddTrailerHeader = value);
        reader.Enum<OptionsAsteriskPolicy>(nameof(options.OptionsAsterisk), value => options.OptionsAsterisk = value);
        reader.Enum<TracePolicy>(nameof(options.TracePolicy), value => options.TracePolicy = value);
        reader.Bool(nameof(options.RejectUnknownMethods), value => options.RejectUnknownMethods = value);
        reader.Bool(nameof(options.RejectUnknownExpectations), value => options.RejectUnknownExpectations = value);
        reader.Enum<RejectedConnectionResponse>(nameof(options.RejectedConnectionResponse), value => options.RejectedConnectionResponse = value);
        reader.Children(nameof(options.AllowedMethods), children =>
        {
            options.AllowedMethods.Clear();
            foreach (IConfigurationSection child in children)
            {
                options.AllowedMethods.Add(child.Value ?? "");
            }
        });
        reader.Children(nameof(options.GlobalHeaders), children =>
        {
            foreach (IConfigurationSection child in children)
            {
                options.GlobalHeaders[child.Key] = child.Value ?? "";
            }
        });

        reader.Nested(nameof(options.Limits), nested =>
        {
            nested.NullableInt(nameof(limits.MaxRequestsPerConnection), value => limits.MaxRequestsPerConnection = value);
            nested.NullableInt(nameof(limits.MaxConnectionsPerAddress), value => limits.MaxConnectionsPerAddress = value);
            nested.Int(nameof(limits.IPv6AddressPrefixLength), value => limits.IPv6AddressPrefixLength = value);
            nested.Int(nameof(limits.InlineBodyThreshold), value => limits.InlineBodyThreshold = value);
            nested.Time(nameof(limits.HalfCloseGracePeriod), value => limits.HalfCloseGracePeriod = value);
            nested.Time(nameof(limits.LingerTimeout), value => limits.LingerTimeout = value);
            nested.Long(nameof(limits.LingerBytes), value => limits.LingerBytes = value);
            nested.Time(nameof(limits.BodyDrainTimeout), value => limits.BodyDrainTimeout = value);
        });

        AeronetConnectTunnelOptions tunnels = options.ConnectTunnels;
        reader.Nested(nameof(options.ConnectTunnels), nested =>
        {
            nested.Bool(nameof(tunnels.Enabled), value => tunnels.Enabled = value);
            nested.Children(nameof(tunnels.Allow), children =>
            {
                tunnels.Allow.Clear();
                foreach (IConfigurationSection child in children)
                {
                    tunnels.Allow.Add(child.Value ?? "");
                }
            });
            nested.Time(nameof(tunnels.ConnectTimeout), value => tunnels.ConnectTimeout = value);
            nested.Time(nameof(tunnels.IdleTimeout), value => tunnels.IdleTimeout = value);
            nested.NullableInt(nameof(tunnels.MaxConcurrentTunnels), value => tunnels.MaxConcurrentTunnels = value);
        });

        reader.Nested(nameof(options.Transport), nested =>
        {
            nested.Enum<TransportBackend>(nameof(transport.Backend), value => transport.Backend = value);
            nested.Int(nameof(transport.IOThreadCount), value => transport.IOThreadCount = value);
            nested.Bool(nameof(transport.NoDelay), value => transport.NoDelay = value);
            nested.Int(nameof(transport.Backlog), value => transport.Backlog = value);
            nested.Bool(nameof(transport.ReusePort), value => transport.ReusePort = value);
            nested.Int(nameof(transport.InitialReadSize), value => transport.InitialReadSize = value);
            nested.Int(nameof(transport.BodyReadSize), value => transport.BodyReadSize = value);
            nested.Int(nameof(transport.MaxReadPerEvent), value => transport.MaxReadPerEvent = value);
            nested.Int(nameof(transport.AcceptBatchSize), value => transport.AcceptBatchSize = value);
            nested.NullableLong(nameof(transport.MaxWriteBufferSize), value => transport.MaxWriteBufferSize = value);
            nested.NullableLong(nameof(transport.MaxReadBufferSize), value => transport.MaxReadBufferSize = value);
            nested.Bool(nameof(transport.FinOnError), value => transport.FinOnError = value);
            nested.Enum<PipeScheduling>(nameof(transport.PipeScheduling), value => transport.PipeScheduling = value);
            nested.Time(nameof(transport.HandOffTime), value => transport.HandOffTime = value);
            nested.Int(nameof(transport.MaxApplicationThreads), value => transport.MaxApplicationThreads = value);
            nested.Enum<UnixFileMode>(nameof(transport.UnixSocketMode), value => transport.UnixSocketMode = value);
            nested.Bool(nameof(transport.RemoveStaleUnixSocket), value => transport.RemoveStaleUnixSocket = value);
        });

        reader.Nested(nameof(options.Tls), nested => AeronetTlsOptionsReader.Read(nested, options.Tls));

        reader.ReportUnknown();
    }
}
