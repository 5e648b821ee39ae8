using System;
using System.Diagnostics;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Aeronet.Native.OpenSsl;

/// <summary>An <c>SSL_CTX</c> of a server: never changed after it was made, shared by the sessions made from it, freed when the last of them and its owner are gone.</summary>
internal sealed unsafe class SslContext : SafeHandleZeroOrMinusOneIsInvalid
{
    private SslContext(SslContextOptions options)
        : base(ownsHandle: true) => Options = options;

    internal SslContextOptions Options { get; }

    /// <exception cref="SslContextException">OpenSSL refuses a certificate, a key or a cipher list.</exception>
    public static SslContext Create(SslContextOptions options)
    {
        Debug.Assert(OpenSslLibrary.Fault is null);
        Debug.Assert(options.SessionContext.Length is > 0 and <= 32);
        LibCrypto.ERR_clear_error();
        SslContext context = new(options);
        try
        {
            context.SetHandle(LibSsl.SSL_CTX_new(LibSsl.TLS_server_method()));
            if (context.IsInvalid)
            {
                throw Refused("SSL_CTX_new");
            }

            context.SetProtocols();
            context.SetCiphers();
            foreach (SslCertificate certificate in options.Certificates)
            {
                context.Use(certificate);
            }

            context.SetClientCertificates();
            context.SetResumption();
            context.SetCallbacks();
            return context;
        }
        catch
        {
            context.Dispose();
            throw;
        }
        finally
        {
            LibCrypto.ERR_clear_error();
        }
    }

    /// <summary>A new session with a memory of one object of this context, or zero. The caller frees it.</summary>
    internal nint NewSession()
    {
        Debug.Assert(!IsClosed);
        return LibSsl.SSL_new(handle);
    }

    protected override bool ReleaseHandle()
    {
        LibSsl.SSL_CTX_free(handle); // counted by OpenSSL: sessions hold it longer
        return true;
    }

    private void SetProtocols()
    {
        ulong options = OpenSslConstants.OptionNoCompression | OpenSslConstants.OptionNoRenegotiation
            | OpenSslConstants.OptionCipherServerPreference | OpenSslConstants.OptionPrioritizeChaCha;
        options |= Options.Tls10 ? 0 : OpenSslConstants.OptionNoTls1;
        options |= Options.Tls11 ? 0 : OpenSslConstants.OptionNoTls11;
        options |= Options.Tls12 ? 0 : OpenSslConstants.OptionNoTls12;
        options |= Options.Tls13 ? 0 : OpenSslConstants.OptionNoTls13;
        options |= Options.OffersSendKey ? OpenSslConstants.OptionEnableKernelTls : 0;
        LibSsl.SSL_CTX_set_options(handle, options);
        // Against a system-wide openssl.cnf: what was configured here is what holds.
        int min = Options.Tls10 ? OpenSslConstants.Tls10 : Options.Tls11 ? OpenSslConstants.Tls11 : Options.Tls12 ? OpenSslConstants.Tls12 : OpenSslConstants.Tls13;
        int max = Options.Tls13 ? OpenSslConstants.Tls13 : Options.Tls12 ? OpenSslConstants.Tls12 : Options.Tls11 ? OpenSslConstants.Tls11 : OpenSslConstants.Tls10;
        Require(LibSsl.SSL_CTX_ctrl(handle, OpenSslConstants.CtrlSetMinProtocol, min, null) == 1, "the lowest protocol version");
        Require(LibSsl.SSL_CTX_ctrl(handle, OpenSslConstants.CtrlSetMaxProtocol, max, null) == 1, "the highest protocol version");
        LibSsl.SSL_CTX_ctrl(handle, OpenSslConstants.CtrlMode, OpenSslConstants.ModeAcceptMovingWriteBuffer | OpenSslConstants.ModeReleaseBuffers, null);
        // Without it every record costs two receives: five bytes of header, then the rest.
        LibSsl.SSL_CTX_ctrl(handle, OpenSslConstants.CtrlSetReadAhead, 1, null);
    }

    private void SetCiphers()
    {
        if (Options.CipherList is { } list)
        {
            fixed (byte* text = ToC(list))
            {
                Require(LibSsl.SSL_CTX_set_cipher_list(handle, text) == 1, $"the cipher list \"{list}\"");
            }
        }

        if (Options.CipherSuites is { } suites)
        {
            fixed (byte* text = ToC(suites))
            {
                Require(LibSsl.SSL_CTX_set_ciphersuites(handle, text) == 1, $"the TLS 1.3 cipher suites \"{suites}\"");
            }
        }
    }

    private void Use(SslCertificate certificate)
    {
        nint leaf = Parse(certificate.Leaf, "the certificate");
        try
        {
            Require(LibSsl.SSL_CTX_use_certificate(handle, leaf) == 1, "the certificate");
        }
        finally
        {
            LibCrypto.X509_free(leaf);
        }

        UseKey(certificate.PrivateKey);
        Require(LibSsl.SSL_CTX_check_private_key(handle) == 1, "the private key: it does not belong to the certificate");
        foreach (byte[] der in certificate.Chain)
        {
            nint issuer = Parse(der, "a certificate of the chain");
            try
            {
                // add1: the context takes a reference of its own. It belongs to the certificate used last.
                Require(LibSsl.SSL_CTX_ctrl(handle, OpenSslConstants.CtrlChainCertificate, 1, (void*)issuer) == 1, "a certificate of the chain");
            }
            finally
            {
                LibCrypto.X509_free(issuer);
            }
        }
    }

    private void UseKey(byte[] pkcs8)
    {
        nint key = 0;
        fixed (byte* start = pkcs8)
        {
            byte* next = start;
            nint info = LibCrypto.d2i_PKCS8_PRIV_KEY_INFO(null, &next, pkcs8.Length);
            if (info != 0)
            {
                key = LibCrypto.EVP_PKCS82PKEY(info);
                LibCrypto.PKCS8_PRIV_KEY_INFO_free(info); // clears its copy of the key
            }
        }

        Require(key != 0, "the private key");
        try
        {
            // The context has a reference of its own then; OpenSSL clears the key's memory when the last one goes.
            Require(LibSsl.SSL_CTX_use_PrivateKey(handle, key) == 1, "the private key");
        }
        finally
        {
            LibCrypto.EVP_PKEY_free(key);
        }
    }

    private void SetClientCertificates()
    {
        foreach (byte[] der in Options.ClientAuthorities)
        {
            nint authority = Parse(der, "a trusted authority for client certificates");
            try
            {
                Require(LibSsl.SSL_CTX_add_client_CA(handle, authority) == 1, "a trusted authority for client certificates");
            }
            finally
            {
                LibCrypto.X509_free(authority);
            }
        }

        int mode = Options.RequestsClientCertificate ? OpenSslConstants.VerifyPeer : OpenSslConstants.VerifyNone;
        mode |= Options.RequiresClientCertificate ? OpenSslConstants.VerifyFailIfNoPeerCertificate : 0;
        LibSsl.SSL_CTX_set_verify(handle, mode, null);
        LibSsl.SSL_CTX_set_cert_verify_callback(handle, &SslCallbacks.Verify, null);
    }

    private void SetResumption()
    {
        fixed (byte* bytes = Options.SessionContext)
        {
            Require(LibSsl.SSL_CTX_set_session_id_context(handle, bytes, (uint)Options.SessionContext.Length) == 1, "the session context");
        }

        LibSsl.SSL_CTX_set_timeout(handle, Options.SessionSeconds);
        bool caches = Options.AllowsResumption && Options.SessionCacheSize > 0;
        LibSsl.SSL_CTX_ctrl(handle, OpenSslConstants.CtrlSetSessionCacheMode, caches ? OpenSslConstants.SessionCacheServer : OpenSslConstants.SessionCacheOff, null);
        if (caches)
        {
            LibSsl.SSL_CTX_ctrl(handle, OpenSslConstants.CtrlSetSessionCacheSize, Options.SessionCacheSize, null);
        }

        if (!Options.AllowsResumption)
        {
            // In TLS 1.3 NO_TICKET alone still resumes statefully: no ticket of either kind may be sent.
            LibSsl.SSL_CTX_set_options(handle, OpenSslConstants.OptionNoTicket);
            Require(LibSsl.SSL_CTX_set_num_tickets(handle, 0) == 1, "no session tickets");
            return;
        }

        // Two, as everywhere: a client that opens two connections at once uses each ticket once (RFC 8446 appendix C.4).
        Require(LibSsl.SSL_CTX_set_num_tickets(handle, 2) == 1, "the number of session tickets");
        if (Options.TicketKeys is not null)
        {
            Require(LibSsl.SSL_CTX_set_tlsext_ticket_key_evp_cb(handle, &SslCallbacks.TicketKey) == 1, "the callback for ticket keys");
        }

        if (Options.RequestsClientCertificate)
        {
            Require(LibSsl.SSL_CTX_set_session_ticket_cb(handle, &SslCallbacks.NewTicket, null, null) == 1, "the callback for new tickets");
        }
    }

    private void SetCallbacks()
    {
        if (Options.ApplicationProtocols.Length > 0)
        {
            LibSsl.SSL_CTX_set_alpn_select_cb(handle, &SslCallbacks.SelectApplicationProtocol, null);
        }

        if (Options.FindStaple is not null)
        {
            delegate* unmanaged<nint, void*, int> callback = &SslCallbacks.StatusRequest;
            LibSsl.SSL_CTX_callback_ctrl(handle, OpenSslConstants.CtrlSetStatusRequestCallback, callback);
        }

        if (Options.KeyLog is not null)
        {
            LibSsl.SSL_CTX_set_keylog_callback(handle, &SslCallbacks.LogKey);
        }
    }

    private static nint Parse(byte[] der, string what)
    {
        fixed (byte* start = der)
        {
            byte* next = start;
            nint parsed = LibCrypto.d2i_X509(null, &next, der.Length);
            Require(parsed != 0, what);
            return parsed;
        }
    }

    private static byte[] ToC(string text) => [.. Encoding.ASCII.GetBytes(text), 0];

    private static void Require(bool accepted, string what)
    {
        if (!accepted)
        {
            throw Refused(what);
        }
    }

    private static SslContextException Refused(string what)
    {
        uint error = (uint)LibCrypto.ERR_get_error();
        return new SslContextException(error == 0 ? $"OpenSSL does not accept {what}." : $"OpenSSL does not accept {what}: {OpenSslLibrary.Describe(error)}.");
    }
}
