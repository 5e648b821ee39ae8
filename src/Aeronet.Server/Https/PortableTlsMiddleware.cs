using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.IO;
using System.IO.Pipelines;
using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using System.Threading;
using System.Threading.Tasks;
using Aeronet.Server.Binding;
using Aeronet.Transport.Connect;
using Aeronet.Transport.Foreign;
using Aeronet.Transport.Tls;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Core.Features;
using Microsoft.AspNetCore.Server.Kestrel.Https;

namespace Aeronet.Server.Https;

/// <summary>TLS on <see cref="SslStream"/>, in the place of the middleware that <c>UseHttps</c> has added: where connections are pipes, and where OpenSSL is not.</summary>
/// <remarks>Kestrel's rules for options and callbacks, Aeronet's metrics and reports. A handshake that fails ends its connection with a count, never with an exception.</remarks>
internal sealed class PortableTlsMiddleware
{
    private readonly ConnectionDelegate _next;
    private readonly ITlsObserver _observer;
    private readonly HttpsConnectionAdapterOptions? _options;
    private readonly TlsHandshakeCallbackOptions? _callback;
    private readonly HttpProtocols _protocols;
    private readonly SslStreamCertificateContext? _context;

    /// <param name="next">What stands behind TLS.</param>
    /// <param name="listen">With the options of <c>UseHttps</c>.</param>
    /// <param name="observer">Hears of every handshake.</param>
    /// <exception cref="TlsConfigurationException">The certificate cannot be served.</exception>
    public PortableTlsMiddleware(ConnectionDelegate next, ListenOptions listen, ITlsObserver observer)
    {
        _next = next;
        _observer = observer;
        _options = KestrelInternals.GetHttpsOptions(listen);
        _callback = KestrelInternals.GetHttpsCallbackOptions(listen);
        Debug.Assert(_options is not null || _callback is not null);
        _protocols = listen.Protocols;
        if (_options is { ServerCertificateSelector: null, ServerCertificate: { } certificate })
        {
            ServerCertificates.EnsureAllowed(certificate);
            _context = SslStreamCertificateContext.Create(ServerCertificates.WithPrivateKey(certificate), _options.ServerCertificateChain, offline: true);
        }
    }

    public async Task OnConnectionAsync(ConnectionContext context)
    {
        if (context.Features.Get<ITlsConnectionFeature>() is not null)
        {
            await _next(context).ConfigureAwait(false); // somebody in front has ended TLS
            return;
        }

        PipeConnection? connection = context.Features.Get<PipeConnection>();
        long started = Stopwatch.GetTimestamp();
        if (connection is not null)
        {
            _observer.OnHandshakeStarted(connection);
        }
        var stream = new SslStream(new ConnectionStream(context), leaveInnerStreamOpen: true, _options is null || _options.ClientCertificateMode == ClientCertificateMode.NoCertificate ? null : Validate);
        var features = new PortableTlsFeatures(stream) { CanAskLater = _options?.ClientCertificateMode == ClientCertificateMode.DelayCertificate };
        context.Features.Set<ITlsConnectionFeature>(features);
        context.Features.Set<ITlsHandshakeFeature>(features);
        context.Features.Set<ITlsApplicationProtocolFeature>(features);
        context.Features.Set(stream);
        (TlsFailure failure, string? detail) = await ShakeHandsAsync(context, stream, features).ConfigureAwait(false);
        if (connection is not null)
        {
            _observer.OnHandshakeEnded(new TlsHandshakeEvent
            {
                Connection = connection,
                Failure = failure,
                Detail = detail,
                ServerName = features.HostName.Length > 0 ? features.HostName : null,
                Protocol = failure == TlsFailure.None ? stream.SslProtocol : SslProtocols.None,
                CipherSuite = failure == TlsFailure.None ? (ushort)stream.NegotiatedCipherSuite : (ushort)0,
                ApplicationProtocol = failure == TlsFailure.None && stream.NegotiatedApplicationProtocol.Protocol.Length > 0 ? stream.NegotiatedApplicationProtocol.ToString() : null,
                HasClientCertificate = failure == TlsFailure.None && stream.RemoteCertificate is not null,
                Duration = Stopwatch.GetElapsedTime(started),
            });
        }
        if (failure != TlsFailure.None)
        {
            await stream.DisposeAsync().ConfigureAwait(false);
            return;
        }

        IDuplexPipe original = context.Transport;
        PipeReader input = PipeReader.Create(stream, new StreamPipeReaderOptions(leaveOpen: true));
        PipeWriter output = PipeWriter.Create(stream, new StreamPipeWriterOptions(leaveOpen: true));
        context.Transport = new Pipes(input, output);
        try
        {
            await _next(context).ConfigureAwait(false);
        }
        finally
        {
            await input.CompleteAsync().ConfigureAwait(false);
            await EndAsync(stream, output).ConfigureAwait(false);
            await stream.DisposeAsync().ConfigureAwait(false);
            context.Transport = original;
        }
    }

    private async Task<(TlsFailure Failure, string? Detail)> ShakeHandsAsync(ConnectionContext context, SslStream stream, PortableTlsFeatures features)
    {
        TimeSpan timeout = _options?.HandshakeTimeout ?? _callback!.HandshakeTimeout;
        using var patience = new CancellationTokenSource();
        if (timeout < TimeSpan.FromMilliseconds(int.MaxValue))
        {
            patience.CancelAfter(timeout);
        }
        try
        {
            if (_callback is not null)
            {
                await stream.AuthenticateAsServerAsync(CallBackAsync, (context, features), patience.Token).ConfigureAwait(false);
            }
            else
            {
                await stream.AuthenticateAsServerAsync(Options(context, features), patience.Token).ConfigureAwait(false);
            }
            return (TlsFailure.None, null);
        }
        catch (OperationCanceledException)
        {
            return (TlsFailure.HandshakeTimeout, null);
        }
        catch (IOException failure)
        {
            return (failure.InnerException is null ? TlsFailure.HandshakeEof : TlsFailure.ConnectionReset, failure.Message);
        }
        catch (AuthenticationException failure)
        {
            return (TlsFailure.HandshakeError, failure.Message);
        }
#pragma warning disable CA1031 // the application's own callbacks; the client is refused and counted, as on Aeronet's own TLS
        catch (Exception failure)
#pragma warning restore CA1031
        {
            return (TlsFailure.CertificateSelection, failure.Message);
        }
    }

    private SslServerAuthenticationOptions Options(ConnectionContext context, PortableTlsFeatures features)
    {
        Debug.Assert(_options is not null);
        var ssl = new SslServerAuthenticationOptions
        {
            ServerCertificate = _context is null ? null : _options.ServerCertificate,
            ServerCertificateContext = _context,
            ServerCertificateSelectionCallback = _options.ServerCertificateSelector is not { } selector ? null : (_, name) =>
            {
                features.HostName = name ?? "";
                X509Certificate2 certificate = selector(context, name) ?? throw new TlsConfigurationException($"no certificate for \"{name}\"");
                ServerCertificates.EnsureAllowed(certificate);
                return certificate;
            },
            ClientCertificateRequired = _options.ClientCertificateMode is ClientCertificateMode.AllowCertificate or ClientCertificateMode.RequireCertificate,
            EnabledSslProtocols = _options.SslProtocols,
            CertificateRevocationCheckMode = _options.CheckCertificateRevocation ? X509RevocationMode.Online : X509RevocationMode.NoCheck,
            ApplicationProtocols = ApplicationProtocols(),
        };
        _options.OnAuthenticate?.Invoke(context, ssl);
        return ssl;
    }

    private async ValueTask<SslServerAuthenticationOptions> CallBackAsync(SslStream stream, SslClientHelloInfo hello, object? state, CancellationToken cancellationToken)
    {
        (ConnectionContext connection, PortableTlsFeatures features) = ((ConnectionContext, PortableTlsFeatures))state!;
        features.HostName = hello.ServerName;
        var context = new TlsHandshakeCallbackContext();
        KestrelInternals.SetSslStream(context, stream);
        KestrelInternals.SetClientHelloInfo(context, hello);
        KestrelInternals.SetState(context, _callback!.OnConnectionState);
        KestrelInternals.SetCancellationToken(context, cancellationToken);
        KestrelInternals.SetConnection(context, connection);
        SslServerAuthenticationOptions ssl = await _callback.OnConnection(context).ConfigureAwait(false);
        features.CanAskLater = context.AllowDelayedClientCertificateNegotation;
        ssl.ApplicationProtocols ??= ApplicationProtocols();
        return ssl;
    }

    private bool Validate(object sender, X509Certificate? certificate, X509Chain? chain, SslPolicyErrors errors)
    {
        Debug.Assert(_options is not null);
        if (certificate is null)
        {
            return _options.ClientCertificateMode != ClientCertificateMode.RequireCertificate;
        }
        return _options.ClientCertificateValidation is { } application
            ? certificate is X509Certificate2 full && application(full, chain, errors)
            : errors == SslPolicyErrors.None;
    }

    private List<SslApplicationProtocol> ApplicationProtocols() => _protocols.HasFlag(HttpProtocols.Http1) ? [SslApplicationProtocol.Http11] : [];

    // What is still to be written to a peer that is gone has nobody to complain to.
    private static async Task EndAsync(SslStream stream, PipeWriter output)
    {
        try
        {
            await output.CompleteAsync().ConfigureAwait(false);
            await stream.ShutdownAsync().ConfigureAwait(false); // close_notify
        }
        catch (Exception failure) when (failure is IOException or ObjectDisposedException or InvalidOperationException or OperationCanceledException)
        {
        }
    }

    private sealed class Pipes(PipeReader input, PipeWriter output) : IDuplexPipe
    {
        public PipeReader Input => input;

        public PipeWriter Output => output;
    }
}

/// <summary>TLS on <see cref="SslStream"/> as the application sees it.</summary>
internal sealed class PortableTlsFeatures(SslStream stream) : ITlsConnectionFeature, ITlsHandshakeFeature, ITlsApplicationProtocolFeature
{
    private X509Certificate2? _clientCertificate;

    /// <summary>The application may ask for a certificate after the handshake.</summary>
    public bool CanAskLater { get; set; }

    public string HostName { get; set; } = "";

    public ReadOnlyMemory<byte> ApplicationProtocol => stream.NegotiatedApplicationProtocol.Protocol;

    public X509Certificate2? ClientCertificate
    {
        get => _clientCertificate ??= stream.RemoteCertificate as X509Certificate2;
        set => _clientCertificate = value;
    }

    public SslProtocols Protocol => stream.SslProtocol;

    public TlsCipherSuite? NegotiatedCipherSuite => stream.NegotiatedCipherSuite;

#pragma warning disable SYSLIB0058 // obsolete in favour of NegotiatedCipherSuite; still members of the interface
    public CipherAlgorithmType CipherAlgorithm => stream.CipherAlgorithm;

    public int CipherStrength => stream.CipherStrength;

    public HashAlgorithmType HashAlgorithm => stream.HashAlgorithm;

    public int HashStrength => stream.HashStrength;

    public ExchangeAlgorithmType KeyExchangeAlgorithm => stream.KeyExchangeAlgorithm;

    public int KeyExchangeStrength => stream.KeyExchangeStrength;
#pragma warning restore SYSLIB0058

    public async Task<X509Certificate2?> GetClientCertificateAsync(CancellationToken cancellationToken)
    {
        if (ClientCertificate is null && CanAskLater)
        {
#pragma warning disable CA1416 // Kestrel does the same where the platform allows it
            await stream.NegotiateClientCertificateAsync(cancellationToken).ConfigureAwait(false);
#pragma warning restore CA1416
        }
        return ClientCertificate;
    }
}
