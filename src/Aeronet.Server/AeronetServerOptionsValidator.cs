using System;
using System.Collections.Generic;
using System.Globalization;
using System.Threading;
using Aeronet.Http.Semantics;
using Aeronet.Server.Tunnels;
using Aeronet.Transport;
using Microsoft.Extensions.Options;

namespace Aeronet.Server;

/// <summary>Finds every fault of the options at once: property, value, range.</summary>
internal sealed class AeronetServerOptionsValidator : IValidateOptions<AeronetServerOptions>
{
    private static readonly TimeSpan s_closingTimeMax = TimeSpan.FromSeconds(60);
    private static readonly AeronetTransportOptionsValidator s_transportValidator = new();
    private static readonly AeronetTlsOptionsValidator s_tlsValidator = new();

    // The server owns these: framing, connection management, the clock. RFC 9110 section 7.6.1, RFC 9112 section 6.
    private static readonly HashSet<string> s_reservedNames = new(StringComparer.OrdinalIgnoreCase)
    {
        "Connection", "Content-Length", "Date", "Host", "Keep-Alive", "Proxy-Connection", "TE", "Trailer", "Transfer-Encoding", "Upgrade",
    };

    public ValidateOptionsResult Validate(string? name, AeronetServerOptions options)
    {
        var faults = new List<string>(options.ConfigurationFaults);
        AeronetServerLimits limits = options.Limits;

        if (limits.MaxRequestsPerConnection is < 1)
        {
            faults.Add(Fault("Limits.MaxRequestsPerConnection", limits.MaxRequestsPerConnection.Value, "null (no limit) or 1 to 2147483647"));
        }
        CheckRange("Limits.InlineBodyThreshold", limits.InlineBodyThreshold, 0, 1024 * 1024);
        CheckRange("Limits.LingerBytes", limits.LingerBytes, 0, 1024 * 1024 * 1024);
        if (limits.HalfCloseGracePeriod < TimeSpan.Zero && limits.HalfCloseGracePeriod != Timeout.InfiniteTimeSpan)
        {
            faults.Add(Fault("Limits.HalfCloseGracePeriod", limits.HalfCloseGracePeriod, "0 or more, or Timeout.InfiniteTimeSpan"));
        }
        CheckTime("Limits.LingerTimeout", limits.LingerTimeout);
        CheckTime("Limits.BodyDrainTimeout", limits.BodyDrainTimeout);

        CheckEnum(nameof(options.ApplicationMode), options.ApplicationMode);
        CheckEnum(nameof(options.HalfClosedClients), options.HalfClosedClients);
        CheckEnum(nameof(options.Http10StatusLine), options.Http10StatusLine);
        CheckEnum(nameof(options.OptionsAsterisk), options.OptionsAsterisk);
        CheckEnum(nameof(options.TracePolicy), options.TracePolicy);
        CheckEnum(nameof(options.RejectedConnectionResponse), options.RejectedConnectionResponse);

        AeronetConnectTunnelOptions tunnels = options.ConnectTunnels;
        foreach (string pattern in tunnels.Allow)
        {
            if (!TunnelAllowList.IsPattern(pattern))
            {
                faults.Add(Fault("ConnectTunnels.Allow", Quote(pattern), "host:port, *.name:port or *, where the port is 1 to 65535 or *"));
            }
        }
        if (tunnels.ConnectTimeout < TimeSpan.FromMilliseconds(1) || tunnels.ConnectTimeout > TimeSpan.FromMinutes(10))
        {
            faults.Add(Fault("ConnectTunnels.ConnectTimeout", tunnels.ConnectTimeout, "00:00:00.0010000 to 00:10:00"));
        }
        if ((tunnels.IdleTimeout < TimeSpan.FromMilliseconds(1) || tunnels.IdleTimeout > TimeSpan.FromDays(1)) && tunnels.IdleTimeout != Timeout.InfiniteTimeSpan)
        {
            faults.Add(Fault("ConnectTunnels.IdleTimeout", tunnels.IdleTimeout, "00:00:00.0010000 to 1.00:00:00, or Timeout.InfiniteTimeSpan"));
        }
        if (tunnels.MaxConcurrentTunnels is < 1)
        {
            faults.Add(Fault("ConnectTunnels.MaxConcurrentTunnels", tunnels.MaxConcurrentTunnels.Value, "null (no limit) or 1 to 2147483647"));
        }

        foreach (string method in options.AllowedMethods)
        {
            if (method is null || FieldSyntax.IndexOfInvalidNameChar(method) >= 0)
            {
                faults.Add(Fault("AllowedMethods", Quote(method), "tokens of RFC 9110 section 5.6.2"));
            }
        }
        foreach ((string header, string value) in options.GlobalHeaders)
        {
            if (FieldSyntax.IndexOfInvalidNameChar(header) >= 0)
            {
                faults.Add(Fault("GlobalHeaders", Quote(header), "names that are tokens of RFC 9110 section 5.6.2"));
            }
            else if (s_reservedNames.Contains(header))
            {
                faults.Add(Fault("GlobalHeaders", Quote(header), "names that the server does not set itself"));
            }
            else if (string.IsNullOrWhiteSpace(value) || value.Length != value.AsSpan().Trim().Length || FieldSyntax.IndexOfInvalidValueChar(value) >= 0)
            {
                faults.Add(Fault($"GlobalHeaders[{header}]", Quote(value), "a value of visible ASCII characters with spaces only between them"));
            }
        }

        ValidateOptionsResult transport = s_transportValidator.Validate(name: null, options.Transport);
        if (transport.Failed)
        {
            foreach (string fault in transport.Failures)
            {
                faults.Add($"Transport.{fault}");
            }
        }

        ValidateOptionsResult tls = s_tlsValidator.Validate(name: null, options.Tls);
        if (tls.Failed)
        {
            foreach (string fault in tls.Failures)
            {
                faults.Add($"Tls.{fault}");
            }
        }

        return faults.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(faults);

        void CheckRange(string property, long value, long min, long max)
        {
            if (value < min || value > max)
            {
                faults.Add(Fault(property, value, string.Create(CultureInfo.InvariantCulture, $"{min} to {max}")));
            }
        }

        void CheckTime(string property, TimeSpan value)
        {
            if (value < TimeSpan.Zero || value > s_closingTimeMax)
            {
                faults.Add(Fault(property, value, $"00:00:00 to {s_closingTimeMax}"));
            }
        }

        void CheckEnum<T>(string property, T value)
            where T : struct, Enum
        {
            if (!Enum.IsDefined(value))
            {
                faults.Add(Fault(property, value, string.Join(", ", Enum.GetNames<T>())));
            }
        }
    }

    private static string Fault(string property, object value, string range)
        => string.Create(CultureInfo.InvariantCulture, $"AeronetServerOptions.{property} is {value}; allowed: {range}.");

    // Control characters must not reach a console or a log as they are.
    private static string Quote(string? text)
        => text is null ? "null" : $"\"{string.Concat(Array.ConvertAll(text.ToCharArray(), static c => c is >= ' ' and <= '~' ? c.ToString() : $"\\u{(int)c:X4}"))}\"";
}
