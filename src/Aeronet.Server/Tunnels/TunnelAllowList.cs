using System;
using System.Collections.Generic;
using System.Net;
using System.Net.Sockets;

namespace Aeronet.Server.Tunnels;

/// <summary>The targets that tunnels may have: default deny.</summary>
internal sealed class TunnelAllowList
{
    private readonly List<Pattern> _patterns = [];

    /// <summary>Reads the patterns of the options, which have been validated.</summary>
    public TunnelAllowList(IEnumerable<string> patterns)
    {
        foreach (string text in patterns)
        {
            if (!TryParse(text, out Pattern pattern))
            {
                throw new ArgumentException($"'{text}' is no pattern for targets.", nameof(patterns));
            }
            _patterns.Add(pattern);
        }
    }

    public static bool IsPattern(string? text) => text is not null && TryParse(text, out _);

    public bool Allows(TunnelTarget target)
    {
        foreach (Pattern pattern in _patterns)
        {
            if (pattern.Matches(target))
            {
                return true;
            }
        }
        return false;
    }

    private static bool TryParse(string text, out Pattern pattern)
    {
        pattern = default;
        if (text == "*")
        {
            pattern = new Pattern(HostKind.Any, "", null, 0);
            return true;
        }
        int colon = text.LastIndexOf(':');
        if (colon <= 0)
        {
            return false;
        }
        int port = 0;
        if (text[(colon + 1)..] != "*" && !TunnelTarget.TryParsePort(text.AsSpan(colon + 1), out port))
        {
            return false;
        }
        string host = text[..colon];
        if (host == "*")
        {
            pattern = new Pattern(HostKind.Any, "", null, port);
            return true;
        }
        HostKind kind = host.StartsWith("*.", StringComparison.Ordinal) ? HostKind.Below : HostKind.Exact;
        // With any port in place of the pattern's: the host is read as that of a target.
        if (!TunnelTarget.TryParse($"{(kind == HostKind.Below ? host[2..] : host)}:1", out TunnelTarget? read) || (kind == HostKind.Below && read.Address is not null))
        {
            return false;
        }
        pattern = new Pattern(kind, read.Host, read.Address, port);
        return true;
    }

    private enum HostKind
    {
        Exact,
        Below,
        Any,
    }

    /// <param name="Kind">How the host is compared.</param>
    /// <param name="Host">Without the wildcard.</param>
    /// <param name="Address">Non-null for an address.</param>
    /// <param name="Port">0 for any.</param>
    private readonly record struct Pattern(HostKind Kind, string Host, IPAddress? Address, int Port)
    {
        public bool Matches(TunnelTarget target)
        {
            if (Port != 0 && Port != target.Port)
            {
                return false;
            }
            return Kind switch
            {
                HostKind.Any => true,
                HostKind.Below => target.Address is null && target.Host.Length > Host.Length + 1
                    && target.Host.EndsWith(Host, StringComparison.OrdinalIgnoreCase) && target.Host[target.Host.Length - Host.Length - 1] == '.',
                _ => Address is not null ? Address.Equals(target.Address) : target.Address is null && target.Host.Equals(Host, StringComparison.OrdinalIgnoreCase),
            };
        }
    }
}
