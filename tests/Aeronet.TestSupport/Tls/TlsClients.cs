using System;
using System.Net.Http;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using System.Threading.Tasks;
using Aeronet.TestSupport.Hosting;

namespace Aeronet.TestSupport.Tls;

/// <summary>Clients that trust the shared test authority and nobody else.</summary>
internal static class TlsClients
{
    /// <summary>An HttpClient that verifies the server.</summary>
    public static HttpClient Create(TlsServer server, Action<SocketsHttpHandler>? configure = null, string host = "localhost")
    {
        SocketsHttpHandler handler = new() { UseProxy = false, AllowAutoRedirect = false };
        handler.SslOptions.RemoteCertificateValidationCallback = (_, certificate, chain, errors) => IsTrusted(certificate, chain, errors);
        handler.ConnectCallback = async (_, cancellation) =>
        {
            Socket socket = new(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            await socket.ConnectAsync(server.EndPoint, cancellation).ConfigureAwait(false);
            return new NetworkStream(socket, ownsSocket: true);
        };
        configure?.Invoke(handler);
        return new HttpClient(handler) { BaseAddress = new Uri($"https://{host}:{server.Port}"), Timeout = Guard.Time };
    }

    /// <summary>A TLS stream that has shaken hands.</summary>
    public static async Task<SslStream> ConnectAsync(TlsServer server, Action<SslClientAuthenticationOptions>? configure = null)
    {
        Socket socket = new(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        SslStream? stream = null;
        try
        {
            await socket.ConnectAsync(server.EndPoint).WaitAsync(Guard.Time).ConfigureAwait(false);
            stream = new SslStream(new NetworkStream(socket, ownsSocket: true));
            SslClientAuthenticationOptions options = new()
            {
                TargetHost = "localhost",
                RemoteCertificateValidationCallback = (_, certificate, chain, errors) => IsTrusted(certificate, chain, errors),
            };
            configure?.Invoke(options);
            await stream.AuthenticateAsClientAsync(options).WaitAsync(Guard.Time).ConfigureAwait(false);
            return stream;
        }
        catch
        {
            if (stream is not null)
            {
                await stream.DisposeAsync().ConfigureAwait(false);
            }

            socket.Dispose();
            throw;
        }
    }

    /// <summary>Name, and a chain to the test root with what the server has sent.</summary>
    public static bool IsTrusted(X509Certificate? certificate, X509Chain? sent, SslPolicyErrors errors)
    {
        if (certificate is null || sent is null || (errors & ~SslPolicyErrors.RemoteCertificateChainErrors) != 0)
        {
            return false;
        }

        using X509Chain chain = new();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.CustomTrustStore.Add(TestCertificates.Shared.Root);
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        foreach (X509Certificate2 extra in sent.ChainPolicy.ExtraStore)
        {
            chain.ChainPolicy.ExtraStore.Add(extra);
        }

        return chain.Build((X509Certificate2)certificate);
    }
}
