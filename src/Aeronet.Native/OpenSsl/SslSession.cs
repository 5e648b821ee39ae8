using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.Diagnostics;

namespace Aeronet.Native.OpenSsl;

/// <summary>An <c>SSL</c>: one TLS session on one connection, server side. Not thread-safe; owned by one object, freed once.</summary>
/// <remarks>Every call has one order: clear the thread's error queue, call, ask SSL_get_error, take the error, so that what another connection left behind cannot end this one.</remarks>
internal unsafe struct SslSession
{
    /// <summary>For <see cref="ISslHost.ReceiveRecords"/>: nothing there yet.</summary>
    public const int WouldBlock = -1;

    /// <summary>For <see cref="ISslHost.ReceiveRecords"/>: the connection is dead.</summary>
    public const int ConnectionFailed = -2;

    private nint _ssl; // zero: none

    public readonly bool Exists => _ssl != 0;

    /// <summary>Plaintext, or bytes that are not decrypted yet, wait inside: epoll will not speak of them.</summary>
    public readonly bool HasPending => LibSsl.SSL_has_pending(_ssl) != 0;

    /// <summary>The peer wants us to change the key for what we send before we send anything else; OpenSSL does so in the next <see cref="Write(ISslHost, ReadOnlySpan{byte})"/>. RFC 8446 section 4.6.3.</summary>
    public readonly bool IsKeyUpdateDue => LibSsl.SSL_get_key_update_type(_ssl) != OpenSslConstants.KeyUpdateNone;

    /// <summary>No more keys are offered (<see cref="ISslHost.TryEncryptSends"/>). Once the handshake is over: OpenSSL 3.2 and later offer each new key of the peer's, too, and lose what they had read ahead when it is not taken.</summary>
    public readonly void StopOfferingKeys() => LibSsl.SSL_clear_options(_ssl, OpenSslConstants.OptionEnableKernelTls);

    /// <summary>False: OpenSSL has no memory.</summary>
    public static bool TryCreate(SslContext context, out SslSession session)
    {
        session = default;
        nint ssl = context.NewSession();
        if (ssl == 0)
        {
            LibCrypto.ERR_clear_error();
            return false;
        }

        nint bio = LibCrypto.BIO_new(context.Options.OffersSendKey ? SslCallbacks.KeyTakingMethod : SslCallbacks.Method);
        if (bio == 0)
        {
            LibSsl.SSL_free(ssl);
            LibCrypto.ERR_clear_error();
            return false;
        }

        LibSsl.SSL_set_bio(ssl, bio, bio);
        LibSsl.SSL_set_accept_state(ssl);
        session._ssl = ssl;
        return true;
    }

    public readonly SslResult Handshake(ISslHost host)
    {
        Enter(host);
        int returned = LibSsl.SSL_do_handshake(_ssl);
        return returned == 1 ? Leave(SslResult.Moved(0)) : Leave(Explain(returned));
    }

    public readonly SslResult Read(ISslHost host, Span<byte> into)
    {
        Debug.Assert(!into.IsEmpty);
        Enter(host);
        int returned;
        fixed (byte* buffer = into)
        {
            returned = LibSsl.SSL_read(_ssl, buffer, into.Length);
        }

        return returned > 0 ? Leave(SslResult.Moved(returned)) : Leave(Explain(returned));
    }

    /// <summary>Encrypts; with the host as receiver of the records all of it (a record is 16,384 bytes at most).</summary>
    public readonly SslResult Write(ISslHost host, ReadOnlySpan<byte> bytes)
    {
        Debug.Assert(!bytes.IsEmpty);
        Enter(host);
        int returned;
        fixed (byte* buffer = bytes)
        {
            returned = LibSsl.SSL_write(_ssl, buffer, bytes.Length);
        }

        return returned > 0 ? Leave(SslResult.Moved(returned)) : Leave(Explain(returned));
    }

    /// <summary>As <see cref="Write(ISslHost, ReadOnlySpan{byte})"/>, while an answer to <see cref="TryRequestCertificate"/> is awaited: OpenSSL may have to read the rest of it first.</summary>
    public readonly SslResult Write(ISslHost host, ReadOnlySpan<byte> bytes, out bool isAnswered)
    {
        SslCallbacks.PeerFinished = false;
        SslResult result = Write(host, bytes);
        isAnswered = TakePeerFinished();
        return result;
    }

    /// <summary>Asks the client for a certificate in the middle of the connection: post-handshake authentication, RFC 8446 section 4.6.2. False: the client cannot.</summary>
    public readonly bool TryRequestCertificate(ISslHost host)
    {
        Enter(host);
        LibSsl.SSL_set_verify(_ssl, OpenSslConstants.VerifyPeer, null);
        LibSsl.SSL_set_msg_callback(_ssl, &SslCallbacks.NoteMessage);
        bool isAsked = LibSsl.SSL_verify_client_post_handshake(_ssl) == 1 && LibSsl.SSL_do_handshake(_ssl) == 1;
        LibCrypto.ERR_clear_error();
        SslCallbacks.Host = null;
        return isAsked;
    }

    /// <summary>Takes in what the peer has sent, without taking content out.</summary>
    /// <param name="host">The connection.</param>
    /// <param name="isAnswered">The handshake that <see cref="TryRequestCertificate"/> began is over.</param>
    /// <returns>Done: content stands in the way, and what is behind it is not looked at.</returns>
    public readonly SslResult Look(ISslHost host, out bool isAnswered)
    {
        Enter(host);
        SslCallbacks.PeerFinished = false;
        byte content;
        int returned = LibSsl.SSL_peek(_ssl, &content, 1);
        isAnswered = SslCallbacks.PeerFinished;
        SslResult result = Leave(returned > 0 ? SslResult.Moved(returned) : Explain(returned));
        if (isAnswered)
        {
            LibSsl.SSL_set_msg_callback(_ssl, null);
        }

        return result;
    }

    /// <summary>As <see cref="Read(ISslHost, Span{byte})"/>, while an answer to <see cref="TryRequestCertificate"/> is awaited, which may stand behind the content.</summary>
    public readonly SslResult Read(ISslHost host, Span<byte> into, out bool isAnswered)
    {
        SslCallbacks.PeerFinished = false;
        SslResult result = Read(host, into);
        isAnswered = TakePeerFinished();
        return result;
    }

    private readonly bool TakePeerFinished()
    {
        if (SslCallbacks.PeerFinished)
        {
            LibSsl.SSL_set_msg_callback(_ssl, null);
        }

        return SslCallbacks.PeerFinished;
    }

    /// <summary>Sends close_notify, once.</summary>
    public readonly void Shutdown(ISslHost host)
    {
        Enter(host);
        _ = LibSsl.SSL_shutdown(_ssl);
        LibCrypto.ERR_clear_error();
        SslCallbacks.Host = null;
    }

    /// <summary>Frees the session; its keys are cleared by OpenSSL.</summary>
    public void Free()
    {
        Debug.Assert(_ssl != 0);
        LibSsl.SSL_free(_ssl);
        _ssl = 0;
    }

    // ---- What was agreed, after the handshake ---------------------------------------------------------------

    /// <summary><c>TLS1_2_VERSION</c> and the like: 0x303 is TLS 1.2.</summary>
    public readonly int Version => LibSsl.SSL_version(_ssl);

    /// <summary>IANA's number; 0: none yet.</summary>
    public readonly ushort CipherSuite
    {
        get
        {
            nint cipher = LibSsl.SSL_get_current_cipher(_ssl);
            return cipher == 0 ? (ushort)0 : LibSsl.SSL_CIPHER_get_protocol_id(cipher);
        }
    }

    public readonly bool IsResumed => LibSsl.SSL_session_reused(_ssl) != 0;

    /// <summary>Empty: none. Valid until the session is freed.</summary>
    public readonly ReadOnlySpan<byte> ApplicationProtocol
    {
        get
        {
            byte* data = null;
            uint length = 0;
            LibSsl.SSL_get0_alpn_selected(_ssl, &data, &length);
            return new ReadOnlySpan<byte>(data, (int)length);
        }
    }

    /// <summary>DER of the certificate that the client presented, now or in the session that was resumed; null: none.</summary>
    public readonly byte[]? GetPeerCertificate()
    {
        nint certificate = LibSsl.SSL_get1_peer_certificate(_ssl);
        if (certificate == 0)
        {
            return null;
        }

        try
        {
            return ToDer(certificate);
        }
        finally
        {
            LibCrypto.X509_free(certificate);
        }
    }

    /// <summary>The issuers that came with it, as DER.</summary>
    public readonly List<byte[]> GetPeerIssuers()
    {
        // A certificate that came on this connection, perhaps after a handshake that resumed, or a session from the cache: the chain is there.
        if (PackChain(LibSsl.SSL_get_peer_cert_chain(_ssl)) is { Length: > 0 } chain)
        {
            return Unpack(chain);
        }

        nint session = LibSsl.SSL_get_session(_ssl);
        void* data = null;
        nuint length = 0;
        return session != 0 && LibSsl.SSL_SESSION_get0_ticket_appdata(session, &data, &length) == 1 && data is not null
            ? Unpack(new ReadOnlySpan<byte>(data, (int)length))
            : [];
    }

    internal static byte[] ToDer(nint certificate)
    {
        int length = LibCrypto.i2d_X509(certificate, null);
        byte[] der = new byte[Math.Max(0, length)];
        fixed (byte* start = der)
        {
            byte* next = start;
            _ = length > 0 ? LibCrypto.i2d_X509(certificate, &next) : 0;
        }

        return der;
    }

    /// <summary>Certificates of an OpenSSL stack, each with its length in four bytes before it.</summary>
    internal static byte[] PackChain(nint stack)
    {
        List<byte> packed = [];
        int count = stack == 0 ? 0 : LibCrypto.OPENSSL_sk_num(stack);
        Span<byte> prefix = stackalloc byte[sizeof(int)];
        for (int i = 0; i < count; i++)
        {
            byte[] der = ToDer(LibCrypto.OPENSSL_sk_value(stack, i));
            BinaryPrimitives.WriteInt32BigEndian(prefix, der.Length);
            packed.AddRange(prefix);
            packed.AddRange(der);
        }

        return [.. packed];
    }

    internal static List<byte[]> Unpack(ReadOnlySpan<byte> packed)
    {
        List<byte[]> certificates = [];
        while (packed.Length > sizeof(int) && BinaryPrimitives.ReadInt32BigEndian(packed) is var length && length > 0 && length <= packed.Length - sizeof(int))
        {
            certificates.Add(packed.Slice(sizeof(int), length).ToArray());
            packed = packed[(sizeof(int) + length)..];
        }

        return certificates;
    }

    private static void Enter(ISslHost host)
    {
        Debug.Assert(SslCallbacks.Host is null);
        LibCrypto.ERR_clear_error();
        SslCallbacks.Host = host;
    }

    private static SslResult Leave(SslResult result)
    {
        SslCallbacks.Host = null;
        return result;
    }

    private readonly SslResult Explain(int returned)
    {
        switch (LibSsl.SSL_get_error(_ssl, returned))
        {
            case OpenSslConstants.ErrorWantRead:
                return SslResult.Of(SslStep.WantRead);
            case OpenSslConstants.ErrorWantWrite:
                return SslResult.Of(SslStep.WantWrite);
            case OpenSslConstants.ErrorZeroReturn:
                return SslResult.Of(SslStep.Closed);
            default:
                uint error = (uint)LibCrypto.ERR_get_error();
                LibCrypto.ERR_clear_error();
                return SslResult.Failed(error);
        }
    }
}
