using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;

namespace Aeronet.TestSupport.Tls;

/// <summary>OpenSSL's client between two buffers of memory: the test carries its records, when and in what pieces it likes.</summary>
internal sealed class ScriptedTlsClient : IDisposable
{
    private const int ErrorWantRead = 2;
    private const int CtrlSetServerName = 55;
    private const int CtrlSetMinVersion = 123;
    private const int CtrlSetMaxVersion = 124;
    private const nint NameTypeHost = 0;
    private const int FileTypePem = 1;

    private readonly nint _context;
    private readonly nint _ssl;
    private readonly nint _incoming;
    private readonly nint _outgoing;

    /// <param name="version">0x303 for TLS 1.2, 0x304 for TLS 1.3.</param>
    /// <param name="certificate">Shown when the server asks, also after the handshake.</param>
    /// <param name="applicationProtocol">Offered; null: none.</param>
    /// <param name="chain">Sent behind the certificate.</param>
    public ScriptedTlsClient(int version = 0x304, X509Certificate2? certificate = null, string? applicationProtocol = null, IEnumerable<X509Certificate2>? chain = null)
    {
        _context = SSL_CTX_new(TLS_client_method());
        Check(SSL_CTX_ctrl(_context, CtrlSetMinVersion, version, 0));
        Check(SSL_CTX_ctrl(_context, CtrlSetMaxVersion, version, 0));
        if (certificate is not null)
        {
            Use(certificate, chain ?? []);
            SSL_CTX_set_post_handshake_auth(_context, 1);
        }

        if (applicationProtocol is not null)
        {
            byte[] offer = [(byte)applicationProtocol.Length, .. Encoding.ASCII.GetBytes(applicationProtocol)];
            Check(SSL_CTX_set_alpn_protos(_context, offer, (uint)offer.Length) == 0 ? 1 : 0);
        }

        _ssl = SSL_new(_context);
        _incoming = BIO_new(BIO_s_mem());
        _outgoing = BIO_new(BIO_s_mem());
        _ = BIO_ctrl(_incoming, 130, -1, 0); // BIO_C_SET_BUF_MEM_EOF_RETURN: empty means "not yet"
        SSL_set_bio(_ssl, _incoming, _outgoing);
        byte[] name = [.. "localhost"u8, 0];
        Check(SSL_ctrl(_ssl, CtrlSetServerName, NameTypeHost, name));
        SSL_set_connect_state(_ssl);
    }

    /// <summary>Records of the server.</summary>
    public void Feed(ReadOnlySpan<byte> records)
    {
        byte[] bytes = records.ToArray();
        if (bytes.Length > 0 && BIO_write(_incoming, bytes, bytes.Length) != bytes.Length)
        {
            throw new InvalidOperationException("BIO_write");
        }
    }

    /// <summary>What the client has to send now.</summary>
    public byte[] Take()
    {
        using MemoryStream all = new();
        byte[] buffer = new byte[4096];
        while (BIO_read(_outgoing, buffer, buffer.Length) is var count && count > 0)
        {
            all.Write(buffer, 0, count);
        }

        return all.ToArray();
    }

    /// <summary>One step of the handshake. True: it is over.</summary>
    public bool Handshake() => IsDone(SSL_do_handshake(_ssl));

    public void Write(string text) => Write(Encoding.Latin1.GetBytes(text));

    public void Write(byte[] bytes)
    {
        if (SSL_write(_ssl, bytes, bytes.Length) != bytes.Length)
        {
            throw new CryptographicException("SSL_write");
        }
    }

    /// <summary>All content that has come, and whatever else of records.</summary>
    public string Read()
    {
        StringBuilder all = new();
        byte[] buffer = new byte[16_384];
        int count;
        while ((count = SSL_read(_ssl, buffer, buffer.Length)) > 0)
        {
            all.Append(Encoding.Latin1.GetString(buffer, 0, count));
        }

        _ = IsDone(count);
        return all.ToString();
    }

    /// <summary>One KeyUpdate record.</summary>
    /// <param name="isAnswerWanted">The server is asked to change its keys, too.</param>
    public void UpdateKey(bool isAnswerWanted = false)
    {
        Check(SSL_key_update(_ssl, isAnswerWanted ? 1 : 0));
        Check(SSL_do_handshake(_ssl));
    }

    /// <summary>close_notify.</summary>
    public void Shutdown() => _ = SSL_shutdown(_ssl);

    public void Dispose()
    {
        SSL_free(_ssl);
        SSL_CTX_free(_context);
    }

    private void Use(X509Certificate2 certificate, IEnumerable<X509Certificate2> chain)
    {
        string folder = Directory.CreateTempSubdirectory("aeronet").FullName;
        try
        {
            string pem = Path.Combine(folder, "client.pem");
            using ECDsa key = certificate.GetECDsaPrivateKey() ?? throw new InvalidOperationException("The client's key must be on a curve.");
            string sent = string.Join("\n", chain.Prepend(certificate).Select(static one => one.ExportCertificatePem()));
            File.WriteAllText(pem, sent + "\n" + key.ExportECPrivateKeyPem() + "\n");
            Check(SSL_CTX_use_certificate_chain_file(_context, pem));
            Check(SSL_CTX_use_PrivateKey_file(_context, pem, FileTypePem));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private bool IsDone(int result)
    {
        if (result > 0)
        {
            return true;
        }

        int error = SSL_get_error(_ssl, result);
        return error is ErrorWantRead or 6 ? false : throw new CryptographicException($"The client fails: SSL_get_error says {error}."); // 6: close_notify
    }

    private static void Check(nint result)
    {
        if (result <= 0)
        {
            throw new CryptographicException("OpenSSL refused.");
        }
    }

    private const string Ssl = "libssl.so.3";
    private const string Crypto = "libcrypto.so.3";

#pragma warning disable SYSLIB1054, CA5392, CA2101 // a test's own declarations: the generator would want unsafe code in this assembly
    [DllImport(Ssl)]
    private static extern nint TLS_client_method();

    [DllImport(Ssl)]
    private static extern nint SSL_CTX_new(nint method);

    [DllImport(Ssl)]
    private static extern void SSL_CTX_free(nint context);

    [DllImport(Ssl)]
    private static extern nint SSL_CTX_ctrl(nint context, int command, nint value, nint pointer);

    [DllImport(Ssl)]
    private static extern void SSL_CTX_set_post_handshake_auth(nint context, int value);

    [DllImport(Ssl)]
    private static extern int SSL_CTX_set_alpn_protos(nint context, byte[] protocols, uint length);

    [DllImport(Ssl, CharSet = CharSet.Ansi, BestFitMapping = false)]
    private static extern int SSL_CTX_use_certificate_chain_file(nint context, string file);

    [DllImport(Ssl, CharSet = CharSet.Ansi, BestFitMapping = false)]
    private static extern int SSL_CTX_use_PrivateKey_file(nint context, string file, int type);

    [DllImport(Ssl)]
    private static extern nint SSL_new(nint context);

    [DllImport(Ssl)]
    private static extern void SSL_free(nint ssl);

    [DllImport(Ssl)]
    private static extern nint SSL_ctrl(nint ssl, int command, nint value, byte[] pointer);

    [DllImport(Ssl)]
    private static extern void SSL_set_bio(nint ssl, nint incoming, nint outgoing);

    [DllImport(Ssl)]
    private static extern void SSL_set_connect_state(nint ssl);

    [DllImport(Ssl)]
    private static extern int SSL_do_handshake(nint ssl);

    [DllImport(Ssl)]
    private static extern int SSL_read(nint ssl, byte[] into, int count);

    [DllImport(Ssl)]
    private static extern int SSL_write(nint ssl, byte[] bytes, int count);

    [DllImport(Ssl)]
    private static extern int SSL_key_update(nint ssl, int type);

    [DllImport(Ssl)]
    private static extern int SSL_shutdown(nint ssl);

    [DllImport(Ssl)]
    private static extern int SSL_get_error(nint ssl, int result);

    [DllImport(Crypto)]
    private static extern nint BIO_s_mem();

    [DllImport(Crypto)]
    private static extern nint BIO_new(nint method);

    [DllImport(Crypto)]
    private static extern nint BIO_ctrl(nint bio, int command, nint value, nint pointer);

    [DllImport(Crypto)]
    private static extern int BIO_write(nint bio, byte[] bytes, int count);

    [DllImport(Crypto)]
    private static extern int BIO_read(nint bio, byte[] into, int count);
#pragma warning restore SYSLIB1054, CA5392, CA2101
}
