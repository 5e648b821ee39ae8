using System;
using System.Collections.Generic;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using System.Threading;
using System.Threading.Tasks;
using Aeronet.Native.OpenSsl;

namespace Aeronet.Transport.Tls;

// The client's certificate after the handshake: TlsClientCertificateMode.Delay.
internal sealed partial class TlsConnection
{
    private TaskCompletionSource<X509Certificate2?>? _certificateRequest; // Non-null once the client has been asked; under the lock

    private volatile bool _isCertificateAwaited; // written under the lock; the loop also looks without it

    /// <summary>Asks the client once and waits for its answer. Any thread.</summary>
    /// <exception cref="InvalidOperationException">Request content has not been read: the answer would stand behind it.</exception>
    /// <exception cref="AuthenticationException">The certificate is not accepted.</exception>
    internal Task<X509Certificate2?> GetClientCertificateAsync(CancellationToken cancellationToken)
    {
        lock (this)
        {
            if (_certificateRequest is { } request)
            {
                return request.Task.WaitAsync(cancellationToken);
            }

            if (!_session.Exists || _clientCertificate is not null || _context!.Identity.ClientCertificates.Mode != TlsClientCertificateMode.Delay)
            {
                return Task.FromResult(_clientCertificate);
            }

            if (Protocol != SslProtocols.Tls13 || _applicationProtocol == "h2")
            {
                return Task.FromResult<X509Certificate2?>(null); // TLS 1.2 could only renegotiate, which nobody may here; in HTTP/2 it is forbidden, RFC 9113 section 9.2.3
            }

            _recordBytesLeft = RecordBytesMax;
            if (_session.Look(this, out _).Step == SslStep.Done)
            {
                throw ContentInTheWay();
            }

            if (Has(State.EncryptsSends) && IsKeyUpdateDue())
            {
                return Task.FromResult<X509Certificate2?>(null);
            }

            // Before the question leaves: its answer may come while this thread has not got any further, and no second edge would follow.
            _isCertificateAwaited = true;
            if (!_session.TryRequestCertificate(this))
            {
                _isCertificateAwaited = false;
                return Task.FromResult<X509Certificate2?>(null); // a TLS 1.3 client without post_handshake_auth
            }

            _certificateRequest = NewRequest();

            if (!TryFlush())
            {
                _inner.NotifyWhenWritable();
            }

            return _certificateRequest.Task.WaitAsync(cancellationToken);
        }
    }

    /// <summary>Loop only: bytes have come while the answer is awaited. The protocol hears of them, too.</summary>
    private void LookForCertificate()
    {
        lock (this)
        {
            if (!_isCertificateAwaited || !_session.Exists)
            {
                return;
            }

            _recordBytesLeft = RecordBytesMax;
            SslResult result = _session.Look(this, out bool isAnswered);
            if (!TryFlush())
            {
                _inner.NotifyWhenWritable();
            }

            if (isAnswered)
            {
                BeginLateCheck();
            }
            else if (result.Step == SslStep.Done)
            {
                // Whoever waits now would wait for content that he does not read. The answer still comes behind it, for whoever asks then.
                TaskCompletionSource<X509Certificate2?> waiting = _certificateRequest!;
                _certificateRequest = NewRequest();
                waiting.TrySetException(ContentInTheWay());
                _ = waiting.Task.Exception; // also when nobody waits
            }
            else if (result.Step != SslStep.WantRead)
            {
                EndCertificateRequest();
            }
        }
    }

    // Under the lock: the client has answered, with a certificate or without.
    private void BeginLateCheck()
    {
        _isCertificateAwaited = false;
        byte[]? certificate = _session.GetPeerCertificate();
        List<byte[]> issuers = certificate is null ? [] : _session.GetPeerIssuers();
        TlsClientCertificates policy = _context!.Identity.ClientCertificates;
        ThreadPool.UnsafeQueueUserWorkItem(static work => work.Connection.CheckLateCertificate(work.Policy, work.Certificate, work.Issuers), (Connection: this, Policy: policy, Certificate: certificate, Issuers: issuers), preferLocal: false);
    }

    // Continuations elsewhere: the loop completes it.
    private static TaskCompletionSource<X509Certificate2?> NewRequest() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private void CheckLateCertificate(TlsClientCertificates policy, byte[]? presented, List<byte[]> issuers)
    {
        try
        {
            X509Certificate2? certificate = presented is null ? null : X509CertificateLoader.LoadCertificate(presented);
            if (TlsClientCheck.Run(this, policy, certificate, issuers) is { } reason)
            {
                _certificateRequest!.TrySetException(new AuthenticationException($"The client's certificate is not accepted: {reason}."));
                return;
            }

            _clientCertificate = certificate;
            _certificateRequest!.TrySetResult(certificate);
        }
#pragma warning disable CA1031 // the application's callback: its exception goes to who awaits the certificate
        catch (Exception failure)
#pragma warning restore CA1031
        {
            _certificateRequest!.TrySetException(failure);
        }
    }

    // Under the lock: the connection ends, and nobody will answer.
    private void EndCertificateRequest()
    {
        if (_isCertificateAwaited)
        {
            _isCertificateAwaited = false;
            _certificateRequest?.TrySetResult(null);
        }
    }

    private static InvalidOperationException ContentInTheWay() =>
        new("The client certificate cannot be requested while there is request content that has not been read: read it first.");
}
