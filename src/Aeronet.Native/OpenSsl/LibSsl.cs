using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;

namespace Aeronet.Native.OpenSsl;

/// <summary>Functions of libssl as they are; only the wrappers of this folder call them.</summary>
[SuppressMessage("Style", "IDE1006", Justification = "Names exactly as in C.")]
internal static unsafe partial class LibSsl
{
    internal const string Name = "libssl.so.3";

    [LibraryImport(Name)] internal static partial nint TLS_server_method();
    [LibraryImport(Name)] internal static partial nint SSL_CTX_new(nint method);
    [LibraryImport(Name)] internal static partial void SSL_CTX_free(nint ctx);
    [LibraryImport(Name)] internal static partial nint SSL_CTX_ctrl(nint ctx, int cmd, nint larg, void* parg);
    [LibraryImport(Name)] internal static partial nint SSL_CTX_callback_ctrl(nint ctx, int cmd, void* callback);
    [LibraryImport(Name)] internal static partial ulong SSL_CTX_set_options(nint ctx, ulong options);
    [LibraryImport(Name)] internal static partial int SSL_CTX_set_cipher_list(nint ctx, byte* str);
    [LibraryImport(Name)] internal static partial int SSL_CTX_set_ciphersuites(nint ctx, byte* str);
    [LibraryImport(Name)] internal static partial int SSL_CTX_use_certificate(nint ctx, nint x);
    [LibraryImport(Name)] internal static partial int SSL_CTX_use_PrivateKey(nint ctx, nint pkey);
    [LibraryImport(Name)] internal static partial int SSL_CTX_check_private_key(nint ctx);
    [LibraryImport(Name)] internal static partial int SSL_CTX_add_client_CA(nint ctx, nint x);
    [LibraryImport(Name)] internal static partial void SSL_CTX_set_verify(nint ctx, int mode, void* callback);
    [LibraryImport(Name)] internal static partial void SSL_CTX_set_cert_verify_callback(nint ctx, delegate* unmanaged<nint, void*, int> callback, void* arg);
    [LibraryImport(Name)] internal static partial int SSL_CTX_set_session_id_context(nint ctx, byte* sid_ctx, uint sid_ctx_len);
    [LibraryImport(Name)] internal static partial nint SSL_CTX_set_timeout(nint ctx, nint t);
    [LibraryImport(Name)] internal static partial int SSL_CTX_set_num_tickets(nint ctx, nuint num_tickets);
    [LibraryImport(Name)] internal static partial void SSL_CTX_set_alpn_select_cb(nint ctx, delegate* unmanaged<nint, byte**, byte*, byte*, uint, void*, int> cb, void* arg);
    [LibraryImport(Name)] internal static partial int SSL_CTX_set_tlsext_ticket_key_evp_cb(nint ctx, delegate* unmanaged<nint, byte*, byte*, nint, nint, int, int> fp);
    [LibraryImport(Name)] internal static partial void SSL_CTX_set_keylog_callback(nint ctx, delegate* unmanaged<nint, byte*, void> cb);
    [LibraryImport(Name)] internal static partial int SSL_CTX_set_session_ticket_cb(nint ctx, delegate* unmanaged<nint, void*, int> gen_cb, delegate* unmanaged<nint, nint, byte*, nuint, int, void*, int> dec_cb, void* arg);

    [LibraryImport(Name)] internal static partial nint SSL_new(nint ctx);
    [LibraryImport(Name)] internal static partial void SSL_free(nint ssl);
    [LibraryImport(Name)] internal static partial nint SSL_ctrl(nint ssl, int cmd, nint larg, void* parg);
    [LibraryImport(Name)] internal static partial void SSL_set_bio(nint ssl, nint rbio, nint wbio);
    [LibraryImport(Name)] internal static partial void SSL_set_accept_state(nint ssl);
    [LibraryImport(Name)] internal static partial int SSL_do_handshake(nint ssl);
    [LibraryImport(Name)] internal static partial int SSL_read(nint ssl, void* buf, int num);
    [LibraryImport(Name)] internal static partial int SSL_peek(nint ssl, void* buf, int num);
    [LibraryImport(Name)] internal static partial void SSL_set_msg_callback(nint ssl, delegate* unmanaged<int, int, int, byte*, nuint, nint, void*, void> cb);
    [LibraryImport(Name)] internal static partial int SSL_write(nint ssl, void* buf, int num);
    [LibraryImport(Name)] internal static partial ulong SSL_clear_options(nint ssl, ulong options);
    [LibraryImport(Name)] internal static partial int SSL_get_key_update_type(nint s);
    [LibraryImport(Name)] internal static partial nint SSL_sendfile(nint ssl, int fd, nint offset, nuint size, int flags);
    [LibraryImport(Name)] internal static partial int SSL_shutdown(nint ssl);
    [LibraryImport(Name)] internal static partial int SSL_get_error(nint ssl, int ret);
    [LibraryImport(Name)] internal static partial int SSL_has_pending(nint ssl);
    [LibraryImport(Name)] internal static partial int SSL_version(nint ssl);
    [LibraryImport(Name)] internal static partial nint SSL_get_current_cipher(nint ssl);
    [LibraryImport(Name)] internal static partial ushort SSL_CIPHER_get_protocol_id(nint cipher);
    [LibraryImport(Name)] internal static partial int SSL_session_reused(nint ssl);
    [LibraryImport(Name)] internal static partial void SSL_get0_alpn_selected(nint ssl, byte** data, uint* len);
    [LibraryImport(Name)] internal static partial nint SSL_get1_peer_certificate(nint ssl);
    [LibraryImport(Name)] internal static partial nint SSL_get_peer_cert_chain(nint ssl);
    [LibraryImport(Name)] internal static partial nint SSL_get_certificate(nint ssl);
    [LibraryImport(Name)] internal static partial nint SSL_get_session(nint ssl);
    [LibraryImport(Name)] internal static partial int SSL_SESSION_set1_ticket_appdata(nint session, void* data, nuint len);
    [LibraryImport(Name)] internal static partial int SSL_SESSION_get0_ticket_appdata(nint session, void** data, nuint* len);
    [LibraryImport(Name)] internal static partial void SSL_set_verify(nint ssl, int mode, void* callback);
    [LibraryImport(Name)] internal static partial int SSL_verify_client_post_handshake(nint ssl);
}
