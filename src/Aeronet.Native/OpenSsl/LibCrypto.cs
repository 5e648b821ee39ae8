using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;

namespace Aeronet.Native.OpenSsl;

/// <summary>Functions of libcrypto as they are; only the wrappers of this folder call them.</summary>
[SuppressMessage("Style", "IDE1006", Justification = "Names exactly as in C.")]
internal static unsafe partial class LibCrypto
{
    internal const string Name = "libcrypto.so.3";

    [LibraryImport(Name)] internal static partial nuint OpenSSL_version_num();
    [LibraryImport(Name)] internal static partial byte* OpenSSL_version(int type);

    [LibraryImport(Name)] internal static partial void ERR_clear_error();
    [LibraryImport(Name)] internal static partial nuint ERR_get_error();
    [LibraryImport(Name)] internal static partial nuint ERR_peek_error();
    [LibraryImport(Name)] internal static partial byte* ERR_reason_error_string(nuint e);

    [LibraryImport(Name)] internal static partial int BIO_get_new_index();
    [LibraryImport(Name)] internal static partial nint BIO_meth_new(int type, byte* name);
    [LibraryImport(Name)] internal static partial int BIO_meth_set_read(nint biom, delegate* unmanaged<nint, byte*, int, int> read);
    [LibraryImport(Name)] internal static partial int BIO_meth_set_write(nint biom, delegate* unmanaged<nint, byte*, int, int> write);
    [LibraryImport(Name)] internal static partial int BIO_meth_set_ctrl(nint biom, delegate* unmanaged<nint, int, nint, void*, nint> ctrl);
    [LibraryImport(Name)] internal static partial nint BIO_new(nint type);
    [LibraryImport(Name)] internal static partial nint BIO_new_socket(int sock, int close_flag);
    [LibraryImport(Name)] internal static partial int BIO_free(nint a);
    [LibraryImport(Name)] internal static partial void BIO_set_flags(nint b, int flags);
    [LibraryImport(Name)] internal static partial void BIO_clear_flags(nint b, int flags);
    [LibraryImport(Name)] internal static partial nint BIO_ctrl(nint bp, int cmd, nint larg, void* parg);

    [LibraryImport(Name)] internal static partial nint d2i_X509(nint* a, byte** input, nint length);
    [LibraryImport(Name)] internal static partial int i2d_X509(nint a, byte** output);
    [LibraryImport(Name)] internal static partial void X509_free(nint a);
    [LibraryImport(Name)] internal static partial nint d2i_PKCS8_PRIV_KEY_INFO(nint* a, byte** input, nint length);
    [LibraryImport(Name)] internal static partial void PKCS8_PRIV_KEY_INFO_free(nint a);
    [LibraryImport(Name)] internal static partial nint EVP_PKCS82PKEY(nint p8);
    [LibraryImport(Name)] internal static partial void EVP_PKEY_free(nint key);

    [LibraryImport(Name)] internal static partial int OPENSSL_sk_num(nint stack);
    [LibraryImport(Name)] internal static partial nint OPENSSL_sk_value(nint stack, int index);

    [LibraryImport(Name)] internal static partial void* CRYPTO_malloc(nuint num, byte* file, int line);
    [LibraryImport(Name)] internal static partial int RAND_bytes(byte* buf, int num);

    [LibraryImport(Name)] internal static partial nint EVP_aes_128_cbc();
    [LibraryImport(Name)] internal static partial nint EVP_aes_256_cbc();
    [LibraryImport(Name)] internal static partial int EVP_EncryptInit_ex(nint ctx, nint cipher, nint impl, byte* key, byte* iv);
    [LibraryImport(Name)] internal static partial int EVP_DecryptInit_ex(nint ctx, nint cipher, nint impl, byte* key, byte* iv);
    [LibraryImport(Name)] internal static partial int EVP_MAC_CTX_set_params(nint ctx, OsslParam* parameters);

    /// <summary><c>struct ossl_param_st</c></summary>
    internal struct OsslParam
    {
        internal byte* Key;
        internal uint DataType;
        internal void* Data;
        internal nuint DataSize;
        internal nuint ReturnSize;
    }
}
