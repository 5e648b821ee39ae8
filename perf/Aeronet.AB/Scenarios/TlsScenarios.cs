using Aeronet.AB.Load;

namespace Aeronet.AB.Scenarios;

/// <summary>The smallest request over encrypted connections that stay: what TLS adds to a request.</summary>
internal sealed class TlsKeepAlive : RequestScenario
{
    public override string Name => "tls-keepalive-64";

    public override string Title => "TLS 1.3 keep-alive GET, 64 connections";

    public override string? TlsKey => "p256";

    public override LoadRequest Request { get; } = new(RequestText.Get("/plaintext"), Tls: TlsUse.Full);

    public override int Connections => 64;

    public override bool IsForForeignServers => false;
}

/// <summary>A handshake, one request, the end: what a new client costs.</summary>
internal sealed class TlsHandshakes(string key, TlsUse use) : RequestScenario
{
    public override string Name => use == TlsUse.Resumed ? "tls-resumed" : $"tls-handshake-{key}";

    public override string Title => use == TlsUse.Resumed ? "TLS 1.3 resumed handshake and one GET, 16 at a time" : $"TLS 1.3 full handshake ({key}) and one GET, 16 at a time";

    public override string? TlsKey => key;

    public override LoadRequest Request { get; } = new(RequestText.Get("/plaintext"), PerConnection: 1, Tls: use);

    public override int Connections => 16;

    public override bool IsForForeignServers => false;

    protected override bool HasRateRounds => false;
}

/// <summary>A large response: what encryption and its buffers cost per byte.</summary>
internal sealed class TlsLargeFile : RequestScenario
{
    public override string Name => "tls-file-1m";

    public override string Title => "1 MB file over TLS 1.3, 16 connections";

    public override string? TlsKey => "p256";

    public override LoadRequest Request { get; } = new(RequestText.Get("/file/1m"), Tls: TlsUse.Full);

    public override int Connections => 16;

    public override bool IsForForeignServers => false;

    protected override bool HasRateRounds => false;
}
