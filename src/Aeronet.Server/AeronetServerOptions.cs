using System;
using System.Collections.Generic;
using Aeronet.Transport;

namespace Aeronet.Server;

/// <summary>Where application code starts.</summary>
public enum ApplicationMode
{
    /// <summary>On a thread-pool thread, as Kestrel does: dearer than <see cref="Inline"/> by a thread switch per request, and when more requests block than the pool has threads, all wait until it has grown.</summary>
    ThreadPool,

    /// <summary>On the thread of the loop that received the request. When the code blocks or computes for longer than <see cref="AeronetTransportOptions.HandOffTime"/> (1 ms), the loop goes on with another thread; an endpoint that does so again and again leaves the loop's thread by itself as soon as routing has found it.</summary>
    /// <remarks>What a request that keeps its thread costs the others of its loop: one to two hand-off times, once. What the watching costs: one interlocked operation per request, and a thread that looks every half hand-off time while requests run.</remarks>
    Inline,
}

/// <summary>What happens when a client closes its sending side after a complete request.</summary>
public enum HalfClosedClients
{
    /// <summary>The client gets its response, then the connection closes. RFC 9112 section 9.6.</summary>
    Answer,

    /// <summary>The end of the client's stream counts as a disconnect at once: <c>HttpContext.RequestAborted</c> fires and no response is sent, as Kestrel does.</summary>
    Abort,
}

/// <summary>The version in the status line of a response to an HTTP/1.0 request.</summary>
public enum Http10StatusLine
{
    /// <summary><c>HTTP/1.0</c>, the version of the request.</summary>
    Http10,

    /// <summary><c>HTTP/1.1</c>, the server's highest version, as Kestrel does. RFC 9110 section 2.5 allows both.</summary>
    Http11,
}

/// <summary>Who answers <c>OPTIONS *</c>.</summary>
public enum OptionsAsteriskPolicy
{
    /// <summary>The application, as on Kestrel.</summary>
    PassThrough,

    /// <summary>The server: 200 with <c>Allow</c> made of <see cref="AeronetServerOptions.AllowedMethods"/>.</summary>
    Answer,
}

/// <summary>Who answers the TRACE method.</summary>
public enum TracePolicy
{
    /// <summary>The application, as on Kestrel.</summary>
    PassThrough,

    /// <summary>The server refuses with 405.</summary>
    Disabled,

    /// <summary>The server echoes the request as <c>message/http</c> (RFC 9110 section 9.3.8), without the fields that carry credentials.</summary>
    EnabledPlainAndTLS,

    /// <summary>As <see cref="EnabledPlainAndTLS"/> on cleartext connections, 405 on others.</summary>
    EnabledPlainOnly,
}

/// <summary>What a client sees whose connection is above the limit of concurrent connections.</summary>
public enum RejectedConnectionResponse
{
    /// <summary>Nothing: the connection is closed, as on Kestrel.</summary>
    None,

    /// <summary>A <c>503 Service Unavailable</c> with <c>Connection: close</c>, then the connection is closed.</summary>
    ServiceUnavailable,
}

/// <summary>Settings of Aeronet for which Kestrel has no word. Everything that Kestrel names is read from <c>KestrelServerOptions</c>.</summary>
/// <remarks>
/// Source: the configuration section <c>Aeronet</c>, then <c>UseAeronet(options =&gt; ...)</c>, so code wins. Names in the section are the property names.
/// Read once when the server starts; a fault stops the start and names every wrong property with its value and range.
/// </remarks>
public sealed class AeronetServerOptions
{
    /// <summary>Limits and time-outs beyond those of <c>KestrelServerOptions.Limits</c>.</summary>
    public AeronetServerLimits Limits { get; } = new();

    /// <summary>The socket loops.</summary>
    public AeronetTransportOptions Transport { get; } = new();

    /// <summary>TLS beyond what Kestrel's options have words for.</summary>
    public AeronetTlsOptions Tls { get; } = new();

    /// <summary>Where application code starts. Default <see cref="ApplicationMode.Inline"/>; <see cref="ApplicationMode.ThreadPool"/> is Kestrel's form.</summary>
    /// <remarks>Single endpoints are set apart with <c>RunOnThreadPool()</c> or <c>RunInline()</c>. Code after an <c>await</c> that had to wait continues on the thread pool in both modes.</remarks>
    public ApplicationMode ApplicationMode { get; set; } = ApplicationMode.Inline;

    /// <summary>What happens when a client closes its sending side after a complete request. Default <see cref="HalfClosedClients.Answer"/>; Kestrel's form is <see cref="HalfClosedClients.Abort"/>.</summary>
    public HalfClosedClients HalfClosedClients { get; set; } = HalfClosedClients.Answer;

    /// <summary>The version in the status line of a response to an HTTP/1.0 request. Default <see cref="Http10StatusLine.Http10"/>; Kestrel's form is <see cref="Http10StatusLine.Http11"/>.</summary>
    public Http10StatusLine Http10StatusLine { get; set; } = Http10StatusLine.Http10;

    /// <summary>Lets more than one request come over a connection. Default true; with false every response says <c>Connection: close</c>. RFC 9112 section 9.3.</summary>
    public bool EnableKeepAlive { get; set; } = true;

    /// <summary>Accepts a bare LF as a line terminator in the request head. Default false: such a request gets 400.</summary>
    /// <remarks>
    /// Kestrel accepts them unless its AppContext switch <c>Microsoft.AspNetCore.Server.Kestrel.DisableHttp1LineFeedTerminators</c> is on. Where an
    /// application has set that switch, to either value, it decides the default here, too. A bare CR is never accepted. RFC 9112 section 2.2.
    /// </remarks>
    public bool AllowLineFeedTerminators { get; set; }

    /// <summary>Adds a <c>Trailer</c> field that lists the names of the declared response trailers to chunked HTTP/1.1 responses. Default true. RFC 9110 section 6.6.2.</summary>
    /// <remarks>Only names that the application has added before the response starts can be listed. An application's own <c>Trailer</c> field is left alone.</remarks>
    public bool AddTrailerHeader { get; set; } = true;

    /// <summary>Who answers <c>OPTIONS *</c>. Default <see cref="OptionsAsteriskPolicy.PassThrough"/>.</summary>
    public OptionsAsteriskPolicy OptionsAsterisk { get; set; } = OptionsAsteriskPolicy.PassThrough;

    /// <summary>The methods named in <c>Allow</c> when the server answers <c>OPTIONS *</c> itself. Default GET, HEAD, POST, PUT, DELETE, CONNECT, OPTIONS, TRACE, PATCH. Each must be a token (RFC 9110 section 5.6.2).</summary>
    /// <remarks>Read only with <see cref="OptionsAsteriskPolicy.Answer"/>. Values of the configuration section replace the list.</remarks>
    public IList<string> AllowedMethods { get; } = new List<string> { "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH" };

    /// <summary>Who answers the TRACE method. Default <see cref="TracePolicy.PassThrough"/>.</summary>
    public TracePolicy TracePolicy { get; set; } = TracePolicy.PassThrough;

    /// <summary>Answers 501 to methods that RFC 9110 and RFC 5789 do not define. Default false: any token reaches the application, as on Kestrel.</summary>
    public bool RejectUnknownMethods { get; set; }

    /// <summary>Answers 417 to an <c>Expect</c> value other than <c>100-continue</c>. Default false: it is ignored, as on Kestrel. RFC 9110 section 10.1.1.</summary>
    public bool RejectUnknownExpectations { get; set; }

    /// <summary>Fields added to every response that does not carry them already, the server's own error responses included. Default none.</summary>
    /// <remarks>
    /// Names must be tokens, values visible ASCII with inner spaces. Fields that the server owns (framing, <c>Date</c>, connection management) are refused.
    /// <c>Server</c> may stand here to replace <c>Server: Aeronet</c>; <c>KestrelServerOptions.AddServerHeader = false</c> removes the default one.
    /// </remarks>
    public IDictionary<string, string> GlobalHeaders { get; } = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);

    /// <summary>What a client sees whose connection is above <c>KestrelServerOptions.Limits.MaxConcurrentConnections</c>. Default <see cref="RejectedConnectionResponse.None"/>.</summary>
    public RejectedConnectionResponse RejectedConnectionResponse { get; set; } = RejectedConnectionResponse.None;

    /// <summary>Tunnels for the CONNECT method. Default: off, CONNECT reaches the application.</summary>
    public AeronetConnectTunnelOptions ConnectTunnels { get; } = new();

    /// <summary>For tests: asked wherever a loop may go on with another thread; true makes it.</summary>
    internal Func<bool>? HandOffProbe { get; set; }

    /// <summary>What the configuration section got wrong: reported by the validator together with all other faults.</summary>
    internal List<string> ConfigurationFaults { get; } = new();

    /// <summary>Settings of Kestrel's socket transport, registered transports and Kestrel's AppContext switches that have no effect: named at start.</summary>
    internal List<string> SettingsWithoutEffect { get; } = new();
}
