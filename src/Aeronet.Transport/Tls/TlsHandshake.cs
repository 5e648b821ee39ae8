using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using System.Threading;
using System.Threading.Tasks;
using Aeronet.Native.OpenSsl;
using Aeronet.Transport.Buffers;
using Aeronet.Transport.Diagnostics;
using Aeronet.Transport.Loop;

namespace Aeronet.Transport.Tls;

/// <summary>What a connection needs only until its handshake is over. Loop thread only, except where said.</summary>
/// <remarks>
/// <code>
///   AwaitingHello ==hello==> [Selecting] ==identity==> Exchanging ==keys==> [CheckingClient] ==> (the connection is open)
///        |                        |                        |                       |
///        +========================+===== failed ===========+=======================+====> Lingering ==> closed
/// </code>
/// </remarks>
internal sealed class TlsHandshake : IApplicationCall
{
    private readonly TlsConnection _connection;
    private readonly CancellationTokenSource? _selectionEnds; // Non-null once a selection has been started.
    private volatile object? _answer; // set by the thread pool, taken by the loop

    public TlsHandshake(TlsConnection connection, TlsContextSet contexts, long startMs)
    {
        _connection = connection;
        Contexts = contexts;
        StartMs = startMs;
        _selectionEnds = contexts.Settings.Selector is null ? null : new CancellationTokenSource();
    }

    internal enum Step
    {
        AwaitingHello,
        Selecting,
        Exchanging,
        CheckingClient,
        Lingering,
    }

    public TlsContextSet Contexts { get; }

    public long StartMs { get; }

    public Step At { get; set; }

    /// <summary>Received and not yet given to OpenSSL. Under the connection's lock once there is a session.</summary>
    public ReceiveBuffer Input;

    /// <summary>The deadline that the protocol has set meanwhile.</summary>
    public long ProtocolDeadlineMs { get; set; } = long.MaxValue;

    public long LingerBytesLeft { get; set; } = 64 * 1024; // what a client may have sent along with its ClientHello

    /// <summary>It has been reported.</summary>
    public bool IsOver { get; set; }

    /// <summary>Starts the application's selection on the thread pool; <see cref="TakeAnswer"/> has it after the connection's post.</summary>
    public void BeginSelection(string serverName, byte[] applicationProtocols)
    {
        Debug.Assert(_selectionEnds is not null);
        byte[] bytes = Contexts.Settings.Services.CapturesClientHello ? Input.Unread.ToArray() : [];
        TlsClientHello hello = new(_connection, serverName, ClientHelloReader.ReadProtocols(applicationProtocols), bytes);
        ThreadPool.UnsafeQueueUserWorkItem(static work => _ = work.Handshake.SelectAsync(work.Hello), (Handshake: this, Hello: hello), preferLocal: false);
    }

    /// <summary>Starts the check of the client's certificate on the thread pool.</summary>
    public void BeginClientCheck(TlsClientCertificates policy, X509Certificate2? certificate, List<byte[]> issuers)
        => ThreadPool.UnsafeQueueUserWorkItem(
            static work => work.Handshake.CheckClient(work.Policy, work.Certificate, work.Issuers),
            (Handshake: this, Policy: policy, Certificate: certificate, Issuers: issuers),
            preferLocal: false);

    /// <summary>What the thread pool has found: a <see cref="TlsContext"/>, a refusal as text, or a boxed verdict; null while it is at work.</summary>
    public object? TakeAnswer()
    {
        object? answer = _answer;
        _answer = null;
        return answer;
    }

    /// <summary>Tells a selection under way that nobody waits for it any more.</summary>
    /// <remarks>On the thread pool: what waits on the token is the application's code.</remarks>
    public void CancelSelection()
    {
        if (_selectionEnds is not null)
        {
            ThreadPool.UnsafeQueueUserWorkItem(static ends => Guard.Run(ends.Cancel), _selectionEnds, preferLocal: false);
        }
    }

    // What is left to be said after the handshake, in its turn behind the application code that the protocol has scheduled.

    void IApplicationCall.Run() => _connection.FlushRest();

    void IApplicationCall.OnReturned()
    {
    }

    void IApplicationCall.OnReturnedElsewhere()
    {
    }

    void IApplicationCall.OnTakenOver()
    {
    }

    void IApplicationCall.OnFailed(Exception exception) => _connection.Abort();

    private async Task SelectAsync(TlsClientHello hello)
    {
        object answer;
        try
        {
            TlsIdentity? chosen = await Contexts.Settings.Selector!.SelectAsync(hello, _selectionEnds!.Token).ConfigureAwait(false);
            answer = (chosen is null ? Contexts.Find(hello.ServerName) : Contexts.For(chosen)) as object ?? $"no identity for \"{hello.ServerName}\"";
        }
        catch (AuthenticationException refused)
        {
            answer = refused.Message; // the application has no certificate for this name: a matter of the peer, who may ask for any name at any rate
        }
#pragma warning disable CA1031 // the application's own code; the client is refused, the process goes on
        catch (Exception failure)
#pragma warning restore CA1031
        {
            if (!_selectionEnds!.IsCancellationRequested)
            {
                Guard.Run(() => TlsLog.SelectionFailed(_connection.Logger, _connection.ConnectionId, failure)); // the answer must come
            }

            answer = "the selection failed";
        }

        Answer(answer);
    }

    private void CheckClient(TlsClientCertificates policy, X509Certificate2? certificate, List<byte[]> issuers)
    {
        object answer;
        try
        {
            answer = TlsClientCheck.Run(_connection, policy, certificate, issuers) ?? (object)true;
        }
#pragma warning disable CA1031 // the application's own code; the client is refused, the process goes on
        catch (Exception failure)
#pragma warning restore CA1031
        {
            Guard.Run(() => TlsLog.ClientCertificateCheckFailed(_connection.Logger, _connection.ConnectionId, failure));
            answer = "the check failed";
        }

        Answer(answer);
    }

    private void Answer(object answer)
    {
        _answer = answer;
        _connection.PostAnswer();
    }
}
