using System;
using System.Runtime.InteropServices;

namespace Aeronet.AB.Load;

/// <summary>How a load client's connections are encrypted.</summary>
internal enum TlsUse
{
    None,

    /// <summary>TLS 1.3, every handshake a full one. The server's certificate is not checked: that is the client's cost.</summary>
    Full,

    /// <summary>TLS 1.3, with a ticket of the server from the second connection on.</summary>
    Resumed,
}

/// <summary>TLS of the load client, straight on libssl: the least that a client can cost. One thread.</summary>
internal sealed unsafe partial class TlsClient : IDisposable
{
    private const string Library = "libssl.so.3";
    private const int ControlMode = 33, ModePartialWrite = 1, ModeMovingBuffer = 2, ModeReleaseBuffers = 16;
    private const int ControlMinProtocol = 123, Tls13 = 0x304, ControlCacheMode = 44, CacheClientNoInternal = 1 | 0x300, ControlReadAhead = 41;
    private const int WantRead = 2, WantWrite = 3, ZeroReturn = 6;

    private static nint s_ticket; // SSL_SESSION of the newest ticket; one run at a time resumes

    private readonly nint _context;
    private readonly bool _resumes;

    public TlsClient(TlsUse use)
    {
        _resumes = use == TlsUse.Resumed;
        _context = SSL_CTX_new(TLS_client_method());
        SSL_CTX_ctrl(_context, ControlMinProtocol, Tls13, null);
        SSL_CTX_ctrl(_context, ControlMode, ModePartialWrite | ModeMovingBuffer | ModeReleaseBuffers, null);
        SSL_CTX_ctrl(_context, ControlReadAhead, 1, null);
        if (_resumes)
        {
            SSL_CTX_ctrl(_context, ControlCacheMode, CacheClientNoInternal, null);
            SSL_CTX_sess_set_new_cb(_context, &KeepTicket);
        }
    }

    /// <summary>The session of a socket that is connecting.</summary>
    public nint Begin(int socket)
    {
        nint ssl = SSL_new(_context);
        _ = SSL_set_fd(ssl, socket);
        SSL_set_connect_state(ssl);
        if (_resumes && s_ticket != 0)
        {
            _ = SSL_set_session(ssl, s_ticket);
        }

        return ssl;
    }

    public static bool IsResumed(nint ssl) => SSL_session_reused(ssl) != 0;

    public static void End(nint ssl)
    {
        _ = SSL_shutdown(ssl); // without it the ticket counts as spoilt
        SSL_free(ssl);
    }

    /// <summary>As <see cref="Libc.Receive"/>; a short result does not mean that nothing more is there.</summary>
    public static int Receive(nint ssl, byte* into, int length)
    {
        ERR_clear_error();
        int received = SSL_read(ssl, into, length);
        return received > 0 ? received : AsResult(ssl, received);
    }

    /// <summary>As <see cref="Libc.Send"/>; goes on with the handshake first.</summary>
    public static int Send(nint ssl, byte* from, int length)
    {
        ERR_clear_error();
        int sent = SSL_write(ssl, from, length);
        return sent > 0 ? sent : AsResult(ssl, sent);
    }

    public void Dispose()
    {
        SSL_CTX_free(_context);
        if (s_ticket != 0)
        {
            SSL_SESSION_free(s_ticket);
            s_ticket = 0;
        }
    }

    private static int AsResult(nint ssl, int returned) => SSL_get_error(ssl, returned) switch
    {
        WantRead or WantWrite => Libc.TryAgain,
        ZeroReturn => 0,
        _ => Libc.Broken,
    };

    [UnmanagedCallersOnly]
    private static int KeepTicket(nint ssl, nint session)
    {
        if (s_ticket != 0)
        {
            SSL_SESSION_free(s_ticket);
        }

        s_ticket = session;
        return 1; // the reference is ours now
    }

    [LibraryImport(Library)]
    private static partial nint TLS_client_method();

    [LibraryImport(Library)]
    private static partial nint SSL_CTX_new(nint method);

    [LibraryImport(Library)]
    private static partial void SSL_CTX_free(nint context);

    [LibraryImport(Library)]
    private static partial nint SSL_CTX_ctrl(nint context, int command, nint number, void* pointer);

    [LibraryImport(Library)]
    private static partial void SSL_CTX_sess_set_new_cb(nint context, delegate* unmanaged<nint, nint, int> callback);

    [LibraryImport(Library)]
    private static partial nint SSL_new(nint context);

    [LibraryImport(Library)]
    private static partial void SSL_free(nint ssl);

    [LibraryImport(Library)]
    private static partial int SSL_set_fd(nint ssl, int descriptor);

    [LibraryImport(Library)]
    private static partial void SSL_set_connect_state(nint ssl);

    [LibraryImport(Library)]
    private static partial int SSL_set_session(nint ssl, nint session);

    [LibraryImport(Library)]
    private static partial void SSL_SESSION_free(nint session);

    [LibraryImport(Library)]
    private static partial int SSL_session_reused(nint ssl);

    [LibraryImport(Library)]
    private static partial int SSL_read(nint ssl, void* into, int length);

    [LibraryImport(Library)]
    private static partial int SSL_write(nint ssl, void* from, int length);

    [LibraryImport(Library)]
    private static partial int SSL_shutdown(nint ssl);

    [LibraryImport(Library)]
    private static partial int SSL_get_error(nint ssl, int returned);

    [LibraryImport("libcrypto.so.3")]
    private static partial void ERR_clear_error();
}
