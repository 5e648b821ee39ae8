using System;
using System.Collections.Generic;
using System.Runtime.CompilerServices;
using Aeronet.Native.OpenSsl;

namespace Aeronet.Transport.Tls;

/// <summary>The contexts of an endpoint's settings, by server name. Never changed: a reload makes a new set.</summary>
internal sealed class TlsContextSet
{
    private readonly TlsContext? _default;
    private readonly Dictionary<string, TlsContext> _exact = new(StringComparer.OrdinalIgnoreCase);
    private readonly List<(string Suffix, TlsContext Context)> _wildcards = []; // longest first; the suffix begins with its dot
    private readonly ConditionalWeakTable<TlsIdentity, TlsContext> _selected = new(); // what the selector has chosen so far

    private TlsContextSet(TlsSettings settings)
    {
        Settings = settings;
        List<string> faults = [];
        _default = Make(settings.Default, "", "the default identity", faults);
        foreach ((string name, TlsIdentity identity) in settings.Names)
        {
            TlsContext? context = Make(identity, name, $"the identity for \"{name}\"", faults);
            if (context is null)
            {
                continue;
            }

            if (name.StartsWith("*.", StringComparison.Ordinal))
            {
                _wildcards.Add((name[1..], context));
            }
            else if (!_exact.TryAdd(name, context))
            {
                faults.Add($"The server name \"{name}\" is configured twice.");
            }
        }

        _wildcards.Sort(static (one, other) => other.Suffix.Length.CompareTo(one.Suffix.Length));
        if (settings.KernelTls != KernelTls.Off && settings.FindKernelTls().FindFault(settings.KernelTls) is { } kernelFault)
        {
            faults.Add(kernelFault);
        }

        if (faults.Count > 0)
        {
            throw new TlsConfigurationException(string.Join(Environment.NewLine, faults));
        }
    }

    public TlsSettings Settings { get; }

    /// <exception cref="TlsConfigurationException">With all faults.</exception>
    public static TlsContextSet Create(TlsSettings settings)
    {
        if (OpenSslLibrary.Fault is { } fault)
        {
            throw new TlsConfigurationException(fault);
        }

        return new TlsContextSet(settings);
    }

    /// <summary>The context for a server name, empty for none; null: the client is refused.</summary>
    public TlsContext? Find(string serverName) => FindName(serverName) ?? _default;

    /// <summary>A handshake for this name would have chosen otherwise: other demands on the client may hold there.</summary>
    public bool IsOther(TlsContext chosen, string host) => FindName(host) is { } named ? named != chosen : chosen.IsNamed;

    private TlsContext? FindName(string serverName)
    {
        if (serverName.Length > 0)
        {
            if (_exact.TryGetValue(serverName, out TlsContext? exact))
            {
                return exact;
            }

            foreach ((string suffix, TlsContext context) in _wildcards)
            {
                // At the dot: *.example.com is not for fooexample.com, nor for example.com itself.
                int label = serverName.Length - suffix.Length;
                if (label > 0 && serverName.EndsWith(suffix, StringComparison.OrdinalIgnoreCase)
                    && (Settings.WildcardsSpanLabels || !serverName.AsSpan(0, label).Contains('.')))
                {
                    return context;
                }
            }
        }

        return null;
    }

    /// <summary>The context of an identity that the selector chose, made when it is seen for the first time.</summary>
    /// <exception cref="TlsConfigurationException">It cannot be used.</exception>
    public TlsContext For(TlsIdentity identity) => _selected.GetValue(identity, made => TlsContext.Create(made, $"selected:{made.Certificates[0].Leaf.Thumbprint}", Settings, SelfIfNamed, isNamed: false));

    private TlsContextSet? SelfIfNamed => Settings.Names.Count > 0 ? this : null;

    private TlsContext? Make(TlsIdentity? identity, string name, string what, List<string> faults)
    {
        if (identity is null)
        {
            return null;
        }

        try
        {
            return TlsContext.Create(identity, name, Settings, SelfIfNamed, isNamed: name.Length > 0);
        }
        catch (TlsConfigurationException fault)
        {
            faults.Add($"{char.ToUpperInvariant(what[0])}{what[1..]}: {fault.Message}");
            return null;
        }
    }
}
