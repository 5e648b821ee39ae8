using System;
using System.Collections.Generic;

namespace Aeronet.Transport.Tls;

/// <summary>The settings of an endpoint.</summary>
internal sealed class TlsContextSet
{
    private TlsContextSet(TlsSettings settings) => Settings = settings;

    public TlsSettings Settings { get; }

    public static TlsContextSet Create(TlsSettings settings) => new(settings);
}
