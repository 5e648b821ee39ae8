using System;
using System.IO;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Threading;
using System.Threading.Tasks;
using Aeronet.TestSupport.Connections;
using Aeronet.TestSupport.Hosting;

namespace Aeronet.TestSupport.Wire;

/// <summary>A scripted peer: sends exactly these bytes, in these pieces, and reads strictly.</summary>
/// <remarks>Every wait ends in failure after <see cref="Guard.Time"/>; no result depends on how fast something was.</remarks>
public sealed class RawClient : IAsyncDisposable
{
    private readonly Socket? _socket; // null when the connection is none of sockets
    private readonly Stream _stream;
    private readonly ResponseReader _reader;

    private RawClient(Stream stream, Socket? socket)
    {
        _socket = socket;
        _stream = stream;
        _reader = new ResponseReader(_stream);
    }

    /// <summary>The address the server sees.</summary>
    public EndPoint LocalEndPoint => _stream is InMemoryStream pipes ? pipes.LocalEndPoint : Socket.LocalEndPoint!;

    /// <summary>The socket, for options a test wants to set.</summary>
    public Socket Socket => _socket ?? throw new InvalidOperationException("This connection has no socket.");

    /// <summary>Reads as the test likes; before any response was read only.</summary>
    public Stream Stream => _stream;

    /// <summary>A client on a connection that is there already.</summary>
    public static RawClient Over(InMemoryStream stream) => new(stream, socket: null);

    /// <summary>Connects by TCP or, for a Unix endpoint, by path.</summary>
    public static async Task<RawClient> ConnectAsync(EndPoint address, int? receiveBuffer = null, EndPoint? from = null, bool isTls = false)
    {
        ArgumentNullException.ThrowIfNull(address);
        var socket = new Socket(address.AddressFamily, SocketType.Stream, address is UnixDomainSocketEndPoint ? ProtocolType.Unspecified : ProtocolType.Tcp);
        if (address is not UnixDomainSocketEndPoint)
        {
            socket.NoDelay = true;
        }

        if (receiveBuffer is int size)
        {
            socket.ReceiveBufferSize = size;
        }

        try
        {
            if (from is not null)
            {
                socket.Bind(from);
            }

            await socket.ConnectAsync(address).WaitAsync(Guard.Time).ConfigureAwait(false);
            var network = new NetworkStream(socket, ownsSocket: false);
            if (!isTls)
            {
                return new RawClient(network, socket);
            }

            var tls = new SslStream(network);
            await tls.AuthenticateAsClientAsync(new SslClientAuthenticationOptions { TargetHost = "localhost", RemoteCertificateValidationCallback = Trust }).WaitAsync(Guard.Time).ConfigureAwait(false);
            return new RawClient(tls, socket);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>Sends Latin-1 text: every char is one byte.</summary>
    public Task SendAsync(string text) => SendAsync(Encoding.Latin1.GetBytes(text));

    /// <summary>Sends bytes.</summary>
    public async Task SendAsync(ReadOnlyMemory<byte> bytes)
    {
        using var guard = new CancellationTokenSource(Guard.Time);
        await _stream.WriteAsync(bytes, guard.Token).ConfigureAwait(false);
    }

    /// <summary>Sends one byte per segment.</summary>
    public async Task SendByteByByteAsync(string text)
    {
        foreach (byte one in Encoding.Latin1.GetBytes(text))
        {
            await SendAsync(new[] { one }).ConfigureAwait(false);
            await Task.Yield();
        }
    }

    /// <summary>Sends in two segments; the pause makes it likely, not certain, that the server reads them apart.</summary>
    public async Task SendCutAsync(string text, int at)
    {
        ArgumentNullException.ThrowIfNull(text);
        await SendAsync(text[..at]).ConfigureAwait(false);
        await Task.Delay(3).ConfigureAwait(false);
        await SendAsync(text[at..]).ConfigureAwait(false);
    }

    /// <summary>Sends what the peer still takes; a reset by the peer ends it quietly.</summary>
    public async Task TrySendAsync(string text)
    {
        try
        {
            await SendAsync(text).ConfigureAwait(false);
        }
        catch (IOException)
        {
            // The server has refused the rest; what it answered before is still to be read.
        }
    }

    /// <summary>Reads the next response.</summary>
    /// <param name="head">True when the request was HEAD: the response has no body whatever its fields say.</param>
    public async Task<RawResponse> ReadResponseAsync(bool head = false)
    {
        using var guard = new CancellationTokenSource(Guard.Time);
        return await Explain(_reader.ReadAsync(head, guard.Token), "a response").ConfigureAwait(false);
    }

    /// <summary>Reads one CRLF-terminated line.</summary>
    public async Task<string> ReadLineAsync()
    {
        using var guard = new CancellationTokenSource(Guard.Time);
        return await Explain(_reader.LineAsync(guard.Token), "a line").ConfigureAwait(false);
    }

    /// <summary>Reads lines up to and including the empty one after a head, without interpreting them.</summary>
    public async Task<string> ReadHeadAsync()
    {
        var head = new StringBuilder();
        while (await ReadLineAsync().ConfigureAwait(false) is { Length: > 0 } line)
        {
            head.Append(line).Append("\r\n");
        }

        return head.ToString();
    }

    /// <summary>Reads exactly so many bytes as Latin-1 text.</summary>
    public async Task<string> ReadTextAsync(int count)
    {
        using var guard = new CancellationTokenSource(Guard.Time);
        return Encoding.Latin1.GetString(await Explain(_reader.ExactlyAsync(count, guard.Token), $"{count} bytes").ConfigureAwait(false));
    }

    /// <summary>Reads exactly so many bytes and forgets them; the guard's time is for each part of 32 MiB.</summary>
    public async Task SkipAsync(long count)
    {
        for (long left = count; left > 0;)
        {
            long part = Math.Min(left, 32 << 20);
            using var guard = new CancellationTokenSource(Guard.Time);
            await Explain(SkipPartAsync(part, guard.Token), $"{count} bytes, {left} of them missing,").ConfigureAwait(false);
            left -= part;
        }

        async Task<bool> SkipPartAsync(long part, CancellationToken token)
        {
            await _reader.SkipAsync(part, token).ConfigureAwait(false);
            return true;
        }
    }

    /// <summary>Everything up to the end of the connection, as Latin-1 text. A reset is an error.</summary>
    public async Task<string> ReadToEndAsync()
    {
        using var guard = new CancellationTokenSource(Guard.Time);
        return Encoding.Latin1.GetString(await Explain(_reader.ToEndAsync(guard.Token), "the end of the connection").ConfigureAwait(false));
    }

    /// <summary>The server must close without another byte. A reset counts as a close when nothing is lost by it.</summary>
    public async Task ExpectCloseAsync()
    {
        try
        {
            string rest = await ReadToEndAsync().ConfigureAwait(false);
            if (rest.Length > 0)
            {
                throw new WireFormatException($"Bytes before the close: \"{rest}\".");
            }
        }
        catch (IOException error) when (error.InnerException is SocketException { SocketErrorCode: SocketError.ConnectionReset })
        {
            // Everything before was read already.
        }
    }

    /// <summary>Ends the sending direction (close_notify, FIN); reading goes on.</summary>
    public void ShutdownSend()
    {
        if (_stream is InMemoryStream pipes)
        {
            pipes.FinishSending();
            return;
        }

        if (_stream is SslStream tls)
        {
            tls.ShutdownAsync().GetAwaiter().GetResult();
        }

        Socket.Shutdown(SocketShutdown.Send);
    }

    /// <summary>Ends the connection with RST.</summary>
    public void Reset()
    {
        if (_stream is InMemoryStream pipes)
        {
            pipes.Reset();
            return;
        }
        Socket.LingerState = new LingerOption(enable: true, seconds: 0);
        Socket.Dispose();
    }

    /// <inheritdoc />
    public async ValueTask DisposeAsync()
    {
        await _stream.DisposeAsync().ConfigureAwait(false);
        _socket?.Dispose();
    }

    internal static bool Trust(object sender, X509Certificate? certificate, X509Chain? chain, SslPolicyErrors errors) =>
        certificate is not null; // whose certificate it is, TlsHandshakeTests ask

    private static async Task<T> Explain<T>(Task<T> read, string what)
    {
        try
        {
            return await read.ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            throw new TimeoutException($"The server did not send {what}.");
        }
    }
}
